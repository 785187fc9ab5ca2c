"""Glassbook beside the single-process baseline: what each does with the same load, the most that each sustains, and
what each has lost of what it acknowledged when it is killed.

The load is `glassbook load`'s, with the same brokers, seed and arrivals, signed for both, though the baseline doesn't
look at signatures. The systems run in turns, never at once, each from nothing on the same machine as the generator.
"""

import statistics
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from benchmarks.compared_systems import BASELINE, GLASSBOOK, LISTING, System, running
from benchmarks.lost_by_kill import SENDING_S, lost_by_kill
from benchmarks.machine import Report, machine
from glassbook.client.calls import Operator
from glassbook.client.rest import Client
from glassbook.listing import read_listing
from simulator.load.attempts import line
from simulator.load.find import Search
from simulator.load.mix import BROKERS, Kind
from simulator.load.prepare import Prepared, cancel_all, open_accounts
from simulator.load.result import Result, Wanted
from simulator.load.told import summary
from simulator.load.verdict import MOST_P99_MS

SYSTEMS = (BASELINE, GLASSBOOK)
WARM_UP_S = 20  # a fresh broker is slow until Java has compiled what is busy
COMPARED = ("orders_per_s", "p50_ms", "p99_ms", "cpu_ms_per_order")

Measure = Callable[[System, Prepared, Wanted, Report], Result]


def run(wanted: Wanted, seed: int, as_json: bool, rounds: int, find: bool, kills: int) -> None:
    report = Report("baseline", seed, as_json)
    report.say(
        f"load     of `glassbook load`, {wanted.percent:g}% by {wanted.door}, 450 symbols, {BROKERS} brokers; measured"
        f" over {wanted.seconds} s behind {wanted.warm_up_s}; sustained: all answered, p99 of each kind below"
        f" {MOST_P99_MS:.0f} ms, and of Glassbook all accounted for on the log, no lag, no alert"
    )
    figures: dict[str, Any] = {}
    if rounds:
        figures |= _compared(_measured(_load, wanted, seed, rounds, report))
    if find:
        figures |= _most_sustained(_measured(_search, wanted, seed, 1, report))
    if kills:
        figures |= _killed(replace(wanted, seconds=SENDING_S, warm_up_s=0), seed, kills, report)
    report.end(figures)


def prepare(system: System, seed: int, brokers: int = BROKERS) -> Prepared:
    """The same markets and brokers for each system. Opens and funds the brokers' accounts."""
    with Client(system.url) as client:
        exchange = client.exchange()
    prepared = Prepared(exchange, "compared", seed, read_listing(LISTING).markets, brokers)
    open_accounts(system.url, prepared, Operator(system.operator_key(), exchange))
    return prepared


# --- what each does


def _measured(measure: Measure, wanted: Wanted, seed: int, rounds: int, report: Report) -> dict[str, list[Result]]:
    """By system, in turns."""
    found: dict[str, list[Result]] = {name: [] for name in SYSTEMS}
    for _ in range(rounds):
        for name in SYSTEMS:
            with running(name) as system:
                report.say(f"{name}: {machine()}")
                found[name].append(measure(system, prepare(system, seed), wanted, report))
    return found


def _load(system: System, prepared: Prepared, wanted: Wanted, report: Report) -> Result:
    result = system.load(prepared, wanted)
    report.say(f"  {line(result)}; the generator {result.generator_ms_per_order:.2f} ms an order")
    for remark in result.verdict.remarks:
        report.say(f"    {remark}")
    return result


def _search(system: System, prepared: Prepared, wanted: Wanted, report: Report) -> Result:
    """The best that was sustained, else the last."""
    search, tried = Search(wanted.percent), list[Result]()
    while not search.done:
        if tried:
            cancel_all(system.url, prepared)
        tried.append(_load(system, prepared, replace(wanted, percent=search.percent, attempt=len(tried)), report))
        search.tell(tried[-1].verdict.sustained)
    sustained = (result for result in tried if result.verdict.sustained)
    return max(sustained, key=lambda result: result.wanted.percent, default=tried[-1])


def _compared(found: dict[str, list[Result]]) -> dict[str, Any]:
    """The middle of each figure over the rounds, and Glassbook's beside the baseline's."""
    figures: dict[str, Any] = {}
    for name, results in found.items():
        told = [summary(result) for result in results]
        for key in COMPARED:
            known = [one[key] for one in told if one[key] is not None]  # processor time can't always be seen
            figures[f"{name}_{key}"] = statistics.median(known) if known else 0.0
        figures[f"{name}_generator_ms_per_order"] = statistics.median(one.generator_ms_per_order for one in results)
        figures[f"{name}_sustained"] = sum(result.verdict.sustained for result in results)
    return figures | {
        f"ratio_{key}": figures[f"{GLASSBOOK}_{key}"] / figures[f"{BASELINE}_{key}"]
        for key in COMPARED
        if figures[f"{BASELINE}_{key}"]
    }


def _most_sustained(found: dict[str, list[Result]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, (result,) in found.items():
        sustained, orders = result.verdict.sustained, result.findings.latency[Kind.ORDER]
        figures[f"{name}_most_percent"] = result.wanted.percent if sustained else 0.0
        figures[f"{name}_most_orders_per_s"] = orders.count / result.seconds if sustained else 0.0
    if figures[f"{BASELINE}_most_percent"]:
        most = f"{GLASSBOOK}_most_percent", f"{BASELINE}_most_percent"
        figures["ratio_most"] = figures[most[0]] / figures[most[1]]
    return figures


# --- what each loses


def _killed(wanted: Wanted, seed: int, kills: int, report: Report) -> dict[str, int]:
    figures = {}
    for name in SYSTEMS:
        with running(name) as system:
            prepared, lost = prepare(system, seed), []
            for attempt in range(kills):
                lost.append(lost_by_kill(system, prepared, replace(wanted, attempt=attempt)))
                report.say(f"{name}: {lost[-1]}")
        for key in ("acknowledged", "gone", "older"):
            figures[f"{name}_{key}"] = sum(getattr(one, key) for one in lost)
    return figures
