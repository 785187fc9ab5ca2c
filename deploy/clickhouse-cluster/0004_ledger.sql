-- Written by `python -m sinks.cluster_ddl` from deploy/clickhouse/0004_ledger.sql: change that one.
-- One row a posting: one line of a double entry. Amounts of an entry sum to zero for each asset.
CREATE TABLE IF NOT EXISTS postings_local ON CLUSTER '{cluster}'
(
    account String, -- whose entry it is
    entry_sequence UInt64,
    line UInt16,
    time DateTime64(3, 'UTC'),
    book String, -- free:ACCOUNT, reserved:ACCOUNT, pending:ACCOUNT, clearing:SYMBOL, fees, world
    asset LowCardinality(String),
    amount Decimal(38, 18),
    cause LowCardinality(String), -- the entry's events, by name, separated by commas
    reference String, -- the order, transfer or withdrawal that the entry is about; several, separated by commas
    log_partition UInt32,
    log_offset UInt64,
    INDEX log_places (log_partition, log_offset) TYPE minmax
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(time)
ORDER BY (account, entry_sequence, line)
SETTINGS replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;

CREATE TABLE IF NOT EXISTS postings ON CLUSTER '{cluster}' AS postings_local
ENGINE = Distributed('{cluster}', currentDatabase(), postings_local, log_partition);

-- A market's terms by revision, as listed. Every partition of `ledger` says them; the rows are from partition 0.
CREATE TABLE IF NOT EXISTS markets_local ON CLUSTER '{cluster}'
(
    symbol LowCardinality(String),
    revision UInt64,
    time DateTime64(3, 'UTC'),
    base LowCardinality(String),
    quote LowCardinality(String),
    base_decimals UInt8,
    quote_decimals UInt8,
    tick Decimal(38, 18),
    lot Decimal(38, 18),
    min_quantity Decimal(38, 18),
    max_quantity Decimal(38, 18),
    min_notional Decimal(38, 18),
    price_low Decimal(38, 18),
    price_high Decimal(38, 18),
    maker_fee Decimal(18, 6),
    taker_fee Decimal(18, 6),
    partition UInt32,
    state LowCardinality(String),
    log_partition UInt32,
    log_offset UInt64,
    INDEX log_places (log_partition, log_offset) TYPE minmax
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (symbol, revision)
SETTINGS replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS markets ON CLUSTER '{cluster}' AS markets_local
ENGINE = Distributed('{cluster}', currentDatabase(), markets_local, log_partition);
