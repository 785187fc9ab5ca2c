"""450 symbols on a partition each, against the same on 32 shared ones: what each layout costs, in one sitting.

For either, in turn, on a new data folder: the first start and the second, processor time and memory at rest, from
SIGKILL of each program to trading again, and an order's latency when little else happens.
"""

import asyncio
import statistics
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.local_broker import new_cluster
from benchmarks.machine import Report, machine, percentile
from benchmarks.prober import Prober
from benchmarks.recovery import PAUSE_S, PROGRAMS
from glassbook.cluster import Cluster
from glassbook.listing_generate import PARTITIONS, SYMBOLS, generate

LAYOUTS = {"own": SYMBOLS, "shared": PARTITIONS}
ORDERS_PER_S = 50
KILLS = 2

Figures = dict[str, float]


def run(seconds: float, seed: int, as_json: bool, rounds: int = 1) -> None:
    report = Report("layouts", seed, as_json)
    report.say(f"mix      {SYMBOLS} symbols; {KILLS} kills of each program; {ORDERS_PER_S} orders/s for the latency")
    found: dict[str, list[Figures]] = {name: [] for name in LAYOUTS}
    for _ in range(rounds):
        for name, partitions in LAYOUTS.items():
            figures = _measure(partitions, seed, seconds)
            found[name].append(figures)
            report.say(f"{name}: {machine()}")
            for key, value in figures.items():
                report.say(f"  {key:30} {value:10.2f}")
    report.end(
        {
            f"{name}_{key}": statistics.median(one[key] for one in runs)
            for name, runs in found.items()
            for key in runs[0]
        }
    )


def _measure(partitions: int, seed: int, seconds: float) -> Figures:
    with TemporaryDirectory(prefix="glassbook-layout-") as folder:
        listing = Path(folder) / "listing.toml"
        listing.write_text(generate(SYMBOLS, partitions))
        figures: Figures = {}
        cluster = new_cluster(Path(folder) / "data", listing=listing)
        with _running(cluster, figures, "first_up_s"):
            pass
        again = Cluster(cluster.settings)
        with _running(again, figures, "second_up_s"):
            figures |= asyncio.run(_probe(again, seed, seconds))
        return figures


@contextmanager
def _running(cluster: Cluster, figures: Figures, key: str) -> Any:
    started = time.perf_counter()
    cluster.start()
    figures[key] = time.perf_counter() - started
    try:
        yield
    finally:
        cluster.stop()


async def _probe(cluster: Cluster, seed: int, seconds: float) -> Figures:
    prober = Prober(cluster, seed)
    await prober.open()
    await asyncio.sleep(PAUSE_S)
    figures = await _at_rest(cluster, seconds)
    latencies = sorted(await prober.latencies_ms(ORDERS_PER_S, seconds))
    figures |= {"p50_ms": percentile(latencies, 0.5), "p99_ms": percentile(latencies, 0.99)}
    for program in PROGRAMS:
        times = []
        for _ in range(KILLS):
            await asyncio.sleep(PAUSE_S)
            times.append(await prober.recovery_s(program))
        figures[f"{program.partition('-')[0]}_recovery_s"] = statistics.mean(times)
    await prober.close()
    return figures


async def _at_rest(cluster: Cluster, seconds: float) -> Figures:
    """Per cent of a core and MB of each program, over so many seconds without an order."""
    programs = {process.name: psutil.Process(process.pid) for process in cluster.supervisor.processes()}
    before = {name: _processor_s(program) for name, program in programs.items()}
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    passed = time.perf_counter() - started
    figures: Figures = {}
    for name, program in programs.items():
        figures[f"{name}_cpu"] = (_processor_s(program) - before[name]) / passed * 100
        figures[f"{name}_mb"] = program.memory_info().rss / 1e6
    for unit in ("cpu", "mb"):
        figures[f"all_{unit}"] = sum(value for key, value in figures.items() if key.endswith(unit))
    return {key.replace("-1", ""): value for key, value in figures.items()}


def _processor_s(program: psutil.Process) -> float:
    times = program.cpu_times()
    return float(times.user + times.system)
