"""Orders that do not outlive their client: a mandate to cancel them all, renewed for as long as somebody is there.

    async with OrderEntry(url) as entry, CancelOnDisconnect(entry, signer, timeout_ms=15_000):
        ...

The mandate lies on the exchange's log. When this program, the network or the gateway dies, nobody renews it, and once
its time is over by the log the exchange cancels all open orders of the account, those too that were sent otherwise.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from glassbook.client.signer import Signer
from glassbook.client.streams import OrderEntry
from glassbook.errors import GlassbookError

METHOD = "order.cancel_all_after"
RENEWALS = 3  # in the mandate's time, so that one that is lost does no harm
LATER = (429, 503)  # statuses of what may be taken the next time


class MandateRefused(GlassbookError):
    """The exchange takes no mandate, or none any more. The one that it took last, if any, stands."""


class CancelOnDisconnect:
    """`ends` takes the mandate back where the block ends without an exception: then the orders stay. Otherwise it
    stands, and fires."""

    def __init__(self, entry: OrderEntry, signer: Signer, timeout_ms: int, ends: bool = False) -> None:
        self.due_ms: int | None = None  # by the log's time, as far as is known
        self._entry, self._signer = entry, signer
        self._timeout_ms = timeout_ms
        self._ends = ends
        self._leaving = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Returns when the mandate stands."""
        if not await self._send(self._timeout_ms):
            raise MandateRefused("the exchange takes no commands now: no mandate stands")
        self._renewing = asyncio.create_task(self._renew())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        takes_it_back = kind is None and self._ends
        if takes_it_back:
            self._leaving.set()  # a renewal under way is waited for: it must not reach the log behind the end
        else:
            self._renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._renewing  # what it failed with is `failed`'s to tell
        if takes_it_back and not await self._send(0):
            raise MandateRefused("the exchange takes no commands now: the mandate stands")

    async def failed(self) -> None:
        """Waits until it can't be renewed any more, and raises why: `ConnectionClosed` or `MandateRefused`."""
        await asyncio.shield(self._renewing)

    async def _renew(self) -> None:
        pause_s = self._timeout_ms / 1000 / RENEWALS
        while not await self._left_within(pause_s):
            with contextlib.suppress(TimeoutError):  # the next one may still come in time
                async with asyncio.timeout(pause_s):
                    await self._send(self._timeout_ms)

    async def _left_within(self, pause_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                return await self._leaving.wait()
        return False

    async def _send(self, timeout_ms: int) -> bool:
        """False if it was not taken for now."""
        answer = await self._entry.call(METHOD, self._signer.sign(self._signer.cancel_all_after(timeout_ms)))
        if answer.status in LATER:
            return False
        if answer.status >= 400:
            code, detail = (answer.document.get(name, "") for name in ("code", "detail"))
            raise MandateRefused(f"{code}: {detail}" if detail else str(code))
        event = answer.document.get("event") or {}
        self.due_ms = event.get("due_ms")
        return True
