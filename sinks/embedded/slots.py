"""Places for statements that run, and a queue before them with an end. Used by one event loop."""

import asyncio

from sinks.embedded.errors import ClickHouseError, Code


class Slots:
    """So many run at once and so many wait, each at most so long; who comes beyond that is sent away at once."""

    def __init__(self, places: int, queue: int, patience_s: float) -> None:
        self._free = asyncio.Semaphore(places)
        self._queue, self._patience_s, self._waiting = queue, patience_s, 0

    async def take(self) -> None:
        """Raises ClickHouseError. Who took a place gives it back."""
        if self._waiting >= self._queue:
            raise _busy(f"{self._waiting} are waiting already")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await self._free.acquire()
        except TimeoutError:
            raise _busy(f"no place within {self._patience_s:.0f} s") from None
        finally:
            self._waiting -= 1

    def give_back(self) -> None:
        self._free.release()


def _busy(why: str) -> ClickHouseError:
    return ClickHouseError(Code.TOO_MANY_SIMULTANEOUS_QUERIES, f"Too many simultaneous queries: {why}")
