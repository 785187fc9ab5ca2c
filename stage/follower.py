"""Follows topics into a view: restore it from snapshots, read on from there, start over when something is missing.

A gateway has several, each on a connection of its own. An error of the log is never passed over: the follower
reconnects and goes on where it was; a gap or a position that the log no longer has makes it restore anew. `positions`
says how far it is, and `Freshness` holds that against the log's ends.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from stage.followed import Freshness, Gap, Place, Projection
from stage.log_reader import (
    PROMPT,
    Patience,
    be_patient,
    known_partitions,
    open_consumer,
    partitions_of,
    read_snapshots,
)
from stage.snapshots import Snapshot

logger = structlog.get_logger()
RETRY_S = 0.5
MAX_RECORDS = 500
LOOK_AGAIN_MS = 1000
LONGEST_TURN_S = 0.1


def host_time_ms() -> int:
    return time.time_ns() // 1_000_000


class PartitionsAdded(Exception):
    """A topic has more partitions than are being read."""


class Follower:
    def __init__(
        self,
        bootstrap_servers: str,
        projection: Projection,
        freshness: Freshness,
        now_ms: Any,
        only: int | None = None,
        heard: Callable[[], None] = lambda: None,
        patience: Callable[[], Patience] = lambda: PROMPT,
    ) -> None:
        """`only` is the one partition that is followed, where one tells all that is wanted. `heard` is called whenever
        the log has answered with records; `patience` says anew for each read how long they may be gathered."""
        self._bootstrap_servers = bootstrap_servers
        self._projection = projection
        self._freshness = freshness
        self._now_ms = now_ms
        self._only = only
        self._heard = heard
        self._patience = patience
        self._restored = False
        self.positions: dict[Place, int] = {}

    @property
    def topics(self) -> Sequence[str]:
        return self._projection.topics

    async def run(self) -> None:
        """Until cancelled."""
        topics = self._projection.topics
        while True:
            try:
                async with open_consumer(self._bootstrap_servers) as consumer:
                    await self._follow(consumer)
            except PartitionsAdded:
                continue
            except (Gap, OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
                logger.error("the view is restored anew", of=topics, why=str(error))
                self._restored = False
                self._freshness.lost()
            except (KafkaError, TimeoutError, OSError) as error:
                logger.warning("the log is lost for now", of=topics, why=str(error))
            await asyncio.sleep(RETRY_S)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        await partitions_of(consumer, self._projection.topics)
        places = self.places(consumer)
        if not self._restored:
            await self._restore(consumer, places)
        consumer.assign(places)
        for place in places:
            consumer.seek(place, self.positions.setdefault(place, 0))
        looked = resumed = time.monotonic()
        waited_s = 0.0
        while True:
            be_patient(consumer, self._patience())
            batches = await consumer.getmany(timeout_ms=LOOK_AGAIN_MS, max_records=MAX_RECORDS)
            if batches:
                self._heard()
            for place, records in batches.items():
                for record in records:
                    if record.value is not None:
                        self._projection.apply(place.topic, place.partition, record.offset, record.value)
                    self.positions[place] = record.offset + 1
            # By the clock, for a busy log never pauses.
            if time.monotonic() - looked >= LOOK_AGAIN_MS / 1000:
                looked = time.monotonic()
                if len(self.places(consumer)) != len(places):
                    raise PartitionsAdded
            # Data that is there already is taken without a pause, so others must have their turn in between. Where
            # these take long, so may this: else a view would fall behind by the work of a busy process.
            paused = time.monotonic()
            if paused - resumed >= waited_s:
                await asyncio.sleep(0)
                resumed = time.monotonic()
                waited_s = min(resumed - paused, LONGEST_TURN_S)

    def places(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """What is followed, as of this consumer's newest metadata."""
        known = known_partitions(consumer, self._projection.topics)
        return [place for place in known if self._only in (None, place.partition)]

    async def _restore(self, consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> None:
        projection = self._projection
        numbers = sorted({place.partition for place in places})
        snapshots: dict[int, Snapshot] = {}
        starts: dict[Place, int] = {}
        if projection.stage is None:
            starts |= await consumer.end_offsets(places)
        else:
            snapshots = await read_snapshots(self._bootstrap_servers, projection.stage, numbers)
        oldest = await consumer.beginning_offsets(places)
        now_ms = self._now_ms()
        past = await self._offsets_since(consumer, places, now_ms)
        projection.reset()
        for number in numbers:
            starts |= projection.restore(number, snapshots.get(number))
            await asyncio.sleep(0)
        # A position that the past reaches back behind is read from there; one below the oldest record can't be read.
        self.positions = {
            place: max(oldest[place], min(starts.get(place, 0), past.get(place, starts.get(place, 0))))
            for place in places
        }
        projection.restored(self.positions, now_ms)
        self._restored = True
        logger.info("view restored", of=projection.topics, snapshots=len(snapshots), partitions=len(numbers))

    async def _offsets_since(
        self, consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], now_ms: int
    ) -> dict[TopicPartition, int]:
        """Where the wanted past begins, for topics that some of it is wanted of."""
        since = self._projection.since_ms
        wanted = {place: now_ms - since[place.topic] for place in places if place.topic in since}
        if not wanted:
            return {}
        found = await consumer.offsets_for_times(wanted)
        return {place: at.offset for place, at in found.items() if at is not None}
