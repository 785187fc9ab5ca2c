"""The canary: what is tried on it in memory and over a real broker, whom it blames of the honest, and how fast it is.

Each kind of manipulation is tried in all its ways in turn. In memory an injection is caught when its alert comes, and
its control when that alert stops with the check taken out. Over the broker, manipulated logs are played to the
canary's own process, and the time counts from sending the bad record until the alert can be read. Honest orders are
judged in memory, in logs of exchanges in good order and of the fault simulation, and over the broker while each process
in turn is killed, or stopped and woken.
"""

import os
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from msgspec import Struct
from msgspec.structs import asdict

from benchmarks.local_broker import local_cluster
from benchmarks.machine import Report, percentile, percentiles
from glassbook.settings import Settings
from schemas.alerts import Severity
from simulator.broker_faults import Plan as FaultPlan
from simulator.broker_faults import run_campaign
from simulator.canary_broker_plan import Plan, entries_of, plan
from simulator.canary_broker_play import play_honest, play_manipulated
from simulator.canary_campaign import CASES_A_TASK, HONEST, Tally, injected, run_cases
from simulator.canary_injections import INJECTIONS, Injection
from simulator.canary_log import judge
from simulator.canary_speed import measure, record
from simulator.canary_ways import honest
from simulator.faults import quiet
from simulator.own_system import own_settings
from simulator.workload import Workload

BATCH = 20
ROUND_ORDERS = 100_000  # of a campaign over the broker: its audit holds all of a log in memory
STRIKES_A_ROUND = 24
ORDERS_A_LOG = 40  # about
LOGS_A_ROUND = 25_000
WAYS = {kind: [way for way in INJECTIONS if way.number == kind] for kind in sorted({way.number for way in INJECTIONS})}
"""The manipulations of each kind."""


class Sizes(Struct):
    """How much of each; 0 leaves a part out."""

    injections: int = 10  # of each kind, in memory
    honest_orders: int = 10_000  # in memory
    broker_injections: int = 1  # of each kind
    broker_orders: int = 2_000  # honest ones
    speed_orders: int = 5_000


FULL = Sizes(
    injections=3_000, honest_orders=10_000_000, broker_injections=20, broker_orders=1_000_000, speed_orders=100_000
)


class Figures(Struct):
    """What all parts come to."""

    kinds: int
    injected: int = 0
    caught: int = 0
    controls: int = 0
    broker_injected: int = 0
    broker_caught: int = 0
    false_alarms: int = 0
    honest_orders: int = 0
    broker_honest_orders: int = 0
    alert_p50_ms: float = 0
    alert_p99_ms: float = 0
    patient_p99_ms: float = 0
    orders_per_s: float = 0
    batched_orders_per_s: float = 0


def run(sizes: Sizes, seed: int, as_json: bool, kinds: Collection[int] = WAYS) -> bool:
    """True if all was caught and nobody blamed falsely. `kinds` are those of which injections are tried."""
    quiet()
    report, figures = Report("canary", seed, as_json), Figures(kinds=len(kinds))
    if sizes.speed_orders:
        _speed(report, figures, sizes.speed_orders, seed)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        _injections_in_memory(report, figures, pool, kinds, sizes.injections, seed)
        _honest_in_memory(report, figures, pool, sizes.honest_orders, seed)
    if sizes.broker_injections:
        with local_cluster(()) as cluster:
            _injections_over_broker(report, figures, cluster.settings, kinds, sizes.broker_injections, seed)
    for number, start in enumerate(range(0, sizes.broker_orders, ROUND_ORDERS)):
        orders = min(ROUND_ORDERS, sizes.broker_orders - start)
        _honest_over_broker(report, figures, orders, stop=number % 2 == 1, seed=seed + number)
    report.end(asdict(figures))
    tried_in_memory = figures.injected - figures.broker_injected
    return figures.caught == figures.injected and figures.controls == tried_in_memory and not figures.false_alarms


