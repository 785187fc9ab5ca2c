"""Whether this process can take one more request. Pure; times are given.

Without a bound, a gateway that is asked for more than it can do answers everybody too late, and takes its own lateness
for the log's. Beyond the bounds a request is refused before it is read, so that those that were taken are answered in
time. Whatever ends orders is refused last: who wants out must come through.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from schemas.reasons import Reason
from schemas.refusal import Refused

TICK_S = 0.05
LATE_S = 0.5  # so long one round of the event loop may take


class Urgency(Enum):
    """How far beyond the bounds a request is taken still: so many times as much."""

    USUAL = 1.0
    ENDS_ORDERS = 4.0
    ALWAYS = float("inf")


class Admission:
    """Counts what waits for its answer, each command of a batch by itself, and knows how late the event loop is.

    `ticked` is called every TICK_S, as far as there is time for it, and first of all that a round of the loop does. So
    what is late is a round that has too much to do, and not what comes behind a single pause.
    """

    def __init__(self, most_in_flight: int) -> None:
        self.in_flight = 0
        self._most_in_flight = most_in_flight
        self._ticked_at: float | None = None

    def ticked(self, now: float) -> None:
        self._ticked_at = now

    def late_s(self, now: float) -> float:
        """How late the event loop is at this moment."""
        return 0.0 if self._ticked_at is None else max(0.0, now - self._ticked_at - TICK_S)

    @contextmanager
    def request(self, now: float, urgency: Urgency) -> Iterator[None]:
        """Around the handling of a request; `Refused` where it is one too many."""
        if self.in_flight >= self._most_in_flight * urgency.value:
            raise Refused(Reason.OVERLOADED, f"{self.in_flight} requests and commands wait for their answers")
        if (late_s := self.late_s(now)) > LATE_S * urgency.value:
            raise Refused(Reason.OVERLOADED, f"requests wait {late_s * 1000:.0f} ms for their turn")
        with self.more(1):
            yield

    @contextmanager
    def more(self, count: int) -> Iterator[None]:
        """Around the handling of a request that, now that it has been read, counts so many more. It isn't refused any
        more: reading it was the dear part."""
        self.in_flight += count
        try:
            yield
        finally:
            self.in_flight -= count
