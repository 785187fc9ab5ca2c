"""What goes on in one input partition: our own history, and for a while another, as the exchange states it.

Where what was published is not what we derived, either a record was altered afterwards, and all goes on as we have it;
or the stage itself goes another way, and all goes on as it says. Both are kept until a record fits only one of them.
"""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from canary.command_forms import read_command
from canary.frames import BustFrame, FundedFrame
from canary.published import Published
from canary.reader import Reader
from canary.refusal import Refusal
from canary.steps import Edge, Input, Stamps, Step
from schemas.reasons import Reason
from schemas.records import Depth, ExecutionReport, Trade
from schemas.topics import ACCOUNTS, DEPTH, LEDGER, ORDERS, TRADES

# In this order the edges of one input are looked at, so that the same divergence is told by the same record.
RANK = {TRADES: 0, ACCOUNTS: 1, DEPTH: 2, LEDGER: 0, ORDERS: 1}
MOST_INPUTS = 10_000  # for which two histories that don't contradict each other are both kept
# (stamps as stated, units as stated): ours first.
OURS = (False, False)
ONE_WAY = (OURS,)
WAYS = (OURS, (True, True), (True, False), (False, True))


def rank(edge: Edge) -> tuple[int, Edge]:
    return RANK[edge[0]], edge


class Candidate:
    """What an input causes under one history, and how far that was found."""

    __slots__ = ("at", "change", "edges", "has_given_up", "index", "stamps_stated", "step", "todo", "units_stated")

    def __init__(self, step: Step, change: Any, edges: list[Edge], way: tuple[bool, bool]) -> None:
        self.step = step
        self.change = change
        self.edges = edges  # those that are watched
        self.stamps_stated, self.units_stated = way
        self.todo: list[tuple[Reader, list[Any]]] = []  # what must be found where, in the order of the edges
        self.at = 0  # all before this one was found
        self.index = 0  # … and so many records of this one
        self.has_given_up = False

    @property
    def matched(self) -> int:
        """How many records were found."""
        return sum(len(due) for _, due in self.todo[: self.at]) + self.index

    def progress(self, reader: Reader) -> tuple[int, list[Any]]:
        """(how many records were found on an edge, all that are due there)"""
        for number, (other, due) in enumerate(self.todo):
            if other is reader:
                found = len(due) if number < self.at else self.index if number == self.at else 0
                return found, due
        return 0, []


class Difference(Struct):
    """The first record that is not what this candidate expects, or that is there where it expects nothing more."""

    candidate: Candidate
    reader: Reader
    index: int

    @property
    def due(self) -> list[Any]:
        return self.candidate.progress(self.reader)[1]


