"""Percentiles, and the machine that a figure comes from."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path


def machine() -> str:
    """Processor, cores, load and Python, in one line. The load says how much to believe."""
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return f"{_processor()}, {os.cpu_count()} cores, load {load}, Python {platform.python_version()}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def percentile(ordered: Sequence[float], part: float) -> float:
    """The smallest value that at least this part of an ordered sequence doesn't exceed; 0 for an empty one."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, -int(-part * len(ordered) // 1) - 1))]


def percentiles(values: Sequence[float], unit: str) -> str:
    ordered = sorted(values)
    named = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))
    return ", ".join(f"{name} {percentile(ordered, part):.2f} {unit}" for name, part in named)
