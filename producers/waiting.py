"""Who waits for what: requests for the next event about an id, reads for a position of the journal."""

import asyncio
from collections.abc import Sequence


class Waiting:
    """One event loop's waiters. A waiter looks at the view first and waits second; nothing can come between."""

    def __init__(self) -> None:
        self._by_id: dict[str, list[asyncio.Future[None]]] = {}
        self._by_position: dict[int, list[tuple[int, asyncio.Future[None]]]] = {}

    def touch(self, ids: Sequence[str]) -> None:
        """Wakes those who wait for one of these ids. O(ids)."""
        for key in ids:
            if key in self._by_id:
                _wake(self._by_id.pop(key))

    def reached(self, partition: int, edge_sequence: int) -> None:
        """Wakes those who wait for this position of a partition or one before it."""
        waiting = self._by_position.get(partition)
        if not waiting:
            return
        _wake([future for sequence, future in waiting if sequence <= edge_sequence])
        self._by_position[partition] = [item for item in waiting if item[0] > edge_sequence]

    def touch_all(self) -> None:
        """After the view was restored, everybody looks again."""
        everybody = list(self._by_id.values())
        self._by_id.clear()
        for futures in everybody:
            _wake(futures)

    async def touched(self, key: str) -> None:
        """Returns after the next event about this id."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._by_id.setdefault(key, []).append(future)
        try:
            await future
        finally:
            self._drop(key, future)

    async def position(self, partition: int, edge_sequence: int) -> None:
        """Returns when the view has this position; the caller has seen that it hasn't yet."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        item = (edge_sequence, future)
        self._by_position.setdefault(partition, []).append(item)
        try:
            await future
        finally:
            waiting = self._by_position.get(partition, [])
            if item in waiting:
                waiting.remove(item)

    def _drop(self, key: str, future: asyncio.Future[None]) -> None:
        """One that gave up must not stay: its id may never be heard of again."""
        futures = self._by_id.get(key)
        if futures is not None and future in futures:
            futures.remove(future)
            if not futures:
                del self._by_id[key]


def _wake(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
