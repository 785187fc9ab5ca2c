"""From SIGKILL to trading again: the default listing, one program killed at a time, the system otherwise quiet."""

import asyncio
import itertools
import statistics
import time

from benchmarks.local_broker import local_cluster
from benchmarks.machine import Report
from benchmarks.prober import Prober
from glassbook.cluster import Cluster

PROGRAMS = ("matcher", "ledger", "producers", "broker-1")
PAUSE_S = 4.0  # longer than a session time-out: each kill meets a system at rest


def run(seconds: float, seed: int, as_json: bool) -> None:
    report = Report("recovery", seed, as_json)
    report.say("mix      SIGKILL of one program; then orders on three markets until each has its outcome")
    with local_cluster() as cluster:
        found = asyncio.run(_kill(cluster, seed, seconds))
    for program, times in found.items():
        report.say(f"{program:12} {' '.join(f'{value:.2f}' for value in times)} s")
    figures = {f"{program.partition('-')[0]}_s": statistics.median(times) for program, times in found.items()}
    report.end(figures | {"worst_s": max(itertools.chain(*found.values()))})


async def _kill(cluster: Cluster, seed: int, seconds: float) -> dict[str, list[float]]:
    """Each in turn, at least once, until the time is up."""
    found: dict[str, list[float]] = {program: [] for program in PROGRAMS}
    prober = Prober(cluster, seed)
    await prober.open()
    end = time.monotonic() + seconds
    while time.monotonic() < end or not found[PROGRAMS[0]]:
        for program in PROGRAMS:
            await asyncio.sleep(PAUSE_S)
            found[program].append(await prober.recovery_s(program))
    await prober.close()
    return found
