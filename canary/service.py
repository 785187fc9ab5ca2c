"""The canary's loop: reads every partition of what it watches, judges, and writes what is wrong to `alerts`.

Invariants, each step numbered as in `step`:
- an alert is acknowledged before a position behind its cause is committed or stands in a snapshot, and the halt that it
  asks for before the alert: what stands on `alerts` has been acted on, and nothing that anybody else writes there is;
- an alert that stands on `alerts` already is not written again: after a start judging goes on from a snapshot, so some
  records are judged a second time, with the same verdicts and the same ids;
- a partition is said to have been read to its end only up to a log time that was known before its end was asked for.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice

import structlog
from msgspec import Struct

from canary.core import Canary
from canary.halter import BY_MARKET, MarketHalter
from canary.log import Log, LogFailed, Place
from canary.snapshots import PARTITION, Snapshot, encode_state, split_snapshot
from schemas.alerts import Alert, Evidence, Kind, Severity, signed_alert
from schemas.topics import ALERTS, SNAPSHOTS

KNOWN_ALERTS = 200_000  # ids of alerts that are remembered, so that none is written twice
CUT_LOOKS = 5  # so often in a row: a new leader may for a moment say less than there is

logger = structlog.get_logger()


class Cadence(Struct, frozen=True):
    """How often what is done. The host's clock decides only when, never what.

    A snapshot is taken so seldom that what taking it costs is at most a `snapshot_share`-th of the time.
    """

    max_records: int = 2_000
    ends_ms: int = 200
    ahead_ms: int = 2_000  # of log time that one partition is read further than another
    commit_ms: int = 500
    snapshot_ms: int = 20_000
    snapshot_share: int = 20
    snapshot_round: int = 4  # records of it that are written at a time: nothing waits for all of a large one
    behind_records: int = 10_000  # from here on it is said how far behind it is
    say_behind_ms: int = 10_000


class Due:
    """What is done every so often."""

    def __init__(self, every_ms: int, now_ms: int) -> None:
        self._every_ms = every_ms
        self._next_ms = now_ms + every_ms

    def is_due(self, now_ms: int) -> bool:
        if now_ms < self._next_ms:
            return False
        self._next_ms = now_ms + self._every_ms
        return True


class CanaryService:
    """`known` are the ids of alerts that stand on `alerts` already; `snapshots` is the number of the last snapshot."""

    def __init__(
        self,
        log: Log,
        canary: Canary,
        alert_partitions: int,
        known: Iterable[str],
        snapshots: int,
        now_ms: Callable[[], int],
        sign: Callable[[bytes], str],
        halter: MarketHalter | None = None,
        cadence: Cadence | None = None,
    ) -> None:
        self.canary = canary
        self._log = log
        self._alert_partitions = alert_partitions
        self._known = OrderedDict.fromkeys(known)
        self._snapshots = snapshots
        self._now_ms = now_ms
        self._sign = sign
        self._halter = halter
        self._objection = ""  # to halts, as it was said last
        self._cadence = cadence = cadence or Cadence()
        now = now_ms()
        self._ends_due = Due(cadence.ends_ms, now)
        self._commit_due = Due(cadence.commit_ms, now)
        self._snapshot_due_ms = now + cadence.snapshot_ms
        self._under_way: Iterator[tuple[bytes, bytes]] = iter(())  # what isn't written yet of a snapshot
        self._behind_due = Due(0, now)
        self._fresh: list[Alert] = []
        self._cuts: dict[Place, int] = {}  # how often a partition was seen to be shorter than what was read of it

    def step(self) -> None:
        now = self._now_ms()
        # 1. Read and judge.
        for record in self._log.fetch(self._cadence.max_records):
            self._fresh += self.canary.feed(*record)
        # 2. Say of partitions that there is no more in them: what is due there is now known to be missing.
        if self._ends_due.is_due(now):
            self._look_at_ends(now)
        # 3. Halt what is concerned; only then write what is wrong; wait until both stand there.
        self._write_alerts()
        # 4. Only then say how far everything is judged.
        if self._commit_due.is_due(now):
            self._log.commit(self.canary.judged())
        # 5. Only then write down a state behind it, a piece a round.
        if not self._write_piece() and now >= self._snapshot_due_ms:
            self._take_snapshot()

    def close(self) -> None:
        """In good order: what was judged is committed, and the next start goes on from here."""
        self._write_alerts()
        self._log.commit(self.canary.judged())
        while self._write_piece():  # the other slot's is overwritten next
            continue
        self._take_snapshot()
        while self._write_piece():
            continue

    def _take_snapshot(self) -> None:
        began_ms = self._now_ms()
        self._snapshots += 1
        state = encode_state(self.canary.dump())
        self._under_way = split_snapshot(Snapshot(self._snapshots, state))
        now_ms, cadence = self._now_ms(), self._cadence
        self._snapshot_due_ms = now_ms + max(cadence.snapshot_ms, cadence.snapshot_share * (now_ms - began_ms))

    def _write_piece(self) -> bool:
        """Of the snapshot under way; False if there is none. It counts with its last record, the manifest."""
        piece = list(islice(self._under_way, self._cadence.snapshot_round))
        for key, value in piece:
            self._log.append(SNAPSHOTS, PARTITION, key, value)
        if piece:
            self._log.flush()
        return bool(piece)

    # --- ends

    def _look_at_ends(self, now: int) -> None:
        ends, positions = self._log.ends(), self.canary.positions()
        self._look_for_cuts(ends, positions)
        self._log.hold(self._ahead(ends, positions))
        read = [place for place, end in ends.items() if positions[place] >= end]
        self._fresh += self.canary.at_ends(read)
        judged = self.canary.judged()
        behind = sum(max(end - judged.get(place, end), 0) for place, end in ends.items())
        self._say_behind(behind, now)

    def _ahead(self, ends: Mapping[Place, int], positions: Mapping[Place, int]) -> Set[Place]:
        """The partitions that are read much further than one that isn't read to its end: more of them could only wait
        for what stands there, in memory. Who is behind by hours reads all of them side by side."""
        read_to_ms = self.canary.read_to_ms()
        unread = [read_to_ms[place] for place, end in ends.items() if positions[place] < end]
        furthest_ms = min(unread, default=self.canary.latest_ms) + self._cadence.ahead_ms
        return {place for place in ends if read_to_ms[place] > furthest_ms}

    def _look_for_cuts(self, ends: Mapping[Place, int], positions: Mapping[Place, int]) -> None:
        """A partition that is shorter than what was read of it was cut off. Behind that nothing can be told."""
        short = [place for place, end in ends.items() if end < positions[place]]
        self._cuts = {place: self._cuts.get(place, 0) + 1 for place in short}
        cuts = [place for place, times in self._cuts.items() if times >= CUT_LOOKS]
        if cuts:
            now_ms = self.canary.latest_ms
            self._fresh += [cut_alert(place, ends[place], positions[place], now_ms) for place in cuts]
            self._write_alerts()
            place = cuts[0]
            raise LogFailed(f"{place} ends at {ends[place]}, but was read up to {positions[place]}")

    def _say_behind(self, behind: int, now: int) -> None:
        if behind >= self._cadence.behind_records and self._behind_due.is_due(now):
            logger.warning(f"judges {behind} records behind", records=behind)
            self._behind_due = Due(self._cadence.say_behind_ms, now)

    # --- alerts

    def _write_alerts(self) -> None:
        if not self._fresh:
            return
        written = [alert for alert in self._fresh if alert.alert_id not in self._known]
        self._fresh = []
        if self._halter is not None:
            self._write_halts(written, self._halter)
        for alert in written:
            self._known[alert.alert_id] = None
            if len(self._known) > KNOWN_ALERTS:
                self._known.popitem(last=False)
            partition = alert_partition(alert, self._alert_partitions)
            self._log.append(ALERTS, partition, alert.symbol.encode(), signed_alert(alert, self._sign))
        self._log.flush()
        for alert in written:
            say_alert(alert)

    def _write_halts(self, alerts: Sequence[Alert], halter: MarketHalter) -> None:
        for alert in alerts:
            records = halter.halts(alert, self.canary)
            for record in records:
                self._log.append(*record)
            if records:
                markets = dict.fromkeys(record.key.decode() for record in records)
                logger.error("asks for a halt", alert_id=alert.alert_id, kind=alert.kind, markets=",".join(markets))
        self._log.flush()
        if any(alert.severity is Severity.WRONG for alert in alerts):
            objection = halter.objection(self.canary)
            if objection and objection != self._objection:
                logger.warning("halts may come to nothing", why=objection)
            self._objection = objection


def alert_partition(alert: Alert, partitions: int) -> int:
    """Its market's, where one of its records lies there; else as its first record's."""
    of_market = (place.partition for place in alert.evidence if place.topic in BY_MARKET)
    return next(of_market, alert.evidence[0].partition) % partitions


def cut_alert(place: Place, end: int, read_to: int, time_ms: int) -> Alert:
    topic, partition = place
    return Alert(
        alert_id=f"cut-{topic}-{partition}-{end}", kind=Kind.LOG_TRUNCATED, severity=Severity.WRONG, symbol="",
        time_ms=time_ms, expected=f"{topic}-{partition} to reach {read_to}", found=f"it ends at {end}",
        evidence=[Evidence(topic, partition, max(end - 1, 0))],
    )  # fmt: skip


def say_alert(alert: Alert) -> None:
    say = logger.warning if alert.severity is Severity.NOTICE else logger.error
    places = ",".join(f"{place.topic}-{place.partition}-{place.offset}" for place in alert.evidence)
    say(
        "alert", alert_id=alert.alert_id, kind=alert.kind, severity=alert.severity.value, symbol=alert.symbol,
        time_ms=alert.time_ms, expected=alert.expected, found=alert.found, evidence=places,
    )  # fmt: skip
