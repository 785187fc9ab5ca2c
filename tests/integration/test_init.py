"""`glassbook init` and the health checks, as containers use them: on brokers that `glassbook up` knows nothing of."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from glassbook.settings import Settings
from glassbook.topics_admin import admin_client
from schemas.topics import ACCOUNTS, ORDERS, topics
from simulator.own_system import own_settings
from tests.conftest import StartCluster

DEADLINE_S = 40


def run(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | settings.environment()
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)


def records(bootstrap: str, topic: str, partition: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "log_level": 2})
    end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
    consumer.assign([TopicPartition(topic, partition, 0)])
    found: list[bytes] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(found) < end and time.monotonic() < deadline:
        found += [message.value() or b"" for message in consumer.consume(100, timeout=0.2)]
    consumer.close()
    return found


def test_an_exchange_is_made_on_foreign_brokers_once(start_cluster: StartCluster, tmp_path: Path) -> None:
    bootstrap = start_cluster().settings.bootstrap_servers
    settings = own_settings(tmp_path / "operator", bootstrap_servers=bootstrap)
    done = run(settings, "glassbook", "init")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    admin = admin_client(bootstrap)
    found = {name: len(topic.partitions) for name, topic in admin.list_topics(timeout=10).topics.items()}
    assert all(found[topic.name] >= topic.partitions for topic in topics(4, 8, 1))  # the listing may ask for more
    assert (tmp_path / "operator" / "operator" / "key.json").exists()
    first = records(bootstrap, ACCOUNTS, 0)
    kinds = [json.loads(record)["signed"]["command"]["command"] for record in first]
    assert kinds[0] == "genesis" and set(kinds[1:]) == {"list_market", "authorise_halter"}
    assert len(records(bootstrap, ORDERS, 7)) >= 1

    again = run(settings, "glassbook", "init")
    assert again.returncode == 0 and records(bootstrap, ACCOUNTS, 0) == first
    stranger = own_settings(tmp_path / "stranger", bootstrap_servers=bootstrap)
    refused = run(stranger, "glassbook", "init")
    assert refused.returncode == 1 and "this log's operator key is" in refused.stderr

    assert "ledger has 0 of 4 partitions" in run(settings, "glassbook.health", "ledger").stderr
    with subprocess.Popen([sys.executable, "-m", "ledger"], env=os.environ | settings.environment()) as ledger:
        try:
            deadline = time.monotonic() + DEADLINE_S
            while (health := run(settings, "glassbook.health", "ledger")).returncode:
                assert time.monotonic() < deadline, health.stderr
            assert health.stderr == ""
        finally:
            ledger.terminate()


def test_without_brokers_init_says_where_it_looked(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    done = run(settings, "glassbook", "init", "--wait", "0.2")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert settings.bootstrap_servers in done.stderr and "GLASSBOOK_BOOTSTRAP_SERVERS" in done.stderr


def test_health_names_what_is_wrong(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    for arguments, complaint in (
        (["producers"], "the gateway isn't ready"),
        (["matcher"], "the groups can't be seen"),
        (["kafka"], "say which stage: "),
        ([], "say which stage"),
    ):
        done = run(settings, "glassbook.health", *arguments)
        assert done.returncode == 1 and complaint in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert run(settings, "glassbook.health", "clock").returncode == 0
