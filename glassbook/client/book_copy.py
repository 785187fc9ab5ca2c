"""A copy of a market's book, kept by its stream and checked at each step. Pure.

Shares no code with what makes the stream: what docs/streams.md says is all that there is between the two.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import zip_longest
from typing import Any
from zlib import crc32

CHECKED_LEVELS = 10

Levels = dict[str, str]  # price -> quantity


class OutOfStep(Exception):
    """The copy isn't the exchange's book any more: subscribe anew."""


class BookCopy:
    def __init__(self) -> None:
        self.sequence: int | None = None  # None before the first snapshot
        self._bids: Levels = {}
        self._asks: Levels = {}

    def apply(self, data: Mapping[str, Any]) -> None:
        """Takes a document of the stream. `OutOfStep` where it doesn't follow from what came before."""
        if data["type"] == "snapshot":
            self._bids, self._asks = dict(data["bids"]), dict(data["asks"])
            self.sequence = data["sequence"]
        elif data["type"] == "update":
            if self.sequence is None or data["first"] != self.sequence + 1:
                raise OutOfStep(f"at sequence {self.sequence} came the update from {data['first']} on")
            _change(self._bids, data["bids"])
            _change(self._asks, data["asks"])
            self.sequence = data["last"]
        else:
            return
        if self.checksum() != data["checksum"]:
            raise OutOfStep(f"the checksum at sequence {self.sequence} differs")

    def bids(self, limit: int | None = None) -> list[tuple[str, str]]:
        """Best first. O(levels log levels)."""
        return sorted(self._bids.items(), key=lambda level: Decimal(level[0]), reverse=True)[:limit]

    def asks(self, limit: int | None = None) -> list[tuple[str, str]]:
        return sorted(self._asks.items(), key=lambda level: Decimal(level[0]))[:limit]

    def checksum(self) -> int:
        sides = zip_longest(self.bids(CHECKED_LEVELS), self.asks(CHECKED_LEVELS))
        return crc32("|".join(":".join(level) for pair in sides for level in pair if level is not None).encode())


def _change(levels: Levels, changed: list[tuple[str, str]]) -> None:
    for price, quantity in changed:
        if quantity == "0":
            levels.pop(price, None)
        else:
            levels[price] = quantity
