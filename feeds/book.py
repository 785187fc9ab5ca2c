"""One market's price levels as `depth` says them, with their sequence, and a checksum for who keeps a copy. Pure.

The texts are those of the log; only their order is worked out, in 10**-18. A book drops what isn't above its sequence
and raises `Gap` beyond the next one, so that what it shows at a sequence is what anybody has there.
"""

from collections.abc import Iterator
from itertools import islice, zip_longest
from zlib import crc32

from sortedcontainers import SortedDict

from schemas.commands import Side
from schemas.decimals import parse_decimal
from schemas.market import Terms
from schemas.matcher_state import BookState
from schemas.records import Depth
from stage.followed import Gap

DECIMALS = 18
CHECKSUM_LEVELS = 10

Level = tuple[str, str]  # price and quantity
NO_LEVEL: Level = ("", "")


class Book:
    """An update costs O(log levels), the best `n` levels O(n)."""

    __slots__ = ("_asks", "_bids", "sequence", "time_ms")

    def __init__(self) -> None:
        self.sequence = 0
        self.time_ms = 0
        self._bids: SortedDict[int, Level] = SortedDict()  # minus the price: the best comes first on both sides
        self._asks: SortedDict[int, Level] = SortedDict()

    def apply(self, depth: Depth) -> bool:
        """False for a copy of what was taken before."""
        if depth.sequence <= self.sequence:
            return False
        if depth.sequence != self.sequence + 1:
            raise Gap(f"depth of {depth.symbol} jumps from sequence {self.sequence} to {depth.sequence}")
        self.sequence, self.time_ms = depth.sequence, depth.time_ms
        for level in depth.bids:
            _set(self._bids, -parse_decimal(level[0], DECIMALS), level)
        for level in depth.asks:
            _set(self._asks, parse_decimal(level[0], DECIMALS), level)
        return True

    def restore(self, state: BookState, time_ms: int) -> None:
        """Takes the levels of a matcher's snapshot, of this log time."""
        terms = Terms(state.market)
        self.sequence, self.time_ms = state.depth_sequence, time_ms
        self._bids.clear()
        self._asks.clear()
        for side, price_ticks, quantity_lots in state.levels():
            price = terms.price_text(price_ticks)
            levels, sign = (self._bids, -1) if side is Side.BUY else (self._asks, 1)
            levels[sign * parse_decimal(price, DECIMALS)] = (price, terms.quantity_text(quantity_lots))

    def bids(self, limit: int | None = None) -> list[Level]:
        """Best first."""
        return list(islice(self._bids.values(), limit))

    def asks(self, limit: int | None = None) -> list[Level]:
        return list(islice(self._asks.values(), limit))

    def best(self) -> tuple[Level, Level]:
        """Best bid and ask; empty texts where a side has none."""
        return next(iter(self._bids.values()), NO_LEVEL), next(iter(self._asks.values()), NO_LEVEL)

    def checksum(self) -> int:
        return checksum(self.bids(CHECKSUM_LEVELS), self.asks(CHECKSUM_LEVELS))


def checksum(bids: list[Level], asks: list[Level]) -> int:
    """CRC-32 over the best 10 levels of each side, best first, bid and ask in turn: `price:quantity`, joined by `|`;
    a side that has fewer leaves its places out."""
    return crc32("|".join(_in_turn(bids[:CHECKSUM_LEVELS], asks[:CHECKSUM_LEVELS])).encode())


def _in_turn(bids: list[Level], asks: list[Level]) -> Iterator[str]:
    for pair in zip_longest(bids, asks):
        yield from (f"{level[0]}:{level[1]}" for level in pair if level is not None)


def _set(levels: "SortedDict[int, Level]", key: int, level: Level) -> None:
    if level[1] == "0":
        levels.pop(key, None)
    else:
        levels[key] = level
