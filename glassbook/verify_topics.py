"""The topics of a running exchange as a source: read up to where they end when one begins, with a reader's rights.

Joins no group and commits nothing. Each partition is read ahead by a bounded number of records.
"""

import heapq
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from glassbook.errors import GlassbookError
from glassbook.topics_admin import admin_client
from glassbook.verify_source import Bounds, LogRecord, Place, order_of

TIMEOUT_S = 30
BATCH = 2_000
MAX_OFFSET = 2**63 - 1
AHEAD_IN_ALL = 100_000  # records in memory, over all partitions
AHEAD_LEAST = 500
# The broker may be gone for so long while one reads; librdkafka keeps trying.
PASSING = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._RESOLVE}


class TopicSource:
    """The records of these topics as they stand now. What comes later isn't read."""

    def __init__(self, bootstrap_servers: str, topics: Sequence[str]) -> None:
        self._bootstrap = bootstrap_servers
        self._bounds = _bounds(bootstrap_servers, topics)

    @property
    def bounds(self) -> Mapping[Place, Bounds]:
        return self._bounds

    def where(self, place: Place, offset: int) -> str:
        topic, partition = place
        return f"glassbook topic tail {topic} --partition {partition} --from {offset} -n 1"

    def records(self, topics: tuple[str, ...]) -> Iterator[LogRecord]:
        """By time, as a source must."""
        with _Reading(self._bootstrap, self._filled(topics)) as reading:
            yield from reading.merged()

    def unordered(self, topics: Sequence[str]) -> Iterator[LogRecord]:
        """Each partition's in order, the partitions as they come."""
        with _Reading(self._bootstrap, self._filled(topics)) as reading:
            while reading.unfinished:
                yield from reading.fetch()

    def last(self, count: int) -> Iterator[LogRecord]:
        """Of each partition the last `count` records at most, each partition's in order."""
        filled = self._filled(tuple({topic for topic, _ in self._bounds}))
        tails = {place: Bounds(max(at.first, at.end - count), at.end) for place, at in filled.items()}
        with _Reading(self._bootstrap, tails) as reading:
            while reading.unfinished:
                yield from reading.fetch()

    def _filled(self, topics: Sequence[str]) -> dict[Place, Bounds]:
        return {
            place: bounds
            for place, bounds in self._bounds.items()
            if place[0] in topics and bounds.first < bounds.end
        }  # fmt: skip


def next_records(bootstrap_servers: str, place: Place, offset: int, wait_s: float) -> list[LogRecord]:
    """What comes onto a partition from this offset on, as soon as anything does; nothing if nothing does in time."""
    with _Reading(bootstrap_servers, {place: Bounds(offset, MAX_OFFSET)}) as reading:
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            found = reading.fetch_now()
            if found:
                return found
    return []


