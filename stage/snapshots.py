"""Snapshots as records of the compacted topic `snapshots`: chunks below 1 MB, and a manifest behind them.

A stage's partition has two slots and writes them in turn, so that a torn snapshot leaves the other one whole. All
records of a slot lie on one partition. The manifest says how many chunks there are and their hash; a slot whose chunks
don't fit its manifest doesn't count. Pure: takes and gives records.
"""

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from schemas.codec import encode
from schemas.topics import SNAPSHOT_PARTITIONS

CHUNK_BYTES = 900_000
SLOTS = 2


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


def split_snapshot(
    stage: str, partition: int, slot: int, next_offset: int, state: bytes, chunk_bytes: int = CHUNK_BYTES
) -> list[SnapshotRecord]:
    """The records of one snapshot in the order in which they must be written, the manifest last."""
    target = snapshot_partition(stage, partition)
    chunks = [state[start : start + chunk_bytes] for start in range(0, len(state), chunk_bytes)]
    manifest = Manifest(stage, partition, slot, next_offset, len(chunks), hashlib.sha256(state).hexdigest())
    records = [
        SnapshotRecord(target, f"{stage}/{partition}/{slot}/{index}".encode(), chunk)
        for index, chunk in enumerate(chunks)
    ]
    return [*records, SnapshotRecord(target, f"{stage}/{partition}/{slot}/manifest".encode(), encode(manifest))]


def newest_snapshots(records: Iterable[tuple[bytes, bytes]], stage: str) -> dict[int, Snapshot]:
    """Partition → newest whole snapshot of `stage`, from (key, value) of `snapshots` in log order."""
    prefix = f"{stage}/".encode()
    chunks: dict[bytes, bytes] = {}
    manifests: dict[bytes, Manifest] = {}
    for key, value in records:
        if not key.startswith(prefix):
            continue
        if key.endswith(b"/manifest"):
            manifests[key] = msgspec.json.decode(value, type=Manifest)
        else:
            chunks[key] = value
    newest: dict[int, Snapshot] = {}
    for manifest in manifests.values():
        best = newest.get(manifest.partition)
        if best is not None and best.next_offset >= manifest.next_offset:
            continue
        state = _join(manifest, chunks)
        if state is not None:
            newest[manifest.partition] = Snapshot(manifest.slot, manifest.next_offset, state)
    return newest


def _join(manifest: Manifest, chunks: dict[bytes, bytes]) -> bytes | None:
    start = f"{manifest.stage}/{manifest.partition}/{manifest.slot}"
    parts = [chunks.get(f"{start}/{index}".encode()) for index in range(manifest.chunks)]
    if any(part is None for part in parts):
        return None
    state = b"".join(part for part in parts if part is not None)
    return state if hashlib.sha256(state).hexdigest() == manifest.sha256 else None
