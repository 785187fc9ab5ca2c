"""The newest trades and candles of every market, as the bytes that stood on their topics. Pure.

Little is done for each record: what is asked for seldom is decoded when it is asked for. Bounds are over all markets.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from producers.recent import Recent
from schemas.candles import Interval
from schemas.records import Trade

MAX_TRADES = 50_000  # about 700 bytes each
MAX_CANDLES = 100_000
MAX_KEYS = 50_000  # markets times intervals

Key = tuple[str, str]  # symbol and interval


class KeptTrade(NamedTuple):
    sequence: int
    value: bytes


class RecentTrades:
    def __init__(self, max_trades: int = MAX_TRADES) -> None:
        self._recent: Recent[str, KeptTrade] = Recent(max_trades)
        self._newest: dict[str, int] = {}

    def reset(self) -> None:
        self._recent.reset()
        self._newest.clear()

    def start(self, partition: int, offset: int) -> None:
        self._recent.start(partition, offset)

    def restore(self, symbol: str, sequence: int) -> None:
        """The market's last trade as of a snapshot of the matcher."""
        self._newest[symbol] = sequence

    def add(self, partition: int, offset: int, trade: Trade, value: bytes) -> None:
        kept = self._recent.of(trade.symbol)
        if kept and trade.sequence <= kept[-1].sequence:
            return  # a copy
        self._recent.add(partition, offset, trade.symbol, KeptTrade(trade.sequence, value))
        if trade.sequence > self._newest.get(trade.symbol, 0):
            self._newest[trade.symbol] = trade.sequence

    def newest(self, symbol: str) -> int:
        """The sequence of the market's last trade; 0 before the first."""
        return self._newest.get(symbol, 0)

    def tail(self, symbol: str) -> list[KeptTrade]:
        """The last trades up to the newest, each one's sequence next to the one's before."""
        kept = list(self._recent.of(symbol))
        if not kept or kept[-1].sequence != self.newest(symbol):
            return []
        if kept[-1].sequence - kept[0].sequence == len(kept) - 1:
            return kept
        first = len(kept) - 1
        while first and kept[first - 1].sequence == kept[first].sequence - 1:
            first -= 1
        return kept[first:]

    def floor(self, partition: int) -> int:
        """From this offset of `trades` on, every trade of the partition is here."""
        return self._recent.floor(partition)


class CandleHead(Struct, frozen=True, gc=False):
    """What must be known of a candle in order to keep it."""

    symbol: str
    interval: Interval
    open_time_ms: int
    closed: bool
    last_sequence: int


class KeptCandle(NamedTuple):
    open_time_ms: int
    last_sequence: int
    value: bytes


class SeenCandles(Struct):
    """What was read of one market and interval, whether it is kept or not: the last trade in any candle, and when the
    newest closed one opened."""

    last_sequence: int = 0
    closed_ms: int = -1


_head_decoder = msgspec.json.Decoder(CandleHead)


class RecentCandles:
    """Closed candles within the bound, and the forming one of each market and interval as it was seen last."""

    def __init__(self, max_candles: int = MAX_CANDLES) -> None:
        self._closed: Recent[Key, KeptCandle] = Recent(max_candles)
        self.reset()

    def reset(self) -> None:
        self._closed.reset()
        self._forming: dict[Key, KeptCandle] = {}
        self._seen: dict[Key, SeenCandles] = {}
        self._started: dict[int, int] = {}
        self.since_ms = 0  # whatever was put onto `candles` from this log time on has been read

    def start(self, partition: int, offset: int) -> None:
        self._closed.start(partition, offset)
        self._started[partition] = offset

    def add(self, partition: int, offset: int, value: bytes) -> None:
        """Raises `msgspec.DecodeError` for what is no candle."""
        head = _head_decoder.decode(value)
        key = (head.symbol, head.interval.value)
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) >= MAX_KEYS:
                return  # no exchange has so many: somebody writes what candle_agg didn't
            seen = self._seen[key] = SeenCandles()
        seen.last_sequence = max(seen.last_sequence, head.last_sequence)
        if head.closed:
            seen.closed_ms = max(seen.closed_ms, head.open_time_ms)
        closed = self._closed.of(key)
        if closed and head.open_time_ms <= closed[-1].open_time_ms:
            return  # a copy, or overtaken
        forming = self._forming.get(key)
        if head.closed:
            kept = KeptCandle(head.open_time_ms, head.last_sequence, value)
            self._closed.add(partition, offset, key, kept)
            if forming is not None and forming.open_time_ms <= head.open_time_ms:
                del self._forming[key]
        elif forming is None or forming[:2] < (head.open_time_ms, head.last_sequence):
            self._forming[key] = KeptCandle(head.open_time_ms, head.last_sequence, value)

    def closed(self, symbol: str, interval: Interval) -> Sequence[KeptCandle]:
        """Oldest first."""
        return self._closed.of((symbol, interval.value))

    def forming(self, symbol: str, interval: Interval) -> KeptCandle | None:
        return self._forming.get((symbol, interval.value))

    def seen(self, symbol: str, interval: Interval) -> SeenCandles:
        return self._seen.get((symbol, interval.value)) or SeenCandles()

    def floor(self, partition: int) -> int:
        """From this offset of `candles` on, every closed candle of the partition is here."""
        return self._closed.floor(partition)

    def started(self, partition: int) -> int:
        """From this offset of `candles` on, every forming candle of the partition has been seen."""
        return self._started.get(partition, 0)
