"""Kafka as a sink sees it: one member of the group `sinks` on several topics, and the way to the dead letters.

Partitions that are given to this member stand still until they are started at an offset. Commits say how far ClickHouse
is, for `glassbook status`; nobody starts from them. A commit carries a note where something is wrong.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.codec import encode
from schemas.topics import DEAD_LETTERS
from sinks.records import STAGE, DeadPlace, Stretch, Unreadable, dead_letter, dead_place
from stage.group_watch import GroupWatch
from stage.kafka_producer import Failure, KafkaProducer
from stage.kafka_reader import (
    EARLIEST,
    LATEST,
    RETRIABLE,
    KafkaReader,
    LogFailed,
    Place,
    client_config,
    member_config,
    offset_of,
    place_of,
)

FETCHED_KB = 32 * 1024  # what the client reads ahead, over all partitions
NOTE_S = 2.0
MAX_NOTE = 300  # characters
MAX_REMEMBERED = 10_000  # dead letters
LOST_COMMIT = RETRIABLE | {
    KafkaError._NO_OFFSET,
    KafkaError._STATE,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
}
GONE = {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET}


class Fetched(NamedTuple):
    """What came, and partitions whose position the log doesn't have."""

    stretches: list[Stretch]
    gone: list[Place]


class SinkLog:
    def __init__(self, bootstrap: str, topics: Sequence[str], member: str, session_timeout_ms: int) -> None:
        self._topics = list(topics)
        self._failure = Failure()
        self._away = False  # the broker, as far as the consumer has seen
        self._uncommitted: dict[Place, int] = {}
        common = client_config(bootstrap, f"{STAGE}-{member}")
        self._reader = KafkaReader(common)
        self._watch = GroupWatch(3 * session_timeout_ms, lambda: time.monotonic_ns() // 1_000_000, self._reader.answers)
        self._producer = KafkaProducer(common, self._failure, self._on_error)
        self._written: set[DeadPlace] | None = None  # dead letters that are there already
        self._consumer = Consumer(
            common
            | member_config(STAGE, member, session_timeout_ms)
            | {
                "on_commit": self._on_commit,
                "stats_cb": self._on_statistics,
                "queued.max.messages.kbytes": FETCHED_KB,
                "fetch.wait.max.ms": 250,
                "fetch.min.bytes": 256 * 1024,  # nobody waits for a row: a fetch for many records and not for each
                "fetch.queue.backoff.ms": 10,  # by default it rests for a second when it has read ahead enough
                "error_cb": self._on_error,
            }
        )

    # --- membership

    def join(self, on_assigned: Callable[[list[Place]], None], on_taken: Callable[[list[Place], bool], None]) -> None:
        """Joins the group. `on_taken` is told whether the partitions are still ours at that moment, to be left in good
        order. Both run inside `fetch`."""

        def assigned(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            # An offset that isn't read from: a logical one would be looked up first, which takes half a second.
            consumer.incremental_assign([TopicPartition(p.topic, p.partition, 0) for p in partitions])
            consumer.pause(partitions)
            on_assigned(_places(partitions))

        def taken(partitions: list[TopicPartition], in_order: bool) -> None:
            on_taken(_places(partitions), in_order)
            for place in _places(partitions):
                self._uncommitted.pop(place, None)

        self._consumer.subscribe(
            self._topics,
            on_assign=assigned,
            on_revoke=lambda _, partitions: taken(partitions, True),
            on_lost=lambda _, partitions: taken(partitions, False),
        )

    def leave(self) -> None:
        """Closes the consumer; as a static member it keeps its partitions for the session time-out."""
        self._consumer.close()

    # --- reading

    def start(self, starts: Mapping[Place, int]) -> None:
        """Reads these partitions from these offsets on."""
        for (topic, partition), offset in starts.items():
            self._consumer.seek(TopicPartition(topic, partition, offset))
        self._consumer.resume([TopicPartition(*place) for place in starts])

    def stop(self, places: Sequence[Place]) -> None:
        """Lets partitions stand still. What was read of them ahead is dropped."""
        self._consumer.pause([TopicPartition(*place) for place in places])

    def fetch(self, max_records: int, wait_s: float) -> Fetched:
        """Up to so many records, as they are there within the time; returns at once when it has them."""
        self._failure.check()
        fetched = Fetched([], [])
        stretches: dict[Place, Stretch] = {}
        for message in self._consumer.consume(max_records, wait_s):
            if (error := message.error()) is not None:
                self._take_error(message, error, fetched.gone)
                continue
            place = place_of(message)
            stretch = stretches.get(place)
            if stretch is None:
                stretch = stretches[place] = Stretch(*place, [], [])
            stretch.offsets.append(offset_of(message))
            stretch.values.append(message.value())
        self._away = self._away and not stretches
        fetched.stretches.extend(stretches.values())
        return fetched

    def _take_error(self, message: Message, error: KafkaError, gone: list[Place]) -> None:
        if error.code() in GONE and message.topic() is not None and (message.partition() or 0) >= 0:
            gone.append(place_of(message))
        elif error.code() not in RETRIABLE and error.code() != KafkaError._MAX_POLL_EXCEEDED:
            raise LogFailed(f"{message.topic()}-{message.partition()}: {error}")

    def bounds(self, places: Sequence[Place]) -> dict[Place, tuple[int, int]]:
        """The first offset and the one behind the last."""
        lows, highs = self._reader.offsets(places, EARLIEST), self._reader.offsets(places, LATEST)
        return {place: (lows[place], highs[place]) for place in places}

    # --- saying how far it is

    def commit(self, positions: Mapping[Place, int], wait: bool = False) -> None:
        """Place → next offset. Asks again, with the next commit, for what a rebalance lost.

        None is made while the broker is away: it would go out late, under a name that the member no longer has.
        """
        self._uncommitted |= positions
        if not self._away and self._uncommitted:
            self._commit([TopicPartition(*place, offset) for place, offset in self._uncommitted.items()], wait)

    def note(self, places: Sequence[Place], text: str) -> None:
        """Commits what is committed already, with a word on what is wrong. The next commit takes it away."""
        if self._away or not places:
            return
        try:
            committed = self._consumer.committed([TopicPartition(*place) for place in places], NOTE_S)
        except KafkaException:
            return
        noted = [TopicPartition(p.topic, p.partition, p.offset, text[:MAX_NOTE]) for p in committed if p.offset >= 0]
        if noted:
            self._commit(noted, wait=False)

    def _commit(self, offsets: list[TopicPartition], wait: bool) -> None:
        try:
            if wait:
                self._consumer.commit(offsets=offsets, asynchronous=False)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            if error.args[0].code() not in LOST_COMMIT:
                raise LogFailed(f"commit: {error}") from None

    def _on_commit(self, error: KafkaError | None, positions: list[TopicPartition]) -> None:
        if error is not None:
            return
        for position in positions:
            place = (position.topic, position.partition)
            if position.error is None and self._uncommitted.get(place) == position.offset:
                del self._uncommitted[place]

    # --- what couldn't be read

    def bury(self, unreadable: Sequence[Unreadable]) -> None:
        """Returns when they stand on the dead letters. One that stands there already isn't written again."""
        if not unreadable:
            return
        if self._written is None:
            tail = self._reader.tails([(DEAD_LETTERS, 0)]).get((DEAD_LETTERS, 0), [])
            self._written = {place for value in tail if (place := dead_place(value)) is not None}
        for record in unreadable:
            if (record.topic, record.partition, record.offset) not in self._written:
                key = f"{STAGE}-{record.topic}-{record.partition}".encode()
                self._producer.append(DEAD_LETTERS, 0, key, encode(dead_letter(record)))
        self._producer.flush()
        self._written |= {(record.topic, record.partition, record.offset) for record in unreadable}
        if len(self._written) > MAX_REMEMBERED:
            self._written = None

    # --- errors

    def _on_error(self, error: KafkaError) -> None:
        self._away = self._away or error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT)
        self._failure.on_error(error)

    def _on_statistics(self, statistics: str) -> None:
        self._failure.add(self._watch.problem(statistics))


def _places(partitions: Sequence[TopicPartition]) -> list[Place]:
    return [(p.topic, p.partition) for p in partitions]
