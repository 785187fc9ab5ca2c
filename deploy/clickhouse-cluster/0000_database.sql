-- Before the others, which are written by `python -m sinks.cluster_ddl`. All nodes share one record of what was applied.
CREATE DATABASE IF NOT EXISTS glassbook ON CLUSTER '{cluster}';

CREATE TABLE IF NOT EXISTS glassbook.schema_migrations ON CLUSTER '{cluster}'
(
    number UInt32,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')
ORDER BY number
SETTINGS replicated_deduplication_window = 10000;
