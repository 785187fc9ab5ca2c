"""Reading what lies on the log, apart from a stage's own consuming: offsets, tails and snapshots. Commits nothing.

`client_config` is what all clients of a stage's process have in common, `member_config` what members of a group have
besides.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.topics import SNAPSHOTS
from stage.group_watch import STATISTICS_MS
from stage.partition import StageStopped
from stage.published import place_on_edge
from stage.snapshots import Snapshot, SnapshotSearch, snapshot_partitions

TAIL_RECORDS = 500
TAIL_GROWTH = 10  # times as many where the last ones have no place on their edge
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


def client_config(bootstrap: str, client_id: str) -> dict[str, str | int | float | bool]:
    return {
        "bootstrap.servers": bootstrap,
        "client.id": client_id,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 150,  # a broker that is back must not wait for its clients
        # A broker that stood still is told by its controller that it is out, and tells its clients that there is none.
        # They must then begin again with the addresses above; without this they would know no broker for ever.
        "metadata.recovery.strategy": "rebootstrap",
        # After that, with connections made on demand, it was seen to know its broker again and never to connect to it.
        "enable.sparse.connections": False,
        "topic.metadata.refresh.interval.ms": 5000,
        "topic.metadata.refresh.fast.interval.ms": 100,
        "socket.nagle.disable": True,
        "log_level": 3,  # errors; librdkafka's warnings of each lost connection say nothing that isn't seen anyway
    }


def member_config(group: str, member: str, session_timeout_ms: int) -> dict[str, str | int | float | bool]:
    """A static member: started again within its session under the same name, it has its partitions back at once. It
    commits by itself what is durable, and is told how the group is (`stage/group_watch.py`)."""
    return {
        "group.id": group,
        "group.instance.id": f"{group}-{member}",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session_timeout_ms,
        "heartbeat.interval.ms": max(session_timeout_ms // 12, 200),
        "max.poll.interval.ms": 600_000,
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "statistics.interval.ms": STATISTICS_MS,
    }


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
        # A new client that doesn't know yet who leads the partitions now and then waits three seconds before it asks.
        with suppress(KafkaException):
            admin.list_topics(timeout=ANSWER_S)
        while waiting := {TopicPartition(*place): which for place in places if place not in found}:
            for asked, answer in admin.list_offsets(waiting, request_timeout=READ_TIMEOUT_S).items():
                try:
                    found[asked.topic, asked.partition] = answer.result().offset
                except KafkaException as error:  # a broker that has just started doesn't lead yet
                    if error.args[0].code() not in _NOT_YET or time.monotonic() > deadline:
                        raise LogFailed(f"{asked.topic}-{asked.partition}: {error}") from None
                    time.sleep(RETRY_S)
        return found

    def committed(self, group: str, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        """Partition → offset that the group has committed; 0 where there is none. Asked as a consumer that never joins:
        librdkafka's admin client ends in a segmentation fault where the coordinator is just starting.
        """
        asker = Consumer(self._common | {"group.id": group, "enable.auto.commit": False})
        try:
            positions = asker.committed([TopicPartition(topic, partition) for partition in partitions], READ_TIMEOUT_S)
        except KafkaException as error:
            raise LogFailed(f"the offsets of {group}: {error}") from None
        finally:
            asker.close()
        return {position.partition: max(position.offset, 0) for position in positions}

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

    def tails(self, places: Sequence[Place]) -> dict[Place, list[bytes]]:
        """The last records of these partitions, from so far back that one with a place on its edge is among them."""
        bounds = self.bounds(places)
        found: dict[Place, list[bytes]] = {}
        waiting, records = set(bounds), TAIL_RECORDS
        while waiting:
            starts = {place: max(bounds[place][0], bounds[place][1] - records) for place in waiting}
            tails: dict[Place, list[bytes]] = {place: [] for place in waiting}
            for message in self.read(starts, {place: bounds[place] for place in waiting}):
                tails[place_of(message)].append(message.value() or b"")
            found |= tails
            waiting = {
                place
                for place, values in tails.items()
                if starts[place] > bounds[place][0] and not any(map(place_on_edge, values))
            }
            records *= TAIL_GROWTH
        return found

    def newest_snapshots(self, stage: str, partitions: Sequence[int]) -> dict[int, Snapshot]:
        """The newest whole snapshot of each of the stage's partitions that has one."""
        bounds = self.bounds([(SNAPSHOTS, place) for place in sorted(snapshot_partitions(stage, partitions))])
        search = SnapshotSearch(stage, partitions, {place: bound for (_, place), bound in bounds.items()})
        while windows := search.next_windows():
            starts = {(SNAPSHOTS, place): start for place, (start, _) in windows.items()}
            stretches = {(SNAPSHOTS, place): window for place, window in windows.items()}
            search.add((message.key() or b"", message.value() or b"") for message in self.read(starts, stretches))
        return search.newest()

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
                if offset_of(message) < ends[place]:
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
