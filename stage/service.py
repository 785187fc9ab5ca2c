"""A stage's loop over the log: start, feed, acknowledge, commit, snapshot, in the one order that is exact.

The same code runs on the broker and in the simulation. It decides when something is written, never what: cadence may
use the host's clock, and whether a commit or a snapshot is taken changes how long a restart takes, nothing else.
"""

from collections import deque
from collections.abc import Callable, Sequence

import structlog
from msgspec import Struct

from schemas.topics import PUBLIC_TOPICS
from stage.log import InputRecord, Log
from stage.partition import Core, LogRewritten, StagePartition, decode_state, encode_state
from stage.published import LastPublished, last_published
from stage.snapshots import CHUNK_BYTES, SLOTS, Snapshot, SnapshotRecord, split_snapshot

logger = structlog.get_logger()

LARGE_SNAPSHOT_MS = 200  # is told of


class Cadence(Struct):
    """How often state is made durable. Longer is cheaper, and a restart replays more.

    What snapshots cost decides too: none is taken before replaying what is behind the last one would take as long, and
    since restoring takes about as long as taking, less may be behind large ones.
    """

    commit_ms: int = 100
    snapshot_ms: int = 20_000
    snapshot_records: int = 20_000  # of all partitions: a restart is to take no longer than replaying so many
    snapshot_chunk_bytes: int = CHUNK_BYTES
    snapshot_round_bytes: int = 4_000_000  # written at a time: nobody waits until all of a large one is on the log
    replayed_per_ms: int = 7  # records that are signed one by one


class _UnderWay(Struct):
    """A snapshot that has been taken and isn't all written yet."""

    next_offset: int
    unwritten: deque[SnapshotRecord]