def dealt_out(kind: int, each: int, seed: int) -> list[tuple[Injection, int]]:
    """So many cases of a kind, with their seeds: its manipulations in turn."""
    ways = WAYS[kind]
    return [(ways[number % len(ways)], seed + number // len(ways)) for number in range(each)]


# --- in memory


def _speed(report: Report, figures: Figures, orders: int, seed: int) -> None:
    for batch in (1, BATCH):
        rate = measure(*record(seed, orders, batch))
        how = "each signed by itself" if batch == 1 else f"signed in batches of {batch}"
        report.say(f"{rate.orders:,} orders and cancels {how}, on one core: {rate.orders_per_s:,.0f}/s")
        figures.false_alarms += rate.alerts
        if batch == 1:
            figures.orders_per_s = rate.orders_per_s
        else:
            figures.batched_orders_per_s = rate.orders_per_s


def _injections_in_memory(
    report: Report, figures: Figures, pool: ProcessPoolExecutor, kinds: Collection[int], each: int, seed: int
) -> None:
    for kind in kinds:
        found = Tally(WAYS[kind][0].name)
        cases = [(injection.name, case_seed) for injection, case_seed in dealt_out(kind, each, seed)]
        for tally in _tallies(pool, cases):
            _count(report, found, tally)
        if each:
            report.say(
                f"{kind:2} {found.name:46} {found.injected:6,} in memory, {found.caught:6,} caught, {found.controls:6,}"
                " not without their check"
            )
        figures.injected += found.injected
        figures.caught += found.caught
        figures.controls += found.controls


def _honest_in_memory(
    report: Report, figures: Figures, pool: ProcessPoolExecutor, orders: int, first_seed: int
) -> None:
    found, seeds = Tally(HONEST), count(first_seed)
    while found.orders < orders:
        logs = min((orders - found.orders) // ORDERS_A_LOG + 1, LOGS_A_ROUND)
        for tally in _tallies(pool, [(HONEST, next(seeds)) for _ in range(logs)]):
            _count(report, found, tally)
        report.say(f"in memory: {found.orders:,} honest orders, {found.injected:,} logs, {len(found.failures)} blamed")
    figures.honest_orders += found.orders
    figures.false_alarms += len(found.failures)


def _count(report: Report, found: Tally, tally: Tally) -> None:
    found.add(tally)
    for failure in tally.failures:
        report.say(f"  {failure}")


def _tallies(pool: ProcessPoolExecutor, cases: list[tuple[str, int]]) -> Iterator[Tally]:
    tasks = [cases[start : start + CASES_A_TASK] for start in range(0, len(cases), CASES_A_TASK)]
    for tallies in pool.map(run_cases, tasks):
        yield from tallies


# --- over the broker


class Case(Struct):
    injection: Injection
    seed: int
    workload: Workload
    plan: Plan | None  # None: the canary wouldn't tell


class Latencies(Struct):
    """Of one kind's alerts, in milliseconds until they could be read."""

    at_once: list[float] = []  # from sending the bad record
    patient: list[float] = []  # what only time shows: from when it was shown


def _injections_over_broker(
    report: Report, figures: Figures, settings: Settings, kinds: Collection[int], each: int, seed: int
) -> None:
    cases = [_playable(*case) for kind in kinds for case in dealt_out(kind, each, seed)]
    # A canary that is started with other partitions than the last one costs a session time-out.
    cases.sort(key=lambda case: (case.workload.account_partitions, case.workload.order_partitions))
    found = {kind: Latencies() for kind in kinds}
    for case in cases:
        seen = case.plan and play_manipulated(settings, case.plan, case.workload, case.injection.kinds)
        if case.plan is None or seen is None:
            report.say(f"  {case.injection.name}, seed {case.seed}: not told over the broker")
        elif case.plan.is_told_at_once:
            found[case.injection.number].at_once.append(seen.after_ms)
        else:
            found[case.injection.number].patient.append(seen.after_ms - case.plan.waits_ms)
    for number in range(each):
        _honest_log_over_broker(report, figures, settings, seed + number)
    _say_latencies(report, found, each)
    at_once = sorted(ms for kind in found.values() for ms in kind.at_once)
    patient = sorted(ms for kind in found.values() for ms in kind.patient)
    report.say(f"shown by the bad record itself: {len(at_once)}, alert after {percentiles(at_once, 'ms')}")
    report.say(f"shown by time: {len(patient)}, alert behind that after {percentiles(patient, 'ms')}")
    figures.broker_injected = len(cases)
    figures.broker_caught = len(at_once) + len(patient)
    figures.injected += figures.broker_injected
    figures.caught += figures.broker_caught
    figures.alert_p50_ms, figures.alert_p99_ms = percentile(at_once, 0.5), percentile(at_once, 0.99)
    figures.patient_p99_ms = percentile(patient, 0.99)


def _say_latencies(report: Report, found: dict[int, Latencies], each: int) -> None:
    for kind, latencies in found.items():
        all_ms = sorted(latencies.at_once + latencies.patient)
        report.say(
            f"{kind:2} {WAYS[kind][0].name:46} {each:6,} over the broker, {len(all_ms):6,} told,"
            f" {len(latencies.patient)} of them by time; p50 {percentile(all_ms, 0.5):.0f} ms,"
            f" max {percentile(all_ms, 1):.0f} ms"
        )


def _playable(injection: Injection, seed: int) -> Case:
    """The first of the seeds from this one on, a million apart, whose log can be left on a broker as it is."""
    for playable_seed in count(seed, 1_000_000):
        log, workload, _ = injected(injection, playable_seed)
        entries = entries_of(log)
        if entries is not None:
            return Case(injection, playable_seed, workload, plan(entries, workload, injection.kinds))
    raise AssertionError("seeds don't end")


def _honest_log_over_broker(report: Report, figures: Figures, settings: Settings, seed: int) -> None:
    """What is said of it there must be what is said in memory: that a stranger has written to it, or nothing."""
    log, workload = honest(Random(seed))
    entries = entries_of(log)
    assert entries is not None, "nothing is deleted from an honest log"
    founded = {alert.alert_id for alert in judge(log, workload).alerts if alert.severity is Severity.NOTICE}
    alerts = play_honest(settings, entries, workload)
    blamed = [alert for alert in alerts if alert.alert_id not in founded]
    for alert in blamed:
        report.say(f"  honest log {seed}: {alert.kind} {alert.alert_id}")
    figures.false_alarms += len(blamed)


def _honest_over_broker(report: Report, figures: Figures, orders: int, stop: bool, seed: int) -> None:
    with TemporaryDirectory(prefix="glassbook-canary-") as folder:
        strikes = max(STRIKES_A_ROUND * orders // ROUND_ORDERS, len(FaultPlan(orders, 0).targets))
        found = run_campaign(own_settings(Path(folder)), FaultPlan(orders, strikes, stop=stop, seed=seed))
    report.say(
        f"over the broker: {found.load.acknowledged:,} honest orders and {found.load.cancels:,} cancels while {strikes}"
        f" processes were {'stopped' if stop else 'killed'}; {found.judged:,} records judged, {found.unjudged} not,"
        f" {len(found.false_alarms)} false alarms, {found.late_alerts} true ones of lateness; the log is"
        f" {'exact' if found.exact else 'NOT EXACT'}; {found.seconds:.0f} s"
    )
    for alarm in found.false_alarms:
        report.say(f"  {alarm}")
    assert not found.unjudged, f"{found.unjudged} records are not judged"
    figures.honest_orders += found.load.acknowledged
    figures.broker_honest_orders += found.load.acknowledged
    figures.false_alarms += len(found.false_alarms)
