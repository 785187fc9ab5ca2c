"""A fault campaign on the real thing: signed orders through the real gateway while processes are killed or stopped.

A system of its own is started in a folder of its own, with second ledgers and matchers that join and leave. Every
process is struck in turn, with SIGKILL, or with SIGSTOP past its session time-out and SIGCONT. Then the system is
stopped in good order and its whole log is audited by a clean replay (`audit.py`). The canary, which is struck as well,
must have judged all of it by then, and have blamed nobody.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time

import msgspec
import structlog
from msgspec import Struct

from glassbook import groups
from glassbook.cluster import STAGES as CLUSTER_STAGES
from glassbook.cluster import Cluster
from glassbook.listing import read_listing
from glassbook.listing_generate import generate
from glassbook.operator import OperatorFolder, apply_listing
from glassbook.operator_log import OperatorLog
from glassbook.settings import Settings
from schemas.alerts import Alert
from schemas.topics import ALERTS, LEDGER, SNAPSHOTS, TRADES
from simulator.audit import Audit, Log, audit, outcomes
from simulator.canary_broker_alerts import false_alarms
from simulator.faults_load import Load, LoadReport
from simulator.topic_reader import read_topics
from stage.partition import decode_state
from stage.snapshots import newest_snapshots

STAGES = ("matcher", "ledger", "producers")
CANARY = "canary"
SECOND_MEMBERS = ("ledger", "matcher")
# What writes onto the log, and the gateway. ClickHouse and its sinks have sink_faults.py.
AUDITED = tuple(stage for stage in CLUSTER_STAGES if stage.name not in ("sinks", "clickhouse"))
RECOVERY_LIMIT_S = 60.0

logger = structlog.get_logger()


class Plan(Struct, frozen=True):
    """What a campaign does. `stop` strikes with SIGSTOP and SIGCONT instead of SIGKILL."""

    orders: int
    strikes: int
    symbols: int = 20
    partitions: int = 8
    stop: bool = False
    brokers: int = 1
    seed: int = 1

    @property
    def targets(self) -> tuple[str, ...]:
        return (*STAGES, *(f"broker-{number}" for number in range(1, self.brokers + 1)), CANARY)


class Strike(Struct):
    """One process struck, and how long it took from then until an order's outcome was known again."""

    target: str
    recovery_s: float


class Report(Struct):
    plan: Plan
    seconds: float
    load: LoadReport
    strikes: list[Strike]
    without_outcome: int  # acknowledged commands of which the journal says nothing
    trades: int
    repeats: int
    public_repeats: int
    differences: list[str]
    state_differences: list[str]  # stages whose last snapshot isn't what the replay ends with
    judged: int  # records that the canary has judged
    unjudged: int
    late_alerts: int  # that said the truth: a stage that is killed or stopped may be late
    false_alarms: list[str]

    @property
    def exact(self) -> bool:
        """True if nothing was lost, doubled or changed. Only a process that was stopped may leave repeats behind."""
        doubled = self.public_repeats and not self.plan.stop
        return not (self.without_outcome or self.differences or self.state_differences or doubled)

    @property
    def blames_nobody(self) -> bool:
        """True if the canary has judged all that was left on the log, and rightly found nothing wrong."""
        return not (self.unjudged or self.false_alarms)

    @property
    def recovery_s(self) -> list[float]:
        return sorted(strike.recovery_s for strike in self.strikes)


def run_campaign(settings: Settings, plan: Plan) -> Report:
    """Starts a system on `settings`, plays the plan, stops it, and audits its log.

    A false alarm halts nothing there: the load would wait for its market for ever, and nobody be told.
    """
    settings = settings.model_copy(update={"canary_halts": False})
    cluster = Cluster(settings, plan.brokers, AUDITED)
    started = time.monotonic()
    try:
        cluster.start()
        _list_markets(settings, cluster.settings.bootstrap_servers, plan)
        strikes, load = asyncio.run(_play(cluster, plan))
        _settle_down(cluster)
    except BaseException:
        cluster.stop()
        raise
    log = read_topics(cluster.settings.bootstrap_servers)
    said = _what_the_canary_said(cluster.settings.bootstrap_servers)
    cluster.stop()
    return _judge(plan, time.monotonic() - started, log, load, strikes, said, settings.canary_late_ms)


def _list_markets(settings: Settings, bootstrap: str, plan: Plan) -> None:
    path = settings.data_dir / "campaign-listing.toml"
    path.write_text(generate(plan.symbols, plan.partitions))
    apply_listing(read_listing(path), OperatorFolder(settings.data_dir), OperatorLog(bootstrap))


