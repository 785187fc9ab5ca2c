"""A full broker disk: what was acknowledged stays, and the broker goes on by itself soon after there is room."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from glassbook.cluster import Cluster
from glassbook.topics_admin import create_topics
from schemas.topics import Topic
from simulator.own_system import own_settings

DISK_MB = 200
DEADLINE_S = 40
BACK_S = 15  # 4 s on a quiet machine


@pytest.fixture
def cluster(small_disk: Path) -> Iterator[Cluster]:
    cluster = Cluster(own_settings(small_disk / "data"), 1, stages=())
    cluster.start()
    yield cluster
    cluster.stop()


class NumberedRecords:
    """Sends 1, 2, 3... and remembers which were acknowledged."""

    def __init__(self, bootstrap: str) -> None:
        self.sent, self.acknowledged, self.refused = 0, set[int](), set[int]()
        # As our stages do: it waits for the broker as long as it takes.
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "message.timeout.ms": 0, "log_level": 2}
        )

    def send_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "too late"
            self.sent += 1
            self._producer.produce("full", b"%d" % self.sent + b" " * 2000, on_delivery=self._delivered(self.sent))
            self._producer.poll(0.01)

    def _delivered(self, number: int) -> Callable[[KafkaError | None, Message], None]:
        return lambda error, message: (self.refused if error else self.acknowledged).add(number)

    def flush(self) -> None:
        assert self._producer.flush(DEADLINE_S) == 0


def test_a_broker_outlives_a_full_disk_with_all_it_acknowledged(cluster: Cluster, small_disk: Path) -> None:
    bootstrap = cluster.settings.bootstrap_servers
    create_topics(bootstrap, [Topic("full", "", 1, 1, {})])
    records = NumberedRecords(bootstrap)
    records.send_until(lambda: len(records.acknowledged) >= 100)

    filler = small_disk / "filler"
    fill(filler)
    first = cluster.supervisor.processes()[0].pid
    records.send_until(lambda: cluster.supervisor.processes()[0].pid not in (0, first))
    before = len(records.acknowledged)

    began = time.monotonic()
    filler.unlink()
    records.send_until(lambda: len(records.acknowledged) > before)
    assert time.monotonic() - began < BACK_S
    records.flush()
    assert records.refused == set() and len(records.acknowledged) == records.sent
    assert read_numbers(bootstrap, records.sent) == list(range(1, records.sent + 1))
    cluster.check_alive()  # the supervisor too has been through it


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024 * 1024))
        except OSError:
            return


def read_numbers(bootstrap: str, count: int) -> list[int]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test"})
    consumer.assign([TopicPartition("full", 0, 0)])
    numbers: list[int] = []
    deadline = time.monotonic() + DEADLINE_S
    try:
        while len(numbers) < count and time.monotonic() < deadline:
            numbers += [int(m.value() or b"0") for m in consumer.consume(500, timeout=0.5) if not m.error()]
    finally:
        consumer.close()
    return numbers
