"""A follower on a real broker: what it follows grows while it never pauses."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from glassbook.topics_admin import create_topics
from schemas.topics import Topic
from stage.followed import Freshness, Place
from stage.follower import Follower, host_time_ms
from stage.log_reader import PROMPT, be_patient, gathering, open_consumer
from stage.snapshots import Snapshot

TOPIC = "followed"
PATIENCE_S = 30
PAUSE_S = 0.02


class Seen:
    """Counts the records of each partition."""

    stage: str | None = None
    topics: Sequence[str] = (TOPIC,)
    since_ms: Mapping[str, int] = {}

    def __init__(self) -> None:
        self.records: dict[int, int] = {}

    def reset(self) -> None:
        self.records.clear()

    def restore(self, partition: int, snapshot: Snapshot | None) -> dict[Place, int]:
        return {}

    def apply(self, topic: str, partition: int, offset: int, value: bytes) -> None:
        self.records[partition] = self.records.get(partition, 0) + 1

    def restored(self, positions: Mapping[Place, int], now_ms: int) -> None:
        """Nothing hangs on it."""


def test_a_partition_that_is_added_is_followed_however_busy_the_others_are(broker: str) -> None:
    create_topics(broker, [Topic(TOPIC, "nothing", 1, 1, {})])
    admin, seen = AdminClient({"bootstrap.servers": broker}), Seen()
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 0, "topic.metadata.refresh.interval.ms": 500})

    async def follow() -> None:
        following = asyncio.create_task(Follower(broker, seen, Freshness(), host_time_ms).run())
        deadline, enlarged = time.monotonic() + PATIENCE_S, False
        while not seen.records.get(1):
            assert time.monotonic() < deadline, seen.records
            producer.produce(TOPIC, b"busy", partition=0)
            if enlarged:
                with contextlib.suppress(KafkaException):  # while the producer doesn't know the partition yet
                    producer.produce(TOPIC, b"new", partition=1)
            elif seen.records.get(0, 0) > 5:
                admin.create_partitions([NewPartitions(TOPIC, 2)])[TOPIC].result()
                enlarged = True
            producer.poll(0)
            await asyncio.sleep(PAUSE_S)
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following

    asyncio.run(follow())
    producer.flush(10)
    assert seen.records[0] > 5


def test_how_patient_a_reader_is_can_be_changed_while_it_reads(broker: str) -> None:
    """By two fields that aiokafka keeps for itself: an update that renames them must not pass unnoticed."""

    async def changed() -> list[tuple[int, int]]:
        async with open_consumer(broker) as consumer:
            await consumer.topics()
            fetcher = consumer._fetcher
            before = fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms
            be_patient(consumer, gathering(50))
            return [before, (fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms)]

    assert asyncio.run(changed()) == [PROMPT, gathering(50)]
