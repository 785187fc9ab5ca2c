"""What Kafka knows of the stages: who reads which partitions, how far they are, and how far behind."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import msgspec
from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription, MemberDescription, OffsetSpec

from glassbook.topics_admin import admin_client, quiet_client

TIMEOUT_S = 5
ANSWER_S = TIMEOUT_S + 2  # when the broker dies meanwhile, an answer may never come
COORDINATOR_START_S = 30
POLL_S = 0.05


class PartitionPosition(msgspec.Struct, frozen=True):
    """Where a consumer group is in one partition of its input. Offsets are of the next record."""

    topic: str
    partition: int
    owner: str  # the member that has it now, or ""
    committed: int  # -1: nothing yet
    end: int
    note: str = ""  # what the stage says is wrong there

    @property
    def lag(self) -> int:
        return self.end - max(self.committed, 0)


class GroupView:
    """The clients that ask; they end with the last reference to this. Raises KafkaException where nobody answers.

    What a group has committed is asked as a consumer of the group that never joins it: where the broker answers that it
    isn't the group's coordinator, as it does while it starts or is busy, librdkafka's admin client ends in a
    segmentation fault.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self.admin = admin_client(bootstrap_servers)
        self._bootstrap_servers = bootstrap_servers
        self._consumers: dict[str, Consumer] = {}

    def committed(
        self, group: str, partitions: Sequence[TopicPartition], timeout_s: float = TIMEOUT_S
    ) -> list[TopicPartition]:
        """These partitions, with offset and metadata; a negative offset where there is none."""
        consumer = self._consumers.get(group)
        if consumer is None:
            asks = quiet_client(self._bootstrap_servers) | {"group.id": group, "enable.auto.commit": False}
            consumer = self._consumers[group] = Consumer(asks)
        return consumer.committed(list(partitions), timeout=timeout_s)


def members(bootstrap_servers: str, names: Sequence[str]) -> frozenset[str]:
    """The ids of all members of these groups. A member that joins again, under the same name too, gets a new id."""
    if not names:
        return frozenset()
    admin, deadline = admin_client(bootstrap_servers), time.monotonic() + COORDINATOR_START_S
    while True:
        described = admin.describe_consumer_groups(list(names), request_timeout=TIMEOUT_S)
        try:
            return frozenset(member.member_id for future in described.values() for member in _members(future))
        except (KafkaException, TimeoutError):  # a broker that has just started is not yet the groups' coordinator
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


def unready_groups(
    bootstrap_servers: str, inputs: Mapping[str, Sequence[str]], former: frozenset[str] = frozenset()
) -> str:
    """What is missing until every group owns every partition of its inputs; empty when nothing is.

    `former` are members of processes that are gone: a static member keeps its partitions for a while after it has left.
    """
    if not inputs:
        return ""
    admin = admin_client(bootstrap_servers)
    try:
        topics = admin.list_topics(timeout=TIMEOUT_S).topics
        for group, future in admin.describe_consumer_groups(list(inputs), request_timeout=TIMEOUT_S).items():
            present = [member for member in _members(future) if member.member_id not in former]
            owned = sum(len(member.assignment.topic_partitions) for member in present)
            wanted = sum(len(topics[topic].partitions) for topic in inputs[group])
            if owned < wanted:
                return f"{group} has {owned} of {wanted} partitions"
    except (KafkaException, KeyError, TimeoutError) as error:
        return f"the groups can't be seen: {error}"
    return ""


def _members(described: Future[ConsumerGroupDescription]) -> list[MemberDescription]:
    try:
        description = described.result(ANSWER_S)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return []
        raise
    # In a rebalance the members still show what they had before it.
    return list(description.members) if description.state == ConsumerGroupState.STABLE else []


def behind(view: GroupView, inputs: Mapping[str, Sequence[str]], ends: Mapping[tuple[str, int], int]) -> str:
    """Which group has not yet committed up to these ends; empty when all have."""
    try:
        for group, topics in inputs.items():
            for p in positions(view, group, topics):
                if max(p.committed, 0) < ends.get((p.topic, p.partition), 0):
                    return f"{group} is at {p.committed} of {p.end} in {p.topic} {p.partition}"
    except (KafkaException, TimeoutError) as error:
        return f"the groups can't be seen: {error}"
    return ""


def ends(view: GroupView, inputs: Mapping[str, Sequence[str]]) -> dict[tuple[str, int], int]:
    """The end of every input partition now."""
    found = [p for group, topics in inputs.items() for p in positions(view, group, topics)]
    return {(p.topic, p.partition): p.end for p in found}


def record_count(admin: AdminClient, topic: str) -> int:
    """How many records were ever appended to a topic."""
    partitions = admin.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
    asked = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in partitions}
    futures = admin.list_offsets(asked, request_timeout=TIMEOUT_S).values() if asked else []
    return sum(future.result(ANSWER_S).offset for future in futures)


def positions(view: GroupView, group: str, inputs: Sequence[str]) -> list[PartitionPosition]:
    """Every partition of the inputs, in order. Raises KafkaException or TimeoutError when the broker is away."""
    admin = view.admin
    topics = admin.list_topics(timeout=TIMEOUT_S).topics
    partitions = [TopicPartition(name, p) for name in inputs if name in topics for p in sorted(topics[name].partitions)]
    if not partitions:
        return []
    ends = admin.list_offsets({partition: OffsetSpec.latest() for partition in partitions}, request_timeout=TIMEOUT_S)
    owned = owners(admin, group)
    committed = view.committed(group, partitions)
    offsets = {(p.topic, p.partition): p.offset for p in committed}
    notes = {(p.topic, p.partition): p.metadata or "" for p in committed}
    return [
        PartitionPosition(
            topic=p.topic,
            partition=p.partition,
            owner=owned.get((p.topic, p.partition), ""),
            committed=max(offsets.get((p.topic, p.partition), -1), -1),
            end=ends[p].result(ANSWER_S).offset,
            note=notes.get((p.topic, p.partition), ""),
        )
        for p in partitions
    ]


def owners(admin: AdminClient, group: str) -> dict[tuple[str, int], str]:
    """Topic and partition → the member that has it now, by its name."""
    return {
        (p.topic, p.partition): member.group_instance_id or member.client_id
        for member in _members(admin.describe_consumer_groups([group], request_timeout=TIMEOUT_S)[group])
        for p in member.assignment.topic_partitions
    }
