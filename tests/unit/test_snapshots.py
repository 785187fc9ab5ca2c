"""Snapshots cut into records and joined again, with torn ones among them."""

import pytest

from stage.snapshots import newest_snapshots, snapshot_partition, split_snapshot

Records = list[tuple[bytes, bytes]]


def written(slot: int, next_offset: int, state: bytes, partition: int = 3, stage: str = "matcher") -> Records:
    records = split_snapshot(stage, partition, slot, next_offset, state, chunk_bytes=4)
    assert {record.partition for record in records} == {snapshot_partition(stage, partition)}
    return [(record.key, record.value) for record in records]


def found(records: Records) -> tuple[int, int, bytes] | None:
    snapshot = newest_snapshots(records, "matcher").get(3)
    return (snapshot.slot, snapshot.next_offset, snapshot.state) if snapshot is not None else None


def test_the_manifest_comes_last_and_chunks_stay_small():
    records = written(0, 7, b"0123456789")
    assert [key.decode()[12:] for key, _ in records] == ["0", "1", "2", "manifest"]
    assert [value for _, value in records[:-1]] == [b"0123", b"4567", b"89"]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], None),
        (written(0, 7, b"one"), (0, 7, b"one")),
        (written(0, 7, b"") + written(1, 9, b"two"), (1, 9, b"two")),
        (written(0, 7, b"first one") + written(1, 9, b"second one") + written(0, 11, b"third"), (0, 11, b"third")),
        (written(1, 9, b"newer") + written(0, 7, b"older, late"), (1, 9, b"newer")),
    ],
)
def test_the_newest_whole_snapshot_counts(records, expected):
    assert found(records) == expected


@pytest.mark.parametrize("landed", range(4))
def test_a_torn_snapshot_leaves_the_other_slot(landed):
    whole = written(0, 7, b"first state") + written(1, 9, b"second state")
    torn = written(0, 11, b"third one...")
    expected = (1, 9, b"second state")
    assert found(whole + torn[:landed]) == expected
    assert found(whole + torn) == (0, 11, b"third one...")


def test_two_writers_of_one_slot_leave_the_other():
    """A stopped process goes on with its snapshot while its successor writes to the same slot."""
    zombie, successor = written(0, 11, b"zombie's"), written(0, 13, b"mine, now")
    mixed = [zombie[0], *successor, zombie[1], zombie[2]]
    assert found(written(1, 9, b"second") + mixed) == (1, 9, b"second")


def test_other_stages_and_partitions_do_not_count():
    records = written(0, 7, b"theirs", stage="matcher2") + written(0, 7, b"another", partition=4)
    assert found(records) is None
    assert newest_snapshots(records, "matcher")[4].state == b"another"
