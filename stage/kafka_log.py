"""The log port on the real broker, through confluent-kafka (librdkafka).

Producing is idempotent with acks=all, waits for ever, and lets nothing be appended behind a failed record of the same
partition: the first error ends the process. Consuming never commits by itself. Partitions come and go by Kafka's
consumer groups; a static member keeps its partitions over a quick restart.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.topics import SNAPSHOTS
from stage.log import InputRecord
from stage.partition import StageStopped
from stage.snapshots import snapshot_partition

TAIL_RECORDS = 500
READ_TIMEOUT_S = 30.0
RETRY_S = 0.02
_RETRIABLE = {
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
_NOT_YET = _RETRIABLE | {
    KafkaError._NOENT,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
_EARLIEST, _LATEST = OffsetSpec.earliest(), OffsetSpec.latest()

Place = tuple[str, int]
"""Topic and partition."""


class LogFailed(StageStopped):
    """The broker refused something for good. The process ends and starts again."""


class Membership:
    """What a group member is told: partitions given, taken in good order, or lost."""

    def __init__(
        self,
        on_assigned: Callable[[list[int]], dict[int, int]],
        on_revoked: Callable[[list[int]], None],
        on_lost: Callable[[list[int]], None],
    ) -> None:
        self.on_assigned = on_assigned
        self.on_revoked = on_revoked
        self.on_lost = on_lost


class KafkaLog:
    """One member of a stage's consumer group, with its producer and its reader."""

    def __init__(self, bootstrap: str, stage: str, topic: str, member: str, session_timeout_ms: int) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._failure: str | None = None
        self._away = False  # the broker, as far as the consumer has seen
        common: dict[str, str | int | float | bool] = {
            "bootstrap.servers": bootstrap,
            "client.id": f"{stage}-{member}",
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 150,  # a broker that is back must not wait for its clients
            # By default a client that has lost all brokers forgets them, and then looks once a second for who leads its
            # partitions. Ours are where they were.
            "metadata.recovery.strategy": "none",
            "topic.metadata.refresh.interval.ms": 5000,
            "topic.metadata.refresh.fast.interval.ms": 100,
            "socket.nagle.disable": True,
            "log_level": 3,  # errors; librdkafka's warnings of each lost connection say nothing that isn't seen anyway
        }
        self._common = common
        self._producer = Producer(
            common
            | {
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "acks": "all",
                "message.timeout.ms": 0,
                "linger.ms": 0,
                "retry.backoff.ms": 20,
                "retry.backoff.max.ms": 200,
                "compression.type": "lz4",
                "delivery.report.only.error": True,
                "queue.buffering.max.messages": 1_000_000,
                "error_cb": self._on_error,
            }
        )
        self._consumer = Consumer(
            common
            | {
                "group.id": stage,
                "group.instance.id": f"{stage}-{member}",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": session_timeout_ms,
                "heartbeat.interval.ms": max(session_timeout_ms // 12, 200),
                "max.poll.interval.ms": 600_000,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.queue.backoff.ms": 1,
                "fetch.wait.max.ms": 100,
                "fetch.error.backoff.ms": 50,
                "error_cb": self._on_error,
            }
        )

    # --- membership

    def join(self, membership: Membership) -> None:
        """Joins the group. Callbacks run inside `fetch`."""

        def assigned(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            start = membership.on_assigned([p.partition for p in partitions])
            consumer.incremental_assign([TopicPartition(self._topic, p, offset) for p, offset in start.items()])

        def revoked(_: Consumer, partitions: list[TopicPartition]) -> None:
            membership.on_revoked([p.partition for p in partitions])

        def lost(_: Consumer, partitions: list[TopicPartition]) -> None:
            membership.on_lost([p.partition for p in partitions])

        self._consumer.subscribe([self._topic], on_assign=assigned, on_revoke=revoked, on_lost=lost)

    def leave(self) -> None:
        """Closes the consumer; as a static member it keeps its partitions for the session time-out."""
        self._consumer.close()

    # --- the port

    def fetch(self, max_records: int, wait_s: float = 0.1) -> Sequence[InputRecord]:
        self._check()
        # `consume(n)` would wait until it has n: wait for the first, then take what is there.
        first = self._consumer.poll(wait_s)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(max_records - 1, 0)]
        records = [_input_record(message) for message in messages if self._is_record(message)]
        self._away = self._away and not records
        return records

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=self._on_delivery)
                return
            except BufferError:
                self._producer.poll(0.01)

    def flush(self) -> None:
        while self._producer.flush(1.0):
            self._check()
        self._check()

    def commit(self, offsets: dict[int, int]) -> None:
        """Asynchronous: a commit that is lost only makes a restart replay more.

        None is made while the broker is away. It would wait in the client, go out when the member's session has timed
        out and it has no name in the group any more, and be taken for an impostor's: that ends the process.
        """
        if self._away:
            return
        positions = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
        try:
            self._consumer.commit(offsets=positions, asynchronous=True)
        except KafkaException as error:
            if error.args[0].code() not in (KafkaError._NO_OFFSET, KafkaError._STATE, *_RETRIABLE):
                raise LogFailed(f"commit: {error}") from None

    def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        positions = self._consumer.committed([TopicPartition(self._topic, p) for p in partitions], READ_TIMEOUT_S)
        return {position.partition: max(position.offset, 0) for position in positions}

    def end_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        return {p: end for (_, p), end in self._offsets([(self._topic, p) for p in partitions], _LATEST).items()}

    def tails(self, topics: Iterable[str], partitions: Sequence[int]) -> dict[tuple[str, int], list[bytes]]:
        bounds = self._bounds([(topic, partition) for topic in topics for partition in partitions])
        tails: dict[tuple[str, int], list[bytes]] = {}
        for message in self._read(
            {place: max(low, high - TAIL_RECORDS) for place, (low, high) in bounds.items()}, bounds
        ):
            tails.setdefault(_place(message), []).append(message.value() or b"")
        return tails

    def snapshot_records(self, stage: str, partitions: Sequence[int]) -> Iterator[tuple[bytes, bytes]]:
        bounds = self._bounds([(SNAPSHOTS, p) for p in sorted({snapshot_partition(stage, p) for p in partitions})])
        for message in self._read({place: low for place, (low, _) in bounds.items()}, bounds):
            yield message.key() or b"", message.value() or b""

    def _bounds(self, places: Sequence[Place]) -> dict[Place, tuple[int, int]]:
        """The first offset and the one behind the last, for those of these partitions that hold anything."""
        lows, highs = self._offsets(places, _EARLIEST), self._offsets(places, _LATEST)
        return {place: (lows[place], highs[place]) for place in places if lows[place] < highs[place]}

    def _offsets(self, places: Sequence[Place], which: OffsetSpec) -> dict[Place, int]:
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

    def _read(self, starts: dict[Place, int], bounds: dict[Place, tuple[int, int]]) -> Iterator[Message]:
        """All records from the starts up to the bounds, each partition's in order. The starts are offsets and not "the
        beginning": the client would wait half a second before it asks where that is.
        """
        if not starts:
            return
        reader = self._reader()
        try:
            reader.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
            yield from _read_until(reader, {place: high for place, (_, high) in bounds.items()})
        finally:
            reader.close()

    # --- errors

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() in _RETRIABLE or error.code() == KafkaError._MAX_POLL_EXCEEDED:
            return False
        raise LogFailed(f"{message.topic()}-{message.partition()}: {error}")

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = f"{message.topic()}-{message.partition()}: {error}"

    def _on_error(self, error: KafkaError) -> None:
        self._away = self._away or error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT)
        if error.fatal() or (error.code() not in _RETRIABLE and not error.retriable()):
            self._failure = self._failure or str(error)

    def _check(self) -> None:
        if self._failure is not None:
            raise LogFailed(self._failure)

    def _reader(self) -> Consumer:
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
            place = _place(message)
            error = message.error()
            if error is None:
                yield message
                if _offset(message) + 1 >= ends[place]:
                    open_partitions.discard(place)
            elif error.code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(place)
            elif error.code() not in _RETRIABLE:
                raise LogFailed(f"{place}: {error}")


def _input_record(message: Message) -> InputRecord:
    return InputRecord(_place(message)[1], _offset(message), message.timestamp()[1], message.value())


def _place(message: Message) -> tuple[str, int]:
    topic, partition = message.topic(), message.partition()
    assert topic is not None and partition is not None, "a fetched message has its place"
    return topic, partition


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None
    return offset
