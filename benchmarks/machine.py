"""How a benchmark puts its figures into words."""

import json
from typing import Any

from simulator.load.measuring import machine, percentile, percentiles

__all__ = ["Report", "machine", "percentile", "percentiles"]


class Report:
    """Lines for people as they come up, or with `as_json` one line for programs at the end."""

    def __init__(self, name: str, seed: int, as_json: bool) -> None:
        self._as_json = as_json
        self.say(f"# {name}")
        self.say(f"machine  {machine()}")
        self.say(f"seed     {seed}")

    def say(self, line: str) -> None:
        if not self._as_json:
            print(line, flush=True)

    def end(self, figures: dict[str, Any]) -> None:
        """The figures by their keys. Numbers are rounded to what they are worth."""
        rounded = {key: _rounded(value) for key, value in figures.items()}
        if self._as_json:
            print(json.dumps(rounded), flush=True)
            return
        for key, value in rounded.items():
            print(f"{key:28} {value:>12,}")
        print(flush=True)


def _rounded(value: float) -> float:
    return round(value) if abs(value) >= 1000 or isinstance(value, int) else round(value, 3)
