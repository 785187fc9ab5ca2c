"""Plays manipulated logs onto a real broker, and measures when the canary's process has told what is wrong.

Not all that an insider or an editor of the log does can be done to a running exchange by appending to its topics. So a
log is manipulated in memory, and written as it stands: the same bytes, offsets and log times, for which the topics take
the writer's times instead of the broker's. A deleted record's place is taken by a transaction's marker, which no client
is shown. Each log has fresh topics and a fresh canary, in its own process.

Up to the bad record all comes as fast as it is acknowledged, one log time after the other; from there on at the log's
own pace, so that what the canary must wait for takes as long as on a running exchange.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import groupby

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from msgspec import Struct
from msgspec.structs import replace

from glassbook import groups
from glassbook.cluster import STAGES
from glassbook.data_folder import DataFolder
from glassbook.settings import Settings
from glassbook.topics_admin import admin_client, create_topics
from schemas.alerts import Alert, Evidence, Kind
from schemas.topics import ALERTS, topics
from simulator.canary_broker_plan import Entry, Plan
from simulator.workload import Workload

CANARY = next(stage for stage in STAGES if stage.name == "canary")
# The times are the writer's; those of a simulated clock are long past, and what goes by age would go at once.
OWN_TIMES = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
PATIENCE_S = 30.0
LOOK_S = 0.02
QUIET = {"log_level": 2}  # a client is told by exceptions that its broker is gone


class Sighting(Struct, frozen=True):
    """The first alert that tells what was done, and the time from sending the bad record until it could be read."""

    alert: Alert
    after_ms: float


def play_manipulated(settings: Settings, plan: Plan, workload: Workload, kinds: frozenset[Kind]) -> Sighting | None:
    """None if it wasn't told."""
    with _exchange(settings, workload) as (writer, watch):
        writer.write_all(plan.entries[: plan.bad])
        began = time.monotonic()
        began_ms = plan.entries[plan.bad].record.log_time_ms
        seen = None
        for entry in plan.entries[plan.bad :]:
            seen = watch.look(kinds, began + (entry.record.log_time_ms - began_ms) / 1000)
            if seen is not None:
                break
            writer.write([entry])
        seen = seen or watch.look(kinds, time.monotonic() + PATIENCE_S)
    if seen is None:
        return None
    alert, seen_s = seen
    sent_s = max(writer.sent_s.get(place, 0.0) for place in alert.evidence)
    return Sighting(alert, (seen_s - sent_s) * 1000)


def play_honest(settings: Settings, entries: Sequence[Entry], workload: Workload) -> list[Alert]:
    """What is said of an honest log by the time that all of it is judged."""
    with _exchange(settings, workload) as (writer, watch):
        writer.write_all(entries)
        _until_judged(settings.bootstrap_servers, {entry.place: entry.record.offset + 1 for entry in entries})
        return watch.read()


@contextmanager
def _exchange(settings: Settings, workload: Workload) -> Iterator[tuple["Writer", "AlertWatch"]]:
    bootstrap = settings.bootstrap_servers
    _renew_topics(bootstrap, workload)
    watch = AlertWatch(bootstrap, workload.order_partitions)
    with closing(watch), canary_process(settings):
        _until_judged(bootstrap, {})
        yield Writer(bootstrap), watch


def _renew_topics(bootstrap: str, workload: Workload) -> None:
    """Empty ones, which take the writer's times."""
    wanted = [
        replace(topic, config=topic.config | OWN_TIMES) if topic.name in CANARY.inputs else topic
        for topic in topics(workload.account_partitions, workload.order_partitions, 1)
    ]
    admin, names = admin_client(bootstrap), {topic.name for topic in wanted}
    old = {name: topic for name, topic in admin.list_topics(timeout=PATIENCE_S).topics.items() if name in names}
    if old:
        for deleted in admin.delete_topics(list(old)).values():
            deleted.result(PATIENCE_S)
        if any(topic.partitions != len(old[topic.name].partitions) for topic in wanted):
            _forget_members(admin)
    _until(lambda: not names & set(admin.list_topics(timeout=PATIENCE_S).topics), "the topics to be deleted")
    create_topics(bootstrap, wanted)


def _forget_members(admin: AdminClient) -> None:
    """A canary started again under its name would be given the partitions that there were. Takes a session time-out."""

    def forgotten() -> bool:
        (future,) = admin.delete_consumer_groups([str(CANARY.group)]).values()
        error = future.exception(PATIENCE_S)
        return error is None or error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND

    _until(forgotten, "the canary's group to be empty")


