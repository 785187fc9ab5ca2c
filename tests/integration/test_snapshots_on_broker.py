"""`snapshots` on a real broker, read backwards in windows by both clients: the newest whole ones, and little else."""

import asyncio
from random import Random

import pytest
from confluent_kafka import Producer

from glassbook.topics_admin import create_topics
from schemas.topics import SNAPSHOTS, topics
from stage import kafka_reader
from stage.kafka_reader import KafkaReader, client_config
from stage.log_reader import read_snapshots
from stage.snapshots import WINDOW_RECORDS, Snapshot, split_snapshot

STAGE = "windowed"
WHOLE = (0, 8)  # both on one partition of `snapshots`
TORN, NEW = 3, 5
CHUNK_BYTES = 20_000


@pytest.fixture(scope="module")
def written(broker: str) -> dict[int, Snapshot]:
    """Many snapshots of two partitions, one torn one of a third behind a whole one; returns the newest whole ones."""
    create_topics(broker, [topic for topic in topics(1, 1, 1) if topic.name == SNAPSHOTS])
    random, producer = Random(1), Producer({"bootstrap.servers": broker, "linger.ms": 5})
    newest: dict[int, Snapshot] = {}

    def write(partition: int, number: int, whole: bool = True) -> None:
        snapshot = Snapshot(number % 2, 10 * number, random.randbytes(random.randrange(10 * CHUNK_BYTES)))
        records = split_snapshot(STAGE, partition, snapshot.slot, snapshot.next_offset, snapshot.state, CHUNK_BYTES)
        for record in records if whole else records[:-1]:
            producer.produce(SNAPSHOTS, record.value, record.key, record.partition)
        if whole:
            newest[partition] = snapshot

    for number in range(60):
        for partition in WHOLE:
            write(partition, number)
    write(TORN, 1)
    write(TORN, 2)
    write(TORN, 3, whole=False)
    assert producer.flush(30) == 0
    return newest


def test_the_stages_reader_finds_the_newest_whole_ones(
    broker: str, written: dict[int, Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    plain = kafka_reader._read_until

    def counted(*args: object) -> object:
        for message in plain(*args):  # type: ignore[arg-type]
            read.append(message.offset() or 0)
            yield message

    monkeypatch.setattr(kafka_reader, "_read_until", counted)
    reader = KafkaReader(client_config(broker, "looks"))
    assert reader.newest_snapshots(STAGE, [*WHOLE, TORN, NEW]) == written
    read.clear()
    assert reader.newest_snapshots(STAGE, WHOLE) == {partition: written[partition] for partition in WHOLE}
    assert len(read) == len(set(read)) <= WINDOW_RECORDS
    assert reader.newest_snapshots(STAGE, [NEW]) == {}


def test_the_gateways_reader_finds_the_same(broker: str, written: dict[int, Snapshot]) -> None:
    assert asyncio.run(read_snapshots(broker, STAGE, [*WHOLE, TORN, NEW])) == written
    assert asyncio.run(read_snapshots(broker, STAGE, WHOLE)) == {partition: written[partition] for partition in WHOLE}
