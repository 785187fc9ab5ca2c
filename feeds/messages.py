"""The documents that streams and REST show, as structs. Their fields are the contract: docs/streams.md.

A trade, a candle and an alert are as the gateway's REST answers have them. Numbers are decimal strings, times
milliseconds since 1970 UTC.
"""

import msgspec
from msgspec import Struct

from feeds.book import Level
from schemas.alerts import Alert, Evidence, Severity
from schemas.candles import Candle
from schemas.commands import Side
from schemas.records import Trade, TradeBusted

encode = msgspec.json.Encoder().encode


class TradeMessage(Struct, frozen=True, gc=False):
    sequence: int
    trade_id: str
    time_ms: int
    price: str
    quantity: str
    quote_quantity: str
    aggressor_side: Side
    taker_order_id: str
    taker_account: str
    taker_fee: str
    maker_order_id: str
    maker_account: str
    maker_fee: str
    fee_asset: str


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


class CandleMessage(Struct, frozen=True, gc=False):
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


class AlertMessage(Struct, frozen=True):
    cursor: str
    alert_id: str
    kind: str
    severity: Severity
    symbol: str
    time_ms: int
    expected: str
    found: str
    evidence: list[Evidence]


class CanaryState(Struct, frozen=True, tag_field="type", tag="state"):
    """Up to where the canary has judged: the next offset of each partition that it reads, and how many records lie
    behind these. `time_ms` is the gateway's clock when it was asked."""

    time_ms: int
    judged: dict[str, int]
    behind: int


def trade_message(trade: Trade) -> TradeMessage:
    return TradeMessage(
        trade.sequence, trade.trade_id, trade.time_ms, trade.price, trade.quantity, trade.quote_quantity,
        trade.aggressor_side, trade.taker_order_id, trade.taker_account, trade.taker_fee, trade.maker_order_id,
        trade.maker_account, trade.maker_fee, trade.fee_asset,
    )  # fmt: skip


def bust_message(bust: TradeBusted) -> BustMessage:
    return BustMessage(bust.trade.sequence, bust.trade.trade_id, bust.time_ms, bust.reason)


def candle_message(candle: Candle) -> CandleMessage:
    return CandleMessage(
        candle.open_time_ms, candle.closed, candle.open, candle.high, candle.low, candle.close, candle.volume,
        candle.quote_volume, candle.trades, candle.taker_buy_volume, candle.taker_buy_quote_volume,
        candle.first_sequence, candle.last_sequence,
    )  # fmt: skip


def alert_message(alert: Alert) -> AlertMessage:
    return AlertMessage(
        f"{alert.time_ms}-{alert.alert_id}", alert.alert_id, alert.kind, alert.severity, alert.symbol, alert.time_ms,
        alert.expected, alert.found, alert.evidence,
    )  # fmt: skip
