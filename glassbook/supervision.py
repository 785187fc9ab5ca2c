"""supervisord for one data folder: its configuration, its start, and talking to it over its Unix socket.

supervisord (Python's old and well-kept process supervisor) starts what dies again. Groups stop in the order gateway,
stages, brokers, each after the last has ended, so that no stage loses its broker on a clean stop.
"""

import http.client
import os
import pwd
import re
import subprocess
import sys
import xmlrpc.client
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from supervisor.xmlrpc import SupervisorTransport

from glassbook.data_folder import DataFolder

LOG_BYTES = 10 * 1024 * 1024
LOG_BACKUPS = 3
# Every process of an instance carries these, and by them `glassbook down` knows it from a stranger's.
INSTANCE_VARIABLE = "GLASSBOOK_INSTANCE"
PROGRAM_VARIABLE = "GLASSBOOK_PROGRAM"


@dataclass(frozen=True)
class Program:
    name: str
    command: Sequence[str]
    stop_s: int  # after SIGTERM it has so long until SIGKILL
    autostart: bool = False


@dataclass(frozen=True)
class Group:
    """Programs that stop together. The group with the highest priority stops first."""

    name: str
    priority: int
    programs: Sequence[Program] = field(default_factory=tuple)


class ProcessInfo(msgspec.Struct, frozen=True):
    """What supervisord says of a process."""

    name: str
    group: str
    statename: str
    pid: int
    start: int
    now: int

    @property
    def alive(self) -> bool:
        return self.pid > 0

    @property
    def uptime_s(self) -> int:
        return self.now - self.start if self.alive else 0


def configuration(folder: DataFolder, groups: Sequence[Group]) -> str:
    sections = [
        _section(
            "supervisord",
            nodaemon="true",
            silent="true",
            user=pwd.getpwuid(os.getuid()).pw_name,
            logfile=_relative(folder, folder.log("supervisor")),
            logfile_maxbytes=LOG_BYTES,
            logfile_backups=LOG_BACKUPS,
            pidfile=Path("run/supervisor.pid"),
            childlogdir=_relative(folder, folder.logs),
        ),
        _section("unix_http_server", file=folder.socket, chmod="0700"),
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n",
    ]
    for group in groups:
        sections += [_program_section(folder, program) for program in group.programs]
        names = ",".join(program.name for program in group.programs)
        sections.append(_section(f"group:{group.name}", programs=names, priority=group.priority))
    return "\n".join(sections)


def _program_section(folder: DataFolder, program: Program) -> str:
    return _section(
        f"program:{program.name}",
        command=" ".join(_quoted(word) for word in program.command),
        environment=f'{PROGRAM_VARIABLE}="{program.name}"',
        autostart=str(program.autostart).lower(),
        autorestart="true",
        # startsecs=0 counts every process as started, so that it is started again at once, each time. With more, a
        # process that dies early waits 1, 2, 3... seconds and is given up on in the end: after an hour without a disk
        # a stage would be gone for good.
        startsecs=0,
        startretries=1_000_000,
        stopsignal="TERM",
        stopwaitsecs=program.stop_s,
        killasgroup="true",
        redirect_stderr="true",
        stdout_logfile=_relative(folder, folder.log(program.name)),
        stdout_logfile_maxbytes=LOG_BYTES,
        stdout_logfile_backups=LOG_BACKUPS,
    )


def _relative(folder: DataFolder, path: Path) -> Path:
    # supervisord runs in the data folder. It expands percent signs in a log's path twice, so an absolute path with one
    # in it could not be written down.
    return path.relative_to(folder.root)


def _section(title: str, **options: object) -> str:
    # supervisord expands %(...)s, so a percent sign in a path must be doubled.
    lines = [f"{name} = {str(value).replace('%', '%%')}" for name, value in options.items()]
    return "\n".join([f"[{title}]", *lines, ""])


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w./:=,+-]+", word) else '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def start_supervisor(folder: DataFolder, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start supervisord, away from the terminal: Ctrl-C is for `up` alone, which then stops all in order."""
    folder.socket.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-W", "ignore", "-m", "glassbook.supervisord", "-n"]
    return subprocess.Popen(
        [*command, "-c", str(folder.supervisor_config)],
        env=dict(environment),
        cwd=folder.root,
        stdin=subprocess.DEVNULL,
        # Not a file: when the disk is full it says so there for every line it can't log, and if it can't, it dies.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


class Supervisor:
    """A running supervisord, asked over its socket. Every call raises OSError while there is none."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder

    def _call(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._folder.socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as server:
            try:
                return getattr(server.supervisor, method)(*arguments)
            except http.client.HTTPException as error:
                raise ConnectionError(str(error)) from error

    def answers(self) -> bool:
        try:
            self._call("getState")
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def processes(self) -> list[ProcessInfo]:
        return msgspec.convert(self._call("getAllProcessInfo"), type=list[ProcessInfo])

    def start_group(self, name: str) -> None:
        self._call("startProcessGroup", name, False)

    def stop_group(self, name: str) -> None:
        """Returns when all its programs have ended."""
        self._call("stopProcessGroup", name)

    def stop_program(self, name: str) -> None:
        """`name` is group:program. Returns when it has ended."""
        self._call("stopProcess", name)

    def shutdown(self) -> None:
        self._call("shutdown")


def restarts(folder: DataFolder) -> Counter[str]:
    """How often each program was started again since the last start of the whole, from supervisord's own log."""
    started: Counter[str] = Counter()
    text = Path(folder.log("supervisor")).read_text(errors="replace") if folder.log("supervisor").exists() else ""
    for line in text.rpartition("supervisord started with pid")[2].splitlines():
        if found := re.search(r"spawned: '(.+)' with pid", line):
            started[found[1]] += 1
    return Counter({name: count - 1 for name, count in started.items()})