async def _play(cluster: Cluster, plan: Plan) -> tuple[list[Strike], Load]:
    """Sends the load in as many shares as there are strikes; strikes in the middle of each."""
    load = Load(cluster.settings, plan.symbols, plan.orders, random.Random(plan.seed))
    await load.prepare()
    share = plan.orders / max(plan.strikes, 1)
    load.allowed = int(share)
    sending = asyncio.create_task(load.send())
    strikes: list[Strike] = []
    seconds = SecondMembers(cluster)
    try:
        for number in range(plan.strikes):
            while load.report.acknowledged < share * (number + 0.5) and not sending.done():
                await asyncio.sleep(0.02)
            seconds.change(number)
            strikes.append(await _strike(cluster, plan, number, load))
            load.allowed = plan.orders if number + 2 >= plan.strikes else int(share * (number + 2))
        await sending
    finally:
        sending.cancel()
        seconds.close()
        await load.close()
    return strikes, load


async def _strike(cluster: Cluster, plan: Plan, number: int, load: Load) -> Strike:
    target = plan.targets[number % len(plan.targets)]
    pid = next(process.pid for process in cluster.supervisor.processes() if process.name == target)
    logger.info("strike", number=number, target=target, pid=pid, stop=plan.stop)
    struck = time.monotonic()
    if plan.stop:
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(cluster.settings.session_timeout_ms / 1000 + 1.5)
        os.kill(pid, signal.SIGCONT)
    else:
        os.kill(pid, signal.SIGKILL)
    await load.probe(RECOVERY_LIMIT_S)
    return Strike(target, time.monotonic() - struck)


class SecondMembers:
    """A second ledger and a second matcher, which join, leave in good order, join again and are killed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def change(self, number: int) -> None:
        stage = SECOND_MEMBERS[number // 2 % len(SECOND_MEMBERS)]
        process = self._running.pop(stage, None)
        if process is None:
            environment = os.environ | self._cluster.settings.environment() | {"GLASSBOOK_MEMBER": "second"}
            log = self._cluster.folder.logs / f"second-{stage}.log"
            with log.open("ab") as output:
                command = [sys.executable, "-m", stage]
                self._running[stage] = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        else:
            process.send_signal(signal.SIGKILL if number % 3 else signal.SIGTERM)
            process.wait(30)

    def close(self) -> None:
        for process in self._running.values():
            process.terminate()
            process.wait(30)
        self._running.clear()


def _settle_down(cluster: Cluster) -> None:
    """Stops the ticks, then the stages in good order, so that the last snapshots hold the last state."""
    cluster.supervisor.stop_group("gateway")
    cluster.supervisor.stop_program("stages:clock")
    inputs = {stage.group: stage.inputs for stage in cluster.stages if stage.group}
    view, deadline = groups.GroupView(cluster.settings.bootstrap_servers), time.monotonic() + RECOVERY_LIMIT_S
    quiet, before = False, ""
    while not quiet:
        # The stages feed each other: all is read when the ends were reached and have not moved meanwhile.
        ends = groups.ends(view, inputs)
        while behind := groups.behind(view, inputs, ends):
            if behind != before:
                before, deadline = behind, time.monotonic() + RECOVERY_LIMIT_S
            if time.monotonic() > deadline:
                raise TimeoutError(f"the stages don't come to rest: {behind}")
            time.sleep(0.1)
        quiet = ends == groups.ends(view, inputs)
    cluster.supervisor.stop_group("history")
    cluster.supervisor.stop_group("stages")


class Said(Struct):
    """What the canary came to."""

    judged: int
    unjudged: int
    alerts: list[Alert]


def _what_the_canary_said(bootstrap: str) -> Said:
    canary = next(stage for stage in CLUSTER_STAGES if stage.name == CANARY)
    positions = groups.positions(groups.GroupView(bootstrap), CANARY, canary.inputs)
    alerts = [
        msgspec.json.decode(record.value, type=Alert)
        for records in read_topics(bootstrap, (ALERTS,)).values()
        for record in records
    ]
    return Said(sum(p.committed for p in positions), sum(p.lag for p in positions), alerts)


def _judge(plan: Plan, seconds: float, log: Log, load: Load, strikes: list[Strike], said: Said, late_ms: int) -> Report:
    found = audit(log)
    wrong = false_alarms(said.alerts, log, late_ms)
    done = outcomes(record.value for (topic, _), records in log.items() if topic == LEDGER for record in records)
    trades = sum(
        record.value.startswith(b'{"record":"trade"')
        for (topic, _), records in log.items()
        if topic == TRADES
        for record in records
    )
    return Report(
        plan=plan,
        seconds=seconds,
        load=load.report,
        strikes=strikes,
        without_outcome=len(load.acknowledged_ids - done),
        trades=trades,
        repeats=found.repeats,
        public_repeats=found.public_repeats,
        differences=found.differences,
        state_differences=_state_differences(found, log),
        judged=said.judged,
        unjudged=said.unjudged,
        late_alerts=len(said.alerts) - len(wrong),
        false_alarms=wrong,
    )


def _state_differences(found: Audit, log: Log) -> list[str]:
    records = [(r.key, r.value) for (topic, _), rs in sorted(log.items()) if topic == SNAPSHOTS for r in rs]
    differences = []
    for (stage, partition), state in found.states.items():
        snapshot = newest_snapshots(records, stage).get(partition)
        if snapshot is None or decode_state(snapshot.state) != decode_state(state):
            differences.append(f"{stage}-{partition}")
    return differences
