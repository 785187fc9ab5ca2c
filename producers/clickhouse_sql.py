"""The SQL behind the history port, over the tables of `deploy/clickhouse`. All that is asked for goes as parameters.

Numbers come as the shortest plain decimals, as they stand on the topics, and times as milliseconds. A row that was
written twice and isn't merged yet counts once: `FINAL`, which reads in the order of the key and so stops at a limit.
"""

from producers.history_store import Table

# --- candles

_CANDLE = """toUnixTimestamp64Milli(open_time) AS open_time_ms, %s AS closed, toString(open) AS open,
    toString(high) AS high, toString(low) AS low, toString(close) AS close, toString(volume) AS volume,
    toString(quote_volume) AS quote_volume, trades, toString(taker_buy_volume) AS taker_buy_volume,
    toString(taker_buy_quote_volume) AS taker_buy_quote_volume, first_sequence, last_sequence"""
_CLOSED = _CANDLE % "true"
_OF_MARKET = "symbol = {symbol:String} AND `interval` = {interval:String}"
_FIRST = "fromUnixTimestamp64Milli({first_ms:Int64}, 'UTC')"
_END = "fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')"

CANDLES_FROM = f"""
SELECT {_CLOSED} FROM candles FINAL
WHERE {_OF_MARKET} AND open_time >= (SELECT max(open_time) FROM candles WHERE {_OF_MARKET} AND open_time < {_FIRST})
ORDER BY open_time LIMIT {{limit:UInt32}}"""

CANDLES_BEFORE = f"""
SELECT {_CLOSED} FROM candles FINAL WHERE {_OF_MARKET} AND open_time < {_END}
ORDER BY open_time DESC LIMIT {{limit:UInt32}}"""

CANDLE_BEHIND = f"""
SELECT {_CLOSED} FROM candles FINAL WHERE {_OF_MARKET} AND open_time >= {_END}
ORDER BY open_time LIMIT 1"""

FORMING = f"""
SELECT {_CANDLE % "false"} FROM forming_candles WHERE {_OF_MARKET}
ORDER BY open_time DESC, last_sequence DESC LIMIT 1"""

# --- trades

TRADES = """
SELECT sequence, trade_id, toUnixTimestamp64Milli(time) AS time_ms, toString(price) AS price,
    toString(quantity) AS quantity, toString(quote_quantity) AS quote_quantity, aggressor_side, taker_order_id,
    taker_account, toString(taker_fee) AS taker_fee, maker_order_id, maker_account, toString(maker_fee) AS maker_fee,
    fee_asset
FROM trades FINAL WHERE symbol = {symbol:String} AND sequence BETWEEN {first:UInt64} AND {last:UInt64}
ORDER BY sequence"""

TRADE_BEFORE = """
SELECT max(sequence) AS number FROM trades
WHERE symbol = {symbol:String} AND time < fromUnixTimestamp64Milli({time_ms:Int64}, 'UTC')"""

TRADE_BOUNDS = """
SELECT oldest, newest, next_offset
FROM (SELECT sequence AS oldest FROM trades WHERE symbol = {symbol:String} ORDER BY sequence LIMIT 1) AS first
CROSS JOIN (SELECT sequence AS newest, log_offset + 1 AS next_offset FROM trades WHERE symbol = {symbol:String}
    ORDER BY sequence DESC LIMIT 1) AS last"""

# --- alerts

_ALERTS = """
SELECT alert_id, kind, severity, symbol, toUnixTimestamp64Milli(time) AS time_ms, expected, found, evidence
FROM alerts FINAL
WHERE (time_ms, alert_id) > ({after_ms:Int64}, {after_id:String})
    AND (time_ms, alert_id) < ({before_ms:Int64}, {before_id:String})
    AND (time_ms, alert_id) <= ({up_to_ms:Int64}, {up_to_id:String})
    AND time_ms >= {first_ms:Int64} AND time_ms < {end_ms:Int64}
    AND ({symbol:String} = '' OR symbol = {symbol:String})
    AND ({severity:String} = '' OR severity = {severity:String})
ORDER BY time_ms %(order)s, alert_id %(order)s LIMIT {limit:UInt32}"""
ALERTS = {True: _ALERTS % {"order": "ASC"}, False: _ALERTS % {"order": "DESC"}}

