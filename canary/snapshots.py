"""The canary's snapshots as records of the compacted topic `snapshots`: chunks below 1 MB, and a manifest behind them.

There is one state, of all partitions. It has two slots and writes them in turn, so that a torn snapshot leaves the
other one whole; a slot whose chunks don't fit its manifest doesn't count. Pure: takes and gives records.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct

from canary.core import Canary
from canary.state import CanaryState
from schemas.topics import SNAPSHOT_PARTITIONS

STAGE = "canary"
CHUNK_BYTES = 900_000
SLOTS = 2
WINDOW_RECORDS = 64
WINDOW_GROWTH = 4
PARTITION = hashlib.sha256(STAGE.encode()).digest()[0] % SNAPSHOT_PARTITIONS
"""Where they lie on `snapshots`."""

ReadRecords = Callable[[int, int], Iterable[tuple[bytes, bytes]]]
"""(key, value) of the records from the first of two offsets on and before the second, in log order."""


class Manifest(Struct, frozen=True):
    """Ends a snapshot: the `number`-th, in this many chunks, with the SHA-256 of them joined."""

    stage: str
    slot: int
    number: int
    chunks: int
    sha256: str


class Snapshot(Struct, frozen=True):
    number: int
    state: bytes


def encode_state(state: CanaryState) -> bytes:
    return msgspec.msgpack.encode(state)


def decode_state(data: bytes) -> CanaryState:
    return msgspec.msgpack.decode(data, type=CanaryState)


def split_snapshot(snapshot: Snapshot, chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of its records in the order in which they must be written, the manifest last."""
    state, slot = snapshot.state, snapshot.number % SLOTS
    starts = range(0, len(state), chunk_bytes)
    for index, start in enumerate(starts):
        yield _key(slot, index), state[start : start + chunk_bytes]
    manifest = Manifest(STAGE, slot, snapshot.number, len(starts), hashlib.sha256(state).hexdigest())
    yield _key(slot, "manifest"), msgspec.json.encode(manifest)


def newest_snapshot(records: Iterable[tuple[bytes, bytes]]) -> Snapshot | None:
    """The newest whole one, from (key, value) of `snapshots` in log order; None if there is none."""
    return _newest(_own(records))


def newest_snapshot_between(read: ReadRecords, low: int, high: int) -> Snapshot | None:
    """The same of what lies on `PARTITION` between these offsets, read from the end backwards.

    What stands last under a key counts. So older records can't change anything any more once both slots' manifests are
    known and the newer one's snapshot is whole.
    """
    values: dict[bytes, bytes] = {}
    newest, window = None, WINDOW_RECORDS
    while high > low:
        start = max(low, high - window)
        values = _own(read(start, high)) | values
        newest = _newest(values)
        manifests = [manifest for slot in range(SLOTS) if (manifest := _manifest(values, slot)) is not None]
        if newest is not None and len(manifests) == SLOTS and newest.number == max(each.number for each in manifests):
            break
        high, window = start, window * WINDOW_GROWTH
    return newest


def _own(records: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return {key: value for key, value in records if key.startswith(f"{STAGE}/".encode())}


def _newest(values: dict[bytes, bytes]) -> Snapshot | None:
    whole = [snapshot for slot in range(SLOTS) if (snapshot := _join(values, slot)) is not None]
    return max(whole, key=lambda snapshot: snapshot.number, default=None)


def grown(state: CanaryState, account_partitions: int, order_partitions: int) -> CanaryState:
    """The state with the partitions that topics have been given since; those begin at 0."""
    fresh = Canary(account_partitions, order_partitions).dump()
    known = {(place.topic, place.partition) for place in state.partitions}
    state.partitions += [place for place in fresh.partitions if (place.topic, place.partition) not in known]
    state.ledgers += fresh.ledgers[len(state.ledgers) :]
    state.matchers += fresh.matchers[len(state.matchers) :]
    return state


def _manifest(values: dict[bytes, bytes], slot: int) -> Manifest | None:
    try:
        return msgspec.json.decode(values.get(_key(slot, "manifest"), b""), type=Manifest)
    except msgspec.DecodeError:
        return None


def _join(values: dict[bytes, bytes], slot: int) -> Snapshot | None:
    manifest = _manifest(values, slot)
    if manifest is None:
        return None
    parts = [values.get(_key(slot, index)) for index in range(manifest.chunks)]
    state = b"".join(part for part in parts if part is not None)
    whole = None not in parts and hashlib.sha256(state).hexdigest() == manifest.sha256
    return Snapshot(manifest.number, state) if whole else None


def _key(slot: int, part: int | str) -> bytes:
    return f"{STAGE}/{slot}/{part}".encode()
