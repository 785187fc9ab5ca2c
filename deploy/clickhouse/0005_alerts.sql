-- Divergences that the canary found, with their evidence as (topic, partition, offset): one row each, however often and
-- by whom it was found. Its place is that of the first finding.
CREATE TABLE IF NOT EXISTS alerts
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY alert_id
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;
