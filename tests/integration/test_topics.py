"""Topics on a real broker, and reading them as a person does."""

import json
import subprocess
import time
from dataclasses import dataclass, field

import pytest
from confluent_kafka import KafkaError, Message, Producer

from glassbook.errors import GlassbookError
from glassbook.topics_admin import admin_client, create_topics
from tests.command_line import run_glassbook


@dataclass
class Topic:
    name: str
    partitions: int
    replication: int = 1
    config: dict[str, str] = field(default_factory=dict)


def partitions(bootstrap: str, name: str) -> int:
    admin = admin_client(bootstrap)
    return len(admin.list_topics(timeout=10).topics[name].partitions)


def test_topics_are_created_enlarged_and_left_alone(broker: str) -> None:
    forever = {"retention.ms": "-1", "message.timestamp.type": "LogAppendTime"}
    create_topics(broker, [Topic("made", 2, config=forever), Topic("made-too", 1)])
    create_topics(broker, [Topic("made", 5, config=forever)])
    assert partitions(broker, "made") == 5
    create_topics(broker, [Topic("made", 3, config=forever)])  # fewer: what is there stays
    assert (partitions(broker, "made"), partitions(broker, "made-too")) == (5, 1)


def test_a_topic_that_is_set_otherwise_is_an_error_that_names_it(broker: str) -> None:
    create_topics(broker, [Topic("set", 1, config={"retention.ms": "1000"})])
    with pytest.raises(GlassbookError, match=r"topic set has retention\.ms=1000, but -1 is needed"):
        create_topics(broker, [Topic("set", 1, config={"retention.ms": "-1"})])


def test_records_sent_at_once_to_many_new_partitions_all_arrive(broker: str) -> None:
    count = 200
    create_topics(broker, [Topic("many", count)])
    refused: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refused.append(str(error))

    # Not sent a second time: a partition without its leader shows as a refusal.
    producer = Producer({"bootstrap.servers": broker, "retries": 0, "enable.idempotence": False})
    for partition in range(count):
        producer.produce("many", b"x", partition=partition, on_delivery=delivered)
    assert producer.flush(20) == 0
    assert refused == []


def glassbook(broker: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_glassbook(arguments, {"GLASSBOOK_BOOTSTRAP_SERVERS": broker, "COLUMNS": "200"})


def test_tail_shows_partition_offset_time_and_record(broker: str) -> None:
    create_topics(broker, [Topic("tailed", 2)])
    producer = Producer({"bootstrap.servers": broker})
    for number in range(20):
        producer.produce("tailed", json.dumps({"n": number}), key="k", partition=number % 2)
        assert producer.flush(10) == 0
        time.sleep(0.003)  # the command orders by log time: no two have the same
    producer.produce("tailed", b"\xff not json", partition=0)
    assert producer.flush(10) == 0

    last = glassbook(broker, "topic", "tail", "tailed", "-n", "3", "--no-pretty").stdout.splitlines()
    assert [line.split()[1:3] for line in last] == [["0", "9"], ["1", "9"], ["0", "10"]]
    assert last[1].endswith('Z  k  {"n":19}') and "not json" in last[2]
    some = glassbook(broker, "topic", "tail", "tailed", "--partition", "1", "--from", "4", "-n", "2").stdout
    assert some.startswith("tailed 1 4 ") and "\ntailed 1 5 " in some
    assert '"n": 9' in some and '"n": 11' in some and '"n": 13' not in some
    absent = glassbook(broker, "topic", "tail", "absent")
    assert absent.returncode == 1 and "there is no topic absent" in absent.stderr and "tailed" in absent.stderr
