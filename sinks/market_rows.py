"""Trades, busts, candles and alerts as columns. Pure; values are as the records have them, decimals as strings."""

from collections.abc import Sequence
from typing import Any

from schemas.alerts import Alert
from schemas.candles import Candle, FormingCandle
from schemas.records import Trade, TradeBusted

Columns = list[list[Any]]


def is_trade(record: Any, partition: int) -> bool:
    return type(record) is Trade


def trade_fact(trade: Trade) -> tuple[str, int]:
    return trade.symbol, trade.sequence


def trades(records: Sequence[Trade], offsets: Sequence[int]) -> Columns:
    return [
        [trade.symbol for trade in records],
        [trade.sequence for trade in records],
        [trade.trade_id for trade in records],
        [trade.time_ms for trade in records],
        [trade.price for trade in records],
        [trade.quantity for trade in records],
        [trade.quote_quantity for trade in records],
        [trade.aggressor_side for trade in records],
        [trade.taker_order_id for trade in records],
        [trade.taker_account for trade in records],
        [trade.taker_fee for trade in records],
        [trade.maker_order_id for trade in records],
        [trade.maker_account for trade in records],
        [trade.maker_fee for trade in records],
        [trade.fee_asset for trade in records],
        list(offsets),
    ]


def is_bust(record: Any, partition: int) -> bool:
    return type(record) is TradeBusted


def bust_fact(bust: TradeBusted) -> tuple[str, int]:
    return bust.symbol, bust.trade.sequence


def busts(records: Sequence[TradeBusted], offsets: Sequence[int]) -> Columns:
    return [
        [bust.symbol for bust in records],
        [bust.trade.sequence for bust in records],
        [bust.trade.trade_id for bust in records],
        [bust.time_ms for bust in records],
        [bust.reason for bust in records],
        [bust.trade.price for bust in records],
        [bust.trade.quantity for bust in records],
        [bust.trade.quote_quantity for bust in records],
        list(offsets),
    ]


def is_closed(record: Any, partition: int) -> bool:
    return type(record) is Candle


def is_forming(record: Any, partition: int) -> bool:
    return type(record) is FormingCandle


def candle_fact(candle: Candle) -> tuple[str, str, int]:
    return candle.symbol, candle.interval.value, candle.open_time_ms


def candles(records: Sequence[Candle], offsets: Sequence[int]) -> Columns:
    return [
        [candle.symbol for candle in records],
        [candle.interval for candle in records],
        [candle.open_time_ms for candle in records],
        [candle.open for candle in records],
        [candle.high for candle in records],
        [candle.low for candle in records],
        [candle.close for candle in records],
        [candle.volume for candle in records],
        [candle.quote_volume for candle in records],
        [candle.trades for candle in records],
        [candle.taker_buy_volume for candle in records],
        [candle.taker_buy_quote_volume for candle in records],
        [candle.first_sequence for candle in records],
        [candle.last_sequence for candle in records],
        list(offsets),
    ]


def newest_candles(records: Sequence[FormingCandle], offsets: Sequence[int]) -> Columns:
    """Only the last of each symbol and interval: the ones before it are no facts, and replaced at once."""
    newest = {(candle.symbol, candle.interval): (candle, at) for candle, at in zip(records, offsets, strict=True)}
    return candles([candle for candle, _ in newest.values()], [at for _, at in newest.values()])


def is_alert(record: Any, partition: int) -> bool:
    return type(record) is Alert


def alert_fact(alert: Alert) -> tuple[str]:
    return (alert.alert_id,)


def alerts(records: Sequence[Alert], offsets: Sequence[int]) -> Columns:
    return [
        [alert.alert_id for alert in records],
        [alert.kind for alert in records],
        [alert.severity for alert in records],
        [alert.symbol for alert in records],
        [alert.time_ms for alert in records],
        [alert.expected for alert in records],
        [alert.found for alert in records],
        [
            [{"topic": e.topic, "partition": e.partition, "offset": e.offset} for e in alert.evidence]
            for alert in records
        ],
        list(offsets),
    ]