# --- how far the sink is

POSITIONS = {
    table: f"""
SELECT max(log_offset) + 1 AS number FROM {table.value}
WHERE log_partition = {{partition:UInt32}} AND log_offset >= {{from_offset:UInt64}} HAVING count() > 0"""
    for table in Table
}

# What the sink has read where no row says so.
READ_POSITION = """
SELECT max(next_offset) AS number FROM sink_positions
WHERE table_uuid = (SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = {table:String})
    AND log_partition = {partition:UInt32}"""

# --- orders

ORDER_EVENTS = """
SELECT toUnixTimestamp64Milli(time) AS time_ms, event, order_id, symbol, side, toString(price) AS price,
    toString(quantity) AS quantity, toString(quote_quantity) AS quote_quantity, toString(fee) AS fee, fee_asset, role,
    trade_id, trade_sequence, status, reason, detail, command_id, refused_by
FROM order_events FINAL WHERE account = {account:String} AND order_id = {order_id:String}
ORDER BY entry_sequence, event_index LIMIT {limit:UInt32}"""

ORDER_NAMED = """
SELECT order_id FROM order_events
WHERE account = {account:String} AND client_order_id = {client_order_id:String}
    AND event IN ('order_opened', 'command_refused')
ORDER BY entry_sequence DESC LIMIT 1"""

# --- an account's journal

# The sequences are bounded twice: by the pair for what is meant, by themselves for what the key can skip.
_BEHIND = """entry_sequence >= {after_sequence:UInt64}
    AND (entry_sequence, %(part)s) > ({after_sequence:UInt64}, {after_part:UInt32})"""
_PAGE = f"""account = {{account:String}} AND entry_sequence < {{below:UInt64}} AND {_BEHIND}
    AND entry_sequence <= {{before_sequence:UInt64}}
    AND (entry_sequence, %(part)s) < ({{before_sequence:UInt64}}, {{before_part:UInt32}})
    AND time >= {_FIRST} AND time < {_END} AND ({{only:String}} = '' OR %(only)s = {{only:String}})
ORDER BY entry_sequence %(order)s, %(part)s %(order)s LIMIT {{limit:UInt32}}"""
# With the table's name: an alias of the same name would be meant otherwise.
_OWN_BOOKS = "postings.book IN (concat('free:', {account:String}), concat('reserved:', {account:String}))"


def _both_ways(text: str, part: str, only: str) -> dict[bool, str]:
    """The same page upwards (True) and downwards."""
    orders = {True: "ASC", False: "DESC"}
    return {up: text % {"part": part, "only": only, "order": order} for up, order in orders.items()}


# Numbers become text only on the page: an account's fills don't lie in the order of its entries, so all are sorted.
ACCOUNT_TRADES = _both_ways(
    f"""
SELECT concat(toString(entry_sequence), '-', toString(event_index)) AS cursor, order_id, symbol, side, role,
    toString(price) AS price, toString(quantity) AS quantity, toString(quote_quantity) AS quote_quantity,
    toString(fee) AS fee, fee_asset, trade_id, trade_sequence, toUnixTimestamp64Milli(time) AS time_ms
FROM (SELECT * FROM order_events FINAL WHERE event = 'order_filled' AND {_PAGE})
ORDER BY entry_sequence %(order)s, %(part)s %(order)s""",
    part="event_index",
    only="symbol",
)

LINES = _both_ways(
    f"""
SELECT entry_sequence, line, toUnixTimestamp64Milli(time) AS time_ms, splitByChar(':', postings.book)[1] AS book, asset,
    toString(amount) AS amount, cause, reference
FROM postings FINAL WHERE {_OWN_BOOKS} AND {_PAGE}""",
    part="line",
    only="asset",
)

_LINES_BEHIND = _BEHIND % {"part": "line"}
SUMS = f"""
SELECT splitByChar(':', postings.book)[1] AS book, asset, toString(sum(postings.amount)) AS amount FROM postings FINAL
WHERE account = {{account:String}} AND entry_sequence < {{below:UInt64}} AND {_LINES_BEHIND} AND {_OWN_BOOKS}
GROUP BY book, asset"""
