"""A stage's loop over the log: start, feed, acknowledge, commit, snapshot, in the one order that is exact.

The same code runs on the broker and in the simulation. It decides when something is written, never what: cadence may
use the host's clock, and whether a commit or a snapshot is taken changes how long a restart takes, nothing else.
"""

from collections.abc import Callable, Sequence

import structlog
from msgspec import Struct

from schemas.topics import PUBLIC_TOPICS
from stage.log import InputRecord, Log
from stage.partition import Core, LogRewritten, StagePartition, decode_state, encode_state
from stage.published import LastPublished, last_published
from stage.snapshots import CHUNK_BYTES, SLOTS, Snapshot, newest_snapshots, split_snapshot

logger = structlog.get_logger()


class Cadence(Struct):
    """How often state is made durable. Longer is cheaper, and a restart replays more."""

    commit_ms: int = 100
    snapshot_ms: int = 20_000
    snapshot_records: int = 20_000
    snapshot_chunk_bytes: int = CHUNK_BYTES


class _Owned:
    """An input partition that this process owns, and what of it is durable."""

    def __init__(self, stage: StagePartition, slot: int, snapshot_offset: int, now_ms: int) -> None:
        self.stage = stage
        self.next_slot = slot
        self.snapshot_offset = snapshot_offset
        self.snapshot_at_ms = now_ms
        self.committed = stage.emit_from
        self.acknowledged = stage.next_offset


