"""One run of a load, from its processes' start to its result."""

import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from glassbook.settings import Settings
from simulator.load import log_span
from simulator.load.aftermath import LOOKED_AT, account, new_alerts, settle
from simulator.load.fleet import Fleet, fleet
from simulator.load.generator import acknowledged_file
from simulator.load.plan import Acknowledged, Plan
from simulator.load.prepare import Prepared
from simulator.load.result import Result, Sent, Wanted
from simulator.load.tally import Second, Series
from simulator.load.watch import Sample, Watch

HEAR_S = 0.2
SHOW_S = 1.0


class Screen(Protocol):
    """Shows how it goes."""

    def say(self, text: str) -> None: ...
    def show(self, series: Series, samples: Sequence[Sample], passed_s: float) -> None: ...


def run(settings: Settings, prepared: Prepared, wanted: Wanted, screen: Screen, stopped: Callable[[], bool]) -> Result:
    """Sends, waits until all stages have read what there was, and accounts for what was acknowledged."""
    before = log_span.ends(settings.bootstrap_servers, LOOKED_AT)
    watch, series = Watch(settings), Series(wanted.warm_up_s)
    watch.start()
    try:
        sent = _send(settings, prepared, wanted, series, watch, screen, stopped)
        settled = settle(settings, screen.say)
    finally:
        watch.stop()
    accounting = account(settings, before, sent.acknowledged, screen.say)
    alerts = new_alerts(settings, before)
    return Result(wanted, prepared, sent, series, watch.samples, settled, accounting, alerts)


def _send(
    settings: Settings,
    prepared: Prepared,
    wanted: Wanted,
    series: Series,
    watch: Watch,
    screen: Screen,
    stopped: Callable[[], bool],
) -> Sent:
    processes = wanted.process_count(prepared.brokers)
    with tempfile.TemporaryDirectory(prefix="glassbook-load-") as folder:
        plans = [_plan(settings, prepared, wanted, folder, processes, number) for number in range(processes)]
        with fleet(plans) as generators:
            began = generators.begin()
            began_ms = time.time_ns() // 1_000_000 + round((began - time.monotonic()) * 1000)
            until = _hear_all(generators, series, stopped, lambda: screen.show(series, watch.samples, _since(began)))
            connections = generators.connections
        acknowledged = _acknowledged(plans)
    return Sent(
        processes=processes, connections=connections, began=began, began_ms=began_ms, until=until,
        acknowledged=acknowledged,
    )  # fmt: skip


def _since(moment: float) -> float:
    return time.monotonic() - moment


def _plan(settings: Settings, prepared: Prepared, wanted: Wanted, folder: str, processes: int, number: int) -> Plan:
    return Plan(
        url=settings.gateway_url, exchange=prepared.exchange, door=wanted.door, percent=wanted.percent,
        seconds=wanted.seconds, warm_up_s=wanted.warm_up_s, seed=prepared.seed, run=prepared.run,
        attempt=wanted.attempt, markets=prepared.markets, brokers=prepared.brokers, processes=processes, number=number,
        folder=folder,
    )  # fmt: skip


def _hear_all(generators: Fleet, series: Series, stopped: Callable[[], bool], show: Callable[[], None]) -> float:
    """Gathers what the processes say until all have ended; returns the moment from which nothing more was sent, which
    is infinite where nobody stopped them."""
    until, shown = float("inf"), 0.0
    while generators.running:
        if stopped() and until == float("inf"):
            until = time.monotonic()
            generators.stop()
        for said in generators.hear(HEAR_S):
            if isinstance(said, Second):
                series.add(said)
        if time.monotonic() - shown >= SHOW_S:
            shown = time.monotonic()
            show()
    return until


def _acknowledged(plans: Sequence[Plan]) -> list[Acknowledged]:
    decode = msgspec.json.Decoder(Acknowledged).decode
    return [decode(line) for plan in plans for line in acknowledged_file(plan).read_bytes().splitlines()]
