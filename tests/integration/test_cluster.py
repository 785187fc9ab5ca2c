"""`glassbook up` and `down` as a person meets them: as processes, with signals, on a real broker."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from glassbook import leftovers
from glassbook.data_folder import DataFolder
from glassbook.settings import Settings
from glassbook.supervision import INSTANCE_VARIABLE
from glassbook.topics_admin import create_topics, wait_for_brokers
from schemas.topics import Topic
from simulator.own_system import own_settings

SECOND_START_S = 15
DEADLINE_S = 40


def until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {deadline_s} s: {what}"
        time.sleep(0.05)


class CommandLine:
    """Runs the `glassbook` command on one data folder, with a broker and no stages."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.output = settings, folder / "up.out"
        self.data = DataFolder(settings.data_dir)
        self._ups: list[subprocess.Popen[bytes]] = []

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tests.integration.up_with", "broker-only", *arguments]

    def environment(self, **changes: object) -> dict[str, str]:
        settings = self.settings.model_copy(update=changes).environment()
        del settings["GLASSBOOK_BOOTSTRAP_SERVERS"]
        return os.environ | settings | {"COLUMNS": "200"}

    def run(self, *arguments: str, **changes: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environment(**changes), capture_output=True, text=True, timeout=90
        )

    def up(self) -> subprocess.Popen[bytes]:
        """Start `up` and wait until it says that it is ready."""
        with self.output.open("wb") as output:
            up = subprocess.Popen(self.command("up"), env=self.environment(), stdout=output, stderr=output)
        self._ups.append(up)
        until(lambda: "ready after" in self.said() or up.poll() is not None, "up is ready")
        assert up.poll() is None, self.said()
        return up

    def said(self) -> str:
        return self.output.read_text()

    def refuses(self, *arguments: str, **changes: object) -> str:
        """Run what must fail with one line; returns the line."""
        done = self.run(*arguments, **changes)
        assert done.returncode == 1, done.stdout + done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        return done.stderr

    def pid(self, program: str) -> int:
        processes = json.loads(self.run("status", "--json").stdout)["processes"]
        return next(int(process["pid"]) for process in processes if process["name"] == program)

    def close(self) -> None:
        for up in self._ups:
            if up.poll() is None:
                up.kill()
            up.wait()
        instance = self.data.instance()
        for process in [] if instance is None else leftovers.find(instance.id):
            process.kill()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    command_line = CommandLine(own_settings(tmp_path / "data folder 100%"), tmp_path)
    yield command_line
    command_line.close()


def write_record(bootstrap: str, value: bytes) -> None:
    create_topics(bootstrap, [Topic("kept", "", 1, 1, {})])
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce("kept", value)
    assert producer.flush(10) == 0


def read_record(bootstrap: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "log_level": 2})
    consumer.assign([TopicPartition("kept", 0, 0)])
    deadline = time.monotonic() + DEADLINE_S
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is not None and not message.error():
                return message.value()
    finally:
        consumer.close()
    raise AssertionError("the record was not read")


def test_up_goes_on_where_down_and_ctrl_c_stopped_it(line: CommandLine) -> None:
    bootstrap = line.settings.broker_addresses(1)
    first = line.up()
    assert [name for name in ("ports, disk", "log folders", "broker") if name not in line.said()] == []
    write_record(bootstrap, b"kept")
    assert line.run("down").stdout == "stopped\n"
    assert first.wait(10) == 0 and "stopped from elsewhere" in line.said()
    assert not psutil.pid_exists(first.pid)

    second = line.up()
    took = re.search(r"ready after ([\d.]+) s", line.said())
    assert took and float(took[1]) < SECOND_START_S
    assert read_record(bootstrap) == b"kept"
    second.send_signal(signal.SIGINT)
    assert second.wait(30) == 0 and "goes on from here" in line.said()
    instance = line.data.instance()
    assert instance and leftovers.find(instance.id) == []
    assert "nothing is running" in line.run("down").stdout
    assert line.run("status").returncode == 3


def test_a_second_up_on_the_same_folder_names_the_first(line: CommandLine) -> None:
    up = line.up()
    message = line.refuses("up")
    assert f"pid {up.pid}" in message and "glassbook down" in message and "GLASSBOOK_DATA_DIR" in message


def test_a_killed_broker_comes_back_with_what_it_had(line: CommandLine) -> None:
    bootstrap = line.settings.broker_addresses(1)
    line.up()
    write_record(bootstrap, b"kept")
    os.kill(line.pid("broker-1"), signal.SIGKILL)
    wait_for_brokers(bootstrap, 1, 20)
    assert read_record(bootstrap) == b"kept"
    process = json.loads(line.run("status", "--json").stdout)["processes"][0]
    assert (process["name"], process["alive"], process["restarts"]) == ("broker-1", True, 1)


def test_what_a_killed_up_left_behind_is_named_and_ended_and_strangers_are_not(line: CommandLine) -> None:
    up = line.up()
    broker = psutil.Process(line.pid("broker-1"))
    supervisor = psutil.Process(up.pid).children()[0]
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=os.environ | {INSTANCE_VARIABLE: "another"}
    ) as stranger:
        up.kill()
        up.wait()
        assert f"broker-1 {broker.pid}" in line.refuses("up")  # the supervisor lives, and with it all others
        supervisor.kill()
        until(lambda: not supervisor.is_running(), "the supervisor is gone")
        message = line.refuses("up")
        assert f"broker-1 {broker.pid}" in message and "glassbook down" in message
        assert "ended 1 processes" in line.run("down").stdout
        assert not broker.is_running()
        assert stranger.poll() is None
        stranger.communicate(b"\n")
    line.up()


def test_a_killed_supervisor_ends_up_with_an_error_and_nothing_left(line: CommandLine) -> None:
    up = line.up()
    broker = psutil.Process(line.pid("broker-1"))
    psutil.Process(up.pid).children()[0].kill()
    assert up.wait(30) == 1 and "supervisor was killed" in line.said()
    assert not broker.is_running()


@pytest.mark.parametrize("offset", [0, 1], ids=["broker", "controller"])
def test_a_taken_port_names_the_setting_and_the_holder(line: CommandLine, offset: int) -> None:
    with socket.create_server(("127.0.0.1", line.settings.kafka_port + offset)):
        message = line.refuses("up")
    assert str(line.settings.kafka_port + offset) in message and "GLASSBOOK_KAFKA_PORT" in message
    assert f"(pid {os.getpid()})" in message


def test_too_little_disk_names_the_cure(line: CommandLine) -> None:
    message = line.refuses("up", disk_reserve_mb=10**9)
    assert "make room" in message and "GLASSBOOK_DISK_RESERVE_MB" in message


def test_the_number_of_brokers_is_fixed_at_the_first_start(line: CommandLine) -> None:
    line.data.make_folders()
    line.data.create_instance(brokers=1)
    assert "--brokers 1" in line.refuses("up", "--brokers", "3")
    assert "--brokers 3" in line.refuses("up", "--brokers", "2")


def test_the_partitions_of_accounts_are_fixed_at_the_first_start(line: CommandLine) -> None:
    line.data.make_folders()
    line.data.create_instance(brokers=1)
    assert "GLASSBOOK_ACCOUNT_PARTITIONS=4" in line.refuses("up", account_partitions=8)


def test_a_wrong_setting_is_named(line: CommandLine) -> None:
    assert "GLASSBOOK_KAFKA_PORT is '40000'" in line.refuses("status", kafka_port=40000)
