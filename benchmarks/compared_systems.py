"""The two systems that are compared, each run as its users would run it: Glassbook, and the single-process baseline.

Both are started from nothing in a temporary folder, loaded by the same generator, killed and brought back in the same
words.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import httpx
import psutil

from benchmarks.local_broker import local_cluster
from glassbook.client.keys import Key
from glassbook.cluster import Cluster
from glassbook.operator import OperatorFolder
from simulator.load.accounting import Accounting
from simulator.load.generator import digest_of
from simulator.load.prepare import Prepared
from simulator.load.result import Result, Settled, Wanted
from simulator.load.run import run
from simulator.load.screen import PlainScreen
from simulator.load.sending import send
from simulator.load.tally import Series
from simulator.load.watch import Usage, Watch, usage_of
from simulator.own_system import free_ports

BASELINE, GLASSBOOK = "baseline", "glassbook"
LISTING = Path(__file__).parent.parent / "deploy" / "listing-450.toml"
START_S = 60.0
POLL_S = 0.05
UNLIMITED = 1_000_000  # one address sends everything here
KILLED = ("producers", "broker-1")


class System(Protocol):
    name: str
    url: str

    def operator_key(self) -> Key: ...
    def load(self, prepared: Prepared, wanted: Wanted) -> Result: ...
    def kill(self) -> None: ...
    def bring_back(self) -> None: ...


class Baseline:
    """The baseline's process. SIGKILL ends it; who runs it starts it again over the same folder."""

    name = BASELINE

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_ports()
        self.url = f"http://127.0.0.1:{self._port}"
        self.bring_back()

    def operator_key(self) -> Key:
        """Any: nobody looks at it."""
        return Key.new()

    def load(self, prepared: Prepared, wanted: Wanted) -> Result:
        """There is no log here to account by, no stage that could be behind, and no canary: all of that counts as in
        order, and what is judged is what was answered and how soon."""
        watch, series = Watch(self._usage), Series(wanted.warm_up_s)
        watch.start()
        try:
            sent = send(self.url, prepared, wanted, series, lambda passed_s: None, _never)
        finally:
            watch.stop()
        accounting = Accounting((), digest_of)
        return Result(wanted, prepared, sent, series, watch.samples, Settled(0.0, ""), accounting, [])

    def _usage(self) -> dict[str, Usage]:
        usage = usage_of([psutil.Process(self._process.pid)])
        return {} if usage is None else {self.name: usage}

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def bring_back(self) -> None:
        command = ["-m", "benchmarks.baselines.single_process", "--port", str(self._port), "--data", str(self._folder)]
        self._process = subprocess.Popen([sys.executable, *command, "--listing", str(LISTING)])
        _await_ready(self.url)


class Glassbook:
    """A whole local system. SIGKILL takes the gateway and the broker; its supervisor starts them again."""

    name = GLASSBOOK

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.url = cluster.settings.gateway_url

    def operator_key(self) -> Key:
        return OperatorFolder(self._cluster.settings.data_dir).key()

    def load(self, prepared: Prepared, wanted: Wanted) -> Result:
        return run(self._cluster.settings, prepared, wanted, PlainScreen(), _never)

    def kill(self) -> None:
        pids = [process.pid for process in self._cluster.supervisor.processes() if process.name in KILLED]
        assert len(pids) == len(KILLED), "the gateway or the broker doesn't run"
        killed = [psutil.Process(pid) for pid in pids]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        psutil.wait_procs(killed)

    def bring_back(self) -> None:
        _await_ready(self.url)


@contextmanager
def running(name: str) -> Iterator[System]:
    if name == GLASSBOOK:
        with local_cluster(listing=LISTING, rate_per_account=UNLIMITED, rate_per_address=UNLIMITED) as cluster:
            yield Glassbook(cluster)
        return
    with tempfile.TemporaryDirectory(prefix="glassbook-baseline-") as folder:
        baseline = Baseline(Path(folder))
        try:
            yield baseline
        finally:
            baseline.kill()


def _await_ready(url: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass  # it doesn't listen yet
        time.sleep(POLL_S)
    raise RuntimeError(f"{url} is not ready after {START_S:.0f} s")


def _never() -> bool:
    return False
