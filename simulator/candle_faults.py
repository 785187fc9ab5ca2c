"""Faults on candle_agg's real workers: killed, stopped and woken, joining and leaving while trades come.

A broker of its own is started, and trades are written as a matcher writes them, some of them a second time as a zombie
matcher does. Two workers share the partitions; a struck one is started again as the supervisor does; a third
comes and goes. At the end all that lies on `candles` is compared with a count anew from `trades`.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from random import Random

import structlog
from confluent_kafka import Producer
from msgspec import Struct

from glassbook import groups
from glassbook.cluster import Cluster
from glassbook.settings import Settings
from glassbook.topics_admin import create_topics
from schemas.topics import CANDLES, DEAD_LETTERS, TRADES, topics
from simulator.candle_load import flows, records
from simulator.candle_recount import Verdict, compare
from simulator.topic_reader import read_topics

GROUP = {"candle_agg": (TRADES,)}
STEADY = ("first", "second")
GUEST = "guest"
REPEATS = 0.01  # of the trades come again, a while later
PATIENCE_S = 120.0

logger = structlog.get_logger()


class Plan(Struct, frozen=True):
    """What a campaign does. `stop` strikes with SIGSTOP past the session time-out and SIGCONT instead of SIGKILL."""

    trades: int = 200_000
    strikes: int = 20
    symbols: int = 40
    partitions: int = 8
    stop: bool = False
    seed: int = 1

    @property
    def trades_per_s(self) -> float:
        """So few that they last for all strikes; what is left then comes at once."""
        return self.trades / (self.strikes * (16.0 if self.stop else 8.0))


class Report(Struct):
    plan: Plan
    seconds: float
    verdict: Verdict
    trades_repeated: int
    dead_letters: int

    @property
    def exact(self) -> bool:
        """True if every candle is right. Only a worker that was stopped and woken may leave repeats behind."""
        doubled = self.verdict.repeats and not self.plan.stop
        return not (self.verdict.differences or self.dead_letters or doubled) and self.verdict.closed > 0


def run_campaign(settings: Settings, plan: Plan) -> Report:
    """Starts a broker on `settings`, plays the plan, and compares."""
    cluster = Cluster(settings, 1, ())
    started = time.monotonic()
    workers = Workers(cluster)
    try:
        cluster.start()
        create_topics(cluster.settings.bootstrap_servers, topics(1, plan.partitions, 1))
        repeated = _play(plan, workers, cluster.settings.bootstrap_servers)
        workers.end()
        log = read_topics(cluster.settings.bootstrap_servers, (TRADES, CANDLES, DEAD_LETTERS))
    finally:
        workers.end()
        cluster.stop()
    verdict = Verdict()
    for partition in range(plan.partitions):
        given, found = log[TRADES, partition], log[CANDLES, partition]
        verdict += compare([record.value for record in given], [record.value for record in found])
    return Report(plan, time.monotonic() - started, verdict, repeated, len(log[DEAD_LETTERS, 0]))


class Workers:
    """candle_agg's processes by their member names."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, member: str) -> None:
        settings = self._cluster.settings
        environment = os.environ | settings.environment() | {"GLASSBOOK_MEMBER": member, "PYTHONUNBUFFERED": "1"}
        with (self._cluster.folder.logs / f"candle_agg-{member}.log").open("ab") as output:
            command = [sys.executable, "-P", "-m", "candle_agg"]
            self._running[member] = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def strike(self, member: str, stop: bool) -> None:
        process = self._running[member]
        if stop:
            process.send_signal(signal.SIGSTOP)
            time.sleep(self._cluster.settings.session_timeout_ms / 1000 + 1.5)
            process.send_signal(signal.SIGCONT)
        else:
            process.kill()
            process.wait(PATIENCE_S)
            self.start(member)

    def come_or_go(self, member: str) -> None:
        process = self._running.pop(member, None)
        if process is None:
            self.start(member)
        else:
            process.terminate()
            process.wait(PATIENCE_S)

    def start_again(self) -> None:
        """Those that ended by themselves, as the supervisor would."""
        for member, process in list(self._running.items()):
            if process.poll() is not None:
                logger.info("ended by itself", member=member, status=process.returncode)
                self.start(member)

    def end(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(PATIENCE_S)
        self._running.clear()


def _play(plan: Plan, workers: Workers, bootstrap: str) -> int:
    """Strikes while the trades are written; returns how many trades were written twice."""
    for member in STEADY:
        workers.start(member)
    _wait(workers, lambda: groups.unready_groups(bootstrap, GROUP))
    load = Load(plan, bootstrap)
    load.start()
    random = Random(plan.seed)
    for number in range(plan.strikes):
        # Once all partitions are in work again, a moment later.
        _wait(workers, lambda: groups.unready_groups(bootstrap, GROUP))
        time.sleep(random.uniform(0.0, 2.0))
        if number % 3 == 1:
            workers.come_or_go(GUEST)
        member = STEADY[number % len(STEADY)]
        logger.info("strike", number=number, member=member, stop=plan.stop)
        workers.strike(member, plan.stop)
    load.hurry = True
    load.join()
    _wait(workers, lambda: groups.unready_groups(bootstrap, GROUP))
    view = groups.GroupView(bootstrap)
    _wait(workers, lambda: groups.behind(view, GROUP, groups.ends(view, GROUP)))
    return load.repeated


def _wait(workers: Workers, missing: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while reason := missing():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the workers did not get there: {reason}")
        workers.start_again()
        time.sleep(0.2)


class Load(threading.Thread):
    """Writes the trades evenly over the time that the strikes take, and in a hurry what is left."""

    def __init__(self, plan: Plan, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self.repeated = 0
        self.hurry = False
        self._plan = plan
        self._random = Random(plan.seed)
        self._producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True,
                                   "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})  # fmt: skip

    def run(self) -> None:
        plan, started = self._plan, time.monotonic()
        streams = {
            flow.partition: records(flow) for flow in flows(plan.trades, plan.symbols, plan.partitions, plan.seed)
        }
        latest: dict[int, deque[bytes]] = {partition: deque(maxlen=300) for partition in streams}
        written = 0
        while streams:
            for partition, stream in list(streams.items()):
                record = next(stream, None)
                if record is None:
                    del streams[partition]
                    continue
                self._write(partition, record)
                latest[partition].append(record)
                written += 1
                if self._random.random() < REPEATS:
                    self._write(partition, self._random.choice(latest[partition]))
                    self.repeated += 1
            while not self.hurry and written / plan.trades_per_s > time.monotonic() - started:
                time.sleep(0.01)
        assert self._producer.flush(PATIENCE_S) == 0, "the broker didn't take the trades"

    def _write(self, partition: int, record: bytes) -> None:
        self._producer.produce(TRADES, record, b"", partition)
        self._producer.poll(0)
