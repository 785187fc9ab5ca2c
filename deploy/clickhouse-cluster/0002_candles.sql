-- Written by `python -m sinks.cluster_ddl` from deploy/clickhouse/0002_candles.sql: change that one.
-- Closed candles: one row a bucket that saw a trade.
CREATE TABLE IF NOT EXISTS candles_local ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', last_sequence)
PARTITION BY toYYYYMM(open_time)
ORDER BY (symbol, interval, open_time)
SETTINGS replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;

CREATE TABLE IF NOT EXISTS candles ON CLUSTER '{cluster}' AS candles_local
ENGINE = Distributed('{cluster}', currentDatabase(), candles_local, log_partition);

-- The newest known state of each bucket that still forms (and of the last ones that did). Not a history.
CREATE TABLE IF NOT EXISTS forming_candles_local ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', last_sequence)
ORDER BY (symbol, interval)
SETTINGS replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS forming_candles ON CLUSTER '{cluster}' AS forming_candles_local
ENGINE = Distributed('{cluster}', currentDatabase(), forming_candles_local, log_partition);
