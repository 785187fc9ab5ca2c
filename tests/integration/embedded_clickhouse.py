"""The embedded ClickHouse as a process of a test's own, to be asked, killed and started again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from glassbook.clickhouse import Access, access
from glassbook.clickhouse_keys import SINK
from glassbook.data_folder import DataFolder
from glassbook.settings import HOST, Settings
from simulator.own_system import own_settings

START_S = 60
STOP_S = 30


class EmbeddedClickHouse:
    def __init__(self, data_dir: Path, **changes: object) -> None:
        self.settings: Settings = own_settings(data_dir, **changes)
        folder = DataFolder(self.settings.data_dir)
        folder.make_folders()
        if folder.instance() is None:
            folder.create_instance(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.settings.clickhouse_port}"

    @property
    def reader(self) -> Access:
        return access(self.settings)

    @property
    def writer(self) -> Access:
        return access(self.settings, SINK)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Seconds until it answers."""
        began = time.monotonic()
        environment = os.environ | self.settings.environment()
        self._process = subprocess.Popen([sys.executable, "-P", "-m", "sinks.embedded"], env=environment)
        while not self._answers():
            assert self._process.poll() is None, f"it ended by itself: {self._process.returncode}"
            assert time.monotonic() - began < START_S, "no answer"
            time.sleep(0.02)
        return time.monotonic() - began

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ping", trust_env=False).text == "Ok.\n"
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """As the kernel does it: in the middle of whatever it was doing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(STOP_S)

    def http(self, **more: Any) -> httpx.Client:
        """As an analyst with curl would, without what a library adds."""
        headers = {"accept-encoding": "identity"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60, **more)

    def ask(self, sql: str | bytes, **parameters: object) -> httpx.Response:
        """One question of an analyst."""
        with self.http() as http:
            return http.post("/", content=sql, params={name: str(value) for name, value in parameters.items()})

    def write(self, sql: str | bytes, **parameters: object) -> httpx.Response:
        """One statement of the sink."""
        with self.writer.http(timeout=60) as http:
            return http.post("/", content=sql, params={name: str(value) for name, value in parameters.items()})


def code(answer: httpx.Response) -> int:
    """ClickHouse's error code; 0 for none."""
    return int(answer.headers.get("x-clickhouse-exception-code", 0))
