"""A load sent to one address, by as many processes as it takes; what was acknowledged is gathered.

Knows nothing of what answers there: neither its log nor its processes.
"""

import tempfile
import time
from collections.abc import Callable, Sequence

import msgspec

from simulator.load.fleet import Fleet, fleet
from simulator.load.generator import acknowledged_file
from simulator.load.plan import Acknowledged, Plan
from simulator.load.prepare import Prepared
from simulator.load.result import Sent, Wanted
from simulator.load.tally import Second, Series

HEAR_S = 0.2
SHOW_S = 1.0

Show = Callable[[float], None]
"""Told about once a second how many seconds have passed since the start."""


def send(url: str, prepared: Prepared, wanted: Wanted, series: Series, show: Show, stopped: Callable[[], bool]) -> Sent:
    """Returns when all is answered or given up. What comes of it is added to `series` while it comes."""
    processes = wanted.process_count(prepared.brokers)
    with tempfile.TemporaryDirectory(prefix="glassbook-load-") as folder:
        plans = [_plan(url, prepared, wanted, folder, processes, number) for number in range(processes)]
        with fleet(plans) as generators:
            began = generators.begin()
            began_ms = time.time_ns() // 1_000_000 + round((began - time.monotonic()) * 1000)
            until = _hear_all(generators, series, stopped, lambda: show(time.monotonic() - began))
            connections = generators.connections
        acknowledged = _acknowledged(plans)
    return Sent(
        processes=processes, connections=connections, began=began, began_ms=began_ms, until=until,
        acknowledged=acknowledged,
    )  # fmt: skip


def _plan(url: str, prepared: Prepared, wanted: Wanted, folder: str, processes: int, number: int) -> Plan:
    return Plan(
        url=url, exchange=prepared.exchange, door=wanted.door, percent=wanted.percent,
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
