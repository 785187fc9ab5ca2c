"""The canary's whole state as a snapshot holds it, and back. Restored, it goes on as if it had never stopped.

Bounded by what is open, by what waits to be judged, and by fixed numbers of copies, alerts and closed orders that are
remembered. What an open input must cause is not stored but decided anew.
"""

from typing import Final, Literal

from msgspec import Struct

from canary.frames import encode
from canary.judge import Judge
from canary.ledger_replica import LedgerState
from canary.matcher_replica import MatcherState
from canary.published import read_record
from canary.reader import Found, Overdue, Reader
from canary.steps import Input, ReadInput, Stamps
from canary.tape import TapeState, TradesReader
from schemas.alerts import Evidence, Severity
from schemas.topics import TRADES

STATE_FORM: Final = 3


class StampsState(Struct):
    """`Stamps`, its edges and series spelled out."""

    digest: bytes
    counters: list[tuple[str, int, int]]
    sequences: list[tuple[str, str, int]]
    marks: dict[int, int]


class Waiting(Struct, array_like=True):
    """A record that waits to be judged."""

    offset: int
    log_time_ms: int
    value: bytes | None
    forged: bool = False


class ReaderState(Struct):
    topic: str
    partition: int
    mark: int
    waiting: list[Waiting]
    forged: list[Waiting]
    overdue: list[tuple[bytes, int]]
    resolved: tuple[int, int]
    copies: bytes
    hole: Evidence | None
    judged_from: int = 0
    tape: TapeState | None = None  # of `trades`


class JudgeState(Struct):
    next_offset: int
    time_ms: int
    is_late: bool
    stamps: StampsState
    stated: StampsState | None
    inputs_since: int
    doubts_digest: bool
    inputs: list[Waiting]
    readers: list[ReaderState]
    unjudged_copies: int
    recent_fills: list[bytes]
    blamed: list[tuple[Severity, Evidence]]


class PartitionState(Struct, array_like=True):
    topic: str
    partition: int
    next_offset: int
    read_ms: int


class CanaryState(Struct):
    """`form` counts up whenever an older state can't be gone on with; such a one isn't read then."""

    form: Literal[3]
    now_ms: int
    partitions: list[PartitionState]
    ledgers: list[tuple[JudgeState, LedgerState]]
    matchers: list[tuple[JudgeState, MatcherState]]


# --- parts


def dump_judge(judge: Judge) -> JudgeState:
    histories = judge.histories
    return JudgeState(
        judge.next_offset, judge.time_ms, judge.is_late, _dump_stamps(histories.stamps),
        None if histories.stated is None else _dump_stamps(histories.stated), histories.inputs_since,
        histories.doubts_digest, [Waiting(i.offset, i.log_time_ms, i.value) for i in judge.inputs],
        [_dump_reader(reader) for reader in judge.readers.values()], judge.strays.unjudged_copies,
        [encode(trade) for trade in judge.explainer.remembered()], list(judge.board.blamed),
    )  # fmt: skip


def restore_judge(judge: Judge, state: JudgeState, read: ReadInput) -> None:
    histories = judge.histories
    judge.next_offset, judge.time_ms, judge.is_late = state.next_offset, state.time_ms, state.is_late
    histories.stamps = _restored_stamps(state.stamps)
    histories.stated = None if state.stated is None else _restored_stamps(state.stated)
    histories.inputs_since, histories.doubts_digest = state.inputs_since, state.doubts_digest
    judge.inputs.extend(Input(kept.offset, kept.log_time_ms, kept.value, read) for kept in state.inputs)
    judge.strays.unjudged_copies = state.unjudged_copies
    judge.board.blamed.update(dict.fromkeys(state.blamed))
    judge.explainer.remember([read_record(TRADES, value) for value in state.recent_fills])
    for kept in state.readers:
        reader = judge.reader((kept.topic, kept.partition))
        reader.mark, reader.hole, reader.judged_from = kept.mark, kept.hole, kept.judged_from
        reader.waiting.extend(_found(waiting) for waiting in kept.waiting)
        reader.forged.extend(_found(waiting) for waiting in kept.forged)
        reader.overdue.extend(Overdue(read_record(kept.topic, value), offset) for value, offset in kept.overdue)
        reader.resolved = kept.resolved
        reader.restore_copies(kept.copies)
        if isinstance(reader, TradesReader) and kept.tape is not None:
            reader.tape.restore(kept.tape)


def _dump_reader(reader: Reader) -> ReaderState:
    overdue = [(encode(overdue.record), overdue.offset) for overdue in reader.overdue]
    return ReaderState(
        reader.topic, reader.partition, reader.mark, [_waiting(found) for found in reader.waiting],
        [_waiting(found) for found in reader.forged], overdue, reader.resolved, reader.copies(), reader.hole,
        reader.judged_from,
        reader.tape.dump() if isinstance(reader, TradesReader) else None,
    )  # fmt: skip


def _waiting(found: Found) -> Waiting:
    return Waiting(found.offset, found.log_time_ms, found.value, found.forged)


def _found(waiting: Waiting) -> Found:
    return Found(waiting.offset, waiting.log_time_ms, waiting.value, waiting.forged)


def _dump_stamps(stamps: Stamps) -> StampsState:
    return StampsState(
        stamps.digest, [(*edge, count) for edge, count in stamps.counters.items()],
        [(*series, count) for series, count in stamps.sequences.items()], stamps.marks,
    )  # fmt: skip


def _restored_stamps(state: StampsState) -> Stamps:
    return Stamps(
        state.digest, {(topic, partition): count for topic, partition, count in state.counters},
        {(topic, symbol): count for topic, symbol, count in state.sequences}, dict(state.marks),
    )  # fmt: skip
