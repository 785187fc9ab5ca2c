-- Written by `python -m sinks.cluster_ddl` from deploy/clickhouse/0006_sinks.sql: change that one.
-- Who may write what a partition of a topic brings: the highest claim. Each insert names the claim that it rests on, and
-- is refused when there is a higher one by the time that it begins.
CREATE TABLE IF NOT EXISTS sink_claims ON CLUSTER '{cluster}'
(
    topic LowCardinality(String),
    log_partition UInt32,
    claim SimpleAggregateFunction(max, String) -- a number of 20 digits that counts up, and who it is
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')
ORDER BY (topic, log_partition);

-- How far partitions have been read where no row says so, as with ticks: all that lies below next_offset is in the table.
-- Written now and then, behind the rows. It holds for the table with this identity: one that is made again starts anew.
CREATE TABLE IF NOT EXISTS sink_positions ON CLUSTER '{cluster}'
(
    table_uuid UUID,
    table_name LowCardinality(String),
    log_partition UInt32,
    next_offset UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', next_offset)
ORDER BY (table_uuid, log_partition);
