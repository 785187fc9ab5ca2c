"""The canary: fed every record of the exchange's topics, it says what doesn't follow from what came before.

No clock and no I/O. Partitions may be fed in any interleaving, each in the order of its offsets. Every offset is
judged; `judged` says up to where.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from canary.authority import Opened, Openings
from canary.board import ALL_CHECKS, Board, Verdict
from canary.frames import SUBMITTED, BustFrame, FundedFrame, SubmittedFrame, Unreadable, read_accounts, read_orders
from canary.judge import Judge, Limits
from canary.ledger_replica import LedgerReplica
from canary.matcher_replica import MatcherReplica
from canary.reader import Found
from canary.state import (
    STATE_FORM,
    CanaryState,
    PartitionState,
    dump_judge,
    restore_judge,
)
from canary.steps import Edge, Input
from schemas.alerts import Alert, Evidence, Kind, Severity
from schemas.commands import BustTrade
from schemas.records import ExecutionReport
from schemas.topics import ACCOUNTS, DEPTH, LEDGER, ORDERS, TRADES

Take = Callable[[int, int, bytes | None], None]
"""Takes a record: offset, log time, value."""


class _Partition:
    """A partition that is read: how far, up to which log time, and who takes its records."""

    __slots__ = ("edge", "next_offset", "read_ms", "take")

    def __init__(self, edge: Edge, take: Take) -> None:
        self.edge = edge
        self.take = take
        self.next_offset = 0
        self.read_ms = 0


class Canary:
    """Judges `account_partitions` ledgers and `order_partitions` matchers."""

    def __init__(
        self,
        account_partitions: int,
        order_partitions: int,
        checks: frozenset[Kind] | None = None,
        limits: Limits | None = None,
    ) -> None:
        limits, checks = limits or Limits(), ALL_CHECKS if checks is None else checks
        self._raised: list[Alert] = []
        self._openings = Openings()
        self._now_ms = 0  # the latest log time that is known
        self._partitions: dict[Edge, _Partition] = {}

        def judge_of(replica: LedgerReplica | MatcherReplica, topic: str) -> Judge:
            board = Board(checks, self._raised)
            return Judge(replica, topic, replica.partition, board, self._horizon, limits)

        self.ledgers = [judge_of(LedgerReplica(p), ACCOUNTS) for p in range(account_partitions)]
        self.matchers = [judge_of(MatcherReplica(p), ORDERS) for p in range(order_partitions)]
        for judge in self.ledgers:
            self._read((ACCOUNTS, judge.partition), partial(self._accounts, judge))
            self._read((LEDGER, judge.partition), _public(judge, LEDGER))
        for judge in self.matchers:
            self._read((ORDERS, judge.partition), partial(self._orders, judge))
            for topic in (TRADES, DEPTH):
                self._read((topic, judge.partition), _public(judge, topic))

    def _read(self, edge: Edge, take: Take) -> None:
        self._partitions[edge] = _Partition(edge, take)

    def _horizon(self, edge: Edge) -> int:
        return self._partitions[edge].read_ms

    def begin_depth(self, partition: int, offset: int, judged_from: int) -> None:
        """`depth` is kept for a while only: reading of this partition begins at `offset`, and what the inputs below
        `judged_from` caused there isn't judged."""
        edge = (DEPTH, partition)
        self._partitions[edge].next_offset = offset
        self.matchers[partition].reader(edge).judged_from = judged_from

    # --- what comes in

    def feed(
        self, topic: str, partition: int, offset: int, log_time_ms: int, key: bytes | None, value: bytes | None
    ) -> list[Alert]:
        """Takes the next record of a partition; returns what it shows to be wrong. A record's key says nothing."""
        place = self._partitions[(topic, partition)]
        if offset != place.next_offset:
            self._skip(place, offset, log_time_ms)
        place.next_offset = offset + 1
        if log_time_ms > place.read_ms:
            place.read_ms = log_time_ms
        place.take(offset, log_time_ms, value)
        return self._take_raised() if self._raised else []

    def _accounts(self, judge: Judge, offset: int, log_time_ms: int, value: bytes | None) -> None:
        given = Input(offset, log_time_ms, value, self._read_accounts)
        if value is None or not value.startswith(SUBMITTED):  # a command is opened when it is its turn
            record, opened = given.said
            if isinstance(record, ExecutionReport | BustFrame) and 0 <= record.source.partition < len(self.matchers):
                forged = opened is not None and not isinstance(opened.command, BustTrade)
                found = Found(offset, log_time_ms, value, forged)
                self.matchers[record.source.partition].take_found((ACCOUNTS, judge.partition), found)
        judge.take_input(given)

    def _orders(self, judge: Judge, offset: int, log_time_ms: int, value: bytes | None) -> None:
        given = Input(offset, log_time_ms, value, self._read_orders)
        record, opened = given.said
        if isinstance(record, FundedFrame) and 0 <= record.source.partition < len(self.ledgers):
            found = Found(offset, log_time_ms, value, forged=opened is None or opened.command is None)
            self.ledgers[record.source.partition].take_found((ORDERS, judge.partition), found)
        judge.take_input(given)

    def _read_accounts(self, value: bytes | None) -> tuple[Any, Opened | None]:
        return self._opened(_decoded(read_accounts, value))

    def _read_orders(self, value: bytes | None) -> tuple[Any, Opened | None]:
        return self._opened(_decoded(read_orders, value))

    def _opened(self, record: Any) -> tuple[Any, Opened | None]:
        if not isinstance(record, SubmittedFrame | FundedFrame | BustFrame):
            return record, None
        opened = self._openings.open(record.signed)
        return (record, opened) if opened is not None else (None, None)

    def _skip(self, place: _Partition, offset: int, log_time_ms: int) -> None:
        """Offsets are missing: of what stages read, that is a divergence of its own; elsewhere the edges tell."""
        hole = Evidence(*place.edge, place.next_offset)
        for judge in (*self.ledgers, *self.matchers):
            if place.edge in judge.readers:
                judge.readers[place.edge].hole = hole
            if place.edge == (judge.input_topic, judge.partition):
                judge.histories.doubts_digest = True
                verdict = Verdict(Kind.LOG_REWRITTEN, f"a record at {hole.offset}", f"the next one is at {offset}")
                behind = Evidence(*place.edge, offset)
                judge.board.raise_alert(Severity.WRONG, verdict, log_time_ms, [hole], behind)

    def at_ends(self, places: Iterable[Edge], time_ms: int | None = None) -> list[Alert]:
        """Says that these partitions have been read to their ends, as of the latest log time seen anywhere, or of
        `time_ms`. O(partitions)."""
        self._now_ms = max(self._now_ms, time_ms or 0, self.latest_ms)
        for place in places:
            self._partitions[place].read_ms = self._now_ms
        for judge in (*self.ledgers, *self.matchers):
            judge.advance(thorough=True)
        return self._take_raised()

    def _take_raised(self) -> list[Alert]:
        raised = list(self._raised)
        self._raised.clear()
        return raised

    # --- snapshots

    def dump(self) -> CanaryState:
        """The whole state. Shares what it holds: to be encoded at once."""
        places = [PartitionState(*edge, place.next_offset, place.read_ms) for edge, place in self._partitions.items()]
        ledgers = [(dump_judge(judge), judge.replica.dump()) for judge in self.ledgers]
        matchers = [(dump_judge(judge), judge.replica.dump()) for judge in self.matchers]
        return CanaryState(STATE_FORM, self._now_ms, places, ledgers, matchers)

    @classmethod
    def restored(
        cls, state: CanaryState, checks: frozenset[Kind] | None = None, limits: Limits | None = None
    ) -> "Canary":
        """A canary that goes on where the state was taken."""
        canary = cls(len(state.ledgers), len(state.matchers), checks, limits)
        canary._now_ms = state.now_ms
        for kept in state.partitions:
            place = canary._partitions[(kept.topic, kept.partition)]
            place.next_offset, place.read_ms = kept.next_offset, kept.read_ms
        for judge, (its, replica) in zip(canary.ledgers, state.ledgers, strict=True):
            judge.replica.restore(replica)
            restore_judge(judge, its, canary._read_accounts)
        for judge, (its, matcher) in zip(canary.matchers, state.matchers, strict=True):
            judge.replica.restore(matcher)
            restore_judge(judge, its, canary._read_orders)
        return canary

    # --- how far it has come

    def positions(self) -> dict[Edge, int]:
        """The offset from which each partition is read on."""
        return {edge: place.next_offset for edge, place in self._partitions.items()}

    def read_to_ms(self) -> dict[Edge, int]:
        """The log time up to which each partition is known to have been read."""
        return {edge: place.read_ms for edge, place in self._partitions.items()}

    @property
    def latest_ms(self) -> int:
        """The latest log time up to which a partition is known to have been read."""
        return max(place.read_ms for place in self._partitions.values())

    def judged(self) -> dict[Edge, int]:
        """The offset of each partition below which everything has been judged."""
        result = self.positions()
        for judge in (*self.ledgers, *self.matchers):
            place = judge.input_topic, judge.partition
            result[place] = min(result[place], judge.next_offset)
            for edge, reader in judge.readers.items():
                if reader.waiting:
                    result[edge] = min(result[edge], reader.waiting[0].offset)
        return result


def _public(judge: Judge, topic: str) -> Take:
    """A public topic has one edge a partition."""
    reader, take_at = judge.reader((topic, judge.partition)), judge.take_at
    return lambda offset, log_time_ms, value: take_at(reader, Found(offset, log_time_ms, value))


def _decoded(decode: Callable[[bytes], Any], value: bytes | None) -> Any:
    try:
        return decode(value or b"")
    except Unreadable:
        return None
