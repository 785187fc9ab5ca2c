"""aiokafka consumers of no group: the settings they share, and reading a stretch of the log to its end."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas.topics import SNAPSHOTS
from stage.snapshots import Snapshot, newest_snapshots, snapshot_partition

READ_TIMEOUT_S = 30.0


@asynccontextmanager
async def open_consumer(bootstrap_servers: str, **settings: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that commits nothing, and raises where a position isn't on the log."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        metadata_max_age_ms=5_000,
        retry_backoff_ms=50,
        request_timeout_ms=10_000,
        **settings,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def partitions_of(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    """All partitions of these topics, waiting for the topics to exist."""
    while not all(consumer.partitions_for_topic(topic) for topic in topics):
        # aiokafka gives no other way to be told at once; before an assignment it asks for all topics. Assigning first
        # would leave an error about a missing position behind, for a later read to trip over.
        await consumer._client.force_metadata_update()
        await asyncio.sleep(0.05)
    return known_partitions(consumer, topics)


def known_partitions(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    """As of the newest metadata: a topic may have been given more."""
    return [TopicPartition(topic, p) for topic in topics for p in sorted(consumer.partitions_for_topic(topic) or ())]


async def read_to_end(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> AsyncIterator[ConsumerRecord]:
    """All records that stand on these partitions now."""
    starts = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    waiting = {place for place in partitions if starts[place] < ends[place]}
    if not waiting:
        return
    consumer.assign(list(waiting))
    for place in waiting:
        consumer.seek(place, starts[place])
    while waiting:
        batches: Mapping[TopicPartition, list[ConsumerRecord]]
        batches = await asyncio.wait_for(consumer.getmany(timeout_ms=1000), READ_TIMEOUT_S)
        for records in batches.values():
            for record in records:
                yield record
        waiting = {place for place in waiting if await consumer.position(place) < ends[place]}
        await asyncio.sleep(0)


async def read_snapshots(bootstrap_servers: str, stage: str, partitions: Sequence[int]) -> dict[int, Snapshot]:
    """The newest whole snapshot of each of the stage's partitions that has one."""
    prefix = f"{stage}/".encode()
    newest: dict[bytes, bytes] = {}
    async with open_consumer(bootstrap_servers) as consumer:
        await partitions_of(consumer, [SNAPSHOTS])
        places = {TopicPartition(SNAPSHOTS, snapshot_partition(stage, partition)) for partition in partitions}
        async for record in read_to_end(consumer, sorted(places)):
            if record.key is not None and record.value is not None and record.key.startswith(prefix):
                newest[record.key] = record.value
    return newest_snapshots(newest.items(), stage)
