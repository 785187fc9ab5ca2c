"""`glassbook export`, `verify` and `tamper` as an outsider runs them, over a recorded history on a real broker.

The history's log times are its own, so its topics take the producer's; all else is as on a running exchange.
"""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace
from typer.testing import CliRunner

from canary.core import Canary
from canary.snapshots import PARTITION, Snapshot, encode_state, split_snapshot
from glassbook.cli import app_of_commands
from glassbook.cluster import Cluster
from glassbook.errors import GlassbookError
from glassbook.settings import Settings
from glassbook.topics_admin import create_topics
from glassbook.verify_topics import TopicSource
from schemas.topics import ACCOUNTS, JUDGED, ORDERS, SNAPSHOTS, topics
from simulator.canary_broker_play import OWN_TIMES
from tests.command_line import run_glassbook
from tests.unit.verified_log import LogSource, recorded

LOG, EVERY = recorded(4, commands=120)
ACCOUNT_PARTITIONS, ORDER_PARTITIONS = (sum(topic == name for topic, _ in EVERY) for name in (ACCOUNTS, ORDERS))
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def settings(start_cluster: Callable[..., Cluster]) -> Settings:
    """Of a broker with the recorded history on it, and no stage."""
    settings = start_cluster().settings
    wanted = [
        replace(topic, config=topic.config | OWN_TIMES) for topic in topics(ACCOUNT_PARTITIONS, ORDER_PARTITIONS, 1)
    ]
    create_topics(settings.bootstrap_servers, wanted)
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "acks": "all"})
    for record in LogSource(LOG, EVERY).unordered(JUDGED):
        producer.produce(
            record.topic, record.value, record.key, partition=record.partition, timestamp=record.log_time_ms
        )
    assert producer.flush(30) == 0
    return settings


@pytest.fixture
def glassbook(settings: Settings) -> Run:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run_glassbook(arguments, settings.environment() | environment)

    return run


def hash_in(output: str) -> str:
    return next(line.split()[1] for line in output.splitlines() if line.startswith("hash"))


def test_topics_and_files_agree_on_the_hash(glassbook: Run, tmp_path: Path) -> None:
    from_topics, history = glassbook("verify"), str(tmp_path / "history")
    assert (from_topics.returncode, from_topics.stdout[:6]) == (0, "EXACT:"), from_topics
    written = glassbook("export", history)
    assert written.returncode == 0, written
    # No broker is needed any more.
    from_files = glassbook("verify", "--files", history, GLASSBOOK_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert from_files.returncode == 0, from_files
    assert hash_in(from_topics.stdout) == hash_in(from_files.stdout) == hash_in(written.stdout)
    manifest: dict[str, Any] = json.loads((tmp_path / "history" / "manifest.json").read_text())
    assert manifest["exchange"] == "simulation"
    assert sum(file["records"] for file in manifest["files"]) == sum(len(records) for records in LOG.values())


def test_records_come_by_time_and_none_is_left_out(settings: Settings) -> None:
    source = TopicSource(settings.bootstrap_servers, JUDGED)
    found, honest = list(source.records(JUDGED)), list(LogSource(LOG, EVERY).records(JUDGED))
    assert [record[:4] for record in found] == [record[:4] for record in honest]


def test_a_start_in_the_middle_uses_the_snapshot_that_lies_before_it(glassbook: Run, settings: Settings) -> None:
    source = LogSource(LOG, EVERY)
    canary = Canary(ACCOUNT_PARTITIONS, ORDER_PARTITIONS)
    records = list(source.records(JUDGED))
    for record in records[: len(records) // 2]:
        canary.feed(*record)
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "acks": "all"})
    for key, value in split_snapshot(Snapshot(1, encode_state(canary.dump()))):
        producer.produce(SNAPSHOTS, value, key, PARTITION)
    assert producer.flush(30) == 0
    last = max(bounds.end for (topic, _), bounds in source.bounds.items() if topic == ORDERS) - 1

    late = glassbook("verify", "--from", str(last))
    assert late.returncode == 0 and "Begun with a snapshot" in late.stdout, late
    assert f"checked   {len(records) - len(records) // 2} records" in late.stdout
    early = glassbook("verify", "--from", "0")
    assert early.returncode == 0 and "Begun with a snapshot" not in early.stdout, early


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("verify", "--symbol", "NO-SUCH"), "no market NO-SUCH is listed"),
        (("verify", "--from", "999999999"), "orders ends before offset"),
        (("export", "/proc/history"), "/proc/history can't be written"),
        (("export", "history", "--topic", "snapshots"), "snapshots can't be exported"),
        (("tamper", "burn"), "there is no manipulation 'burn'"),
        (("tamper",), "which manipulation?"),
        (("tamper", "altered-price"), "nothing was written: say --yes"),
    ],
)
def test_what_can_not_be_done_is_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app_of_commands, arguments)
    assert isinstance(done.exception, GlassbookError)
    assert says in str(done.exception)


def test_what_can_not_be_checked_is_one_line_and_exit_code_1(glassbook: Run) -> None:
    done = glassbook("verify", "--files", "/nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: there is no /nowhere/manifest.json") and "Traceback" not in done.stderr


def test_a_system_elsewhere_is_left_alone(glassbook: Run) -> None:
    done = glassbook("tamper", "altered-price", "--yes", GLASSBOOK_BOOTSTRAP_SERVERS="10.255.255.1:9092")
    assert done.returncode == 1 and "is not on this machine" in done.stderr


def test_brokers_of_another_data_folder_are_left_alone(glassbook: Run, settings: Settings, tmp_path: Path) -> None:
    other = glassbook("tamper", "altered-price", "--yes", GLASSBOOK_DATA_DIR=str(tmp_path))
    assert other.returncode == 1 and "there is no exchange in" in other.stderr
    instance = json.loads((settings.data_dir / "instance.json").read_text())
    (tmp_path / "instance.json").write_text(json.dumps(instance | {"kafka_cluster_id": "another"}))
    other = glassbook("tamper", "altered-price", "--yes", GLASSBOOK_DATA_DIR=str(tmp_path))
    assert other.returncode == 1 and "aren't those of" in other.stderr


def test_a_tampered_log_is_a_divergence_in_words_and_exit_code_2(
    glassbook: Run, settings: Settings, tmp_path: Path
) -> None:
    """The last test of the module: from here on this history isn't exact."""
    before = TopicSource(settings.bootstrap_servers, ("trades",)).bounds
    written = glassbook("tamper", "altered-price", "--yes")
    assert written.returncode == 0, written
    assert "TAMPERING with the local exchange" in written.stderr
    _, partition, offset, _ = written.stdout.split(maxsplit=3)
    assert before["trades", int(partition)].end == int(offset)

    found = glassbook("verify")
    assert found.returncode == 2, found
    assert found.stdout.startswith("DIVERGENCE:")
    assert re.search(r"COPIES_DIFFER \(\S+\): Two copies of one record say different things\.", found.stdout)
    assert f"glassbook topic tail trades --partition {partition} --from {offset} -n 1" in found.stdout
    assert glassbook("export", str(tmp_path / "history")).returncode == 0
    from_files = glassbook("verify", "--files", str(tmp_path / "history"))
    assert from_files.returncode == 2
    assert hash_in(from_files.stdout) == hash_in(found.stdout)
