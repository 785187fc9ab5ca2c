"""Where one judge raises its alerts: one for each divergence, however many records show it.

An incident is known by places on the log: the input whose outcome deviates and the first bad record. What comes up
later about a place that was blamed already is the same incident, and is not raised again. Each judge has a board of
his own: what he says must not depend on whether another one was faster.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.alerts import Alert, Evidence, Kind, Severity

REMEMBERED = 20_000
LONGEST_TEXT = 1_000

ALL_CHECKS = frozenset(Kind)
# Of one place there may be an alert of each severity, and their ids differ: one that stands isn't written again.
PREFIXES = {Severity.NOTICE: "notice-", Severity.LATE: "late-", Severity.WRONG: ""}


class Verdict(NamedTuple):
    """What is wrong, in code and in words. `orders` are inputs that the proof needs besides."""

    kind: Kind
    expected: str
    found: str
    symbol: str = ""
    orders: tuple[Evidence, ...] = ()


class Board:
    """`raised` is where alerts go: one list for all boards of a canary."""

    def __init__(self, checks: frozenset[Kind], raised: list[Alert]) -> None:
        self._checks = checks
        self._raised = raised
        self.blamed: OrderedDict[tuple[Severity, Evidence], None] = OrderedDict()

    def raise_alert(
        self, severity: Severity, verdict: Verdict, time_ms: int, places: Sequence[Evidence], record: Evidence | None
    ) -> None:
        """Raises it unless one of its places was blamed. `places`: the incident's; `record`: the bad record, if any."""
        known = any((severity, place) in self.blamed for place in places)
        self.blame(severity, places)
        if known or verdict.kind not in self._checks:
            return
        if severity is Severity.NOTICE and any((Severity.WRONG, place) in self.blamed for place in places):
            return
        first = [record] if record is not None else []
        evidence = list(dict.fromkeys([*first, *places, *verdict.orders]))
        where = places[0]
        self._raised.append(
            Alert(
                alert_id=f"{PREFIXES[severity]}{where.topic}-{where.partition}-{where.offset}", kind=verdict.kind,
                severity=severity, symbol=verdict.symbol, time_ms=time_ms, expected=verdict.expected[:LONGEST_TEXT],
                found=verdict.found[:LONGEST_TEXT], evidence=evidence,
            )
        )  # fmt: skip

    def blame(self, severity: Severity, places: Iterable[Evidence]) -> None:
        for place in places:
            self.blamed[(severity, place)] = None
        while len(self.blamed) > REMEMBERED:
            self.blamed.popitem(last=False)
