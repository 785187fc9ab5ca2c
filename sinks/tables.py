"""The tables, one by one: what of a topic each takes, and its columns as they are sent.

Pure. A table's rows are columns of plain values here; `blocks.py` makes Arrow of them. Every row says where on the log
its record lies. What makes two rows one fact is the table's key: a record that comes twice on a topic is one fact.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from sinks import ledger_rows, market_rows

DECIMAL = pa.decimal128(38, 18)
TEXT = pa.string()
TIME = pa.timestamp("ms", "UTC")
UINT8, UINT16, UINT32, UINT64 = pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()
EVIDENCE = pa.list_(pa.struct([("topic", TEXT), ("partition", UINT32), ("offset", UINT64)]))

# Sums and enumerations are sent as text; the insert casts them to what the table has.
CLICKHOUSE_TYPES = {
    DECIMAL: "Decimal(38, 18)",
    TEXT: "String",
    TIME: "DateTime64(3, 'UTC')",
    UINT8: "UInt8",
    UINT16: "UInt16",
    UINT32: "UInt32",
    UINT64: "UInt64",
    pa.bool_(): "Bool",
    EVIDENCE: "Array(Tuple(topic String, partition UInt32, offset UInt64))",
}


class Column(NamedTuple):
    name: str
    type: pa.DataType
    nullable: bool = False

    @property
    def clickhouse_type(self) -> str:
        plain = CLICKHOUSE_TYPES[self.type]
        return f"Nullable({plain})" if self.nullable else plain


class Table(NamedTuple):
    """`columns_of` gives the columns' values in order, from records and their offsets; the partition comes last."""

    name: str
    topic: str
    columns: tuple[Column, ...]
    has_rows: Callable[[Any, int], bool]  # record, log partition
    columns_of: Callable[[Sequence[Any], Sequence[int]], list[list[Any]]]
    # What makes a record's rows one fact, as SQL over the table and of the record. None: the table holds no facts.
    fact_sql: tuple[str, ...] = ()
    fact_of: Callable[[Any], tuple[Any, ...]] | None = None
    month_of: str | None = None  # the time whose month is the ClickHouse partition

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]


def _columns(**types: pa.DataType | tuple[pa.DataType, bool]) -> tuple[Column, ...]:
    named = [Column(name, *(given if isinstance(given, tuple) else (given,))) for name, given in types.items()]
    return (*named, Column("log_offset", UINT64), Column("log_partition", UINT32))


_PERHAPS = (DECIMAL, True)

TRADES = Table(
    "trades",
    "trades",
    _columns(
        symbol=TEXT, sequence=UINT64, trade_id=TEXT, time=TIME, price=DECIMAL, quantity=DECIMAL, quote_quantity=DECIMAL,
        aggressor_side=TEXT, taker_order_id=TEXT, taker_account=TEXT, taker_fee=DECIMAL, maker_order_id=TEXT,
        maker_account=TEXT, maker_fee=DECIMAL, fee_asset=TEXT,
    ),
    market_rows.is_trade,
    market_rows.trades,
    ("symbol", "sequence"),
    market_rows.trade_fact,
    "time",
)  # fmt: skip

BUSTS = Table(
    "busts",
    "trades",
    _columns(
        symbol=TEXT, sequence=UINT64, trade_id=TEXT, time=TIME, reason=TEXT, price=DECIMAL, quantity=DECIMAL,
        quote_quantity=DECIMAL,
    ),
    market_rows.is_bust,
    market_rows.busts,
    ("symbol", "sequence"),
    market_rows.bust_fact,
    "time",
)  # fmt: skip

_CANDLE = _columns(
    symbol=TEXT, interval=TEXT, open_time=TIME, open=DECIMAL, high=DECIMAL, low=DECIMAL, close=DECIMAL, volume=DECIMAL,
    quote_volume=DECIMAL, trades=UINT64, taker_buy_volume=DECIMAL, taker_buy_quote_volume=DECIMAL,
    first_sequence=UINT64, last_sequence=UINT64,
)  # fmt: skip

CANDLES = Table(
    "candles",
    "candles",
    _CANDLE,
    market_rows.is_closed,
    market_rows.candles,
    ("symbol", "interval", "toUnixTimestamp64Milli(open_time)"),
    market_rows.candle_fact,
    "open_time",
)

FORMING_CANDLES = Table(
    "forming_candles", "candles", _CANDLE, market_rows.is_forming, market_rows.newest_candles
)  # fmt: skip

ORDER_EVENTS = Table(
    "order_events",
    "ledger",
    _columns(
        account=TEXT, order_id=TEXT, event=TEXT, time=TIME, symbol=TEXT, client_order_id=TEXT, side=TEXT, type=TEXT,
        time_in_force=TEXT, post_only=pa.bool_(), price=_PERHAPS, quantity=_PERHAPS, max_quote=_PERHAPS,
        quote_quantity=_PERHAPS, fee=_PERHAPS, fee_asset=TEXT, role=TEXT, trade_id=TEXT, trade_sequence=UINT64,
        valid_until=(TIME, True), status=TEXT, reason=TEXT, detail=TEXT, command_id=TEXT, refused_by=TEXT,
        entry_sequence=UINT64, event_index=UINT16,
    ),
    ledger_rows.has_order_events,
    ledger_rows.order_events,
    # Refusals of accounts that aren't there all have the sequence 0; their commands tell them apart.
    ("account", "entry_sequence", "if(entry_sequence = 0, command_id, '')"),
    ledger_rows.entry_fact,
    "time",
)  # fmt: skip

POSTINGS = Table(
    "postings",
    "ledger",
    _columns(
        account=TEXT, entry_sequence=UINT64, line=UINT16, time=TIME, book=TEXT, asset=TEXT, amount=DECIMAL, cause=TEXT,
        reference=TEXT,
    ),
    ledger_rows.has_postings,
    ledger_rows.postings,
    ("account", "entry_sequence"),
    ledger_rows.posted_fact,
    "time",
)  # fmt: skip

MARKETS = Table(
    "markets",
    "ledger",
    _columns(
        symbol=TEXT, revision=UINT64, time=TIME, base=TEXT, quote=TEXT, base_decimals=UINT8, quote_decimals=UINT8,
        tick=DECIMAL, lot=DECIMAL, min_quantity=DECIMAL, max_quantity=DECIMAL, min_notional=DECIMAL, price_low=DECIMAL,
        price_high=DECIMAL, maker_fee=DECIMAL, taker_fee=DECIMAL, partition=UINT32, state=TEXT,
    ),
    ledger_rows.is_listing,
    ledger_rows.markets,
    ("symbol", "revision"),
    ledger_rows.listing_fact,
)  # fmt: skip

ALERTS = Table(
    "alerts",
    "alerts",
    _columns(
        alert_id=TEXT, kind=TEXT, severity=TEXT, symbol=TEXT, time=TIME, expected=TEXT, found=TEXT, evidence=EVIDENCE
    ),
    market_rows.is_alert,
    market_rows.alerts,
    ("alert_id",),
    market_rows.alert_fact,
    "time",
)

TABLES = (TRADES, BUSTS, CANDLES, FORMING_CANDLES, ORDER_EVENTS, POSTINGS, MARKETS, ALERTS)


def tables_of(topic: str) -> tuple[Table, ...]:
    return tuple(table for table in TABLES if table.topic == topic)
