"""Trades and ticks of one partition, in short, and what the core makes of them."""

from typing import Any

import msgspec

from candle_agg.core import CandleCore
from schemas.candles import Candle, FormingCandle
from schemas.codec import candles_decoder, encode
from schemas.commands import Side
from schemas.records import DeadLetter, Source, Trade, TradesTick
from schemas.topics import CANDLES, DEAD_LETTERS
from stage.partition import StagePartition

START_MS = 1_700_006_400_000  # a whole day begins
assert START_MS % 86_400_000 == 0


class CandlePlay:
    """A partition's matcher, and candle_agg behind it. Times are milliseconds since the start of a day."""

    def __init__(self, partition: int = 0) -> None:
        self.partition = partition
        self.stage = StagePartition(CandleCore(partition), partition)
        self.edge = 0
        self.sequences: dict[str, int] = {}
        self.values: list[bytes] = []  # of `trades`
        self.candles: list[Candle] = []
        self.letters: list[DeadLetter] = []

    # --- what lies on `trades`

    def trade(self, at_ms: int, price: str = "10", quantity: str = "1", buys: bool = True, **changes: Any) -> list[str]:
        symbol = changes.get("symbol", "ABC-USD")
        sequence = changes.pop("sequence", self.sequences.get(symbol, 0) + 1)
        self.sequences[symbol] = max(sequence, self.sequences.get(symbol, 0))
        quote = changes.pop("quote_quantity", "7")
        fields = dict(
            symbol=symbol, sequence=sequence, trade_id="0-0-0", time_ms=START_MS + at_ms, price=price,
            quantity=quantity, quote_quantity=quote, aggressor_side=Side.BUY if buys else Side.SELL,
            taker_order_id="0-1", taker_account="a" * 40, taker_fee="0",
            maker_order_id="0-2", maker_account="b" * 40, maker_fee="0", fee_asset="USD",
        )  # fmt: skip
        return self.write(Trade, **(fields | changes))

    def tick(self, at_ms: int, **changes: Any) -> list[str]:
        return self.write(TradesTick, **({"time_ms": START_MS + at_ms} | changes))

    def write(self, record: Any, **fields: Any) -> list[str]:
        edge = fields.pop("edge_sequence", self.edge + 1)
        self.edge = max(edge, self.edge)
        source = fields.pop("source", Source(self.partition, edge, 0, "A" * 43))
        return self.put(encode(record(edge_sequence=edge, source=source, **fields)))

    def put(self, value: bytes) -> list[str]:
        """Appends the record and feeds it; returns what was closed, as "symbol interval start"."""
        self.values.append(value)
        closed = []
        offset = self.stage.next_offset
        for emission in self.stage.feed(offset, START_MS + offset, value):
            if emission.topic == DEAD_LETTERS:
                self.letters.append(msgspec.json.decode(emission.value, type=DeadLetter))
                continue
            assert (emission.topic, emission.partition) == (CANDLES, self.partition)
            candle = candles_decoder().decode(emission.value)
            assert type(candle) is Candle and candle.closed
            assert emission.key.decode() == f"{candle.symbol} {candle.interval} {candle.open_time_ms}"
            self.candles.append(candle)
            closed.append(f"{candle.symbol} {candle.interval} {candle.open_time_ms - START_MS}")
        return closed

    # --- what is there to be seen

    @property
    def core(self) -> CandleCore:
        assert isinstance(self.stage.core, CandleCore)
        return self.stage.core

    def forming(self) -> dict[str, FormingCandle]:
        """Those that have changed since they were last asked for, by their keys."""
        found = {}
        for key, value in self.core.forming(*self.stage.last_place(CANDLES, self.partition)):
            candle = candles_decoder().decode(value)
            assert isinstance(candle, FormingCandle) and not candle.closed
            found[key.decode()] = candle
        return found

    def reasons(self) -> list[str]:
        return [letter.reason for letter in self.letters]
