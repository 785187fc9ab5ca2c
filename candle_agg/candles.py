"""The arithmetic of one symbol's candles, in integers: prices and volumes are counts of 10**-18.

Each interval's buckets lie wholly inside those of the next longer one. So a trade is added to the shortest bucket
alone, and a bucket that closes is added to the next longer one: a trade costs one update, not seven.

Invariants: at most one bucket of an interval is open, the one that the time is in; a closed one never changes.
"""

from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct, convert, structs

from schemas.candles import INTERVAL_MS, Interval
from schemas.decimals import format_decimal, parse_decimal

DECIMALS = 18  # the finest that a decimal on a topic can be
INTERVALS = tuple(sorted(Interval, key=INTERVAL_MS.__getitem__))
LENGTHS_MS = tuple(INTERVAL_MS[interval] for interval in INTERVALS)
SHORTEST_MS = LENGTHS_MS[0]
assert all(longer % shorter == 0 for shorter, longer in pairwise(LENGTHS_MS))


Figures = dict[str, int | str]
"""A bucket's fields by their names, its numbers as plain decimals: as a candle and as a snapshot hold them."""

_DECIMAL_FIELDS = (
    "open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume",
)  # fmt: skip


class Bucket(Struct, gc=False):
    """What was traded in one interval so far."""

    open_time_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    trades: int
    taker_buy_volume: int
    taker_buy_quote_volume: int
    first_sequence: int
    last_sequence: int

    @classmethod
    def empty(cls, open_time_ms: int, price: int, sequence: int) -> "Bucket":
        """Before its first trade, which has this price and sequence."""
        return cls(open_time_ms, price, price, price, price, 0, 0, 0, 0, 0, sequence, sequence)

    def add_trade(self, sequence: int, price: int, quantity: int, quote_quantity: int, taker_buys: bool) -> None:
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += quantity
        self.quote_volume += quote_quantity
        self.trades += 1
        if taker_buys:
            self.taker_buy_volume += quantity
            self.taker_buy_quote_volume += quote_quantity
        self.last_sequence = sequence

    def add(self, later: "Bucket") -> None:
        """Takes in all that was traded in a shorter bucket, behind what is here already."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.trades += later.trades
        self.taker_buy_volume += later.taker_buy_volume
        self.taker_buy_quote_volume += later.taker_buy_quote_volume
        self.last_sequence = later.last_sequence

    def figures(self) -> Figures:
        figures: Figures = structs.asdict(self)
        return figures | {field: format_decimal(getattr(self, field), DECIMALS) for field in _DECIMAL_FIELDS}

    @classmethod
    def restored(cls, figures: Figures) -> "Bucket":
        decimals = {field: parse_decimal(str(figures[field]), DECIMALS) for field in _DECIMAL_FIELDS}
        return convert(figures | decimals, cls)


class SymbolCandles:
    """A symbol's open buckets, one an interval, the shortest first."""

    def __init__(self) -> None:
        self.last_sequence = 0
        self.buckets: list[Bucket | None] = [None] * len(INTERVALS)

    def add_trade(self, time_ms: int, price: int, quantity: int, quote_quantity: int, taker_buys: bool) -> None:
        """The trade with `last_sequence`. Its shortest bucket must be open still."""
        bucket = self.buckets[0]
        if bucket is None:
            bucket = self.buckets[0] = Bucket.empty(time_ms - time_ms % SHORTEST_MS, price, self.last_sequence)
        bucket.add_trade(self.last_sequence, price, quantity, quote_quantity, taker_buys)

    def close(self, time_ms: int) -> Iterator[tuple[int, int, Bucket]]:
        """The buckets that have ended by this time, each as (end, number of its interval, bucket)."""
        closed: Bucket | None = None
        for number, length_ms in enumerate(LENGTHS_MS):
            bucket = self.buckets[number] = _joined(self.buckets[number], closed, length_ms)
            closed = None
            if bucket is not None:
                end_ms = bucket.open_time_ms + length_ms
                if end_ms > time_ms:
                    return  # nor has any longer one ended, which this one lies in
                self.buckets[number] = None
                closed = bucket
                yield end_ms, number, bucket

    def forming(self) -> Iterator[tuple[int, Bucket]]:
        """The open buckets as (number of its interval, bucket), with what the shorter ones have not handed on yet."""
        shorter: Bucket | None = None
        for number, length_ms in enumerate(LENGTHS_MS):
            bucket = self.buckets[number]
            if bucket is not None and shorter is not None:
                bucket = structs.replace(bucket)
            shorter = _joined(bucket, shorter, length_ms)
            if shorter is not None:
                yield number, shorter


def _joined(bucket: Bucket | None, shorter: Bucket | None, length_ms: int) -> Bucket | None:
    """The bucket with the shorter one added to it; a new one if there was none."""
    if shorter is None:
        return bucket
    if bucket is None:
        return structs.replace(shorter, open_time_ms=shorter.open_time_ms - shorter.open_time_ms % length_ms)
    bucket.add(shorter)
    return bucket
