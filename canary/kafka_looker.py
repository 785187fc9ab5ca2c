"""Looking at what lies on the real broker, apart from what is read as a member of a group. Commits nothing.

`client_config` is what all clients of the canary's process have in common.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from canary.log import LogFailed, Place, Record

READ_TIMEOUT_S = 30.0
ENDS_TIMEOUT_S = 2.0
RETRY_S = 0.05
LATEST = OffsetSpec.latest()

PASSING = {
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError._NOENT,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
"""What is over once the broker is back, or has elected a leader."""

Config = dict[str, str | int | float | bool]


def client_config(bootstrap: str, client_id: str) -> Config:
    """What all clients of the process have in common, so that they survive their brokers' deaths."""
    return {
        "bootstrap.servers": bootstrap,
        "client.id": client_id,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 150,
        # Told by a broker that stood still that there is no broker, a client begins again with the addresses above.
        "metadata.recovery.strategy": "rebootstrap",
        # Connections made on demand were seen never to be made again after that.
        "enable.sparse.connections": False,
        "topic.metadata.refresh.interval.ms": 5000,
        "topic.metadata.refresh.fast.interval.ms": 100,
        "socket.nagle.disable": True,
        "log_level": 3,
    }


class Looker:
    """Looks at what lies on the log, as a member of no group. Commits nothing."""

    def __init__(self, common: Config) -> None:
        self._common = dict(common)
        self._admin = AdminClient(self._common)

    def partitions(self, topics: Sequence[str]) -> dict[str, int]:
        """How many partitions these topics have, waited for until they are there."""
        deadline = time.monotonic() + READ_TIMEOUT_S
        while True:
            with suppress(KafkaException):
                found = self._admin.list_topics(timeout=ENDS_TIMEOUT_S).topics
                if all(topic in found and found[topic].partitions for topic in topics):
                    return {topic: len(found[topic].partitions) for topic in topics}
            if time.monotonic() > deadline:
                raise LogFailed(f"not all of {', '.join(topics)} are on the broker")
            time.sleep(RETRY_S)

    def bounds(self, places: Sequence[Place]) -> dict[Place, tuple[int, int]]:
        """The first offset of each partition, and the one behind its last."""
        deadline = time.monotonic() + READ_TIMEOUT_S
        while True:
            lows, highs = self.offsets(places, OffsetSpec.earliest()), self.offsets(places, LATEST)
            if lows and highs:
                return {place: (lows[place], highs[place]) for place in places}
            if time.monotonic() > deadline:
                raise LogFailed("the broker doesn't say where its partitions begin and end")
            time.sleep(RETRY_S)

    def offsets(self, places: Sequence[Place], which: OffsetSpec) -> dict[Place, int]:
        """Of all partitions, or of none where the broker can't say it of one."""
        wanted = {TopicPartition(*place): which for place in places}
        try:
            answers = self._admin.list_offsets(wanted, request_timeout=ENDS_TIMEOUT_S)
            return {(at.topic, at.partition): answer.result().offset for at, answer in answers.items()}
        except KafkaException as error:
            if error.args[0].code() not in PASSING:
                raise LogFailed(f"offsets: {error}") from None
            return {}

    def read(self, starts: Mapping[Place, int], ends: Mapping[Place, int]) -> Iterator[Record]:
        """All records from the starts up to the ends, each partition's in order."""
        unread = {place for place, start in starts.items() if start < ends[place]}
        if not unread:
            return
        reader = Consumer(
            self._common
            | {"group.id": "canary-looks", "enable.auto.commit": False, "auto.offset.reset": "error"}
            | {"enable.partition.eof": True, "fetch.queue.backoff.ms": 1}
        )
        try:
            reader.assign([TopicPartition(*place, starts[place]) for place in unread])
            while unread:
                messages = reader.consume(1000, 0.02) or reader.consume(1, READ_TIMEOUT_S)
                if not messages:
                    raise LogFailed(f"nothing to read within {READ_TIMEOUT_S} s from {sorted(unread)}")
                for message in messages:
                    record = record_of(message)
                    if record is not None and record.offset < ends[record.topic, record.partition]:
                        yield record
                    if _is_end(message, ends):
                        unread.discard(_place(message))
        finally:
            reader.close()


def record_of(message: Message) -> Record | None:
    """None for what is no record and passes."""
    error = message.error()
    if error is None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None and partition is not None and offset is not None, "a fetched message has its place"
        return Record(topic, partition, offset, message.timestamp()[1], message.key(), message.value())
    if error.code() in PASSING or error.code() == KafkaError._PARTITION_EOF:
        return None
    raise LogFailed(f"{message.topic()}-{message.partition()}: {error}")


def _is_end(message: Message, ends: Mapping[Place, int]) -> bool:
    error = message.error()
    if error is not None:
        return error.code() == KafkaError._PARTITION_EOF
    return (message.offset() or 0) + 1 >= ends[_place(message)]


def _place(message: Message) -> Place:
    return str(message.topic()), int(message.partition() or 0)
