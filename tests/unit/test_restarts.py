"""How fast a program that died is there again: supervisord sees it at once, and a stage reads no more than it needs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from glassbook.data_folder import DataFolder
from glassbook.settings import Settings
from glassbook.stage_settings import StageSettings, stage_settings
from glassbook.supervision import Group, Program, Supervisor, configuration, restarts, start_supervisor

DEADLINE_S = 30


def until_alive(supervisor: Supervisor, other_than: int = 0) -> int:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if supervisor.answers():
            pid = next(process.pid for process in supervisor.processes() if process.name == "sleeper")
            if pid not in (0, other_than):
                return pid
        time.sleep(0.01)
    raise TimeoutError("not started again")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path)
    folder.make_folders()
    sleeper = Program("sleeper", [sys.executable, "-c", "import time; time.sleep(100)"], 1, autostart=True)
    fails = Program("fails", [sys.executable, "-S", "-c", "raise SystemExit(1)"], 1)
    folder.supervisor_config.write_text(configuration(folder, [Group("all", 1, [sleeper, fails])]))
    process: subprocess.Popen[bytes] = start_supervisor(folder, os.environ)
    yield folder
    process.terminate()
    process.wait(DEADLINE_S)


def test_a_killed_program_is_started_at_once(folder: DataFolder) -> None:
    supervisor = Supervisor(folder)
    first = until_alive(supervisor)
    os.kill(first, signal.SIGKILL)
    until_alive(supervisor, other_than=first)
    text = folder.log("supervisor").read_text()
    ended, started = (_seconds(text, word) for word in ("exited: sleeper", "spawned: 'sleeper'"))
    assert 0 <= started - ended < 0.9


def test_a_program_that_always_fails_does_not_take_the_machine(folder: DataFolder) -> None:
    supervisor = Supervisor(folder)
    until_alive(supervisor)
    started = time.monotonic()
    supervisor.start_group("all")
    while restarts(folder)["fails"] < 6:
        assert time.monotonic() < started + DEADLINE_S
        time.sleep(0.05)
    assert time.monotonic() - started > 1.0


def _seconds(text: str, word: str) -> float:
    """The time of day of the last line with this word: "2026-11-21 11:14:46,480 WARN ..."."""
    time_of_day = next(line for line in reversed(text.splitlines()) if word in line).split()[1]
    hours, minutes, seconds = time_of_day.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def test_a_stage_is_told_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings(bootstrap_servers="127.0.0.1:1", member="second", session_timeout_ms=2000)
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert stage_settings() == StageSettings("127.0.0.1:1", "second", 2000)


def test_started_by_hand_a_stage_reads_the_settings_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLASSBOOK_MEMBER", raising=False)
    monkeypatch.setenv("GLASSBOOK_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert stage_settings() == StageSettings("127.0.0.1:1", "1", Settings().session_timeout_ms)
