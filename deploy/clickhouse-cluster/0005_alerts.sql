-- Written by `python -m sinks.cluster_ddl` from deploy/clickhouse/0005_alerts.sql: change that one.
-- Divergences that the canary found, with their evidence as (topic, partition, offset): one row each, however often and
-- by whom it was found. Its place is that of the first finding.
CREATE TABLE IF NOT EXISTS alerts_local ON CLUSTER '{cluster}'
(
    alert_id String,
    kind LowCardinality(String),
    severity LowCardinality(String),
    symbol LowCardinality(String),
    time DateTime64(3, 'UTC'),
    expected String,
    found String,
    evidence Array(Tuple(topic String, partition UInt32, offset UInt64)),
    log_partition UInt32,
    log_offset UInt64,
    INDEX log_places (log_partition, log_offset) TYPE minmax
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(time)
ORDER BY alert_id
SETTINGS replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;

CREATE TABLE IF NOT EXISTS alerts ON CLUSTER '{cluster}' AS alerts_local
ENGINE = Distributed('{cluster}', currentDatabase(), alerts_local, log_partition);
