"""One input partition of one stage, judged: each input's outcome is derived, and held against what was published.

One input after the other: the next is decided when all that the last one causes has been found, was missed, or was
given up. So what is said of an input depends on the log alone, never on which partition was read first.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from canary.board import Board, Verdict
from canary.deviation import PATIENCE_MS, Deviations
from canary.explain import Explainer, words
from canary.frames import encode
from canary.histories import ONE_WAY, OURS, Candidate, Difference, Histories
from canary.leniency import is_same
from canary.reader import Found, Overdue, Reader
from canary.steps import Edge, Input
from canary.strays import Strays
from canary.tape import KEPT_TRADES, TradesReader
from schemas.alerts import Evidence, Kind, Severity
from schemas.topics import JUDGED, TRADES


class Limits(Struct, frozen=True):
    """What a judge is told once."""

    late_ms: int = 10_000
    kept_trades: int = KEPT_TRADES  # of each partition, for busts to be held against
    watched: frozenset[str] = frozenset(JUDGED)


class Open:
    """The input that is being judged."""

    __slots__ = ("candidates", "deviates", "given", "only", "restated", "time_ms")

    def __init__(self, given: Input, time_ms: int, restated: int) -> None:
        self.given = given
        self.time_ms = time_ms
        self.candidates: list[Candidate] = []
        self.deviates: Candidate | None = None
        self.only: Candidate | None = None  # while there is one history, and all that was found fits it
        self.restated = restated


class Judge:
    """`horizon` gives the log time up to which a partition is known to have been read."""

    def __init__(
        self,
        replica: Any,
        input_topic: str,
        partition: int,
        board: Board,
        horizon: Callable[[Edge], int],
        limits: Limits,
    ) -> None:
        self.replica = replica
        self.input_topic = input_topic
        self.partition = partition
        self.next_offset = 0  # of the next input to be judged
        self.time_ms = 0
        self.inputs: deque[Input] = deque()
        self.readers: dict[Edge, Reader] = {}
        self.is_late = False
        self.histories = Histories(replica, partition, limits.watched)
        self.explainer = Explainer(replica)
        self.strays = Strays(board, self.explainer, self.histories, input_topic)
        self.board = board
        self.horizon = horizon
        self.limits = limits
        self._late_ms = limits.late_ms
        self._deviations = Deviations(self)
        self._open: Open | None = None
        self._awaited: Reader | None = None  # where a record is due; None if any record may be of use

    # --- what comes in

    def take_input(self, given: Input) -> None:
        self.inputs.append(given)
        if self._open is None:
            self.advance()
        else:
            given.forget()

    def take_found(self, edge: Edge, found: Found) -> None:
        self.take_at(self.reader(edge), found)

    def take_at(self, reader: Reader, found: Found) -> None:
        reader.waiting.append(found)
        awaited = self._awaited
        if awaited is reader or awaited is None:
            self.advance()

    def reader(self, edge: Edge) -> Reader:
        reader = self.readers.get(edge)
        if reader is None:
            trades, kept = edge[0] == TRADES, self.limits.kept_trades
            reader = self.readers[edge] = TradesReader(*edge, self.board, kept) if trades else Reader(*edge)
        return reader

    def place(self, offset: int) -> Evidence:
        return Evidence(self.input_topic, self.partition, offset)

    @property
    def input_end(self) -> int:
        return self.inputs[-1].offset + 1 if self.inputs else self.next_offset

    def advance(self, thorough: bool = False) -> None:
        """Judges as many inputs as can be. `thorough`: also looks for what is late, and at what waits for nothing."""
        self._awaited = None
        while self.inputs:
            opened = self._open or self._begin(self.inputs[0])
            only = opened.only
            if only is not None and not thorough:
                result = self._match(only)
                if result is None:
                    self._settle(opened, only)
                    continue
                if type(result) is Reader and opened.restated == self.histories.restated:
                    self._awaited = result
                    return
            opened.only = None
            if not self._progress(opened, thorough):
                break
        if thorough or self._open is None:
            for reader in self.readers.values():
                if reader.waiting:
                    self._glance(reader)

    def _begin(self, given: Input) -> Open:
        if given.log_time_ms > self.time_ms:
            self.time_ms = given.log_time_ms
        opened = self._open = Open(given, self.time_ms, self.histories.restated)
        if self.histories.ways is ONE_WAY:
            only = self._candidate(opened, OURS)
            opened.candidates.append(only)
            if not only.change.impossible:
                opened.only = only
        return opened

    # --- one input

    def _progress(self, opened: Open, thorough: bool) -> bool:
        """False while it must wait for more records."""
        if opened.deviates is not None:
            return self._deviations.gather(opened, opened.deviates)
        if opened.restated != self.histories.restated:
            opened.candidates.clear()
            opened.restated = self.histories.restated
        furthest: Difference | None = None
        for candidate in self.candidates(opened):
            if candidate.change.impossible:
                continue
            result = self._match(candidate)
            if result is None:
                self._settle(opened, candidate)
                return True
            if opened.restated != self.histories.restated:
                return True
            if not isinstance(result, Difference):
                return self._wait(opened, candidate, result, thorough)
            if furthest is None or candidate.matched > furthest.candidate.matched:
                furthest = result
        if furthest is None:  # whatever this input asks for, no stage can do it
            self._settle(opened, opened.candidates[0])
            return True
        return self._deviations.tell(opened, furthest)

    def candidates(self, opened: Open) -> list[Candidate]:
        """Our own history's first; then, where there is another, that one's, and what they give mixed."""
        candidates = opened.candidates
        for way in self.histories.ways[len(candidates) :]:
            candidates.append(self._candidate(opened, way))
        return candidates

    def _candidate(self, opened: Open, way: tuple[bool, bool]) -> Candidate:
        candidate = self.histories.candidate(opened.given, opened.time_ms, way)
        outputs = candidate.step.outputs
        readers = map(self.reader, candidate.edges)
        offset = opened.given.offset
        candidate.todo = [(reader, outputs[reader.edge]) for reader in readers if offset >= reader.judged_from]
        for number, (reader, due) in enumerate(candidate.todo):
            given_up = reader.given_up_of(offset) if reader.overdue or reader.resolved[0] == offset else 0
            if given_up:
                candidate.todo[number] = reader, due[:-given_up]
                candidate.has_given_up = True
        return candidate

    def _match(self, candidate: Candidate) -> Difference | Reader | None:
        """None if all that the candidate expects was found; else the first difference, or where to wait."""
        todo = candidate.todo
        while candidate.at < len(todo):
            reader, due = todo[candidate.at]
            waiting, index = reader.waiting, candidate.index
            while index < len(due):
                if index >= len(waiting):
                    candidate.index = index
                    return reader
                found, record = waiting[index], due[index]
                if found.value != encode(record) and not is_same(record, found.value):
                    if self.strays.set_aside(reader, index, self.next_offset):
                        continue
                    if not self.strays.from_elsewhere(reader, index):
                        candidate.index = index
                        return Difference(candidate, reader, index)
                    if found.origin is None or found.origin.edge_sequence != record.edge_sequence:
                        del waiting[index]
                        continue
                index += 1
            candidate.at += 1
            candidate.index = 0
        return None

    def _settle(self, opened: Open, candidate: Candidate) -> None:
        """All was found: what was published is what was derived."""
        latest_ms = 0
        for reader, due in candidate.todo:
            waiting = reader.waiting
            for record in due:
                found = waiting.popleft()
                reader.take(found, record.edge_sequence)
                if found.log_time_ms > latest_ms:
                    latest_ms = found.log_time_ms
            reader.hole = None
            if reader.topic == TRADES:
                self.explainer.remember(due)
        if latest_ms - opened.time_ms > self._late_ms:
            self._raise_late(opened, latest_ms - opened.time_ms)
        elif self.is_late and candidate.todo and not candidate.has_given_up:
            self.is_late = False
        if candidate.change.forged:
            self._tell_stranger(opened)
        self.histories.go_on(opened.given, opened.time_ms, candidate)
        self.close(opened)

    def close(self, opened: Open) -> None:
        self.inputs.popleft()
        self.next_offset = opened.given.offset + 1
        self._open = None

    def _tell_stranger(self, opened: Open) -> None:
        given, place = opened.given, self.place(opened.given.offset)
        verdict = Verdict(Kind.RECORD_FORGED, "a record of the ledger, the clock or the operator", words(given.value))
        self.board.raise_alert(Severity.NOTICE, verdict, given.log_time_ms, [place], place)

    # --- waiting

    def _wait(self, opened: Open, candidate: Candidate, reader: Reader, thorough: bool) -> bool:
        """What to do while a record that is due isn't there. True if there was something."""
        if not thorough and len(opened.candidates) == 1:
            self._awaited = reader
            return False
        unexpected = self._deviations.unexpected(opened, candidate)
        if unexpected is not None:
            return self._deviations.tell(opened, unexpected)
        waited_ms = self.horizon(reader.edge) - opened.time_ms
        if waited_ms > PATIENCE_MS:
            for other in opened.candidates[1:]:
                if other.todo and not other.change.impossible and self._match(other) is None:
                    self._settle(opened, other)
                    return True
        if waited_ms <= self._late_ms:
            return False
        self._raise_late(opened, waited_ms)
        return self._give_up(opened, candidate)

    def _raise_late(self, opened: Open, waited_ms: int) -> None:
        """Once for each time that the stage falls behind."""
        if not self.is_late:
            self.is_late = True
            expected = f"what the {self.replica.stage} makes of it, within {self._late_ms} ms"
            verdict = Verdict(Kind.STAGE_LATE, expected, f"not all of it after {waited_ms} ms")
            self.board.raise_alert(Severity.LATE, verdict, opened.time_ms, [self.place(opened.given.offset)], None)

    def _give_up(self, opened: Open, candidate: Candidate) -> bool:
        """Goes on without records that are overdue, once the stage was seen to go on without them."""
        ahead = (reader.waiting[-1].origin for reader in self.readers.values() if reader.waiting)
        if not any(origin is not None and origin.source.offset > opened.given.offset for origin in ahead):
            return False
        reader, due = candidate.todo[candidate.at]
        for record in due[candidate.index :]:
            reader.overdue.append(Overdue(record, opened.given.offset))
        opened.candidates.clear()
        return True

    # --- what is left

    def _glance(self, reader: Reader) -> None:
        """Takes out what has no input still ahead."""
        while reader.waiting:
            found = reader.waiting[0]
            origin = found.origin
            if origin is not None and not found.forged:
                if origin.source.partition != self.partition:
                    return  # it may stand in the place of one that is due
                if origin.source.offset >= self.next_offset:
                    waited_ms = self.horizon((self.input_topic, self.partition)) - found.log_time_ms
                    if origin.source.offset < self.input_end or waited_ms <= self._late_ms:
                        return
                    self.strays.drop_baseless(reader, self.input_end)
                    continue
            if not self.strays.set_aside(reader, 0, self.next_offset):
                return
