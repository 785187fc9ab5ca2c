-- Closed candles: one row a bucket that saw a trade.
CREATE TABLE IF NOT EXISTS candles
(
    symbol LowCardinality(String),
    interval LowCardinality(String),
    open_time DateTime64(3, 'UTC'),
    open Decimal(38, 18),
    high Decimal(38, 18),
    low Decimal(38, 18),
    close Decimal(38, 18),
    volume Decimal(38, 18),
    quote_volume Decimal(38, 18),
    trades UInt64,
    taker_buy_volume Decimal(38, 18),
    taker_buy_quote_volume Decimal(38, 18),
    first_sequence UInt64,
    last_sequence UInt64,
    log_partition UInt32,
    log_offset UInt64,
    INDEX log_places (log_partition, log_offset) TYPE minmax
)
ENGINE = ReplacingMergeTree(last_sequence)
PARTITION BY toYYYYMM(open_time)
ORDER BY (symbol, interval, open_time)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;

-- The newest known state of each bucket that still forms (and of the last ones that did). Not a history.
CREATE TABLE IF NOT EXISTS forming_candles
(
    symbol LowCardinality(String),
    interval LowCardinality(String),
    open_time DateTime64(3, 'UTC'),
    open Decimal(38, 18),
    high Decimal(38, 18),
    low Decimal(38, 18),
    close Decimal(38, 18),
    volume Decimal(38, 18),
    quote_volume Decimal(38, 18),
    trades UInt64,
    taker_buy_volume Decimal(38, 18),
    taker_buy_quote_volume Decimal(38, 18),
    first_sequence UInt64,
    last_sequence UInt64,
    log_partition UInt32,
    log_offset UInt64,
    INDEX log_places (log_partition, log_offset) TYPE minmax
)
ENGINE = ReplacingMergeTree(last_sequence)
ORDER BY (symbol, interval)
SETTINGS non_replicated_deduplication_window = 10000;
