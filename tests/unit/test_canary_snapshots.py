"""The canary's snapshots: two slots, whole or not at all, and partitions that were added since."""

from collections.abc import Iterator
from itertools import product
from random import Random

import msgspec
import pytest

from canary.core import Canary
from canary.snapshots import (
    SLOTS,
    Snapshot,
    decode_state,
    encode_state,
    grown,
    newest_snapshot,
    newest_snapshot_between,
    split_snapshot,
)
from schemas.topics import ACCOUNTS, DEPTH, LEDGER, ORDERS, TRADES

Records = list[tuple[bytes, bytes]]


def snapshot(number: int) -> Snapshot:
    return Snapshot(number, bytes(range(10)) * number)


def records_of(*numbers: int) -> Records:
    return [record for number in numbers for record in split_snapshot(snapshot(number), chunk_bytes=7)]


def test_the_newest_whole_one_counts():
    assert newest_snapshot([]) is None
    assert newest_snapshot(records_of(1)) == snapshot(1)
    assert newest_snapshot(records_of(1, 2, 3)) == snapshot(3)
    assert newest_snapshot(records_of(3, 4, 5, 2)) == snapshot(5), "whatever was written last"


def test_other_stages_snapshots_are_passed_over():
    others = [(b"ledger/0/0/manifest", b"{}"), (b"canaryfish/0/0", b"x"), (b"matcher/1/0/0", b"x")]
    assert newest_snapshot([*others, *records_of(4), *others]) == snapshot(4)
    assert newest_snapshot(others) is None


def test_a_torn_one_leaves_the_one_before():
    before, torn = records_of(4), records_of(5)
    for written in range(len(torn)):
        assert newest_snapshot(before + torn[:written]) == snapshot(4), written
    assert newest_snapshot(before + torn) == snapshot(5)


def test_one_torn_in_its_own_slot_leaves_the_other():
    log = records_of(4, 5)
    for written in range(1, len(records_of(4 + SLOTS))):
        assert newest_snapshot(log + records_of(4 + SLOTS)[:written]) == snapshot(5), written


@pytest.mark.parametrize("seed", range(100))
def test_reading_backwards_finds_what_reading_all_finds(seed):
    """Whole ones, torn ones and late ones, of which compaction has taken something out."""
    random = Random(seed)
    log: Records = [(b"ledger/0/0/0", b"x")] * random.choice([0, 300])
    for number in range(1, random.randrange(2, 60)):
        records = records_of(max(1, number - random.choice([0] * 9 + [3])))
        log += records[: random.choice([len(records)] * 5 + [random.randrange(len(records))])]
    kept = {place: record for place, record in enumerate(log) if random.random() < 0.8 or place > len(log) - 40}
    read: list[int] = []

    def between(start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
        read.extend(range(start, end))
        return (kept[place] for place in range(start, end) if place in kept)

    assert newest_snapshot_between(between, 0, len(log)) == newest_snapshot(kept.values())
    assert len(set(read)) == len(read), "nothing is read twice"


def spoilt(records: Records) -> Iterator[Records]:
    for index, byte in product(range(len(records)), (0, -1)):
        key, value = records[index]
        changed = bytearray(value)
        changed[byte] ^= 1
        yield [*records[:index], (key, bytes(changed)), *records[index + 1 :]]


def test_one_with_a_changed_byte_does_not_count():
    for records in spoilt(records_of(3)):
        assert newest_snapshot(records) is None


@pytest.mark.parametrize("before, after", [((1, 1), (1, 3)), ((2, 2), (2, 2)), ((1, 2), (2, 5))])
def test_partitions_that_were_added_begin_at_their_beginning(before, after):
    state = decode_state(encode_state(Canary(*before).dump()))
    for place in state.partitions:
        place.next_offset = 7
    canary = Canary.restored(grown(state, *after))
    accounts, orders = after
    wanted = {(topic, p) for topic in (ACCOUNTS, LEDGER) for p in range(accounts)}
    wanted |= {(topic, p) for topic in (ORDERS, TRADES, DEPTH) for p in range(orders)}
    positions = {(place.topic, place.partition): place.next_offset for place in canary.dump().partitions}
    assert set(positions) == wanted
    known = {ACCOUNTS: before[0], LEDGER: before[0]}
    assert all(at == (7 if p < known.get(topic, before[1]) else 0) for (topic, p), at in positions.items())


def test_a_state_of_another_form_is_not_read():
    """Then the canary judges the log anew, rather than go on with what it doesn't know."""
    state = Canary(1, 1).dump()
    kept: dict[str, object] = msgspec.msgpack.decode(encode_state(state))
    assert decode_state(msgspec.msgpack.encode(kept)) == state
    for other in (kept | {"form": 1}, {name: value for name, value in kept.items() if name != "form"}):
        with pytest.raises(msgspec.DecodeError):
            decode_state(msgspec.msgpack.encode(other))
