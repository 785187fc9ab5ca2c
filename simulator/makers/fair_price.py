"""What a market's price should be: a random walk that is drawn back to the market's reference price. Pure.

The logarithm of fair / reference is an Ornstein-Uhlenbeck process, so that steps of any length have the right spread,
the price never leaves the reference for good, and it is never zero.
"""

from math import exp, log, sqrt
from random import Random

VOLATILITY = 0.00008  # of the price, after one second
DRAWN_BACK_S = 900.0  # after so long the distance from the reference is down to a third
FURTHEST_START = 0.02  # a last price further from the reference than this part of it is no place to begin


class FairPrice:
    def __init__(self, reference_ticks: int, last_ticks: int | None, chance: Random) -> None:
        self._reference_ticks, self._chance = reference_ticks, chance
        apart = 0.0 if last_ticks is None or last_ticks <= 0 else log(last_ticks / reference_ticks)
        self._apart = apart if abs(apart) <= FURTHEST_START else 0.0

    @property
    def ticks(self) -> float:
        return self._reference_ticks * exp(self._apart)

    def pass_time(self, seconds: float) -> float:
        """Moves on by this time; the new price in ticks."""
        kept = exp(-seconds / DRAWN_BACK_S)
        spread = VOLATILITY * sqrt(DRAWN_BACK_S / 2 * (1 - kept * kept))
        self._apart = self._apart * kept + self._chance.gauss(0, spread)
        return self.ticks
