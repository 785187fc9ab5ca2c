"""The log port on the real broker, through confluent-kafka (librdkafka).

Producing is idempotent with acks=all, waits for ever, and lets nothing be appended behind a failed record of the same
partition: the first error ends the process. Consuming never commits by itself. Partitions come and go by Kafka's
consumer groups; a static member keeps its partitions over a quick restart.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from stage.group_watch import GroupWatch
from stage.kafka_producer import Failure, KafkaProducer
from stage.kafka_reader import (
    LATEST,
    READ_TIMEOUT_S,
    RETRIABLE,
    KafkaReader,
    LogFailed,
    client_config,
    member_config,
    offset_of,
    place_of,
)
from stage.log import InputRecord
from stage.snapshots import Snapshot


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
        self._topic = topic
        self._failure = Failure()
        self._uncommitted: dict[int, int] = {}  # input offsets asked for, of which no commit has come back yet
        self._committing = False  # a commit is on its way
        self._away = False  # the broker, as far as the consumer has seen
        common = client_config(bootstrap, f"{stage}-{member}")
        self._reader = KafkaReader(common)
        self._watch = GroupWatch(3 * session_timeout_ms, lambda: time.monotonic_ns() // 1_000_000, self._reader.answers)
        self._producer = KafkaProducer(common, self._failure, self._on_error)
        self._consumer = Consumer(
            common
            | member_config(stage, member, session_timeout_ms)
            | {
                "on_commit": self._on_commit,
                "stats_cb": self._on_statistics,
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
            self._forget(partitions)

        def lost(_: Consumer, partitions: list[TopicPartition]) -> None:
            membership.on_lost([p.partition for p in partitions])
            self._forget(partitions)

        self._consumer.subscribe([self._topic], on_assign=assigned, on_revoke=revoked, on_lost=lost)

    def leave(self) -> None:
        """Closes the consumer; as a static member it keeps its partitions for the session time-out."""
        self._consumer.close()

    # --- the port

    def fetch(self, max_records: int, wait_s: float = 0.1) -> Sequence[InputRecord]:
        self._failure.check()
        # `consume(n)` would wait until it has n: wait for the first, then take what is there.
        first = self._consumer.poll(wait_s)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(max_records - 1, 0)]
        records = [_input_record(message) for message in messages if self._is_record(message)]
        self._away = self._away and not records
        return records

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        self._producer.append(topic, partition, key, value)

    def flush(self) -> None:
        self._producer.flush()

    def commit(self, offsets: dict[int, int]) -> None:
        """Asynchronous: a commit that is lost, as in a rebalance, is asked for again with the next one.

        None is made while the broker is away. It would wait in the client, go out when the member's session has timed
        out and it has no name in the group any more, and be taken for an impostor's: that ends the process.
        """
        self._uncommitted |= offsets
        if self._away or self._committing or not self._uncommitted:
            return
        positions = [TopicPartition(self._topic, partition, offset) for partition, offset in self._uncommitted.items()]
        try:
            self._consumer.commit(offsets=positions, asynchronous=True)
            self._committing = True
        except KafkaException as error:
            if error.args[0].code() not in (KafkaError._NO_OFFSET, KafkaError._STATE, *RETRIABLE):
                raise LogFailed(f"commit: {error}") from None

    def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        positions = self._consumer.committed([TopicPartition(self._topic, p) for p in partitions], READ_TIMEOUT_S)
        return {position.partition: max(position.offset, 0) for position in positions}

    def end_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        return {p: end for (_, p), end in self._reader.offsets([(self._topic, p) for p in partitions], LATEST).items()}

    def tails(self, topics: Iterable[str], partitions: Sequence[int]) -> dict[tuple[str, int], list[bytes]]:
        return self._reader.tails([(topic, partition) for topic in topics for partition in partitions])

    def newest_snapshots(self, stage: str, partitions: Sequence[int]) -> dict[int, Snapshot]:
        return self._reader.newest_snapshots(stage, partitions)

    # --- errors and answers

    def _on_commit(self, error: KafkaError | None, positions: list[TopicPartition]) -> None:
        self._committing = False
        if error is not None:
            return
        for position in positions:
            if position.error is None and self._uncommitted.get(position.partition) == position.offset:
                del self._uncommitted[position.partition]

    def _forget(self, partitions: list[TopicPartition]) -> None:
        for given_away in partitions:
            self._uncommitted.pop(given_away.partition, None)

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() in RETRIABLE or error.code() == KafkaError._MAX_POLL_EXCEEDED:
            return False
        raise LogFailed(f"{message.topic()}-{message.partition()}: {error}")

    def _on_error(self, error: KafkaError) -> None:
        self._away = self._away or error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT)
        self._failure.on_error(error)

    def _on_statistics(self, statistics: str) -> None:
        self._failure.add(self._watch.problem(statistics))


def _input_record(message: Message) -> InputRecord:
    return InputRecord(place_of(message)[1], offset_of(message), message.timestamp()[1], message.value())
