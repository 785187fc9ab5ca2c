"""When a stage takes snapshots, and how it writes large ones: a piece a round, whole before it counts."""

from collections.abc import Sequence

import msgspec
import pytest
from msgspec import Struct

from schemas.topics import ORDERS, SNAPSHOTS
from simulator.memory_log import Cluster, MemoryLog
from stage.partition import Step
from stage.service import Cadence, StageService
from stage.snapshots import Snapshot, snapshot_partition

CHUNK_BYTES = 1000
STATE_BYTES = 9_500
PIECE_BYTES = 3 * CHUNK_BYTES

pytestmark = pytest.mark.usefixtures("quiet_stages")


class _State(Struct):
    records: int
    ballast: str


class CountingCore:
    """Counts its records. Its state is large, and taking it may cost time."""

    stage = "counting"
    input_topic = ORDERS

    def __init__(self, world: "World") -> None:
        self._world = world
        self.records = 0

    def apply(self, step: Step, value: bytes | None) -> None:
        self.records += 1

    def dump(self) -> _State:
        self._world.cluster.now_ms += self._world.dump_ms
        return _State(self.records, "x" * STATE_BYTES)

    def restore(self, raw: bytes) -> None:
        self._world.cluster.now_ms += self._world.dump_ms
        self.records = msgspec.json.decode(raw, type=_State).records


class World:
    def __init__(self, cadence: Cadence, dump_ms: int = 0, partitions: Sequence[int] = (0,)) -> None:
        self.cluster, self.dump_ms, self.cadence = Cluster(), dump_ms, cadence
        self.partitions = list(partitions)
        self.service = self.start()

    def start(self) -> StageService:
        self.log = MemoryLog(self.cluster, "counting", ORDERS)
        cores = {partition: CountingCore(self) for partition in self.partitions}
        self.service = StageService(cores.__getitem__, (), self.log, lambda: self.cluster.now_ms, self.cadence)
        self.log.positions = self.service.open(self.partitions)
        return self.service

    def round(self, records: int = 0, ms: int = 1) -> int:
        """So many new records, and one round of the loop; returns how many records of snapshots it wrote."""
        for partition in self.partitions:
            for _ in range(records):
                self.cluster.append(ORDERS, partition, b"", b"{}")
        self.cluster.now_ms += ms
        before = self.written()
        self.service.step()
        return self.written() - before

    def written(self) -> int:
        return sum(len(log) for (topic, _), log in self.cluster.records.items() if topic == SNAPSHOTS)

    def newest(self, partition: int = 0) -> Snapshot | None:
        return self.log.newest_snapshots("counting", [partition]).get(partition)


def pieces(dump_ms: int = 0, **changes: int) -> World:
    plan = dict(
        commit_ms=0, snapshot_ms=10**9, snapshot_records=10, snapshot_chunk_bytes=CHUNK_BYTES,
        snapshot_round_bytes=PIECE_BYTES,
    )  # fmt: skip
    return World(Cadence(**(plan | changes)), dump_ms)


def test_a_large_snapshot_is_written_a_piece_a_round_and_counts_with_the_last():
    world = pieces()
    assert world.round(10) == 3
    assert [world.round(1) for _ in range(3)] == [3, 3, 2] and world.written() == 11
    snapshot = world.newest()
    assert snapshot is not None and snapshot.next_offset == 10, "records that came meanwhile are not in it"
    assert not world.round(2) and world.service.partitions[0].next_offset == 15


def test_the_next_one_goes_by_what_came_since_the_last_was_taken():
    world = pieces()
    world.round(10)
    assert [world.round(3) for _ in range(3)] == [3, 3, 2]
    assert world.round() == 0, "nine are behind it"
    assert [world.round(1), world.round(), world.round(), world.round()] == [3, 3, 3, 2]
    found = world.newest()
    assert found is not None and (found.next_offset, found.slot) == (20, 1)


def test_a_process_that_dies_over_it_leaves_the_one_before():
    world = pieces()
    while world.round(10):
        if world.newest() is not None:
            break
    first = world.newest()
    assert first is not None
    while not world.round(10):
        pass
    assert world.newest() == first
    world.start()
    assert world.service.partitions[0].next_offset == first.next_offset
    while world.service.step():
        pass
    assert world.service.partitions[0].next_offset == len(world.cluster.records[ORDERS, 0])


def test_a_stage_that_ends_writes_all_of_a_new_one():
    world = pieces()
    assert world.round(10) == 3
    world.round(5)
    world.service.close([0])
    found = world.newest()
    assert found is not None and found.next_offset == 15


def test_partitions_taken_away_are_not_written_any_more():
    world = pieces()
    world.round(10)
    world.service.drop([0])
    assert world.round() == 0


def test_one_is_not_taken_before_it_is_worth_its_cost():
    """By then replaying what is behind it would take as long."""
    world = pieces(dump_ms=10, snapshot_ms=50, snapshot_records=1000, snapshot_round_bytes=10**9, replayed_per_ms=8)
    assert world.round(10, ms=50) == 11, "what the first costs isn't known"
    assert world.round(79, ms=1000) == 0
    assert world.round(1) == 11


def test_less_may_be_behind_one_that_takes_long_to_restore():
    world = pieces(dump_ms=10, snapshot_records=200, snapshot_round_bytes=10**9, replayed_per_ms=8)
    assert world.round(200) == 11
    assert world.round(119) == 0
    assert world.round(1) == 11


def test_what_restoring_took_is_taken_for_what_the_first_will_cost():
    world = pieces(dump_ms=10, snapshot_records=200, snapshot_round_bytes=10**9, replayed_per_ms=8)
    world.round(200)
    world.start()
    assert world.round(119) == 0
    assert world.round(1) == 11


def test_a_host_that_stood_still_does_not_put_off_the_next():
    world = pieces(dump_ms=10**6, snapshot_records=200, snapshot_round_bytes=10**9)
    assert world.round(200) == 11
    assert world.round(99) == 0
    assert world.round(1) == 11


def test_a_quiet_stage_with_a_small_state_takes_one_by_time():
    world = pieces(snapshot_records=10**9, snapshot_ms=50, snapshot_round_bytes=10**9)
    assert world.round(1) == 0
    assert world.round(ms=50) == 11
    assert world.round(ms=1000) == 0, "nothing is behind it"


def test_what_is_behind_all_partitions_counts_and_the_furthest_behind_goes_first():
    world = World(Cadence(0, 10**9, 10, CHUNK_BYTES, 10**9), partitions=(0, 1))
    world.cluster.append(ORDERS, 1, b"", b"{}")
    world.round(4)
    assert world.round() == 0 and world.written() == 0, "nine are behind"
    world.cluster.append(ORDERS, 1, b"", b"{}")
    assert world.round() == 11
    assert world.newest(0) is None and world.newest(1) is not None


def test_large_ones_of_several_partitions_follow_each_other():
    world = World(Cadence(0, 10**9, 10, CHUNK_BYTES, PIECE_BYTES), partitions=(0, 1))  # both in pieces
    assert snapshot_partition("counting", 0) != snapshot_partition("counting", 1)
    world.round(10)
    while world.round():
        pass
    assert all(found is not None and found.next_offset == 10 for found in map(world.newest, (0, 1)))
