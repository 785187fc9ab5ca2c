"""What several changes of a book come to: the newest total of each level, and which sequences are in it. Pure."""

from feeds.book import Level
from feeds.messages import DepthUpdate
from schemas.records import Depth


class Changes:
    """Adding is O(levels of the record)."""

    __slots__ = ("_asks", "_bids", "_first", "_last", "_time_ms")

    def __init__(self) -> None:
        self._first = self._last = self._time_ms = 0
        self._bids: dict[str, str] = {}
        self._asks: dict[str, str] = {}

    def __bool__(self) -> bool:
        return self._first > 0

    def add(self, depth: Depth) -> None:
        """The next one: its sequence is one above the last."""
        assert not self._first or depth.sequence == self._last + 1, f"{self._last} before {depth.sequence}"
        self._first = self._first or depth.sequence
        self._last, self._time_ms = depth.sequence, depth.time_ms
        self._bids |= dict(depth.bids)
        self._asks |= dict(depth.asks)

    def take(self, checksum: int) -> DepthUpdate:
        """What was added since the last time; `checksum` is the book's, which has all of it."""
        bids: list[Level] = list(self._bids.items())
        asks: list[Level] = list(self._asks.items())
        update = DepthUpdate(self._first, self._last, self._time_ms, bids, asks, checksum)
        self._first = 0
        self._bids.clear()
        self._asks.clear()
        return update
