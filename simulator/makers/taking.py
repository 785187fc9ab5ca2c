"""How the takers trade: when, which side, how much. Pure.

Arrivals are a Hawkes process: each one makes more of them likely for a while, so that trades come in bursts. Within a
burst most go the same way. Sizes have a heavy tail (Pareto), up to a limit. Every order is immediate-or-cancel and
bounded by a price near the fair one, so that none runs through a thin book.
"""

from math import ceil, exp, floor
from random import Random
from typing import NamedTuple

from schemas.commands import Side
from simulator.makers.quoting import BASIS_POINT, inventory
from simulator.makers.scale import Scale

BRANCHING = 0.6  # each arrival brings so many more with it, which bring more: 1 / (1 - 0.6) in all
DECAY_PER_S = 1.5
MOST_PER_S = 8.0  # however long a burst is
SAME_WAY = 0.8
BURST_S = 2.0
FURTHEST_BP = 12.0  # from the fair price
SMALLEST_SIZE = 0.15  # as parts of the market's usual order
LARGEST_SIZE = 6.0
TAIL = 1.4  # Pareto's exponent: the mean is finite, the variance isn't
SPENT_AT_ONCE = 0.1  # of what is held


class Take(NamedTuple):
    side: Side
    limit_ticks: int
    quantity_lots: int


class Arrivals:
    """When the next order comes, at this rate in the long run."""

    def __init__(self, rate_per_s: float, chance: Random) -> None:
        self._base_per_s = rate_per_s * (1 - BRANCHING)
        self._excited_per_s = 0.0
        self._chance = chance

    def next_s(self) -> float:
        """Seconds from the last arrival to the next one, drawn by thinning (Ogata 1981)."""
        waited = 0.0
        while True:
            most = self._base_per_s + self._excited_per_s
            waited += (step := self._chance.expovariate(most))
            self._excited_per_s *= exp(-DECAY_PER_S * step)
            if self._chance.random() * most <= self._base_per_s + self._excited_per_s:
                self._excited_per_s = min(self._excited_per_s + BRANCHING * DECAY_PER_S, MOST_PER_S)
                return waited


class TakerFlow:
    """Which way and how much. Remembers which way the burst goes."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._side = Side.BUY

    def next(self, waited_s: float, fair_ticks: float, base_lots: int, quote_minor: int, scale: Scale) -> Take | None:
        """An order, after so long without one; None where the account could not pay for any."""
        if waited_s > BURST_S or self._chance.random() > SAME_WAY:
            # Who holds much of the base asset sells more often, and the other way round.
            likely = 0.5 - 0.4 * inventory(base_lots, scale)
            self._side = Side.BUY if self._chance.random() < likely else Side.SELL
        limit = self._limit(fair_ticks, scale)
        size = min(SMALLEST_SIZE * self._chance.paretovariate(TAIL), LARGEST_SIZE)
        held = quote_minor // scale.terms.notional_minor(limit, 1) if self._side is Side.BUY else base_lots
        lots = scale.allowed_lots(min(int(size * scale.order_lots), int(SPENT_AT_ONCE * held)), limit)
        # The fee is at most a tenth of the notional.
        return Take(self._side, limit, lots) if lots * 1.1 <= held else None

    def _limit(self, fair_ticks: float, scale: Scale) -> int:
        away = max(2.0, fair_ticks * FURTHEST_BP * BASIS_POINT)
        limit = ceil(fair_ticks + away) if self._side is Side.BUY else floor(fair_ticks - away)
        return min(max(limit, scale.terms.low_ticks), scale.terms.high_ticks)
