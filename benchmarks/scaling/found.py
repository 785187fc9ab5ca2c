"""What the measurements found, as rows: a level of load, a layout, a size of the book. Plain values.

Shares of the machine and of a core lie between 0 and the number of cores; times are processor time where nothing else
is said.
"""

import os
from collections.abc import Sequence
from enum import StrEnum
from statistics import linear_regression

from msgspec import Struct, field

from simulator.load.doors import DoorName
from simulator.load.mix import Kind
from simulator.load.result import Result
from simulator.load.told import summary
from simulator.load.verdict import in_words
from simulator.load.watch import Sample, Used

DONE_SHARE = 0.9
LEAST_LOOKS = 10  # at the lags, for a line to be put through them


class Part(StrEnum):
    COST = "cost"
    PARTITIONS = "partitions"
    ENGINE = "engine"


class Level(Struct, frozen=True, kw_only=True):
    """One load, for some seconds. The first keys are those of `glassbook load --json`."""

    door: DoorName
    percent: float
    orders_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    lost: int
    sustained: bool
    cpu_ms_per_order: float | None  # of an order or a cancel, by all of the exchange's processes
    cpu_ms_by_process: dict[str, float]  # the same, of each
    cores_by_process: dict[str, float]
    generator_cores: float
    machine_used: float  # of all its cores
    others: float  # the part of the machine that programs had which don't belong to this
    sent_per_s: float  # orders
    done_per_s: float  # orders answered within the seconds that were measured, not behind them
    commands_per_s: float  # orders and cancels sent
    lag_growth_per_s: dict[str, float]  # records by which each stage fell behind
    settle_s: float | None
    seconds: float
    broken_off: bool
    limit: str
    verdict: str

    @property
    def kept_up(self) -> bool:
        """Whether what was sent was done, if perhaps too slowly to be called sustained."""
        return self.done_per_s >= DONE_SHARE * self.sent_per_s


class Layout(Struct, kw_only=True):
    """A system of its own, and the loads that it was given."""

    partitions: int
    gateway_processes: int
    levels: list[Level] = field(default_factory=list)

    @property
    def best(self) -> Level:
        """The one with the most orders done."""
        return max(self.levels, key=lambda level: level.done_per_s)

    @property
    def at_its_limit(self) -> bool:
        """Whether more was tried than could be done."""
        return not self.levels[-1].kept_up

    @property
    def sustained_percent(self) -> float:
        return max((level.percent for level in self.levels if level.sustained), default=0.0)


class Sized(Struct, frozen=True, kw_only=True):
    """The engine with so many resting orders. An operation is an order or a cancel; one by one for the percentiles,
    with about 0.05 us of the clock's own."""

    resting_orders: int
    price_levels: int  # of both sides
    operations_per_s: float
    us_per_operation: float
    p50_us: float
    p99_us: float


class Found(Struct, kw_only=True):
    """All there is so far."""

    seed: int
    began_ms: int
    seconds: int
    warm_up_s: int
    symbols: int
    brokers: int
    machine: dict[str, str] = field(default_factory=dict)  # as it was when each part began
    broken_off: bool = False
    cost: list[Level] = field(default_factory=list)
    layouts: list[Layout] = field(default_factory=list)
    sizes: list[Sized] = field(default_factory=list)

    @property
    def measured_layouts(self) -> list[Layout]:
        return [layout for layout in self.layouts if layout.levels]

    @property
    def doors(self) -> list[DoorName]:
        return list(dict.fromkeys(level.door for level in self.cost))

    def of_door(self, door: DoorName) -> list[Level]:
        return [level for level in self.cost if level.door == door]


def level_of(result: Result) -> Level:
    found, used, seconds = result.findings, result.used, max(result.seconds, 1e-9)
    end = result.measured_from + result.seconds
    return Level(
        **summary(result),
        cpu_ms_by_process=_rounded(result.cpu_ms_by_process),
        cores_by_process=_rounded({name: cpu_s / used.window_s for name, cpu_s in used.by_process.items()}),
        generator_cores=round(result.series.cpu_s() / seconds, 3),
        machine_used=_machine_used(used),
        others=round(found.others, 3),
        sent_per_s=round(found.sent.get(Kind.ORDER, 0) / seconds, 1),
        done_per_s=round(_done(result) / seconds, 1),
        commands_per_s=round(result.commands / seconds, 1),
        lag_growth_per_s=lag_growth(result.samples, result.measured_from, end),
        settle_s=found.settle_s,
        seconds=round(result.seconds, 2),
        broken_off=result.broken_off,
        limit=result.verdict.limit,
        verdict=in_words(result.verdict),
    )


def _machine_used(used: Used) -> float:
    if not used.window_s:
        return 0.0
    return round(min(used.machine_s / used.window_s / (os.cpu_count() or 1), 1.0), 3)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in sorted(values.items(), key=lambda item: -item[1])}


def _done(result: Result) -> int:
    """Orders whose answers came before the last measured second was over."""
    end = result.wanted.warm_up_s + result.seconds
    return sum(len(second.took_ms[Kind.ORDER]) for second in result.series.measured if second.number < end)


def lag_growth(samples: Sequence[Sample], start: float, end: float) -> dict[str, float]:
    """By how many records a second each stage fell behind between two moments: the slope of a line through what was
    seen; nothing where that was only a few times, since a stage that commits in batches goes up and down."""
    seen = [sample for sample in samples if start <= sample.at <= end and sample.lag]
    if len(seen) < LEAST_LOOKS:
        return {}
    at = [sample.at for sample in seen]
    stages = [stage for stage in seen[0].lag if all(stage in sample.lag for sample in seen)]
    return {stage: round(linear_regression(at, [one.lag[stage] for one in seen]).slope, 1) for stage in stages}
