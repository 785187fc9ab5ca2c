"""What a run of a load was to be, and what became of it."""

import math
import os
from functools import cached_property

from msgspec import Struct

from simulator.load.accounting import Accounting
from simulator.load.doors import DoorName
from simulator.load.mix import Kind, rates_per_s
from simulator.load.plan import Acknowledged
from simulator.load.prepare import Prepared
from simulator.load.tally import Series
from simulator.load.verdict import Findings, Verdict, judge
from simulator.load.watch import Sample, Used, used_between

# Requests a second that one generator process sends at most, by itself; measured, and below what it can do.
ONE_PROCESS = {DoorName.REST: 4_000, DoorName.BATCH: 6_000, DoorName.WS: 5_000}


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be sent, and how."""

    door: DoorName
    percent: float
    seconds: int
    warm_up_s: int
    processes: int | None = None  # None: as many as it takes
    attempt: int = 0

    def process_count(self, brokers: int) -> int:
        if self.processes is not None:
            return min(self.processes, brokers)
        return min(brokers, max(1, math.ceil(sum(rates_per_s(self.percent).values()) / ONE_PROCESS[self.door])))


class Sent(Struct, frozen=True, kw_only=True):
    """How the sending went. Moments are of time.monotonic."""

    processes: int
    connections: int
    began: float  # with the warm-up
    began_ms: int  # the same on the host's clock
    until: float  # nothing was sent after it; infinite where nothing was broken off
    acknowledged: list[Acknowledged]


class Settled(Struct, frozen=True):
    """How long after the last answer all stages had read what there was (None: not in time), and who hadn't when they
    should have."""

    took_s: float | None
    behind: str


class Result:
    """Everything about a run, and its verdict."""

    def __init__(
        self,
        wanted: Wanted,
        prepared: Prepared,
        sent: Sent,
        series: Series,
        samples: list[Sample],
        settled: Settled,
        accounting: Accounting,
        alerts: list[str],
    ) -> None:
        self.wanted, self.prepared, self.sent = wanted, prepared, sent
        self.series, self.samples, self.settled = series, samples, settled
        self.accounted, self.missing, self.alerts = accounting.counted, accounting.missing(), alerts
        self.measured_from = sent.began + wanted.warm_up_s
        self.began_ms = sent.began_ms + 1000 * wanted.warm_up_s
        self.seconds = max(min(sent.until - self.measured_from, float(wanted.seconds)), 0.0)
        first = self.began_ms // 1000
        in_second = sorted(accounting.trades_in_second.items())
        self.trades_in_second = {second - first: count for second, count in in_second}  # below 0 in the warm-up

    @property
    def broken_off(self) -> bool:
        return self.seconds < self.wanted.seconds - 0.5

    @property
    def trades(self) -> int:
        return sum(count for second, count in self.trades_in_second.items() if second >= 0)

    @cached_property
    def used(self) -> Used:
        return used_between(self.samples, self.measured_from, self.measured_from + self.seconds)

    @cached_property
    def findings(self) -> Findings:
        series, seconds = self.series, self.seconds
        return Findings(
            latency={kind: series.latency(kind) for kind in Kind},
            sent=dict(series.sent()),
            errors=dict(series.errors()),
            refused=dict(series.refused()),
            settle_s=self.settled.took_s,
            behind=self.settled.behind,
            missing=len(self.missing),
            alerts=self.alerts,
            judged=self.settled.took_s is not None,  # the canary is one of the stages
            late_p99_ms=series.late_ms().p99_ms,
            busy=series.cpu_s() / self.sent.processes / seconds if seconds else 0.0,
            others=self._others(),
        )

    @cached_property
    def verdict(self) -> Verdict:
        return judge(self.findings)

    @property
    def commands(self) -> int:
        """New orders and cancels sent."""
        sent = self.findings.sent
        return sent.get(Kind.ORDER, 0) + sent.get(Kind.CANCEL, 0)

    @property
    def cpu_ms_by_process(self) -> dict[str, float]:
        """Processor time of each of the exchange's processes for each new order or cancel."""
        if not self.used.window_s or not self.commands:
            return {}
        share = self.seconds / self.used.window_s / self.commands
        return {name: 1000 * cpu_s * share for name, cpu_s in self.used.by_process.items()}

    @property
    def cpu_ms_per_order(self) -> float | None:
        """Of all of them; None where they can't be seen."""
        by_process = self.cpu_ms_by_process
        return sum(by_process.values()) if by_process else None

    @property
    def generator_ms_per_order(self) -> float:
        """Processor time of the generator for each new order or cancel."""
        return 1000 * self.series.cpu_s() / max(self.commands, 1)

    def _others(self) -> float:
        """The part of the machine's processor that neither the exchange nor the generator had."""
        used = self.used
        if not used.window_s:
            return 0.0
        theirs_s = used.machine_s - sum(used.by_process.values()) - self.series.cpu_s()
        return max(theirs_s, 0.0) / used.window_s / (os.cpu_count() or 1)
