-- Divergences that the canary found, with their evidence as (topic, partition, offset).
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
    log_offset UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (alert_id, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 10000;
