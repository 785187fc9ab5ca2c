"""What a replayed day comes to: speed, processor time and memory of each process. Pure."""

from collections.abc import Mapping

from msgspec import Struct

from simulator.day.replay import Replayed
from simulator.load.watch import used_between

PARTS = 4  # of the run, whose highest memory is told


class Figures(Struct, frozen=True):
    """Keys as `--json` prints them. Memory in MB of each process, the highest of each quarter of the run."""

    orders: int
    cancels: int
    trades: int
    seconds: float
    orders_per_s: float
    commands_per_s: float
    cpu_ms_per_command: float
    cpu_us_per_command: Mapping[str, int]
    memory_mb: Mapping[str, list[int]]


def figures_of(replayed: Replayed) -> Figures:
    used, commands = used_between(replayed.samples, replayed.began, replayed.ended).by_process, replayed.commands
    return Figures(
        replayed.orders, replayed.cancels, replayed.trades, round(replayed.seconds, 1),
        round(replayed.orders / replayed.seconds), round(commands / replayed.seconds),
        round(sum(used.values()) / max(commands, 1) * 1e3, 3),
        {name: round(cpu_s / max(commands, 1) * 1e6) for name, cpu_s in used.items()},
        _memory(replayed),
    )  # fmt: skip


def _memory(replayed: Replayed) -> dict[str, list[int]]:
    samples = [sample for sample in replayed.samples if sample.at >= replayed.began and sample.usage]
    highest: dict[str, list[int]] = {}
    for part in range(PARTS):
        of_part = samples[len(samples) * part // PARTS : len(samples) * (part + 1) // PARTS]
        for name in {name for sample in of_part for name in sample.usage}:
            found = max(round(sample.usage[name].memory_mb) for sample in of_part if name in sample.usage)
            highest.setdefault(name, []).append(found)
    return dict(sorted(highest.items()))
