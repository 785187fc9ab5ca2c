-- One row a trade, as on the topic `trades`.
--
-- In all tables log_partition and log_offset say where the record lies. With a retention (GLASSBOOK_RETENTION_DAYS_*) a
-- table's old parts are dropped as a whole, never rewritten: a row may stay until its month has gone.
CREATE TABLE IF NOT EXISTS trades
(
    symbol LowCardinality(String),
    sequence UInt64,
    trade_id String,
    time DateTime64(3, 'UTC'),
    price Decimal(38, 18),
    quantity Decimal(38, 18),
    quote_quantity Decimal(38, 18),
    aggressor_side Enum8('BUY' = 1, 'SELL' = 2),
    taker_order_id String,
    taker_account String,
    taker_fee Decimal(38, 18),
    maker_order_id String,
    maker_account String,
    maker_fee Decimal(38, 18),
    fee_asset LowCardinality(String),
    log_partition UInt32,
    log_offset UInt64,
    INDEX log_places (log_partition, log_offset) TYPE minmax
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (symbol, sequence)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;
