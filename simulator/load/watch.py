"""What a load does to the exchange's processes, second by second: processor time and memory of each, and how far each
stage is behind.

It looks from a thread of its own, since a busy broker may answer late; what it couldn't see it leaves out.
"""

import threading
import time
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import psutil
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec
from msgspec import Struct

from glassbook.cluster import STAGES
from glassbook.data_folder import DataFolder
from glassbook.groups import GroupView
from glassbook.settings import Settings
from glassbook.supervision import Supervisor
from schemas.topics import TRADES

PERIOD_S = 1.0
ANSWER_S = 5.0
CHILDREN_S = 10.0  # looking for a process's children means looking at all processes there are


class Usage(Struct, frozen=True):
    """Of a process with its children, since it began."""

    cpu_s: float
    memory_mb: float


class Sample(Struct, frozen=True):
    """`at` is of time.monotonic. What couldn't be seen is empty."""

    at: float
    usage: dict[str, Usage]  # by process
    lag: dict[str, int]  # by stage, in records
    trades_end: int  # how many records `trades` has had, its ticks too
    machine_s: float = 0.0  # processor seconds of all that runs on the machine, since it began


class Processes:
    """Those of the local system, by the supervisor's names; none where there is no supervisor."""

    def __init__(self, settings: Settings) -> None:
        self._supervisor = Supervisor(DataFolder(settings.data_dir))
        self._looked_s = 0.0
        self._known: dict[str, list[psutil.Process]] = {}

    def usage(self) -> dict[str, Usage]:
        if time.monotonic() - self._looked_s > CHILDREN_S:
            self._look()
        found = {name: usage_of(processes) for name, processes in self._known.items()}
        if None in found.values():  # one has ended: there may be another in its place
            self._look()
            found = {name: usage_of(processes) for name, processes in self._known.items()}
        return {name: usage for name, usage in found.items() if usage is not None}

    def _look(self) -> None:
        self._looked_s = time.monotonic()
        try:
            running = [info for info in self._supervisor.processes() if info.alive]
        except (OSError, xmlrpc.client.Error):
            return
        self._known = {info.name: _with_children(info.pid) for info in running}


def _with_children(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def usage_of(processes: Sequence[psutil.Process]) -> Usage | None:
    """None where one of them has ended: half a sum would look like work undone."""
    cpu_s = memory = 0.0
    try:
        for process in processes:
            with process.oneshot():
                times = process.cpu_times()
                cpu_s += times.user + times.system
                memory += process.memory_info().rss
    except psutil.NoSuchProcess:
        return None
    return Usage(cpu_s, memory / 1e6)


class Lags:
    """How many records each stage has yet to commit."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._view = GroupView(bootstrap_servers)
        topics = self._view.admin.list_topics(timeout=ANSWER_S).topics
        self._inputs = {
            stage.group: [
                TopicPartition(name, p) for name in stage.inputs if name in topics for p in topics[name].partitions
            ]
            for stage in STAGES
            if stage.group
        }
        places = {(place.topic, place.partition) for inputs in self._inputs.values() for place in inputs}
        self._asked = {TopicPartition(*place): OffsetSpec.latest() for place in places}

    def look(self) -> tuple[dict[str, int], int]:
        """Lags by stage, and how many records `trades` has had. KafkaException or TimeoutError where nobody answers."""
        latest = self._view.admin.list_offsets(self._asked, request_timeout=ANSWER_S)
        ends = {(p.topic, p.partition): future.result(ANSWER_S).offset for p, future in latest.items()}
        lags = {group: self._lag(group, places, ends) for group, places in self._inputs.items()}
        return lags, sum(end for (topic, _), end in ends.items() if topic == TRADES)

    def _lag(self, group: str, places: Sequence[TopicPartition], ends: Mapping[tuple[str, int], int]) -> int:
        found = self._view.committed(group, places, ANSWER_S)
        return sum(max(ends[p.topic, p.partition] - max(p.offset, 0), 0) for p in found)


class Watch(threading.Thread):
    """Asks `usage` for the processes, and `lags` for the stages, of which a system without a log has none."""

    def __init__(self, usage: Callable[[], dict[str, Usage]], lags: Lags | None = None) -> None:
        super().__init__(name="watch", daemon=True)
        self.samples: list[Sample] = []
        self._usage, self._lags = usage, lags
        self._stopping = threading.Event()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The exchange that has these settings."""
        return cls(Processes(settings).usage, Lags(settings.bootstrap_servers))

    def run(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            self.samples.append(self._sample())
            due = max(due + PERIOD_S, time.monotonic())
            self._stopping.wait(due - time.monotonic())

    def stop(self) -> None:
        self._stopping.set()
        self.join()
        self.samples.append(self._sample())

    def _sample(self) -> Sample:
        at, usage = time.monotonic(), self._usage()
        try:
            lag, trades_end = ({}, 0) if self._lags is None else self._lags.look()
        except (KafkaException, TimeoutError):
            lag, trades_end = {}, 0
        times = psutil.cpu_times()
        return Sample(at, usage, lag, trades_end, times.user + times.nice + times.system)


class Used(Struct, frozen=True):
    """Processor seconds between two samples that lie `window_s` apart."""

    by_process: dict[str, float]
    machine_s: float
    window_s: float


def used_between(samples: Sequence[Sample], start: float, end: float) -> Used:
    """Between the samples that are nearest to these moments; nothing where there are no two of them."""
    inside = [sample for sample in samples if start - PERIOD_S / 2 <= sample.at <= end + PERIOD_S / 2 and sample.usage]
    if len(inside) < 2:
        return Used({}, 0.0, 0.0)
    first, last = inside[0], inside[-1]
    # Of each as it was first seen; one that is started meanwhile is seen a little later.
    before = {name: usage.cpu_s for sample in reversed(inside) for name, usage in sample.usage.items()}
    used = {name: usage.cpu_s - before[name] for name, usage in last.usage.items()}
    # A process that died meanwhile counts from zero again: what is known of it then is what it used since.
    by_process = {name: max(cpu_s, 0.0) for name, cpu_s in used.items()}
    return Used(by_process, last.machine_s - first.machine_s, last.at - first.at)
