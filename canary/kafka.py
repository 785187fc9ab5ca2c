"""The canary's own reader and writer on the real broker.

Two consumer groups. In `canary-lead` there is one partition to be had: who has it leads, all others stand by. Only the
leader joins the group `canary`, so that it alone has every partition, and commits there up to where each is judged.
Where it reads on is never taken from the group: its state says that.
"""

import time
from collections.abc import Callable, Mapping, Sequence, Set

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from canary.kafka_looker import LATEST, PASSING, Config, Looker, client_config, record_of
from canary.log import LogFailed, Place, Record
from schemas.topics import DEAD_LETTERS

GROUP = "canary"
LEAD_GROUP = "canary-lead"
LEAD_TOPIC = DEAD_LETTERS
"""It has one partition. Nothing of it is read here: to have the partition is all that matters."""

STANDSTILL_SESSIONS = 5
MAX_RECORD_BYTES = 999_000

_COMMIT_LOST = PASSING | {
    KafkaError._NO_OFFSET,
    KafkaError._STATE,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
}


class Member:
    """A member of a consumer group, known there by a name that it keeps when it is started again."""

    def __init__(
        self,
        common: Config,
        group: str,
        name: str,
        session_timeout_ms: int,
        on_error: Callable[[KafkaError], None],
    ) -> None:
        self.places: frozenset[Place] = frozenset()
        self.held: frozenset[Place] = frozenset()
        self.consumer = Consumer(
            common
            | {
                "group.id": group,
                "group.instance.id": name,
                "partition.assignment.strategy": "range",
                "session.timeout.ms": session_timeout_ms,
                "heartbeat.interval.ms": max(session_timeout_ms // 12, 200),
                "max.poll.interval.ms": 600_000,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.queue.backoff.ms": 1,
                # Up to 100 ms late, so that a busy exchange costs a fetch for many records and not for each.
                "fetch.wait.max.ms": 100,
                "fetch.min.bytes": 256 * 1024,
                "queued.max.messages.kbytes": 16 * 1024,  # read ahead: several rounds of judging
                # Of all and of each partition, compressed. Who is behind would else be given 50 MB at once.
                "fetch.max.bytes": 8 * 1024 * 1024,
                "max.partition.fetch.bytes": 256 * 1024,
                "fetch.error.backoff.ms": 50,
                "error_cb": on_error,
            }
        )

    def subscribe(self, topics: Sequence[str], starts: Callable[[], Mapping[Place, int]] | None) -> None:
        """`starts` says where a partition is read on from; without it partitions are held, and not read."""

        def assigned(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self.places = frozenset((p.topic, p.partition) for p in partitions)
            if starts is None:
                consumer.assign([TopicPartition(*place, 0) for place in self.places])
                consumer.pause(partitions)
                return
            known = starts()
            # With a part of them nothing can be judged: whoever has the others is about to leave.
            complete = self.places == known.keys()
            self.held = frozenset()
            consumer.assign([TopicPartition(*place, known[place]) for place in known] if complete else [])

        def taken(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self.places = self.held = frozenset()
            consumer.unassign()

        self.consumer.subscribe(list(topics), on_assign=assigned, on_revoke=taken, on_lost=taken)

    def hold(self, places: Set[Place]) -> None:
        """Of what it has; of what it is given later nothing is held."""
        wanted = self.places & places
        self.consumer.pause([TopicPartition(*place) for place in wanted - self.held])
        self.consumer.resume([TopicPartition(*place) for place in self.held - wanted])
        self.held = wanted


class CanaryLog:
    """The port of `log.py` on the real broker."""

    def __init__(self, bootstrap: str, member: str, session_timeout_ms: int, topics: Sequence[str]) -> None:
        name = f"{GROUP}-{member}"
        self._topics = topics
        self._failure: str | None = None
        self._away = False  # the broker, as far as the consumer has seen
        self._patience_s = STANDSTILL_SESSIONS * session_timeout_ms / 1000
        common = client_config(bootstrap, name)
        self.looker = Looker(common)
        self._lead = Member(common, LEAD_GROUP, name, session_timeout_ms, self._on_error)
        self._reader = Member(common, GROUP, name, session_timeout_ms, self._on_error)
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
                "error_cb": self._on_error,
            }
        )
        self._positions: dict[Place, int] = {}
        self._standing: dict[Place, tuple[int, float]] = {}  # at which position since when
        self._answered_s = time.monotonic()  # when it was last said where all partitions end
        self._lost_place: str | None = None  # a partition that can't be read from where it should be

    # --- membership

    def apply_to_lead(self) -> None:
        self._lead.subscribe([LEAD_TOPIC], None)

    def leads(self, wait_s: float) -> bool:
        """Whether this process is the one that judges."""
        self._check()
        message = self._lead.consumer.poll(wait_s)
        if message is not None:
            record_of(message)
        return bool(self._lead.places)

    def join(self, positions: Mapping[Place, int]) -> None:
        """Reads every partition from its position on, as soon as the group has given them all to this process."""
        self._positions = dict(positions)
        self._answered_s = time.monotonic()
        self._reader.subscribe(self._topics, lambda: self._positions)

    def leave(self) -> None:
        self._reader.consumer.close()
        self._lead.consumer.close()

    # --- the port

    def fetch(self, max_records: int) -> Sequence[Record]:
        if not self.leads(0):
            raise LogFailed("it leads no longer: its session lapsed, or another canary has taken over")
        first = self._reader.consumer.poll(0.05)
        if first is None:
            return []
        # `consume(n)` would wait until it has n: wait for the first, then take what is there.
        messages = [first, *self._reader.consumer.consume(max_records - 1, 0)]
        records = [record for message in messages if (record := self._record(message)) is not None]
        for record in records:
            self._positions[record.topic, record.partition] = record.offset + 1
        if records:
            self._away = False
        return records

    def ends(self) -> Mapping[Place, int]:
        ends = self.looker.offsets(list(self._positions), LATEST)
        if ends:
            self._answered_s = time.monotonic()
        elif time.monotonic() - self._answered_s > self._patience_s:
            raise LogFailed(
                f"nobody said where partitions end for {self._patience_s:.0f} s: a broker or a topic is gone"
            )
        self._watch(ends)
        return ends

    def hold(self, places: Set[Place]) -> None:
        if self._reader.places == self._positions.keys():
            self._reader.hold(places)

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        if len(key) + len(value) > MAX_RECORD_BYTES:
            raise LogFailed(f"{topic}-{partition}: a record of {len(value)} bytes is too large for the log")
        try:
            self._producer.produce(topic, value, key, partition, on_delivery=self._on_delivery)
        except BufferError as error:
            raise LogFailed(f"{topic}-{partition}: {error}") from None

    def flush(self) -> None:
        while self._producer.flush(1.0):
            self._check()
        self._check()

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """None while the broker is away: it would wait in the client, and go out under a name that has lapsed."""
        if self._away or self._reader.places != self._positions.keys():
            return
        try:
            self._reader.consumer.commit(
                offsets=[TopicPartition(*place, offset) for place, offset in offsets.items()], asynchronous=True
            )
        except KafkaException as error:
            if error.args[0].code() not in _COMMIT_LOST:
                raise LogFailed(f"commit: {error}") from None

    # --- what goes wrong

    def _record(self, message: Message) -> Record | None:
        error = message.error()
        if error is not None and error.code() == KafkaError._AUTO_OFFSET_RESET:
            # Whether the log was cut is told by its ends, and then by the service.
            self._lost_place = f"{message.topic()}-{message.partition()}"
            return None
        return record_of(message)

    def _watch(self, ends: Mapping[Place, int]) -> None:
        """Ends the process where records stand on a partition and the client doesn't give them: one was seen to hang so
        after its broker stood still. Nothing would be judged, and nobody be told."""
        if self._lost_place is not None and all(end >= self._positions[place] for place, end in ends.items()):
            raise LogFailed(f"{self._lost_place}: where it is to be read from isn't on the log")
        now_s = time.monotonic()
        for place, end in ends.items():
            position = self._positions[place]
            known, since_s = self._standing.get(place, (-1, now_s))
            if end <= position or position != known or place in self._reader.held:
                self._standing[place] = position, now_s
            elif now_s - since_s > self._patience_s:
                raise LogFailed(
                    f"{place[0]}-{place[1]}: no record given for {self._patience_s:.0f} s, but there are some"
                )

    def _check(self) -> None:
        if self._failure is not None:
            raise LogFailed(self._failure)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
            self._away = True
        if error.fatal() or (error.code() not in PASSING and not error.retriable()):
            self._failure = self._failure or str(error)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failure = self._failure or f"{message.topic()}-{message.partition()}: {error}"
