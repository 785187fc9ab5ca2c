"""A fault campaign on the sinks: trades on the log, rows in ClickHouse, and both programs killed or stopped meanwhile.

A system of its own has a broker, ClickHouse and a sink under the supervisor, and a second sink that joins and leaves.
Trades come in shares, with repeats as a zombie writes them; in the middle of each a process is struck, with SIGKILL, or
with SIGSTOP past its session time-out and SIGCONT. At the end the rows are counted as they are, without FINAL, and held
against what a plain reader of the topic counts.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from random import Random

import structlog
from confluent_kafka import Producer
from msgspec import Struct

from glassbook import groups
from glassbook.cluster import STAGES, Cluster
from glassbook.settings import Settings
from glassbook.supervision import restarts
from schemas.topics import TRADES
from simulator.candle_load import flows, records
from simulator.sink_audit import Totals, count_rows, totals_of_rows, totals_of_topic
from simulator.topic_reader import read_topics

PROGRAMS = ("clickhouse", "sinks")
GROUP = {"sinks": (TRADES,)}
LIMIT_S = 120.0
SECOND = "second sink"
BOTH = "sinks and clickhouse"

logger = structlog.get_logger()


class Plan(Struct, frozen=True):
    """What a campaign does. `stop` strikes with SIGSTOP and SIGCONT instead of SIGKILL."""

    trades: int
    strikes: int
    symbols: int = 40
    partitions: int = 8
    stop: bool = False
    seed: int = 1

    @property
    def targets(self) -> tuple[str, ...]:
        return ("sinks", "clickhouse", SECOND) if self.stop else ("sinks", "clickhouse", BOTH, SECOND)


class Report(Struct):
    plan: Plan
    seconds: float
    struck: dict[str, int]
    repeats: int  # records on the topic that are copies of earlier ones
    topic: Totals
    rows: Totals
    restarts: dict[str, int]

    @property
    def exact(self) -> bool:
        return self.topic == self.rows


def run_campaign(settings: Settings, plan: Plan) -> Report:
    """Starts a system on `settings`, plays the plan, stops it, and counts."""
    settings = settings.model_copy(update={"order_partitions": plan.partitions})
    cluster = Cluster(settings, 1, tuple(stage for stage in STAGES if stage.name in PROGRAMS))
    started = time.monotonic()
    second = SecondSink(cluster)
    try:
        cluster.start()
        struck = _play(cluster, plan, second)
        second.leave()
        _until_sunk(cluster)
        rows = totals_of_rows(cluster.settings)
        log = read_topics(cluster.settings.bootstrap_servers, (TRADES,))
        again = restarts(cluster.folder)
    finally:
        second.leave()
        cluster.stop()
    topic, repeats = totals_of_topic(log)
    seconds = time.monotonic() - started
    return Report(plan, seconds, struck, repeats, topic, rows, {name: again[name] for name in PROGRAMS})


def _play(cluster: Cluster, plan: Plan, second: "SecondSink") -> dict[str, int]:
    """The trades in as many shares as there are strikes; a strike while each is on its way into the tables."""
    random, struck = Random(plan.seed), dict.fromkeys(plan.targets, 0)
    load = Load(cluster.settings.bootstrap_servers, plan, random)
    before = 0
    for number in range(plan.strikes):
        target = plan.targets[number % len(plan.targets)]
        if target == SECOND or random.random() < 0.5:
            second.join()
        load.write_share(number)
        # Something of this share has come through: the rest is on its way, in memory or half written.
        before = until_rows(cluster.settings, before + 1)
        time.sleep(random.random())
        logger.info("strike", number=number, target=target, stop=plan.stop)
        _strike(cluster, second, target, plan.stop)
        struck[target] += 1
        if number % 3 == 2:
            second.leave()
    load.write_share(plan.strikes)
    return struck


def _strike(cluster: Cluster, second: "SecondSink", target: str, stop: bool) -> None:
    names = PROGRAMS if target == BOTH else (target,)
    pids = [p.pid for p in cluster.supervisor.processes() if p.name in names and p.alive]
    if target == SECOND:
        pids = [second.pid]
    for pid in pids:
        with suppress(ProcessLookupError):  # it was on its way down by itself
            os.kill(pid, signal.SIGSTOP if stop else signal.SIGKILL)
    if stop:
        time.sleep(cluster.settings.session_timeout_ms / 1000 + 2)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


class Load:
    """Trades written in shares, each with a stretch of earlier ones behind it, as by a writer that woke up late."""

    def __init__(self, bootstrap: str, plan: Plan, random: Random) -> None:
        self._random = random
        self._shares = plan.strikes + 1
        self._records = [list(records(flow)) for flow in flows(plan.trades, plan.symbols, plan.partitions, plan.seed)]
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4",
                "queue.buffering.max.messages": 2_000_000, "message.timeout.ms": 0,
            }
        )  # fmt: skip

    def write_share(self, number: int) -> None:
        for partition, written in enumerate(self._records):
            start = len(written) * number // self._shares
            end = len(written) * (number + 1) // self._shares
            self._append(partition, written[start:end])
        partition = self._random.randrange(len(self._records))
        upto = len(self._records[partition]) * (number + 1) // self._shares
        first = self._random.randrange(upto)
        self._append(partition, self._records[partition][first : min(first + self._random.randint(1, 2000), upto)])
        assert self._producer.flush(LIMIT_S) == 0, "the broker didn't take the trades"

    def _append(self, partition: int, values: list[bytes]) -> None:
        for value in values:
            self._producer.produce(TRADES, value, b"", partition)
        self._producer.poll(0)


class SecondSink:
    """One more member of the group."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def join(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        environment = os.environ | self._cluster.settings.environment() | {"GLASSBOOK_MEMBER": "second"}
        with (self._cluster.folder.logs / "second-sinks.log").open("ab") as output:
            command = [sys.executable, "-P", "-m", "sinks"]
            self._process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def leave(self) -> None:
        """In good order; or, if it was killed, what is left of it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(LIMIT_S)
            self._process = None


def until_rows(settings: Settings, wanted: int) -> int:
    """Waits until the table has at least so many; returns how many."""
    deadline = time.monotonic() + LIMIT_S
    while (rows := count_rows(settings)) < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{rows} rows within {LIMIT_S:.0f} s, {wanted} are wanted")
        time.sleep(0.1)
    return rows


def _until_sunk(cluster: Cluster) -> None:
    view, deadline = groups.GroupView(cluster.settings.bootstrap_servers), time.monotonic() + LIMIT_S
    ends = groups.ends(view, GROUP)
    while behind := groups.behind(view, GROUP, ends):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the sinks don't catch up: {behind}")
        time.sleep(0.2)