class Histories:
    """`replica` holds the units (books or accounts) of both; here are the stamps of both."""

    def __init__(self, replica: Any, partition: int, watched: frozenset[str]) -> None:
        self.replica = replica
        self.partition = partition
        self.stamps = Stamps()
        self.stated: Stamps | None = None
        self.inputs_since = 0
        self.doubts_digest = False  # records of the input are missing, so that its digest can't be known
        self.restated = 0  # how often the stated history was changed between two inputs
        self._watched = watched
        self._leaves_out = not RANK.keys() <= watched

    @property
    def ways(self) -> tuple[tuple[bool, bool], ...]:
        return ONE_WAY if self.stated is None and not self.replica.stated else WAYS

    def candidate(self, given: Input, time_ms: int, way: tuple[bool, bool]) -> Candidate:
        stamps = self.stated if way[0] and self.stated is not None else self.stamps
        step = Step(self.partition, given.offset, time_ms, stamps.advanced(given), stamps)
        change = self.replica.decide(step, *given.said, way[1])
        edges = list(step.outputs)
        if self._leaves_out:
            edges = [edge for edge in edges if edge[0] in self._watched]
        if len(edges) > 1:
            edges.sort(key=rank)
        return Candidate(step, change, edges, way)

    # --- an input whose outcome fitted

    def go_on(self, given: Input, time_ms: int, chosen: Candidate) -> None:
        """Goes on with the history that fitted, and with the other one while nothing speaks against it."""
        replica = self.replica
        if self.stated is None and not replica.stated:
            self.stamps.advance(chosen.step.digest, chosen.step)
            replica.apply(chosen.change, given.offset)
            return
        other = None
        if replica.stated:
            other = self.candidate(given, time_ms, (chosen.stamps_stated, not chosen.units_stated))
        self._advance_stamps(chosen, given)
        self._advance_units(chosen, other, given.offset)
        self.inputs_since += 1
        if self.inputs_since > MOST_INPUTS:
            self.stated = None
            replica.stated.clear()

    def _advance_stamps(self, chosen: Candidate, given: Input) -> None:
        outputs = chosen.step.outputs
        if self.stated is not None:
            if chosen.stamps_stated:
                self.stamps, self.stated = self.stated, None
            elif outputs and self._speaks_against_stated(chosen.step, given):
                self.stated = None
            else:
                self.stated.advance(self.stated.advanced(given), chosen.step)
        self.stamps.advance(chosen.step.digest, chosen.step)

    def _speaks_against_stated(self, step: Step, given: Input) -> bool:
        """Whether what was found carries numbers that the stated history would not have given it."""
        ours, theirs = self.stamps, self.stated
        assert theirs is not None
        if step.digest != theirs.advanced(given):
            return True
        if any(ours.counters.get(edge) != theirs.counters.get(edge) for edge in step.outputs):
            return True
        return any(ours.sequences.get(series) != theirs.sequences.get(series) for series in step.numbered)

    def _advance_units(self, chosen: Candidate, other: Candidate | None, offset: int) -> None:
        replica = self.replica
        if other is None:
            replica.apply(chosen.change, offset)
            return
        if chosen.step.outputs == other.step.outputs:
            own, stated = (other, chosen) if chosen.units_stated else (chosen, other)
            replica.apply_stated(stated.change, offset)
            replica.apply(own.change, offset)
            return
        touched = replica.units(chosen.change) | replica.units(other.change)
        for unit in touched & replica.stated.keys():
            stated_unit = replica.stated.pop(unit)
            if chosen.units_stated:  # from here on what was stated is ours
                replica.own[unit] = stated_unit
        replica.apply(chosen.change, offset)

    # --- an input whose outcome deviated

    def part(self, given: Input, own: Candidate, found: dict[Edge, list[bytes]], digest: bytes | None) -> None:
        """From here on there are two. `found` is what was found of this input, by edge; `digest` the one that it
        states, if that is another."""
        published = Published(found, self._watched)
        stated = (self.stated or self.stamps).copied()
        stated.advance(digest or stated.advanced(given), own.step)
        for edge in own.step.outputs.keys() | found.keys():
            if edge[0] in self._watched:
                before = (self.stated or self.stamps).counters.get(edge, 0)
                stated.counters[edge] = published.last_sequence(edge, before)
        self._count(stated, published, own)
        record, _ = given.said
        if own.step.mark is None and found and isinstance(record, FundedFrame | ExecutionReport | BustFrame):
            writer = record.source.partition  # the exchange took what we refuse, or took for a repeat
            stated.marks[writer] = max(stated.marks.get(writer, 0), record.edge_sequence)
        self.replica.state(self._taken(given, own, published), published, given.offset)
        self.stamps.advance(own.step.digest, own.step)
        self.replica.apply(own.change, given.offset)
        self._forget_equal()
        self.stated = stated if stated != self.stamps else None
        self.inputs_since = 0

    def _forget_equal(self) -> None:
        """Units as stated that are just ours are no second history."""
        own, stated = self.replica.own, self.replica.stated
        for name in [name for name, unit in stated.items() if unit.dump() == own[name].dump()]:
            del stated[name]

    def _taken(self, given: Input, own: Candidate, published: Published) -> Any:
        """What the input does to whoever takes it, if the exchange took what nobody signed, or heeded no halt."""
        record, opened = given.said
        if opened is None or not published.says_anything:
            return own.change
        if own.change.refused is Reason.MARKET_HALTED:
            step = Step(self.partition, given.offset, own.step.time_ms, own.step.digest, self.stamps)
            return self.replica.decide(step, record, opened, False, heeds_halts=False)
        if opened.command is not None:
            return own.change
        try:
            trusted = replace(opened, command=read_command(opened.raw), refused=None)
        except Refusal:
            return own.change
        step = Step(self.partition, given.offset, own.step.time_ms, own.step.digest, self.stamps)
        return self.replica.decide(step, record, trusted, False)

    def _count(self, stated: Stamps, published: Published, own: Candidate) -> None:
        """Symbols' own numbers, as the exchange counts them."""
        before = self.stated or self.stamps
        for topic in (TRADES, DEPTH):
            if topic in self._watched:
                for series in own.step.numbered:
                    if series[0] == topic:
                        stated.sequences[series] = before.sequences.get(series, 0)
                for record in published.of(topic):
                    if isinstance(record, Trade | Depth):
                        stated.sequences[(topic, record.symbol)] = record.sequence

    def count_extra(self, edge: Edge, record: bytes | None, offset: int) -> None:
        """A record too many, of an input that was judged already: the exchange counts it, we don't."""
        stated, published = self._state_stamps(), Published({edge: [record or b""]}, self._watched)
        stated.counters[edge] = stated.counters.get(edge, 0) + 1
        for found in published.of(edge[0]):
            if isinstance(found, Trade | Depth):
                stated.sequences[(edge[0], found.symbol)] = found.sequence
        self.replica.state(None, published, offset)
        self.inputs_since = 0

    def count_missed(self, edge: Edge, missed: int) -> None:
        """Records that we counted, and that never came."""
        stated = self._state_stamps()
        stated.counters[edge] = stated.counters.get(edge, 0) - missed
        self.inputs_since = 0

    def _state_stamps(self) -> Stamps:
        self.restated += 1
        if self.stated is None:
            self.stated = self.stamps.copied()
        return self.stated
