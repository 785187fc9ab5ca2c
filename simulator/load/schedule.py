"""When requests are due: Poisson arrivals, and what keeps to them. An answer never has a say in it."""

import asyncio
import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Generic, TypeVar

from simulator.load.mix import Kind

MOST_AT_ONCE = 32  # who is behind still lets answers in

ArrivalT = TypeVar("ArrivalT")


def poisson_arrivals(per_s: float, seconds: float, seed: int | str) -> Iterator[float]:
    """Seconds from the start at which requests are due: independent of each other, `per_s` on average."""
    draw = Random(seed)
    due_s = draw.expovariate(per_s)
    while due_s < seconds:
        yield due_s
        due_s += draw.expovariate(per_s)


def arrivals(rates_per_s: Mapping[Kind, float], seconds: float, seed: int | str) -> Iterator[tuple[float, Kind]]:
    """The arrivals of all kinds, each kind's a Poisson process of its own, in the order in which they are due."""

    def of(kind: Kind, per_s: float) -> Iterator[tuple[float, Kind]]:
        return ((due_s, kind) for due_s in poisson_arrivals(per_s, seconds, f"{seed} {kind}"))

    return heapq.merge(*(of(kind, per_s) for kind, per_s in rates_per_s.items() if per_s > 0))


class Pacer(Generic[ArrivalT]):
    """Calls `act` with each arrival when it is due, `act` being what sends and never waits.

    `dues` are pairs of seconds from `start` (of `time.monotonic`) and whatever `act` makes of them. Where it falls
    behind it catches up as fast as it can.
    """

    def __init__(
        self, dues: Iterable[tuple[float, ArrivalT]], start: float, act: Callable[[float, ArrivalT], None]
    ) -> None:
        self._dues = iter(dues)
        self._start = start
        self._act = act
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._next = next(self._dues, None)

    async def run(self) -> None:
        self._step()
        await self._ended

    def stop(self) -> None:
        """What is not due yet is never sent."""
        self._next = None

    def _step(self) -> None:
        for _ in range(MOST_AT_ONCE):
            if self._next is None:
                if not self._ended.done():
                    self._ended.set_result(None)
                return
            due_s, arrival = self._next
            wait_s = self._start + due_s - time.monotonic()
            if wait_s > 0:
                # In short steps, so that `stop` is heard of.
                self._loop.call_later(min(wait_s, 0.2), self._step)
                return
            self._next = next(self._dues, None)
            self._act(due_s, arrival)
        self._loop.call_soon(self._step)
