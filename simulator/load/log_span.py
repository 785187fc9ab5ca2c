"""A stretch of the log between two moments: where topics end, and the records from there on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from glassbook.topics_admin import admin_client

PATIENCE_S = 30.0

Places = Mapping[tuple[str, int], int]
"""(topic, partition) → offset of the next record."""


class Placed(NamedTuple):
    topic: str
    partition: int
    offset: int
    value: bytes


def ends(bootstrap_servers: str, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    admin = admin_client(bootstrap_servers)
    known = admin.list_topics(timeout=PATIENCE_S).topics
    places = [TopicPartition(topic, p) for topic in topics for p in known[topic].partitions]
    found = admin.list_offsets({place: OffsetSpec.latest() for place in places}, request_timeout=PATIENCE_S)
    return {(p.topic, p.partition): future.result(PATIENCE_S).offset for p, future in found.items()}


def records(bootstrap_servers: str, first: Places, end: Places) -> Iterator[Placed]:
    """Every record from `first` on and before `end`, each partition's in order."""
    unread = {place for place, offset in end.items() if offset > first.get(place, 0)}
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "load-that-commits-nothing",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
    )
    try:
        consumer.assign([TopicPartition(*place, first.get(place, 0)) for place in unread])
        while unread:
            messages = consumer.consume(5000, 0.05) or consumer.consume(1, PATIENCE_S)
            if not messages:
                raise TimeoutError(f"nothing to read within {PATIENCE_S:.0f} s from {sorted(unread)}")
            for message in messages:
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                placed = Placed(
                    str(message.topic()), int(message.partition() or 0), int(message.offset() or 0),
                    message.value() or b"",
                )  # fmt: skip
                place = placed.topic, placed.partition
                if place in unread:
                    if placed.offset < end[place]:
                        yield placed
                    if placed.offset + 1 >= end[place]:
                        unread.discard(place)
    finally:
        consumer.close()
