"""Reading what lies on the log, apart from a stage's own consuming: offsets, tails and snapshots. Commits nothing."""

import time
from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from stage.partition import StageStopped

READ_TIMEOUT_S = 30.0
ANSWER_S = 1.0
RETRY_S = 0.02
RETRIABLE = {
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.REBALANCE_IN_PROGRESS,
}


# What may be said of a partition by a broker that has just started, or by a client that still knows it from before.
_NOT_YET = RETRIABLE | {
    KafkaError._NOENT,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
EARLIEST, LATEST = OffsetSpec.earliest(), OffsetSpec.latest()

Place = tuple[str, int]
"""Topic and partition."""


class LogFailed(StageStopped):
    """The broker refused something for good. The process ends and starts again."""


class KafkaReader:
    """`common` is what every client of the process is configured with."""

    def __init__(self, common: Mapping[str, str | int | float | bool]) -> None:
        self._common = dict(common)

    def answers(self) -> bool:
        """Whether a broker can be reached now, by a connection of its own."""
        try:
            AdminClient(self._common).list_topics(timeout=ANSWER_S)
        except KafkaException:
            return False
        return True

    def bounds(self, places: Sequence[Place]) -> dict[Place, tuple[int, int]]:
        """The first offset and the one behind the last, for those of these partitions that hold anything."""
        lows, highs = self.offsets(places, EARLIEST), self.offsets(places, LATEST)
        return {place: (lows[place], highs[place]) for place in places if lows[place] < highs[place]}

    def offsets(self, places: Sequence[Place], which: OffsetSpec) -> dict[Place, int]:
        """Of all in one request: asked one by one, hundreds of partitions would take a second."""
        found: dict[Place, int] = {}
        admin, deadline = AdminClient(self._common), time.monotonic() + READ_TIMEOUT_S
        while waiting := {TopicPartition(*place): which for place in places if place not in found}:
            for asked, answer in admin.list_offsets(waiting, request_timeout=READ_TIMEOUT_S).items():
                try:
                    found[asked.topic, asked.partition] = answer.result().offset
                except KafkaException as error:  # a broker that has just started doesn't lead yet
                    if error.args[0].code() not in _NOT_YET or time.monotonic() > deadline:
                        raise LogFailed(f"{asked.topic}-{asked.partition}: {error}") from None
                    time.sleep(RETRY_S)
        return found

    def read(self, starts: dict[Place, int], bounds: dict[Place, tuple[int, int]]) -> Iterator[Message]:
        """All records from the starts up to the bounds, each partition's in order. The starts are offsets and not "the
        beginning": the client would wait half a second before it asks where that is.
        """
        if not starts:
            return
        reader = self._consumer()
        try:
            reader.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
            yield from _read_until(reader, {place: high for place, (_, high) in bounds.items()})
        finally:
            reader.close()

    def _consumer(self) -> Consumer:
        """A consumer of no group, for looking at what lies on the log. It commits nothing."""
        return Consumer(
            self._common
            | {
                "group.id": "reader-that-commits-nothing",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 1,
                "fetch.wait.max.ms": 20,
            }
        )


def _read_until(reader: Consumer, ends: dict[Place, int]) -> Iterator[Message]:
    open_partitions = set(ends)
    while open_partitions:
        messages = reader.consume(1000, 0.02) or reader.consume(1, READ_TIMEOUT_S)
        if not messages:
            raise LogFailed(f"nothing to read within {READ_TIMEOUT_S} s from {sorted(open_partitions)}")
        for message in messages:
            place = place_of(message)
            error = message.error()
            if error is None:
                yield message
                if offset_of(message) + 1 >= ends[place]:
                    open_partitions.discard(place)
            elif error.code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(place)
            elif error.code() not in RETRIABLE:
                raise LogFailed(f"{place}: {error}")


def place_of(message: Message) -> tuple[str, int]:
    topic, partition = message.topic(), message.partition()
    assert topic is not None and partition is not None, "a fetched message has its place"
    return topic, partition


def offset_of(message: Message) -> int:
    offset = message.offset()
    assert offset is not None
    return offset
