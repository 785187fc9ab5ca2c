"""The candles of one `trades` partition as a state machine: trades and ticks in, closed candles out.

Time is the highest that any trade or tick has told, in its body: that of the orders, and not that of the topic
`trades`. When it reaches a bucket's end, the bucket is closed before the record that told of it is applied, so a closed
candle has one value. Candles that still form are asked for by the service, at its own pace.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from candle_agg.candles import DECIMALS, INTERVALS, SHORTEST_MS, Bucket, Figures, SymbolCandles
from schemas.candles import Candle, FormingCandle
from schemas.codec import decode_trades, encode
from schemas.commands import Side
from schemas.decimals import DecimalError, parse_decimal
from schemas.reasons import Reason
from schemas.records import Source, Trade
from schemas.refusal import Refused
from schemas.topics import CANDLES, TRADES
from stage.partition import Gap, Step


class SymbolState(Struct):
    """`buckets` are the open ones, one an interval, the shortest first."""

    symbol: str
    last_sequence: int
    buckets: list[Figures | None]


class CandleState(Struct):
    """All of a `trades` partition that its coming candles depend on."""

    time_ms: int
    symbols: list[SymbolState]


class CandleCore:
    """The open candles of one partition's symbols. Bounded by how many symbols there are, not by their trades."""

    stage = "candle_agg"
    input_topic = TRADES

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.time_ms = 0
        self.symbols: dict[str, SymbolCandles] = {}
        self._next_end_ms = 0  # no bucket ends before
        self._changed: dict[str, None] = {}  # symbols traded since their forming candles were last asked for

    # --- one record

    def apply(self, step: Step, value: bytes | None) -> None:
        try:
            record = decode_trades(value)
            if record.source.partition != self.partition:
                raise Refused(Reason.WRONG_PARTITION, f"caused by partition {record.source.partition} of orders")
        except Refused as refused:
            step.dead_letter(refused.reason, refused.detail, value)
            return
        if step.is_repeat(self.partition, record.edge_sequence):
            return
        if record.time_ms > self.time_ms:
            self._advance(step, record.time_ms)
        if isinstance(record, Trade) and self._is_next(step, record):
            try:
                self._add_trade(record)
            except Refused as refused:
                step.dead_letter(refused.reason, refused.detail, value)

    def _is_next(self, step: Step, trade: Trade) -> bool:
        """Takes the symbol's next sequence; False for one that is known; raises `Gap` beyond it."""
        candles = self.symbols.get(trade.symbol)
        if candles is None:
            candles = self.symbols[trade.symbol] = SymbolCandles()
        known = candles.last_sequence
        if trade.sequence > known + 1:
            where = f"offset {step.offset} of {TRADES}-{self.partition}"
            raise Gap(f"{where}: the trades of {trade.symbol} jump from sequence {known} to {trade.sequence}")
        if trade.sequence <= known:
            return False
        candles.last_sequence = trade.sequence
        return True

    def _add_trade(self, trade: Trade) -> None:
        if trade.time_ms < self.time_ms - self.time_ms % SHORTEST_MS:
            raise Refused(Reason.BUCKET_CLOSED, f"the trade is of {trade.time_ms}, and it is {self.time_ms} already")
        try:
            price = parse_decimal(trade.price, DECIMALS)
            quantity = parse_decimal(trade.quantity, DECIMALS)
            quote_quantity = parse_decimal(trade.quote_quantity, DECIMALS)
        except DecimalError as error:
            raise Refused(Reason.BAD_DECIMAL, str(error)) from None
        taker_buys = trade.aggressor_side is Side.BUY
        self.symbols[trade.symbol].add_trade(trade.time_ms, price, quantity, quote_quantity, taker_buys)
        self._changed[trade.symbol] = None

    # --- what goes out

    def _advance(self, step: Step, time_ms: int) -> None:
        """Closes what has ended by this time, in the order of end, symbol and length. O(symbols) once a second."""
        self.time_ms = time_ms
        if time_ms < self._next_end_ms:
            return
        self._next_end_ms = time_ms - time_ms % SHORTEST_MS + SHORTEST_MS
        closed = [
            (end_ms, symbol, number, bucket)
            for symbol, candles in self.symbols.items()
            for end_ms, number, bucket in candles.close(time_ms)
        ]
        closed.sort(key=lambda candle: candle[:3])
        for _, symbol, number, bucket in closed:
            key = f"{symbol} {INTERVALS[number]} {bucket.open_time_ms}".encode()
            step.emit(CANDLES, self.partition, key, Candle, closed=True, **_fields(symbol, number, bucket))

    def forming(self, edge_sequence: int, source: Source) -> Iterator[tuple[bytes, bytes]]:
        """(key, value) of the forming candles that have changed since they were last asked for."""
        for symbol in self._changed:
            for number, bucket in self.symbols[symbol].forming():
                fields = _fields(symbol, number, bucket)
                candle = FormingCandle(edge_sequence=edge_sequence, source=source, closed=False, **fields)
                yield f"{symbol} {INTERVALS[number]}".encode(), encode(candle)
        self._changed.clear()

    # --- state

    def dump(self) -> CandleState:
        symbols = []
        for symbol, candles in self.symbols.items():
            buckets = [None if bucket is None else bucket.figures() for bucket in candles.buckets]
            symbols.append(SymbolState(symbol, candles.last_sequence, buckets))
        return CandleState(self.time_ms, symbols)

    def restore(self, raw: bytes) -> None:
        state = msgspec.json.decode(raw, type=CandleState)
        self.time_ms = state.time_ms
        for each in state.symbols:
            candles = self.symbols[each.symbol] = SymbolCandles()
            candles.last_sequence = each.last_sequence
            candles.buckets = [None if figures is None else Bucket.restored(figures) for figures in each.buckets]


def _fields(symbol: str, number: int, bucket: Bucket) -> dict[str, Any]:
    return {"symbol": symbol, "interval": INTERVALS[number], **bucket.figures()}
