"""Re-derives the exchange's history from its records, with the canary's own ledger and matcher, and says what it found.

Reads a source once, in one order; needs no clock, no key and no running stage. What it says is a function of the
records that it has read, whose hash it gives.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum

from msgspec import Struct, field

from canary.core import Canary
from canary.judge import Limits
from canary.state import CanaryState
from glassbook.errors import GlassbookError
from glassbook.verify_hash import PartitionHash, RunningHash, hash_of_all
from glassbook.verify_source import LogRecord, Place, Source
from schemas.alerts import Alert, Severity
from schemas.topics import ACCOUNTS, DEPTH, JUDGED, ORDERS

STEP = 20_000  # records between two looks at what is missing
SHOWN = 20
KEPT_TRADES = 1_000_000  # of each partition, to hold busts against: more than a canary that must write snapshots


class Wanted(Struct, frozen=True):
    """What is asked for. A difference counts from the log time of offset `start` of `orders` on, in the symbol's
    partition or in any; and of one symbol, if one is named, beside those that concern no single market.
    """

    start: int | None = None
    symbol: str = ""
    goes_on: bool = False  # behind the first difference


class Outcome(StrEnum):
    EXACT = "EXACT"
    DIVERGENCE = "DIVERGENCE"
    INCOMPLETE = "INCOMPLETE"  # nothing published contradicts its input, but what is due isn't there


class Report(Struct):
    exchange: str = ""
    records: int = 0
    differences: list[Alert] = []  # the first SHOWN
    difference_count: int = 0
    before_range: int = 0  # differences that lie before the range that was asked for
    other_markets: int = 0
    notices: Counter[str] = field(default_factory=Counter)
    late: int = 0
    unjudged: dict[Place, tuple[int, int]] = {}  # place → (first offset that isn't judged, end of what was read)
    is_incomplete: bool = False
    stopped_early: bool = False
    leaves_out_depth: bool = False
    begins_with_snapshot: bool = False
    partitions: list[PartitionHash] = []

    @property
    def hash(self) -> str:
        return hash_of_all(self.partitions)

    @property
    def outcome(self) -> Outcome:
        if self.difference_count:
            return Outcome.DIVERGENCE
        return Outcome.INCOMPLETE if self.is_incomplete else Outcome.EXACT


class Verification:
    """One pass. `state` is a canary's snapshot to begin with; its owner is then believed for all before it."""

    def __init__(self, source: Source, wanted: Wanted, state: CanaryState | None = None) -> None:
        bounds = source.bounds
        self.report = Report(begins_with_snapshot=state is not None)
        self._source = source
        self._wanted = wanted
        self._skip = {} if state is None else {(p.topic, p.partition): p.next_offset for p in state.partitions}
        is_cut = any(place[0] == DEPTH and at.first > self._skip.get(place, 0) for place, at in bounds.items())
        self._topics = tuple(topic for topic in JUDGED if topic != DEPTH or not is_cut)
        self.report.leaves_out_depth = is_cut
        limits = Limits(kept_trades=KEPT_TRADES, watched=frozenset(self._topics))
        accounts, orders = (sum(topic == name for topic, _ in bounds) for name in (ACCOUNTS, ORDERS))
        if not accounts or not orders:
            raise GlassbookError("there are no partitions of accounts and orders to check")
        self._canary = (
            Canary(accounts, orders, limits=limits) if state is None else Canary.restored(state, limits=limits)
        )
        self._places = [place for place in bounds if place[0] in self._topics]
        self._hashes = {place: RunningHash(place) for place in self._places}
        self._range_ms: int | None = 0 if wanted.start is None else None  # None: not reached yet
        _check_start(wanted, bounds)

    @property
    def total(self) -> int:
        """How many records there are to read, as their offsets have it."""
        bounds = self._source.bounds
        return sum(max(0, bounds[p].end - max(bounds[p].first, self._skip.get(p, 0))) for p in self._places)

    def run(self, step: Callable[[int], None]) -> Report:
        """Reads all there is, or up to the first difference. `step` is told of every so many records."""
        report, canary, unsaid = self.report, self._canary, 0
        for record in self._source.records(self._topics):
            if record.offset < self._skip.get(record.place, 0):
                continue
            self._hashes[record.place].add(record)
            if self._range_ms is None and record.topic == ORDERS:
                self._enter_range(record)
            alerts = canary.feed(*record)
            report.records += 1
            unsaid += 1
            if unsaid == STEP:
                step(unsaid)
                unsaid = 0
                alerts += self._look_at_ends()
            if alerts and self._take(alerts):
                report.stopped_early = True
                break
        else:
            # Twice: what the first look gives up as late, the second may know to be missing.
            for _ in range(2):
                self._take(self._look_at_ends())
            self._sum_up()
        step(unsaid)
        report.exchange = self._exchange()
        report.partitions = [running.result() for running in self._hashes.values()]
        self._check_symbol()
        return report

    # --- while it reads

    def _enter_range(self, record: LogRecord) -> None:
        start, symbol = self._wanted.start, self._wanted.symbol
        assert start is not None
        if record.offset >= start and (not symbol or symbol in self._canary.matchers[record.partition].replica.books):
            self._range_ms = record.log_time_ms

    def _look_at_ends(self) -> list[Alert]:
        """All partitions have been read up to the same moment."""
        return self._canary.at_ends(self._places)

    def _take(self, alerts: list[Alert]) -> bool:
        """Counts them. True if one is a reason to stop."""
        report, wanted, found = self.report, self._wanted, False
        for alert in alerts:
            if self._range_ms is None or alert.time_ms < self._range_ms:
                report.before_range += alert.severity is Severity.WRONG
            elif wanted.symbol and alert.symbol not in ("", wanted.symbol):
                report.other_markets += alert.severity is Severity.WRONG
            elif alert.severity is Severity.WRONG:
                report.difference_count += 1
                if len(report.differences) < SHOWN:
                    report.differences.append(alert)
                found = True
            elif alert.severity is Severity.LATE:
                report.late += 1
            else:
                report.notices[alert.kind] += 1
        return found and not wanted.goes_on

    # --- in the end

    def _sum_up(self) -> None:
        """What isn't judged in the end, and whether it has waited for longer than it may."""
        report, judged = self.report, self._canary.judged()
        for place in self._places:
            end = self._source.bounds[place].end
            if judged[place] < end:
                report.unjudged[place] = judged[place], end
        report.is_incomplete = any(
            judge.is_late and bool(judge.inputs) for judge in (*self._canary.ledgers, *self._canary.matchers)
        )

    def _exchange(self) -> str:
        found = (judge.replica.genesis for judge in (*self._canary.ledgers, *self._canary.matchers))
        return next((str(genesis.exchange) for genesis in found if genesis is not None), "")

    def _check_symbol(self) -> None:
        known = sorted({symbol for judge in self._canary.matchers for symbol in judge.replica.books})
        if self._wanted.symbol and self._wanted.symbol not in known and not self.report.stopped_early:
            shown = ", ".join(known[:20]) + (" ..." if len(known) > 20 else "")
            raise GlassbookError(f"no market {self._wanted.symbol} is listed on the log: there are {shown or 'none'}")


def _check_start(wanted: Wanted, bounds: Mapping[Place, tuple[int, int]]) -> None:
    longest = max(end for (topic, _), (_, end) in bounds.items() if topic == ORDERS)
    if wanted.start is not None and wanted.start >= longest:
        raise GlassbookError(f"orders ends before offset {wanted.start}: its longest partition has {longest} records")
