"""What clients are shown of trades, candles and alerts, the same over REST and over streams. Pure.

Numbers are decimal strings, times milliseconds since 1970 UTC.
"""

from msgspec import Struct

from schemas.alerts import Alert, Evidence, Severity
from schemas.candles import Candle
from schemas.commands import Side
from schemas.records import Trade


class TradeAnswer(Struct, frozen=True, gc=False):
    """A trade as it stands on `trades`. `time_ms` is the log time of the order that caused it."""

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


class CandleAnswer(Struct, frozen=True, gc=False):
    """One bucket. Its trades are those from `first_sequence` to `last_sequence`, so that each candle's first is next to
    the last of the one before. A bucket that was filled in has no trades, and a last that lies before its first."""

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


class AlertAnswer(Struct, frozen=True):
    """One divergence. `time_ms` is the log time of the first bad record; `evidence` begins with that record, and is as
    small as will prove it. `cursor` is what `after` and `before` take."""

    cursor: str
    alert_id: str
    kind: str
    severity: Severity
    symbol: str
    time_ms: int
    expected: str
    found: str
    evidence: list[Evidence]


def trade_answer(trade: Trade) -> TradeAnswer:
    return TradeAnswer(
        trade.sequence, trade.trade_id, trade.time_ms, trade.price, trade.quantity, trade.quote_quantity,
        trade.aggressor_side, trade.taker_order_id, trade.taker_account, trade.taker_fee, trade.maker_order_id,
        trade.maker_account, trade.maker_fee, trade.fee_asset,
    )  # fmt: skip


def candle_answer(candle: Candle) -> CandleAnswer:
    return CandleAnswer(
        candle.open_time_ms, candle.closed, candle.open, candle.high, candle.low, candle.close, candle.volume,
        candle.quote_volume, candle.trades, candle.taker_buy_volume, candle.taker_buy_quote_volume,
        candle.first_sequence, candle.last_sequence,
    )  # fmt: skip


def alert_answer(alert: Alert) -> AlertAnswer:
    return AlertAnswer(
        f"{alert.time_ms}-{alert.alert_id}", alert.alert_id, alert.kind, alert.severity, alert.symbol, alert.time_ms,
        alert.expected, alert.found, alert.evidence,
    )  # fmt: skip
