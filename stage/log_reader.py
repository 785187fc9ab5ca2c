"""aiokafka consumers of no group: the settings they share, and reading stretches of the log."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.topics import SNAPSHOTS
from stage.snapshots import Snapshot, SnapshotSearch, snapshot_partitions

logger = structlog.get_logger()
READ_TIMEOUT_S = 30.0
READ_MS = 2_000


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


class Patience(NamedTuple):
    """The broker answers a request to read when there is so much, or after so long."""

    min_bytes: int
    max_wait_ms: int


PROMPT = Patience(1, 500)


def gathering(max_wait_ms: int) -> Patience:
    """Many records with one request, each up to so late: one for many partitions costs as much as many records."""
    return Patience(64 * 1024, max_wait_ms)


def be_patient(consumer: AIOKafkaConsumer, patience: Patience) -> None:
    """From the consumer's next request on."""
    # aiokafka takes both when it is made, and looks at them again for each request.
    consumer._fetcher._fetch_min_bytes, consumer._fetcher._fetch_max_wait_ms = patience


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


async def bounds_of(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, tuple[int, int]]:
    """The first offset of each, and the one behind its last."""
    starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    return {place: (starts[place], ends[place]) for place in partitions}


async def read_stretches(
    consumer: AIOKafkaConsumer, stretches: Mapping[TopicPartition, tuple[int, int]]
) -> AsyncIterator[ConsumerRecord]:
    """The records from the first of these offsets on and before the second, each partition's in order."""
    waiting = {place for place, (start, end) in stretches.items() if start < end}
    if not waiting:
        return
    consumer.assign(list(waiting))
    for place in waiting:
        consumer.seek(place, stretches[place][0])
    while waiting:
        batches: Mapping[TopicPartition, list[ConsumerRecord]]
        batches = await asyncio.wait_for(consumer.getmany(timeout_ms=1000), READ_TIMEOUT_S)
        for place, records in batches.items():
            for record in records:
                if record.offset < stretches[place][1]:
                    yield record
        waiting = {place for place in waiting if await consumer.position(place) < stretches[place][1]}
        await asyncio.sleep(0)


async def read_from(
    consumer: AIOKafkaConsumer, place: TopicPartition, offset: int, limit: int
) -> AsyncIterator[ConsumerRecord]:
    """Up to `limit` records from an offset on, ending at the log's present end."""
    end = (await consumer.end_offsets([place]))[place]
    consumer.assign([place])
    consumer.seek(place, offset)
    count = 0
    while count < limit and await consumer.position(place) < end:
        batches = await consumer.getmany(timeout_ms=READ_MS, max_records=min(500, limit - count))
        if not batches:
            raise TimeoutError(f"nothing to read from {place.topic}-{place.partition} at {offset}")
        for record in batches[place]:
            count += 1
            yield record
        await asyncio.sleep(0)


class SharedReader:
    """One consumer for what is asked for seldom: opened when it is first needed, and for one reader at a time."""

    def __init__(self, bootstrap_servers: str, topics: Sequence[str], queue_s: float) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._topics = topics
        self._queue_s = queue_s
        self._turn = asyncio.Lock()
        self._open = AsyncExitStack()
        self._consumer: AIOKafkaConsumer | None = None

    async def close(self) -> None:
        self._consumer = None
        await self._open.aclose()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[AIOKafkaConsumer]:
        """The consumer, to oneself; `Refused(HISTORY_UNAVAILABLE)` if the queue is long or the log doesn't answer."""
        try:
            async with asyncio.timeout(self._queue_s):
                await self._turn.acquire()
        except TimeoutError:
            raise Refused(Reason.HISTORY_UNAVAILABLE, "too many ask for what is old") from None
        try:
            if self._consumer is None:
                opened = open_consumer(self._bootstrap_servers, max_partition_fetch_bytes=256 * 1024)
                self._consumer = await self._open.enter_async_context(opened)
                await partitions_of(self._consumer, self._topics)
            yield self._consumer
        except (KafkaError, TimeoutError, OSError) as error:
            logger.warning("history not read", why=str(error))
            await self.close()
            raise Refused(Reason.HISTORY_UNAVAILABLE, "the log does not answer") from None
        finally:
            self._turn.release()


async def read_snapshots(bootstrap_servers: str, stage: str, partitions: Sequence[int]) -> dict[int, Snapshot]:
    """The newest whole snapshot of each of the stage's partitions that has one."""
    async with open_consumer(bootstrap_servers) as consumer:
        await partitions_of(consumer, [SNAPSHOTS])
        places = [TopicPartition(SNAPSHOTS, place) for place in sorted(snapshot_partitions(stage, partitions))]
        bounds = await bounds_of(consumer, places)
        search = SnapshotSearch(stage, partitions, {place.partition: bound for place, bound in bounds.items()})
        while windows := search.next_windows():
            stretches = {TopicPartition(SNAPSHOTS, place): window for place, window in windows.items()}
            search.add([(r.key or b"", r.value or b"") async for r in read_stretches(consumer, stretches)])
    return search.newest()
