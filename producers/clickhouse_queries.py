"""Asks ClickHouse, in bounds: so many questions at once, so long each, and none for a while after several have failed.

Reads of what is old are all that rests on it. Nothing that takes a command ever waits here.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Protocol, TypeVar

import msgspec
import structlog

from producers.history_store import StoreUnavailable

logger = structlog.get_logger()
RowT = TypeVar("RowT")

MAX_AT_ONCE = 8
SLOT_S = 0.5  # for a place among them
QUERY_S = 3.0
FAILURES = 3
PAUSE_S = 5.0
MISSING = {60, 81}  # UNKNOWN_TABLE, UNKNOWN_DATABASE: nothing was written yet


class Client(Protocol):
    """The part of clickhouse-connect's asynchronous client that is used here."""

    async def raw_query(
        self, query: str, parameters: dict[str, Any] | None = None, *, fmt: str | None = None
    ) -> bytes: ...

    async def close(self) -> None: ...


Connect = Callable[[], Awaitable[Client]]


class Circuit:
    """Open for `PAUSE_S` after `FAILURES` in a row; then one question is let through at a time. Times are given."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until = 0.0

    def allows(self, now: float) -> bool:
        if self._failures < FAILURES:
            return True
        if now < self._open_until:
            return False
        self._open_until = now + PAUSE_S  # this one goes, the others wait for what becomes of it
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float) -> None:
        self._failures += 1
        self._open_until = now + PAUSE_S


class Queries:
    """`connect` makes a client, and is only called when there is something to ask."""

    def __init__(self, connect: Connect, now: Callable[[], float]) -> None:
        self._connect = connect
        self._now = now
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._circuit = Circuit()
        self._has_driver = False
        self.problem: str | None = None

    async def rows(self, sql: str, kind: type[RowT], /, **parameters: Any) -> list[RowT]:
        """The rows of a SELECT, each read into `kind`. Values go along as parameters, never into the text. Empty where
        the table isn't there yet; `StoreUnavailable` where there is no answer."""
        if not self._circuit.allows(self._now()):
            raise StoreUnavailable(self.problem)
        try:
            async with asyncio.timeout(SLOT_S):
                await self._slots.acquire()
        except TimeoutError:
            raise StoreUnavailable("ClickHouse is asked as much as it may be") from None
        try:
            data = await self._ask(sql, parameters)
        finally:
            self._slots.release()
        return msgspec.json.Decoder(kind, strict=False).decode_lines(data)

    async def _ask(self, sql: str, parameters: dict[str, Any]) -> bytes:
        await self._load_driver()
        from clickhouse_connect.driver.exceptions import Error

        try:
            async with asyncio.timeout(QUERY_S):
                client = await self._connected()
                data = await client.raw_query(sql, parameters, fmt="JSONEachRow")
        except Error as error:
            if error.code not in MISSING:
                said = "does not answer" if error.code is None else f"answers with its error {error.code}"
                raise self._failed(said, error) from None
            data = b""
        except TimeoutError as error:
            raise self._failed(f"does not answer within {QUERY_S:.0f} s", error) from None
        except OSError as error:
            raise self._failed("does not answer", error) from None
        self._circuit.succeeded()
        self.problem = None
        return data

    def _failed(self, said: str, error: Exception) -> StoreUnavailable:
        """Whoever asked is told no more than that: an error's own words may name hosts and queries."""
        self._circuit.failed(self._now())
        self.problem = f"ClickHouse {said}"
        logger.warning("history not read", problem=self.problem, why=str(error)[:500])
        return StoreUnavailable(self.problem)

    async def _load_driver(self) -> None:
        """Its import takes half a second: a gateway takes orders before that, and the event loop goes on."""
        if not self._has_driver:
            await asyncio.to_thread(import_module, "clickhouse_connect.driver.asyncclient")
            self._has_driver = True

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is None:
                self._client = await self._connect()
            return self._client

    async def watch(self, every_s: float) -> None:
        """Until cancelled: asks now and then, so that `problem` is known though nobody else asks."""
        while True:
            with contextlib.suppress(StoreUnavailable):
                await self.rows("SELECT 1 AS one", dict)
            await asyncio.sleep(every_s)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
