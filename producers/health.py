"""Whether this gateway may speak for the log: what it has read against what stands there. Pure; times are given.

A view is fresh while everything that stood on the log at one probe has been read by the next.
"""

from collections.abc import Mapping
from enum import StrEnum

from schemas.reasons import Reason
from schemas.refusal import Refused

STALE_S = 3.0  # a view that has not been fresh for so long answers nothing
UNREACHABLE_S = 1.5  # a log that has not answered for so long takes no command

Place = tuple[str, int]  # topic and partition


class Part(StrEnum):
    LEDGER = "ledger view"
    MARKET = "market data"
    CANDLES = "candles"
    ALERTS = "alerts"


NOT_NEEDED = frozenset({Part.CANDLES, Part.ALERTS})  # to be ready: without them some reads are refused, and that is all


class Freshness:
    """One follower's."""

    def __init__(self) -> None:
        self.fresh_at: float | None = None  # None until it has caught up for the first time
        self.behind = 0
        self._ends: Mapping[Place, int] | None = None

    def probed(self, ends: Mapping[Place, int], positions: Mapping[Place, int], now: float) -> None:
        earlier = self._ends if self._ends is not None else ends
        missing = sum(max(0, end - positions.get(place, 0)) for place, end in earlier.items())
        if not missing and positions:
            self.fresh_at = now
        self.behind = missing
        self._ends = ends

    def lost(self) -> None:
        """The follower starts over: what it had is no longer the log's."""
        self.fresh_at = None
        self._ends = None

    def is_fresh(self, now: float) -> bool:
        return self.fresh_at is not None and now - self.fresh_at <= STALE_S


class Health:
    def __init__(self) -> None:
        self.parts = {part: Freshness() for part in Part}
        self.answered_at: float | None = None  # when the log last answered a probe
        self.producer_open = False
        self.disk_full: str | None = None
        self.started = False  # genesis has been seen

    def missing(self, now: float) -> list[str]:
        """What keeps the gateway from being ready, in words; empty when it is."""
        found = []
        if not self.is_log_reachable(now):
            found.append("the log does not answer")
        if not self.producer_open:
            found.append("the producer is not open")
        found += [self._stale(part) for part in Part if part not in NOT_NEEDED and not self.parts[part].is_fresh(now)]
        if not self.started:
            found.append("no genesis record read")
        return found

    def degraded(self, now: float) -> list[str]:
        """What does not work although the gateway is ready, in words."""
        return [self._stale(part) for part in Part if part in NOT_NEEDED and not self.parts[part].is_fresh(now)]

    def _stale(self, part: Part) -> str:
        behind = self.parts[part].behind
        return f"{part} is {behind} records behind" if behind else f"{part} not read"

    def is_log_reachable(self, now: float) -> bool:
        return self.answered_at is not None and now - self.answered_at <= UNREACHABLE_S

    def check_command(self, now: float, grows: bool) -> None:
        """Refuses a command before anything is sent, where it is known that the log can't take it."""
        # A full disk is said first: it is why the log may not answer, and what helps.
        if grows and self.disk_full is not None:
            raise Refused(Reason.STORAGE_FULL, self.disk_full)
        self.check_read(Part.LEDGER, now)
        if not self.is_log_reachable(now) or not self.producer_open:
            raise Refused(Reason.LOG_UNAVAILABLE)

    def check_read(self, part: Part, now: float) -> None:
        """Refuses to answer from a view that is not, or no longer, the log's."""
        if not self.started:
            raise Refused(Reason.NOT_READY, "no genesis record read")
        freshness = self.parts[part]
        if not freshness.is_fresh(now):
            if freshness.fresh_at is not None and not self.is_log_reachable(now):
                raise Refused(Reason.LOG_UNAVAILABLE, "the log does not answer")
            raise Refused(Reason.NOT_READY, f"{part}: {freshness.behind} records behind")
