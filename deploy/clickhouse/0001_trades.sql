-- One row a fill, as on the topic `trades`. A copy that comes again is the same row, and a merge drops it.
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
    log_offset UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (symbol, sequence)
SETTINGS non_replicated_deduplication_window = 10000;
