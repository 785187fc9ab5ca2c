-- Written by `python -m sinks.cluster_ddl` from deploy/clickhouse/0003_orders.sql: change that one.
-- What happened to orders: one row an event of the journal (`ledger`), in the journal's order. A refused new order has its
-- command's id, as it would have had it as an order; a refused cancel or amend the id of the order that it was about.
CREATE TABLE IF NOT EXISTS order_events_local ON CLUSTER '{cluster}'
(
    account String,
    order_id String,
    event LowCardinality(String), -- order_opened, order_rested, order_filled, order_decremented, order_amended, order_closed, command_refused
    time DateTime64(3, 'UTC'),
    symbol LowCardinality(String),
    client_order_id String,
    side Enum8('' = 0, 'BUY' = 1, 'SELL' = 2),
    type LowCardinality(String),
    time_in_force LowCardinality(String),
    post_only Bool,
    price Nullable(Decimal(38, 18)),
    quantity Nullable(Decimal(38, 18)),
    max_quote Nullable(Decimal(38, 18)),
    quote_quantity Nullable(Decimal(38, 18)),
    fee Nullable(Decimal(38, 18)),
    fee_asset LowCardinality(String),
    role Enum8('' = 0, 'MAKER' = 1, 'TAKER' = 2),
    trade_id String,
    trade_sequence UInt64,
    valid_until Nullable(DateTime64(3, 'UTC')),
    status LowCardinality(String), -- of order_closed
    reason LowCardinality(String), -- why it closed or was refused
    detail String,
    command_id String,
    refused_by LowCardinality(String), -- the stage
    entry_sequence UInt64, -- the account's entry in the journal
    event_index UInt16, -- within the entry
    log_partition UInt32,
    log_offset UInt64,
    INDEX log_places (log_partition, log_offset) TYPE minmax
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(time)
ORDER BY (account, order_id, log_partition, log_offset, event_index)
SETTINGS replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;

CREATE TABLE IF NOT EXISTS order_events ON CLUSTER '{cluster}' AS order_events_local
ENGINE = Distributed('{cluster}', currentDatabase(), order_events_local, log_partition);