class _Reading:
    """One pass over partitions that hold something."""

    def __init__(self, bootstrap: str, bounds: dict[Place, Bounds]) -> None:
        self._bootstrap = bootstrap
        self._bounds = bounds
        self.unfinished = set(bounds)
        self._ahead = max(AHEAD_LEAST, AHEAD_IN_ALL // max(1, len(bounds)))
        self._paused: set[Place] = set()
        self._buffers: dict[Place, deque[LogRecord]] = {place: deque() for place in bounds}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "glassbook-verify",  # never joined nor committed to: partitions are assigned by hand
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": 8 * 1024,
                "fetch.wait.max.ms": 50,
                "log_level": 2,
            }
        )

    def __enter__(self) -> "_Reading":
        starts = [TopicPartition(*place, bounds.first) for place, bounds in self._bounds.items()]
        if starts:
            self._consumer.assign(starts)
        return self

    def __exit__(self, *error: object) -> None:
        self._consumer.close()

    def fetch(self) -> list[LogRecord]:
        """Some records more; never none, unless partitions came to their ends."""
        messages = self._consumer.consume(BATCH, 0.02) or self._consumer.consume(1, TIMEOUT_S)
        if not messages:
            waiting = ", ".join(f"{topic}-{partition}" for topic, partition in sorted(self.unfinished))
            raise GlassbookError(f"Kafka on {self._bootstrap} gave nothing for {TIMEOUT_S} s, of {waiting}")
        return [record for message in messages if (record := self._taken(message)) is not None]

    def fetch_now(self) -> list[LogRecord]:
        """What there is within a moment, maybe none."""
        messages = self._consumer.consume(BATCH, 0.02)
        return [record for message in messages if (record := self._taken(message)) is not None]

    def _taken(self, message: Message) -> LogRecord | None:
        place = (message.topic() or "", message.partition() or 0)
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self.unfinished.discard(place)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise GlassbookError(
                    f"records of {place[0]}-{place[1]} were deleted by the broker while they were read: start again"
                )
            elif error.code() not in PASSING:
                raise GlassbookError(f"Kafka says of {place[0]}-{place[1]}: {error.str()}")
            return None
        offset = message.offset() or 0
        end = self._bounds[place].end
        if offset + 1 >= end:
            self.unfinished.discard(place)
            self._consumer.pause([TopicPartition(*place)])
        if offset >= end:
            return None
        return LogRecord(*place, offset, message.timestamp()[1], message.key(), message.value())

    # --- by time

    def merged(self) -> Iterator[LogRecord]:
        times = dict.fromkeys(self._bounds, 0)
        heads: list[tuple[tuple[int, int, Place], Place]] = []

        def put(place: Place) -> None:
            """Puts the partition's next record among the heads, if it has one."""
            if self._has_next(place):
                times[place] = max(times[place], self._buffers[place][0].log_time_ms)
                heapq.heappush(heads, (order_of(times[place], place), place))

        for place in self._bounds:
            put(place)
        while heads:
            _, place = heapq.heappop(heads)
            yield self._buffers[place].popleft()
            put(place)

    def _has_next(self, place: Place) -> bool:
        buffer = self._buffers[place]
        while not buffer and place in self.unfinished:
            if place in self._paused:
                self._consumer.resume([TopicPartition(*place)])
                self._paused.discard(place)
            for record in self.fetch():
                self._buffers[record.place].append(record)
            self._hold_back()
        return bool(buffer)

    def _hold_back(self) -> None:
        """Reads no further in partitions of which enough is here already."""
        full = {
            place for place in self.unfinished - self._paused if len(self._buffers[place]) >= self._ahead
        }  # fmt: skip
        if full:
            self._consumer.pause([TopicPartition(*place) for place in full])
            self._paused |= full


def _bounds(bootstrap: str, names: Sequence[str]) -> dict[Place, Bounds]:
    admin = admin_client(bootstrap)
    try:
        topics = admin.list_topics(timeout=TIMEOUT_S).topics
        missing = [name for name in names if name not in topics]
        if missing:
            raise GlassbookError(f"there is no topic {missing[0]} on {bootstrap}: is it a Glassbook exchange?")
        places = [(name, partition) for name in names for partition in sorted(topics[name].partitions)]
        firsts, ends = (_offsets(admin, places, which) for which in (OffsetSpec.earliest(), OffsetSpec.latest()))
    except (KafkaException, TimeoutError) as error:
        why = error.args[0].str() if isinstance(error, KafkaException) else "no answer in time"
        raise GlassbookError(
            f"Kafka on {bootstrap} does not answer ({why}): start the exchange with 'glassbook up', or name another in"
            " GLASSBOOK_BOOTSTRAP_SERVERS"
        ) from None
    return {place: Bounds(firsts[place], ends[place]) for place in places}


def _offsets(admin: AdminClient, places: Sequence[Place], which: OffsetSpec) -> dict[Place, int]:
    asked = admin.list_offsets({TopicPartition(*place): which for place in places}, request_timeout=TIMEOUT_S)
    return {(at.topic, at.partition): future.result(TIMEOUT_S + 5).offset for at, future in asked.items()}
