"""An outcome that is not what was derived: told once there is enough to tell, then gathered, then gone on with."""

from itertools import islice
from typing import TYPE_CHECKING, Any

from canary.board import Verdict
from canary.explain import Case, fits, words
from canary.frames import encode
from canary.histories import Candidate, Difference, rank
from canary.published import read_record
from canary.reader import Found, Reader
from canary.signatures import bytes_of
from canary.steps import Edge
from schemas.alerts import Evidence, Kind, Severity
from schemas.records import ExecutionReport
from schemas.topics import ACCOUNTS, TRADES

if TYPE_CHECKING:
    from canary.judge import Judge, Open

PATIENCE_MS = 1_000  # log time for which an outcome that deviates is waited for, on edges that are silent


class Deviations:
    """A judge's, for the input that it has open."""

    def __init__(self, judge: "Judge") -> None:
        self._judge = judge

    # --- what is wrong

    def tell(self, opened: "Open", difference: Difference) -> bool:
        """Says what is wrong, once there is enough to tell. True if something was done."""
        unexpected = self.unexpected(opened, difference.candidate)
        if unexpected is not None and rank(unexpected.reader.edge) < rank(difference.reader.edge):
            difference = unexpected
        reader, judge = difference.reader, self._judge
        found = reader.waiting[difference.index]
        if reader.overdue:
            judge.strays.miss(reader, found, len(reader.overdue))
            return True
        if self._trades_may_say_more(opened, difference, found):
            return False
        if self._stands_before_the_due_one(difference, found):
            expected = words(encode(difference.due[difference.index]))
            del reader.waiting[difference.index]
            self._raise(opened, Verdict(Kind.EDGE_FORGED, expected, words(found.value)), reader, found)
            return True
        verdict = self._verdict(opened, difference, found)
        if verdict is None:
            return False
        self._raise(opened, verdict, reader, found)
        opened.deviates = opened.candidates[0]
        return True

    def unexpected(self, opened: "Open", candidate: Candidate) -> Difference | None:
        """A record of this input where none, or none more, is due."""
        if len(opened.candidates) > 1:
            return None
        judge = self._judge
        for edge in sorted(judge.readers, key=rank):
            reader = judge.readers[edge]
            found, due = candidate.progress(reader)
            if found < len(due) or len(reader.waiting) <= found:
                continue
            record = reader.waiting[found]
            origin = record.origin
            if origin is None or record.forged or origin.source.offset != opened.given.offset:
                continue
            if not judge.strays.set_aside(reader, found, judge.next_offset):
                return Difference(candidate, reader, found)
        return None

    def _verdict(self, opened: "Open", difference: Difference, found: Found) -> Verdict | None:
        judge, candidate, reader = self._judge, difference.candidate, difference.reader
        due, index, offset = difference.due, difference.index, opened.given.offset
        assert found.origin is not None
        if self._reads_another_log(opened, candidate):
            expected = f"{judge.input_topic}-{judge.partition} as it lies on the log up to {offset}"
            return Verdict(Kind.LOG_REWRITTEN, expected, words(found.value))
        if index >= len(due):
            return judge.explainer.extra(reader.topic, found, candidate.change, due)
        last = reader.mark if index == 0 else due[index - 1].edge_sequence
        jumps = found.origin.edge_sequence > last + 1
        case = Case(
            topic=reader.topic, partition=reader.partition, offset=offset, expected=due, index=index,
            found=list(islice(reader.waiting, index, None)), change=candidate.change, stray=reader.stray_of(offset),
            decide=jumps or judge.horizon(reader.edge) - opened.time_ms > PATIENCE_MS,
            until_ms=opened.time_ms + PATIENCE_MS, told_of=self._told_of,
        )  # fmt: skip
        verdict = judge.explainer.differs(case)
        if verdict is not None and jumps and verdict.kind in (Kind.OUTCOME_WRONG, Kind.DEPTH_WRONG):
            return verdict._replace(kind=Kind.SEQUENCE_GAP)
        return verdict

    def _raise(self, opened: "Open", verdict: Verdict, reader: Reader, found: Found) -> None:
        judge = self._judge
        record = Evidence(reader.topic, reader.partition, found.offset)
        places = [judge.place(opened.given.offset), record]
        stray = reader.stray_of(opened.given.offset)
        if stray is not None:
            places.append(Evidence(reader.topic, reader.partition, stray.offset))
        if reader.hole is not None:
            places.append(reader.hole)
        if verdict.kind is Kind.LOG_REWRITTEN and judge.histories.doubts_digest:
            judge.board.blame(Severity.WRONG, places)
        judge.board.raise_alert(Severity.WRONG, verdict, found.log_time_ms, places, record)

    # --- what else is known of the open input

    def _stands_before_the_due_one(self, difference: Difference, found: Found) -> bool:
        """Whether the record names an input that isn't there yet, and the one that is due stands behind it."""
        reader, index, due = difference.reader, difference.index, difference.due
        if index >= len(due) or found.origin is None or found.origin.source.offset < self._judge.input_end:
            return False
        return any(fits(due[index], one) for one in islice(reader.waiting, index + 1, None))

    def _reads_another_log(self, opened: "Open", candidate: Candidate) -> bool:
        """Whether what was published of this input states another digest of all inputs up to it."""
        judge = self._judge
        for reader in judge.readers.values():
            for found in reader.waiting:
                source = found.origin.source if found.origin is not None else None
                if source is None or found.forged:
                    continue
                is_its_own = (source.partition, source.offset) == (judge.partition, opened.given.offset)
                if is_its_own and source.digest != candidate.step.digest_text:
                    return True
        return False

    def _trades_may_say_more(self, opened: "Open", difference: Difference, found: Found) -> bool:
        """A fill is told by its trade, if there is one: whether that one is still to be waited for."""
        judge, edge = self._judge, (TRADES, self._judge.partition)
        if difference.reader.topic != ACCOUNTS or TRADES not in judge.limits.watched:
            return False
        expected = difference.due[difference.index] if difference.index < len(difference.due) else None
        if not judge.explainer.tells_of_more_fills(expected, found):
            return False
        trades = judge.reader(edge)
        matched, _ = difference.candidate.progress(trades)
        origins = (one.origin for one in islice(trades.waiting, matched, None))
        if any(origin is not None and origin.source.offset >= opened.given.offset for origin in origins):
            return False
        return judge.horizon(edge) - opened.time_ms <= PATIENCE_MS

    def _told_of(self, account: str, order_id: str) -> bool | None:
        """Whether the reports of the open input speak of an order; None while that isn't known."""
        judge = self._judge
        if ACCOUNTS not in judge.limits.watched:
            return True
        for (topic, _), reader in judge.readers.items():
            for found in reader.waiting if topic == ACCOUNTS else ():
                if found.origin is not None and found.origin.source.offset == judge.next_offset:
                    report: Any = read_record(ACCOUNTS, found.value)
                    if isinstance(report, ExecutionReport) and any(
                        event.order_id == order_id for event in report.events
                    ):
                        return True
        edge = (ACCOUNTS, judge.replica.partition_of(account))
        origins = (one.origin for one in judge.reader(edge).waiting)
        past = any(origin is not None and origin.source.offset > judge.next_offset for origin in origins)
        return False if past or judge.horizon(edge) - judge.time_ms > PATIENCE_MS else None

    # --- all of it

    def gather(self, opened: "Open", own: Candidate) -> bool:
        """Waits until all of the deviating outcome has been found; then goes on with both histories."""
        judge = self._judge
        groups: dict[Edge, int] = {}
        for edge in sorted({*own.edges, *judge.readers}, key=rank):
            reader = judge.reader(edge)
            count, complete = self._group(opened, reader)
            if not complete and judge.horizon(edge) - opened.time_ms <= PATIENCE_MS:
                return False
            groups[edge] = count
        published: dict[Edge, list[bytes]] = {}
        digest = None
        for edge, count in groups.items():
            reader = judge.reader(edge)
            for _ in range(count):
                found = reader.waiting.popleft()
                assert found.origin is not None
                reader.take(found, found.origin.edge_sequence)
                published.setdefault(edge, []).append(found.value or b"")
                if found.origin.source.digest != own.step.digest_text:
                    digest = digest or bytes_of(found.origin.source.digest)
        judge.histories.part(opened.given, own, published, digest)
        judge.close(opened)
        return True

    def _group(self, opened: "Open", reader: Reader) -> tuple[int, bool]:
        """(how many records of this input wait on the edge, whether one of a later input stands behind them)"""
        judge, index, offset = self._judge, 0, opened.given.offset
        while index < len(reader.waiting):
            origin = reader.waiting[index].origin
            if judge.strays.set_aside(reader, index, offset):
                continue
            if origin is not None and origin.source.offset > offset:
                return index, True
            index += 1
        return index, False
