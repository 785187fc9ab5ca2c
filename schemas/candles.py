"""The records of `candles`: open, high, low, close and volumes of one symbol in one interval of UTC.

A trade belongs to the bucket that its `time_ms` falls into; a bucket is closed once the log time of its partition has
reached its end. A bucket without a trade has no record: a reader fills it in with the last close. All numbers are
absolute, so the record with the higher `last_sequence` replaces the other, and a closed one replaces any forming one.
"""

from enum import StrEnum

from schemas.records import Derived

_MINUTE_MS = 60_000


class Interval(StrEnum):
    """How long a bucket is. Buckets begin at whole multiples of it since 1970-01-01T00:00Z."""

    S1 = "1s"
    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"

    @property
    def milliseconds(self) -> int:
        return INTERVAL_MS[self]


INTERVAL_MS = {
    Interval.S1: 1000,
    Interval.M1: _MINUTE_MS,
    Interval.M5: 5 * _MINUTE_MS,
    Interval.M15: 15 * _MINUTE_MS,
    Interval.H1: 60 * _MINUTE_MS,
    Interval.H4: 240 * _MINUTE_MS,
    Interval.D1: 1440 * _MINUTE_MS,
}


class Candle(Derived, frozen=True, tag_field="record", tag="candle", kw_only=True):
    """On `candles`: a closed bucket. It has one value; `source` is the input whose time closed it.

    Volumes are of the base asset, or of the quote asset where their name says so. Sequences are the symbol's own.
    """

    symbol: str
    interval: Interval
    open_time_ms: int
    closed: bool
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str
    trades: int
    taker_buy_volume: str
    taker_buy_quote_volume: str
    first_sequence: int
    last_sequence: int


class FormingCandle(Candle, frozen=True, tag_field="record", tag="forming_candle", kw_only=True):
    """On `candles`: a bucket as it stands after the trade with `last_sequence`, published now and then.

    It has no place of its own on the edge: `edge_sequence` is that of the last closed candle before it, `source` the
    input up to which it is true. Who reads closed candles alone drops it as a repeat.
    """


CandlesRecord = Candle | FormingCandle
