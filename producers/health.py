"""Whether this gateway may speak for the log: what it has read against what stands there. Pure; times are given."""

from enum import StrEnum

from schemas.reasons import Reason
from schemas.refusal import Refused
from stage.followed import Freshness

UNREACHABLE_S = 1.5  # a log that has not answered for so long takes no command


class Part(StrEnum):
    LEDGER = "ledger view"
    MARKET = "market data"
    CANDLES = "candles"
    ALERTS = "alerts"


NOT_NEEDED = frozenset({Part.CANDLES, Part.ALERTS})  # to be ready: without them some reads are refused, and that is all


class Health:
    def __init__(self) -> None:
        self.parts = {part: Freshness() for part in Part}
        self.answered_at: float | None = None  # when the log last answered: a probe, a command, or a reader
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
            raise Refused(Reason.NOT_READY, self._stale(part))
