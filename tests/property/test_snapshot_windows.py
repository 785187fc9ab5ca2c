"""Reading `snapshots` backwards in windows finds what reading all of it finds, whatever was torn or compacted."""

import hashlib
from collections.abc import Sequence
from random import Random

import msgspec
import pytest

from stage.snapshots import Manifest, SnapshotRecord, SnapshotSearch, snapshot_partitions, split_snapshot

STAGE = "matcher"
PARTITIONS = (0, 3, 8, 11)  # 0 and 8, 3 and 11 share a partition of `snapshots`
Log = list[SnapshotRecord | None]
"""One partition of `snapshots`; None where compaction has taken a record out."""


def written(random: Random, partition: int, slot: int, next_offset: int, stage: str = STAGE) -> list[SnapshotRecord]:
    state = Random(f"{stage} {partition} {next_offset}").randbytes(next_offset % 40)
    return split_snapshot(stage, partition, slot, next_offset, state, chunk_bytes=random.choice([3, 8, 100]))


def made_log(random: Random) -> dict[int, Log]:
    """Snapshots of several partitions: most in turn and whole, some torn, late, or two writers' mixed."""
    logs: dict[int, Log] = {place: [] for place in snapshot_partitions(STAGE, PARTITIONS)}
    offsets = dict.fromkeys(PARTITIONS, 0)
    slots = dict.fromkeys(PARTITIONS, 0)
    written_ever = [partition for partition in PARTITIONS if random.random() < 0.9]
    for _ in range(random.randrange(40) if written_ever else 0):
        partition = random.choice(written_ever)
        offsets[partition] += random.randint(0, 30)
        slots[partition] = random.choice([1 - slots[partition]] * 8 + [slots[partition]])
        late = random.random() < 0.15
        records = written(random, partition, slots[partition], offsets[partition] - 20 * late)
        if random.random() < 0.2:
            records = records[: random.randrange(len(records))]
        if random.random() < 0.2:
            other = written(
                random,
                random.choice(PARTITIONS),
                random.randrange(2),
                offsets[partition] + 7,
                random.choice([STAGE, "matcher2"]),
            )
            records = mixed(random, records, other)
        for record in records:
            logs.setdefault(record.partition, []).append(record)
    return {place: compacted(random, log) for place, log in logs.items()}


def mixed(random: Random, one: Sequence[SnapshotRecord], other: Sequence[SnapshotRecord]) -> list[SnapshotRecord]:
    queues = [list(one), list(other)]
    records = []
    while any(queues):
        records.append(random.choice([queue for queue in queues if queue]).pop(0))
    return records


def compacted(random: Random, log: Log) -> Log:
    """Without some of the records that have a later one under their key."""
    last = {record.key: place for place, record in enumerate(log) if record is not None}
    share = random.choice([0.0, 0.5, 1.0])
    return [r if r is None or last[r.key] == place or random.random() >= share else None for place, r in enumerate(log)]


def read_whole(logs: dict[int, Log]) -> dict[int, tuple[int, bytes]]:
    """Partition → next offset and state of the newest whole snapshot: the plain way."""
    values = {r.key: r.value for log in logs.values() for r in log if r is not None}
    newest: dict[int, tuple[int, bytes]] = {}
    for key, value in values.items():
        stage, partition, slot, part = key.decode().split("/")
        if stage != STAGE or part != "manifest":
            continue
        manifest = msgspec.json.decode(value, type=Manifest)
        chunks = [values.get(f"{stage}/{partition}/{slot}/{index}".encode()) for index in range(manifest.chunks)]
        state = b"".join(chunk or b"" for chunk in chunks)
        if None in chunks or hashlib.sha256(state).hexdigest() != manifest.sha256:
            continue
        if int(partition) not in newest or newest[int(partition)][0] < manifest.next_offset:
            newest[int(partition)] = manifest.next_offset, state
    return newest


def read_in_windows(
    logs: dict[int, Log], asked: Sequence[int], window: int
) -> tuple[dict[int, tuple[int, bytes]], int]:
    """The same by windows, and how many offsets they spanned. None may be spanned twice."""
    bounds = {place: (0, len(logs[place])) for place in snapshot_partitions(STAGE, asked)}
    search, read = SnapshotSearch(STAGE, asked, bounds, window), set[tuple[int, int]]()
    while windows := search.next_windows():
        spanned = {(place, offset) for place, (start, end) in windows.items() for offset in range(start, end)}
        assert not spanned & read
        read |= spanned
        records = [record for place, (start, end) in windows.items() for record in logs[place][start:end]]
        search.add((record.key, record.value) for record in records if record is not None)
    return {partition: (found.next_offset, found.state) for partition, found in search.newest().items()}, len(read)


@pytest.mark.parametrize("seed", range(400))
def test_windows_find_what_reading_all_finds(seed: int):
    random = Random(seed)
    logs = made_log(random)
    whole = read_whole(logs)
    asked = random.sample(PARTITIONS, random.randint(1, len(PARTITIONS)))
    expected = {partition: whole[partition] for partition in asked if partition in whole}
    for window in (1, 3, 16, 10_000):
        assert read_in_windows(logs, asked, window)[0] == expected


def test_no_more_is_read_than_the_newest_snapshot_and_the_manifest_before_it():
    random = Random(1)
    log: Log = []
    for number in range(100):
        log += split_snapshot(STAGE, 0, number % 2, number + 1, random.randbytes(50), chunk_bytes=10)
    found, read = read_in_windows(dict.fromkeys(snapshot_partitions(STAGE, [0]), log), [0], 7)
    assert found[0][0] == 100 and read == 7


def test_an_empty_topic_is_not_read():
    search = SnapshotSearch(STAGE, [0, 1], {})
    assert not search.next_windows() and not search.newest()
