"""Asking ClickHouse in bounds: what is missing, slow, dead or asked too much, and how soon it is asked again."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from msgspec import Struct

from producers import clickhouse_queries
from producers.clickhouse_queries import FAILURES, MAX_AT_ONCE, PAUSE_S, Circuit, Queries
from producers.history_store import StoreUnavailable


class Row(Struct):
    one: int


class Server:
    """Answers what it is told to; `says` may wait or raise."""

    def __init__(self, says: Callable[[], Awaitable[bytes]] | None = None) -> None:
        self.says = says
        self.asked: list[tuple[str, dict[str, Any] | None]] = []
        self.connected = 0
        self.closed = 0
        self.now = 0.0

    async def connect(self) -> "Server":
        self.connected += 1
        return self

    async def raw_query(self, query: str, parameters: dict[str, Any] | None = None, *, fmt: str | None = None) -> bytes:
        self.asked.append((query, parameters))
        assert fmt == "JSONEachRow"
        return await self.says() if self.says is not None else b'{"one":1}\n{"one":"2"}\n'

    async def close(self) -> None:
        self.closed += 1

    def queries(self) -> Queries:
        return Queries(self.connect, lambda: self.now)


def raising(error: Exception) -> Callable[[], Awaitable[bytes]]:
    async def say() -> bytes:
        raise error

    return say


async def asked(queries: Queries) -> Any:
    try:
        return await queries.rows("SELECT 1 AS one", Row)
    except StoreUnavailable as error:
        return str(error)


def test_rows_are_read_and_values_go_as_parameters():
    async def scene() -> None:
        server = Server()
        queries = server.queries()
        assert await queries.rows("SELECT {a:UInt8} AS one", Row, a=1) == [Row(1), Row(2)]
        assert server.asked == [("SELECT {a:UInt8} AS one", {"a": 1})]
        await asked(queries)
        await queries.close()
        assert (server.connected, server.closed, queries.problem) == (1, 1, None)

    asyncio.run(scene())


@pytest.mark.parametrize("code", [60, 81])
def test_a_table_or_database_that_is_not_there_is_empty(code):
    async def scene() -> None:
        queries = Server(raising(DatabaseError("Code: 60", code=code))).queries()
        for _ in range(2 * FAILURES):
            assert await asked(queries) == []
        assert queries.problem is None

    asyncio.run(scene())


@pytest.mark.parametrize(
    "error, said",
    [
        (OperationalError("Network Error: http://user:secret@host"), "ClickHouse does not answer"),
        (DatabaseError("Code: 241. Memory", code=241), "ClickHouse answers with its error 241"),
        (ConnectionResetError("reset"), "ClickHouse does not answer"),
        (TimeoutError(), "ClickHouse does not answer within 3 s"),
    ],
)
def test_what_goes_wrong_is_told_and_then_not_tried_for_a_while(error, said):
    async def scene() -> None:
        server = Server(raising(error))
        queries = server.queries()
        for _ in range(FAILURES + 5):
            assert await asked(queries) == said
        assert queries.problem == said
        assert len(server.asked) == FAILURES
        server.now += PAUSE_S
        server.says = None
        assert await asked(queries) == [Row(1), Row(2)]
        assert (queries.problem, len(server.asked)) == (None, FAILURES + 1)

    asyncio.run(scene())


def test_after_the_pause_one_question_goes_first():
    circuit = Circuit()
    for _ in range(FAILURES):
        assert circuit.allows(0.0)
        circuit.failed(0.0)
    assert not circuit.allows(PAUSE_S - 0.1)
    assert [circuit.allows(PAUSE_S) for _ in range(3)] == [True, False, False]
    circuit.failed(PAUSE_S + 1)
    assert not circuit.allows(2 * PAUSE_S)
    assert circuit.allows(2 * PAUSE_S + 1)
    circuit.succeeded()
    assert [circuit.allows(2 * PAUSE_S + 1) for _ in range(3)] == [True] * 3


def test_a_server_that_can_t_be_reached_is_a_problem_and_not_the_end():
    async def refuse() -> Any:
        raise OSError("there is no exchange here yet")

    async def scene() -> None:
        queries = Queries(refuse, lambda: 0.0)
        assert await asked(queries) == "ClickHouse does not answer"
        await queries.close()

    asyncio.run(scene())


def test_a_slow_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(clickhouse_queries, "QUERY_S", 0.01)

    async def never() -> bytes:
        await asyncio.Event().wait()
        return b""

    async def scene() -> None:
        queries = Server(never).queries()
        assert "does not answer" in await asked(queries)

    asyncio.run(scene())


def test_no_more_than_so_many_are_under_way(monkeypatch):
    """Those beyond are refused soon, and that is not the server's failure."""
    monkeypatch.setattr(clickhouse_queries, "SLOT_S", 0.02)

    async def scene() -> None:
        free = asyncio.Event()

        async def wait() -> bytes:
            await free.wait()
            return b'{"one":1}\n'

        server = Server(wait)
        queries = server.queries()
        running = [asyncio.create_task(asked(queries)) for _ in range(MAX_AT_ONCE)]
        await asyncio.sleep(0)
        refused = await asyncio.gather(*(asked(queries) for _ in range(5)))
        assert refused == ["ClickHouse is asked as much as it may be"] * 5
        free.set()
        assert await asyncio.gather(*running) == [[Row(1)]] * MAX_AT_ONCE
        assert (len(server.asked), queries.problem) == (MAX_AT_ONCE, None)
        assert await asked(queries) == [Row(1)]

    asyncio.run(scene())


def test_the_watch_finds_out_by_itself():
    async def scene() -> None:
        server = Server(raising(OSError("gone")))
        queries = server.queries()
        watch = asyncio.create_task(queries.watch(0.001))

        async def until(ails: bool) -> None:
            async with asyncio.timeout(5):
                while (queries.problem is not None) is not ails:
                    server.now += PAUSE_S
                    await asyncio.sleep(0.001)

        await until(True)
        server.says = None
        await until(False)
        watch.cancel()

    asyncio.run(scene())


def test_a_gateway_starts_without_the_driver():
    code = "import sys, producers.__main__; sys.exit('clickhouse_connect' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", code]).returncode == 0