class StageService:
    """Runs one stage on the partitions that it is given.

    `public_outputs` are the public topics that the stage writes; its output partition there has the input's number.
    """

    def __init__(
        self,
        make_core: Callable[[int], Core],
        public_outputs: Sequence[str],
        log: Log,
        now_ms: Callable[[], int],
        cadence: Cadence | None = None,
    ) -> None:
        assert set(public_outputs) <= PUBLIC_TOPICS
        self._make_core = make_core
        self._public_outputs = tuple(public_outputs)
        self._log = log
        self._now_ms = now_ms
        self._cadence = cadence or Cadence()
        self._owned: dict[int, _Owned] = {}
        self._committed_at_ms = 0

    @property
    def partitions(self) -> dict[int, StagePartition]:
        return {partition: owned.stage for partition, owned in self._owned.items()}

    # --- start: one way for a first start, a crash, an error, a lost partition, an upgrade

    def open(self, partitions: Sequence[int]) -> dict[int, int]:
        """Takes partitions over; returns where to read each from."""
        if not partitions:
            return {}
        name = self._make_core(partitions[0]).stage
        # 1. The newest whole snapshot of each, the committed offset, what stands last on public topics, the log's end.
        # The end comes last: an owner before us that hasn't heard yet may go on meanwhile.
        snapshots = newest_snapshots(self._log.snapshot_records(name, partitions), name)
        committed = self._log.committed(partitions)
        tails = self._log.tails(self._public_outputs, partitions)
        ends = self._log.end_offsets(partitions)
        start: dict[int, int] = {}
        for partition in partitions:
            last = {topic: last_published(tails.get((topic, partition), [])) for topic in self._public_outputs}
            published = {(topic, partition): record for topic, record in last.items() if record is not None}
            owned = self._restore(partition, snapshots.get(partition), committed[partition], ends[partition], published)
            self._owned[partition] = owned
            start[partition] = owned.stage.next_offset
            logger.info("partition opened", stage=name, partition=partition, replay_from=owned.stage.next_offset,
                        emit_from=owned.stage.emit_from, end=ends[partition])  # fmt: skip
        return start

    def _restore(
        self,
        partition: int,
        snapshot: Snapshot | None,
        committed: int,
        end: int,
        published: dict[tuple[str, int], LastPublished],
    ) -> _Owned:
        stage = StagePartition(self._make_core(partition), partition)
        # 2. E is the higher of snapshot and commit: what inputs below it caused is on the log.
        if snapshot is not None:
            stage.restore(decode_state(snapshot.state))
        known = max(stage.next_offset, committed, *(last.offset + 1 for last in published.values()))
        if known > end:
            raise LogRewritten(f"partition {partition} ends at {end}, but this stage has read it up to {known}")
        # 3. Replay from the snapshot; below E nothing is emitted, from E on all that public topics don't have yet.
        stage.resume(committed, published)
        slot = (snapshot.slot + 1) % SLOTS if snapshot is not None else 0
        return _Owned(stage, slot, stage.next_offset, self._now_ms())

    # --- the loop

    def step(self, max_records: int = 1000) -> int:
        """One round; returns how many records it took."""
        # 1. Take what is there: one record when quiet, many when busy.
        records = self._log.fetch(max_records)
        # 2. Feed each to its partition, and hand over what it causes.
        for record in records:
            self._feed(record)
        # 3. Wait until all of it is acknowledged.
        if records:
            self._log.flush()
            for partition in {record.partition for record in records} & self._owned.keys():
                owned = self._owned[partition]
                owned.acknowledged = owned.stage.next_offset
        # 4. Only then commit the input, and only then take snapshots.
        now = self._now_ms()
        if now - self._committed_at_ms >= self._cadence.commit_ms:
            self._commit()
            self._committed_at_ms = now
            for partition in self._due(now):
                self._snapshot(partition, self._owned[partition])
        return len(records)

    def _feed(self, record: InputRecord) -> None:
        owned = self._owned.get(record.partition)
        if owned is None:
            return  # it was fetched before the partition was given away
        for emission in owned.stage.feed(record.offset, record.log_time_ms, record.value):
            self._log.append(emission.topic, emission.partition, emission.key, emission.value)

    def _commit(self) -> None:
        offsets = {p: o.acknowledged for p, o in self._owned.items() if o.acknowledged > o.committed}
        self._log.commit(offsets)
        for partition, offset in offsets.items():
            self._owned[partition].committed = offset

    def _due(self, now_ms: int) -> list[int]:
        """The partitions to take a snapshot of now: a few a round, the oldest first, so that no order has to wait for
        the snapshots of hundreds of partitions."""
        due = [partition for partition, owned in self._owned.items() if self._is_due(owned, now_ms)]
        due.sort(key=lambda partition: self._owned[partition].snapshot_at_ms)
        return due[: 1 + len(self._owned) * self._cadence.commit_ms // max(self._cadence.snapshot_ms, 1)]

    def _is_due(self, owned: _Owned, now_ms: int) -> bool:
        behind = owned.acknowledged - owned.snapshot_offset
        waited = now_ms - owned.snapshot_at_ms
        return behind >= self._cadence.snapshot_records or (behind > 0 and waited >= self._cadence.snapshot_ms)

    def _snapshot(self, partition: int, owned: _Owned) -> None:
        """Written only where all that its inputs caused is acknowledged; `step` sees to that."""
        state = owned.stage.dump()
        name = owned.stage.core.stage
        encoded, chunk_bytes = encode_state(state), self._cadence.snapshot_chunk_bytes
        for record in split_snapshot(name, partition, owned.next_slot, state.next_offset, encoded, chunk_bytes):
            self._log.append("snapshots", record.partition, record.key, record.value)
        self._log.flush()
        owned.next_slot = (owned.next_slot + 1) % SLOTS
        owned.snapshot_offset = state.next_offset
        owned.snapshot_at_ms = self._now_ms()

    # --- end

    def close(self, partitions: Sequence[int], snapshot: bool = True) -> None:
        """Gives partitions back in good order: commit, and a snapshot so that the next owner starts at once."""
        self._commit()
        for partition in partitions:
            owned = self._owned.get(partition)
            if owned is not None and snapshot and owned.acknowledged > owned.snapshot_offset:
                self._snapshot(partition, owned)
        self.drop(partitions)

    def drop(self, partitions: Sequence[int]) -> None:
        """Forgets partitions that were taken away: their state is somebody else's now."""
        for partition in partitions:
            self._owned.pop(partition, None)
