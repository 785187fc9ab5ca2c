"""Brings the broker's topics to what schemas/topics.py says, and returns only when every partition can be written to.

It creates and enlarges; it never deletes, shrinks or changes a setting: a difference there is an error to look into.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from glassbook.errors import GlassbookError

REQUEST_TIMEOUT_S = 20
POLL_S = 0.05


class WantedTopic(Protocol):
    """What is read of a schemas.topics.Topic."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> int: ...
    @property
    def replication(self) -> int: ...
    @property
    def config(self) -> dict[str, str]: ...


def quiet_client(bootstrap_servers: str) -> dict[str, str | int | float | bool]:
    """Settings of a client that asks. That a broker is not there yet is for us to say, not for librdkafka on stderr."""
    return {
        "bootstrap.servers": bootstrap_servers, "log_level": 2,
        "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
    }  # fmt: skip


def admin_client(bootstrap_servers: str) -> AdminClient:
    """Keep it in a variable until its answers are there: it dies with its last reference, and they never come."""
    return AdminClient(quiet_client(bootstrap_servers))


def wait_for_brokers(bootstrap_servers: str, brokers: int, timeout_s: float) -> None:
    """Until so many brokers are in the cluster and one answers; raises TimeoutError."""
    admin, deadline = admin_client(bootstrap_servers), time.monotonic() + timeout_s
    while True:
        try:
            if len(admin.list_topics(timeout=timeout_s).brokers) >= brokers:
                return
        except KafkaException:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"{brokers} brokers on {bootstrap_servers} did not answer within {timeout_s:.0f} s")
        time.sleep(POLL_S)


def create_topics(bootstrap_servers: str, wanted: Sequence[WantedTopic], timeout_s: float = 60) -> None:
    """Create, enlarge, compare, then wait for the leaders. Raises GlassbookError for a topic that is set otherwise."""
    admin = admin_client(bootstrap_servers)
    topics = admin.list_topics(timeout=REQUEST_TIMEOUT_S).topics
    existing = {name: len(topic.partitions) for name, topic in topics.items()}
    _create(admin, [topic for topic in wanted if topic.name not in existing])
    _enlarge(admin, [topic for topic in wanted if existing.get(topic.name, topic.partitions) < topic.partitions])
    wait_for_leaders(bootstrap_servers, {topic.name: topic.partitions for topic in wanted}, timeout_s)
    _compare(admin, [topic for topic in wanted if topic.name in existing])


def _create(admin: AdminClient, wanted: Sequence[WantedTopic]) -> None:
    if not wanted:
        return
    new = [NewTopic(topic.name, topic.partitions, topic.replication, config=topic.config) for topic in wanted]
    for name, future in admin.create_topics(new, operation_timeout=REQUEST_TIMEOUT_S).items():
        _result(future, KafkaError.TOPIC_ALREADY_EXISTS, f"topic {name} can't be created")


def _enlarge(admin: AdminClient, wanted: Sequence[WantedTopic]) -> None:
    if not wanted:
        return
    new = [NewPartitions(topic.name, topic.partitions) for topic in wanted]
    for name, future in admin.create_partitions(new, operation_timeout=REQUEST_TIMEOUT_S).items():
        # INVALID_PARTITIONS: somebody else has just enlarged it; wait_for_leaders sees whether that was enough.
        _result(future, KafkaError.INVALID_PARTITIONS, f"topic {name} can't be given more partitions")


def _result(future: "object", allowed: int, what: str) -> None:
    try:
        future.result(REQUEST_TIMEOUT_S + 5)  # type: ignore[attr-defined]
    except KafkaException as error:
        if error.args[0].code() != allowed:
            raise GlassbookError(f"{what}: {error.args[0].str()}") from error


def _compare(admin: AdminClient, wanted: Iterable[WantedTopic]) -> None:
    resources = {ConfigResource(ResourceType.TOPIC, topic.name): topic for topic in wanted}
    if not resources:
        return
    for resource, future in admin.describe_configs(list(resources)).items():
        actual = {name: entry.value for name, entry in future.result(REQUEST_TIMEOUT_S + 5).items()}
        for name, value in resources[resource].config.items():
            if actual.get(name) != value:
                raise GlassbookError(
                    f"topic {resource.name} has {name}={actual.get(name)}, but {value} is needed: set it with Kafka's"
                    " kafka-configs tool, or start on a new GLASSBOOK_DATA_DIR"
                )


def wait_for_leaders(bootstrap_servers: str, partitions: dict[str, int], timeout_s: float) -> None:
    """Until every partition's leader itself has answered: records sent before were lost in three of three tries."""
    admin, deadline = admin_client(bootstrap_servers), time.monotonic() + timeout_s
    waiting = [TopicPartition(name, number) for name, count in partitions.items() for number in range(count)]
    while waiting:
        waiting = _without_leader(admin, waiting)
        if waiting and time.monotonic() > deadline:
            first = waiting[0]
            raise TimeoutError(f"{len(waiting)} partitions have no leader, {first.topic} {first.partition} among them")
        if waiting:
            time.sleep(POLL_S)


def _without_leader(admin: AdminClient, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
    try:
        topics = admin.list_topics(timeout=REQUEST_TIMEOUT_S).topics
    except KafkaException:
        return list(partitions)
    led = {(name, number) for name, topic in topics.items() for number, p in topic.partitions.items() if p.leader >= 0}
    asked = [partition for partition in partitions if (partition.topic, partition.partition) in led]
    answered = set()
    if asked:
        latest = {partition: OffsetSpec.latest() for partition in asked}
        for partition, future in admin.list_offsets(latest, request_timeout=REQUEST_TIMEOUT_S).items():
            try:
                future.result(REQUEST_TIMEOUT_S + 5)
                answered.add((partition.topic, partition.partition))
            except (KafkaException, TimeoutError):
                continue
    return [partition for partition in partitions if (partition.topic, partition.partition) not in answered]
