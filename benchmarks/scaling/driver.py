"""One system under one load after another, by the same brokers: warmed up once, at rest before each.

The runs are `glassbook load`'s own. Ctrl-C ends one early; what it has shown by then is kept, and KeyboardInterrupt
raised.
"""

import secrets
from collections.abc import Callable

from rich.console import Console

from benchmarks.scaling.found import Level, level_of
from glassbook.errors import GlassbookError
from glassbook.settings import Settings
from simulator.load.aftermath import settle
from simulator.load.attempts import Attempts, line
from simulator.load.doors import DoorName
from simulator.load.result import Result, Wanted

LEAD_S = 5  # of each level, not measured: connections are opened, and the first orders rest
LEAST_S = 1.0  # of a level that was broken off, to be kept
MOST_WAITS = 3  # each of up to three minutes

Say = Callable[[str], None]
Keep = Callable[[Level], None]


class Driver:
    def __init__(self, settings: Settings, seed: int, symbols: int, brokers: int, say: Say) -> None:
        self._settings, self._say = settings, say
        self._attempts = Attempts(settings, Console(stderr=True, highlight=False, soft_wrap=True))
        self._prepared = self._attempts.prepare(secrets.token_hex(4), seed, symbols, brokers)
        self._count = 0

    def warm_up(self, door: DoorName, percent: float, seconds: int) -> None:
        if seconds:
            self._say(f"warming up: {line(self._once(door, percent, seconds, 0))}")
            self._rest()

    def level(self, door: DoorName, percent: float, seconds: int, lead_s: int, keep: Keep) -> Level:
        result = self._once(door, percent, seconds, lead_s)
        level = level_of(result)
        if not result.broken_off or result.seconds >= LEAST_S:
            keep(level)
        self._say(line(result))
        self._rest()
        return level

    def _once(self, door: DoorName, percent: float, seconds: int, lead_s: int) -> Result:
        self._count += 1
        return self._attempts.once(
            self._prepared,
            Wanted(door=door, percent=percent, seconds=seconds, warm_up_s=lead_s, attempt=self._count),
        )

    def _rest(self) -> None:
        """Until every stage has read what the last load and its cancels have left. Where Ctrl-C has ended that load,
        KeyboardInterrupt: the load itself took the signal."""
        if self._attempts.interrupted:
            raise KeyboardInterrupt
        for _ in range(MOST_WAITS):
            settled = settle(self._settings, lambda text: None)
            if settled.took_s is not None:
                return
        raise GlassbookError(f"minutes behind a load the stages have not read it all: {settled.behind}")