class _Owned:
    """An input partition that this process owns, and what of it is durable."""

    def __init__(self, stage: StagePartition, slot: int, snapshot_offset: int, now_ms: int, cost_ms: int) -> None:
        self.stage = stage
        self.next_slot = slot
        self.snapshot_offset = snapshot_offset
        self.snapshot_at_ms = now_ms
        self.snapshot_cost_ms = cost_ms  # taking the last one; at first restoring it, which takes about as long
        self.under_way: _UnderWay | None = None
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
        began_ms = self._now_ms()
        snapshots = self._log.newest_snapshots(name, partitions)
        committed = self._log.committed(partitions)
        tails = self._log.tails(self._public_outputs, partitions)
        ends = self._log.end_offsets(partitions)
        read_ms = self._now_ms()
        start: dict[int, int] = {}
        for partition in partitions:
            last = {topic: last_published(tails.get((topic, partition), [])) for topic in self._public_outputs}
            published = {(topic, partition): record for topic, record in last.items() if record is not None}
            owned = self._restore(partition, snapshots.get(partition), committed[partition], ends[partition], published)
            self._owned[partition] = owned
            start[partition] = owned.stage.next_offset
            logger.info("partition opened", stage=name, partition=partition, replay_from=owned.stage.next_offset,
                        emit_from=owned.stage.emit_from, end=ends[partition])  # fmt: skip
        behind = sum(ends[partition] - start[partition] for partition in partitions)
        logger.info("partitions opened", stage=name, count=len(start), behind=behind, reading_ms=read_ms - began_ms,
                    restoring_ms=self._now_ms() - read_ms)  # fmt: skip
        return start

    def _restore(
        self,
        partition: int,
        snapshot: Snapshot | None,
        committed: int,
        end: int,
        published: dict[tuple[str, int], LastPublished],
    ) -> _Owned:
        stage, began_ms = StagePartition(self._make_core(partition), partition), self._now_ms()
        # 2. E is the higher of snapshot and commit: what inputs below it caused is on the log.
        if snapshot is not None:
            stage.restore(decode_state(snapshot.state))
        known = max(stage.next_offset, committed, *(last.offset + 1 for last in published.values()))
        if known > end:
            raise LogRewritten(f"partition {partition} ends at {end}, but this stage has read it up to {known}")
        # 3. Replay from the snapshot; below E nothing is emitted, from E on all that public topics don't have yet.
        stage.resume(committed, published)
        slot = (snapshot.slot + 1) % SLOTS if snapshot is not None else 0
        now_ms = self._now_ms()
        return _Owned(stage, slot, stage.next_offset, now_ms, now_ms - began_ms)

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
            self._take_snapshots(now)
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

    def _take_snapshots(self, now_ms: int) -> None:
        """Goes on with the one that is under way, or begins those that are due."""
        for owned in self._owned.values():
            if owned.under_way is not None:
                self._write(owned, owned.under_way)
                return
        for partition in self._due(now_ms):
            self._snapshot(partition, self._owned[partition])

    def _due(self, now_ms: int) -> list[int]:
        """The partitions to take a snapshot of now. By time a few a round, the oldest first, so that no order waits for
        the snapshots of hundreds of partitions; else the furthest behind, where a restart would take too long."""
        cadence = self._cadence
        # What a snapshot costs, in records. A host that stood still meanwhile must not keep the next from being taken.
        most = cadence.snapshot_records // 2
        records = {p: min(o.snapshot_cost_ms * cadence.replayed_per_ms, most) for p, o in self._owned.items()}
        behind = {p: o.acknowledged - o.snapshot_offset for p, o in self._owned.items()}
        worth = [p for p in self._owned if behind[p] > 0 and behind[p] >= records[p]]
        since = {p: self._owned[p].snapshot_at_ms for p in worth}
        due = sorted((p for p in worth if now_ms - since[p] >= cadence.snapshot_ms), key=since.__getitem__)
        if worth and not due and sum(behind.values()) + sum(records.values()) >= cadence.snapshot_records:
            due = [max(worth, key=behind.__getitem__)]
        return due[: 1 + len(self._owned) * cadence.commit_ms // max(cadence.snapshot_ms, 1)]

    def _snapshot(self, partition: int, owned: _Owned) -> None:
        """Taken only where all that its inputs caused is acknowledged; `step` sees to that. What of it isn't written at
        once follows a piece a round, the manifest last: the state that it tells of stays that of its offset."""
        began_ms = self._now_ms()
        state = owned.stage.dump()
        name = owned.stage.core.stage
        encoded, chunk_bytes = encode_state(state), self._cadence.snapshot_chunk_bytes
        records = split_snapshot(name, partition, owned.next_slot, state.next_offset, encoded, chunk_bytes)
        owned.under_way = _UnderWay(state.next_offset, deque(records))
        owned.snapshot_cost_ms = self._now_ms() - began_ms
        if owned.snapshot_cost_ms >= LARGE_SNAPSHOT_MS:
            logger.info("large snapshot", stage=name, partition=partition, bytes=len(encoded),
                        pause_ms=owned.snapshot_cost_ms)  # fmt: skip
        self._write(owned, owned.under_way)

    def _write(self, owned: _Owned, snapshot: _UnderWay) -> None:
        """The next piece of it; with the last one it counts."""
        left = self._cadence.snapshot_round_bytes
        while snapshot.unwritten and left > 0:
            record = snapshot.unwritten.popleft()
            self._log.append("snapshots", record.partition, record.key, record.value)
            left -= len(record.value)
        self._log.flush()
        if not snapshot.unwritten:
            owned.under_way, owned.next_slot = None, (owned.next_slot + 1) % SLOTS
            owned.snapshot_offset, owned.snapshot_at_ms = snapshot.next_offset, self._now_ms()

    # --- end

    def close(self, partitions: Sequence[int], snapshot: bool = True) -> None:
        """Gives partitions back in good order: commit, and a snapshot so that the next owner starts at once."""
        self._commit()
        for partition in partitions:
            owned = self._owned.get(partition)
            if owned is not None and snapshot and owned.acknowledged > owned.snapshot_offset:
                self._snapshot(partition, owned)
                while owned.under_way is not None:
                    self._write(owned, owned.under_way)
        self.drop(partitions)

    def drop(self, partitions: Sequence[int]) -> None:
        """Forgets partitions that were taken away: their state is somebody else's now."""
        for partition in partitions:
            self._owned.pop(partition, None)
