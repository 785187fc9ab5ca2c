"""Snapshots as records of the compacted topic `snapshots`: chunks below 1 MB, and a manifest behind them.

A stage's partition has two slots and writes them in turn, so that a torn snapshot leaves the other one whole. All
records of a slot lie on one partition. The manifest says how many chunks there are and their hash; a slot whose chunks
don't fit its manifest doesn't count. Pure: takes and gives records.
"""

import hashlib
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from schemas.codec import encode
from schemas.topics import SNAPSHOT_PARTITIONS

CHUNK_BYTES = 900_000
SLOTS = 2
WINDOW_RECORDS = 64  # of each partition of `snapshots`: the first read, which holds a book of a million orders
WINDOW_GROWTH = 4


class Manifest(Struct, frozen=True):
    """Ends a snapshot: the state before `next_offset`, in this many chunks, with the SHA-256 of them joined."""

    stage: str
    partition: int
    slot: int
    next_offset: int
    chunks: int
    sha256: str


class Snapshot(Struct, frozen=True):
    """A whole snapshot. `state` is an encoded `PartitionState`."""

    slot: int
    next_offset: int
    state: bytes


class SnapshotRecord(Struct, frozen=True):
    partition: int  # of the topic `snapshots`
    key: bytes
    value: bytes


def snapshot_partition(stage: str, partition: int) -> int:
    """Where the snapshots of a stage's partition lie on `snapshots`."""
    return (partition + hashlib.sha256(stage.encode()).digest()[0]) % SNAPSHOT_PARTITIONS


def snapshot_partitions(stage: str, partitions: Iterable[int]) -> frozenset[int]:
    return frozenset(snapshot_partition(stage, partition) for partition in partitions)


def split_snapshot(
    stage: str, partition: int, slot: int, next_offset: int, state: bytes, chunk_bytes: int = CHUNK_BYTES
) -> list[SnapshotRecord]:
    """The records of one snapshot in the order in which they must be written, the manifest last."""
    target = snapshot_partition(stage, partition)
    chunks = [state[start : start + chunk_bytes] for start in range(0, len(state), chunk_bytes)]
    manifest = Manifest(stage, partition, slot, next_offset, len(chunks), hashlib.sha256(state).hexdigest())
    records = [SnapshotRecord(target, _key(stage, partition, slot, index), chunk) for index, chunk in enumerate(chunks)]
    return [*records, SnapshotRecord(target, _key(stage, partition, slot, "manifest"), encode(manifest))]


class SnapshotSearch:
    """Finds a stage's newest whole snapshots in `snapshots`, which is read from its end backwards, in windows.

    What stands last under a key counts, so older records change nothing of what a window holds. A partition is decided
    once a snapshot is whole and both slots' manifests are known, of which none is newer and may yet become whole. What
    is found is what reading everything would find. `bounds` are the first offset of each of `snapshot_partitions`, and
    the one behind its last.
    """

    def __init__(
        self,
        stage: str,
        partitions: Iterable[int],
        bounds: Mapping[int, tuple[int, int]],
        window_records: int = WINDOW_RECORDS,
    ) -> None:
        self._stage = stage
        self._values: dict[int, dict[bytes, bytes]] = {partition: {} for partition in partitions}  # undecided ones'
        self._first = {place: low for place, (low, _) in bounds.items()}
        self._read_from = {place: high for place, (_, high) in bounds.items()}
        self._window_records = window_records
        self._newest: dict[int, Snapshot] = {}

    def next_windows(self) -> dict[int, tuple[int, int]]:
        """What to read and `add` next: partition of `snapshots` → first offset, and the one behind the last. None once
        all is decided or read. No record lies in two windows."""
        places = snapshot_partitions(self._stage, self._values)
        windows = {
            place: (max(self._first[place], end - self._window_records), end)
            for place, end in self._read_from.items()
            if place in places and end > self._first[place]
        }
        self._read_from |= {place: start for place, (start, _) in windows.items()}
        self._window_records *= WINDOW_GROWTH
        return windows

    def add(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """(key, value) of the records of these windows, each partition's in log order."""
        window: dict[int, dict[bytes, bytes]] = {}
        for key, value in records:
            partition = _partition_of(key, self._stage)
            if partition in self._values:
                window.setdefault(partition, {})[key] = value
        for partition, values in window.items():
            self._values[partition] = values | self._values[partition]
            if self._decide(partition):
                del self._values[partition]

    def newest(self) -> dict[int, Snapshot]:
        """Partition → its newest whole snapshot among what has been read."""
        return dict(self._newest)

    def _decide(self, partition: int) -> bool:
        """Finds the newest by what is known; whether older records can't change it."""
        values = self._values[partition]
        keys = [_key(self._stage, partition, slot, "manifest") for slot in range(SLOTS)]
        manifests = [msgspec.json.decode(values[key], type=Manifest) for key in keys if key in values]
        decided = len(manifests) == SLOTS
        for manifest in sorted(manifests, key=lambda manifest: manifest.next_offset, reverse=True):
            state = _join(manifest, values)
            if state is not None:
                self._newest[partition] = Snapshot(manifest.slot, manifest.next_offset, state)
                return decided
            decided = decided and values.keys() >= set(_chunk_keys(manifest))
        return decided


def newest_snapshots(records: Iterable[tuple[bytes, bytes]], stage: str) -> dict[int, Snapshot]:
    """Partition → newest whole snapshot of `stage`, from (key, value) of all of `snapshots` in log order."""
    known = list(records)
    partitions = {partition for key, _ in known if (partition := _partition_of(key, stage)) is not None}
    search = SnapshotSearch(stage, partitions, {})
    search.add(known)
    return search.newest()


def _join(manifest: Manifest, values: Mapping[bytes, bytes]) -> bytes | None:
    """The state, if this snapshot is whole."""
    parts = [values.get(key) for key in _chunk_keys(manifest)]
    if any(part is None for part in parts):
        return None
    state = b"".join(part for part in parts if part is not None)
    return state if hashlib.sha256(state).hexdigest() == manifest.sha256 else None


def _key(stage: str, partition: int, slot: int, part: int | str) -> bytes:
    return f"{stage}/{partition}/{slot}/{part}".encode()


def _chunk_keys(manifest: Manifest) -> list[bytes]:
    return [_key(manifest.stage, manifest.partition, manifest.slot, index) for index in range(manifest.chunks)]


def _partition_of(key: bytes, stage: str) -> int | None:
    """The partition whose snapshot a record belongs to; None where it is another stage's."""
    of, _, rest = key.partition(b"/")
    return int(rest.partition(b"/")[0]) if of == stage.encode() else None
