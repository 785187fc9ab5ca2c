"""Stages with one clause of the protocol left out each. The simulation must catch every one of them."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest
from msgspec import Struct

import stage.service
import stage.snapshots
from schemas.records import Source
from stage.log import InputRecord, Log
from stage.partition import Emission, PartitionState, StagePartition
from stage.published import LastPublished
from stage.service import StageService


class CommitsBeforeFlush(StageService):
    """Acknowledges to itself, and commits, before the broker has acknowledged."""

    def step(self, max_records: int = 1000) -> int:
        records = self._log.fetch(max_records)
        for record in records:
            self._feed(record)
        for owned in self._owned.values():
            owned.acknowledged = owned.stage.next_offset
        self._commit()
        self._log.flush()
        return len(records)


class SnapshotsBeforeFlush(StageService):
    """Takes its snapshot of what it has handed over, not of what is acknowledged."""

    def step(self, max_records: int = 1000) -> int:
        records = self._log.fetch(max_records)
        for record in records:
            self._feed(record)
        for partition, owned in self._owned.items():
            owned.acknowledged = owned.stage.next_offset
            if records:
                self._snapshot(partition, owned)
        self._log.flush()
        self._commit()
        return len(records)


class CommitsWhatItFetched(StageService):
    """Commits each partition's newest offset, though records before it, of another partition, wait for their turn."""

    def _feed(self, record: InputRecord) -> None:
        self._log.commit({record.partition: record.offset + 1})
        super()._feed(record)


class ReadsTheEndFirst(StageService):
    """Takes the end of its input before it looks at what an owner before it may still be writing."""

    def open(self, partitions: Sequence[int]) -> dict[int, int]:
        ends = self._log.end_offsets(partitions)
        log, self._log = self._log, cast(Log, EndOf(self._log, ends))
        try:
            return super().open(partitions)
        finally:
            self._log = log


class EndOf:
    """A log whose ends stand still."""

    def __init__(self, log: Log, ends: dict[int, int]) -> None:
        self._log = log
        self._ends = ends

    def end_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        return self._ends

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class IgnoresMarks(StagePartition):
    """Takes repeats for new."""

    def is_repeat(self, edge: int, edge_sequence: int) -> bool:
        return False


class ForgetsMarks(StagePartition):
    """Leaves the marks out of what it restores."""

    def restore(self, state: PartitionState) -> None:
        super().restore(state)
        self._marks = {}


class ForgetsCounters(StagePartition):
    """Numbers its outputs from 1 again after a restore."""

    def restore(self, state: PartitionState) -> None:
        super().restore(state)
        self._counters = {}


class RepeatsOnPublicTopics(StagePartition):
    """Writes again what stands on a public topic already."""

    def _is_published(self, edge: str, sequence: int, value: bytes) -> bool:
        return False


class SilentReplay(StagePartition):
    """Emits nothing of what it replays, as if all of it had been acknowledged."""

    def resume(self, emit_from: int, published: dict[tuple[str, int], LastPublished]) -> None:
        super().resume(emit_from, published)
        furthest = max((last.offset + 1 for last in published.values()), default=0)
        self.emit_from = max(self.emit_from, furthest)


class SkipsDigestComparison(StagePartition):
    """Trusts that the last published record is what it would write."""

    def _is_published(self, edge: str, sequence: int, value: bytes) -> bool:
        last = self._published.get(edge)
        return last is not None and sequence <= last.edge_sequence


class HasItsOwnClock(StagePartition):
    """Counts the records since its start into the time: something that a restart changes."""

    fed = 0

    def feed(self, offset: int, log_time_ms: int, value: bytes | None) -> list[Emission]:
        self.fed += 1
        return super().feed(offset, log_time_ms + self.fed, value)


class _Origin(Struct):
    edge_sequence: int
    source: Source


def trust_torn_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    def join(manifest: stage.snapshots.Manifest, chunks: dict[bytes, bytes]) -> bytes | None:
        start = f"{manifest.stage}/{manifest.partition}/{manifest.slot}"
        parts = [chunks.get(f"{start}/{index}".encode()) for index in range(manifest.chunks)]
        return b"".join(part for part in parts if part is not None)

    monkeypatch.setattr(stage.snapshots, "_join", join)


def last_record_by_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the record that stands last for the one with the highest sequence."""

    def last_published(values: Sequence[bytes]) -> LastPublished | None:
        if not values:
            return None
        origin = msgspec.json.decode(values[-1], type=_Origin)
        return LastPublished(origin.edge_sequence, origin.source.offset, values[-1])

    monkeypatch.setattr(stage.service, "last_published", last_published)