@contextmanager
def canary_process(settings: Settings) -> Iterator[None]:
    """As in a running system, told to halt nothing: its halts would stand between the records of the play."""
    environment = os.environ | settings.model_copy(update={"canary_halts": False}).environment()
    path = DataFolder(settings.data_dir).log("canary")
    with path.open("ab") as log:
        process = subprocess.Popen([sys.executable, "-P", "-m", "canary"], env=environment, stdout=log, stderr=log)
        try:
            yield
            assert process.poll() is None, f"the canary ended: see {path}"
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _until_judged(bootstrap: str, ends: dict[tuple[str, int], int]) -> None:
    """Until the canary has every partition and says that it has judged it up to here."""
    groups.members(bootstrap, [str(CANARY.group)])  # waits until the group's coordinator is there
    view = groups.GroupView(bootstrap)

    def judged() -> bool:
        found = groups.positions(view, str(CANARY.group), CANARY.inputs)
        return all(p.committed >= ends.get((p.topic, p.partition), 0) for p in found)

    _until(judged, "the canary to judge what is there")


def _until(holds: Callable[[], bool], what: str, look_s: float = LOOK_S) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(look_s)


class Writer:
    """Writes records where they stood, and keeps when it sent them."""

    def __init__(self, bootstrap: str) -> None:
        self.sent_s: dict[Evidence, float] = {}
        self._bootstrap = bootstrap
        self._common = QUIET | {"bootstrap.servers": bootstrap, "linger.ms": 0}
        self._producer = Producer(self._common | {"enable.idempotence": True})

    def write_all(self, entries: Sequence[Entry]) -> None:
        """Those of one log time together; what comes later is sent when they are acknowledged."""
        for _, together in groupby(entries, key=lambda entry: entry.record.log_time_ms):
            self.write(list(together))

    def write(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.gap:
                self._flush()
                self._write_with_gap(entry)
            else:
                self._produce(self._producer, entry)
        self._flush()

    def _produce(self, producer: Producer, entry: Entry) -> None:
        record = entry.record

        def delivered(error: object, message: Message) -> None:
            assert error is None, f"{entry.place}: {error}"
            assert message.offset() == record.offset, f"{entry.place}: at {message.offset()}, not {record.offset}"

        self.sent_s[entry.evidence] = time.monotonic()
        topic, partition = entry.place
        producer.produce(
            topic, record.value, record.key, partition, timestamp=record.log_time_ms, on_delivery=delivered
        )

    def _write_with_gap(self, entry: Entry) -> None:
        """The marker that ends its transaction takes the next offset. It is written some time behind the commit."""
        producer = Producer(self._common | {"transactional.id": "gaps"})
        producer.init_transactions(PATIENCE_S)
        producer.begin_transaction()
        self._produce(producer, entry)
        producer.commit_transaction(PATIENCE_S)
        admin, place = admin_client(self._bootstrap), TopicPartition(*entry.place)

        def marked() -> bool:
            end = admin.list_offsets({place: OffsetSpec.latest()})[place].result(PATIENCE_S)
            return bool(end.offset == entry.record.offset + 2)

        _until(marked, "a transaction's marker", LOOK_S / 10)

    def _flush(self) -> None:
        assert self._producer.flush(PATIENCE_S) == 0, "the broker doesn't take the records"


class AlertWatch:
    """Reads `alerts` as anybody may."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._consumer = Consumer(
            QUIET
            | {"bootstrap.servers": bootstrap, "group.id": "alert-watch", "enable.auto.commit": False}
            | {"auto.offset.reset": "error", "fetch.queue.backoff.ms": 1}
        )
        self._consumer.assign([TopicPartition(ALERTS, partition, 0) for partition in range(partitions)])

    def close(self) -> None:
        self._consumer.close()

    def look(self, kinds: frozenset[Kind], until_s: float) -> tuple[Alert, float] | None:
        """The first alert of these kinds, and when it was there; None if there is none by then."""
        while True:
            alert = self._next(max(until_s - time.monotonic(), 0))
            if alert is None:
                return None
            if alert.kind in kinds:
                return alert, time.monotonic()

    def read(self) -> list[Alert]:
        """All that come before a second's silence."""
        return list(iter(lambda: self._next(1.0), None))

    def _next(self, wait_s: float) -> Alert | None:
        message = self._consumer.poll(wait_s)
        if message is None:
            return None
        if message.error() is not None:
            raise KafkaException(message.error())
        return msgspec.json.decode(message.value() or b"", type=Alert)
