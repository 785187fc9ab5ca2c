"""The documents that streams and REST show, as structs. Their fields are the contract: docs/streams.md.

A trade, a candle and an alert are as the gateway's REST answers have them. Numbers are decimal strings, times
milliseconds since 1970 UTC.
"""

import msgspec
from msgspec import Struct

from feeds.book import Level
from schemas.records import TradeBusted

encode = msgspec.json.Encoder().encode


class BustMessage(Struct, frozen=True, tag_field="type", tag="busted"):
    """The operator took a trade back. It has the trade's own sequence."""

    sequence: int
    trade_id: str
    time_ms: int
    reason: str


class DepthSnapshot(Struct, frozen=True, tag_field="type", tag="snapshot"):
    """The whole book, best levels first; with `limit` over REST, the best ones. The checksum is over the best 10."""

    symbol: str
    sequence: int
    time_ms: int
    bids: list[Level]
    asks: list[Level]
    checksum: int


class DepthUpdate(Struct, frozen=True, tag_field="type", tag="update"):
    """New totals of the levels that changed with the sequences `first` to `last`; quantity 0 is a level gone."""

    first: int
    last: int
    time_ms: int
    bids: list[Level]
    asks: list[Level]
    checksum: int


class TickerMessage(Struct, frozen=True):
    """`since_ms` is when the window begins; later than 24 hours ago where older trades are not known yet."""

    symbol: str
    time_ms: int
    last: str | None
    open: str | None
    high: str | None
    low: str | None
    change: str | None
    change_percent: str | None
    volume: str
    quote_volume: str
    trades: int
    best_bid: str | None
    best_bid_quantity: str | None
    best_ask: str | None
    best_ask_quantity: str | None
    since_ms: int


class CanaryState(Struct, frozen=True, tag_field="type", tag="state"):
    """Up to where the canary has judged: the next offset of each partition that it reads, and how many records lie
    behind these. `time_ms` is the gateway's clock when it was asked."""

    time_ms: int
    judged: dict[str, int]
    behind: int


def bust_message(bust: TradeBusted) -> BustMessage:
    return BustMessage(bust.trade.sequence, bust.trade.trade_id, bust.time_ms, bust.reason)
