"""candle_agg as a stage over the log in memory: forming candles at their pace, and starts that go on from the log."""

import pytest

from candle_agg.core import CandleCore
from candle_agg.service import FORMING_MS, CandleService
from schemas.candles import Candle, FormingCandle
from schemas.codec import candles_decoder
from schemas.topics import CANDLES, TRADES
from simulator.memory_log import TAIL_RECORDS, Cluster, MemoryLog
from stage.partition import LogRewritten
from stage.published import last_published, place_on_edge
from stage.service import Cadence
from tests.unit.candle_play import CandlePlay

NEVER = 10**9
KEPT = Cadence(commit_ms=0, snapshot_ms=NEVER, snapshot_records=NEVER)
SNAPSHOTS = Cadence(commit_ms=0, snapshot_ms=0, snapshot_records=1)


pytestmark = pytest.mark.usefixtures("quiet_stages")


class World:
    """A log with a matcher's partition 0, and workers of candle_agg, one after another."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.play = CandlePlay()
        self.service = self.start()

    def start(self, cadence: Cadence = KEPT) -> CandleService:
        log = MemoryLog(self.cluster, "candle_agg", TRADES)
        self.service = CandleService(CandleCore, (CANDLES,), log, lambda: self.cluster.now_ms, cadence)
        log.positions = self.service.open([0])
        return self.service

    def run(self, ms: int = 0) -> None:
        """What the matcher has written since reaches the log, so much time goes by, and the worker works."""
        on_log = self.cluster.records[TRADES, 0]
        for value in self.play.values[len(on_log) :]:
            self.cluster.append(TRADES, 0, b"", value)
        self.cluster.now_ms += ms
        while self.service.step():
            pass

    def candles(self) -> list[Candle]:
        return [candles_decoder().decode(value) for value in self.cluster.values(CANDLES, 0)]

    def closed(self) -> list[Candle]:
        return [candle for candle in self.candles() if not isinstance(candle, FormingCandle)]

    def keys(self) -> list[str]:
        return [record.key.decode() for record in self.cluster.records[CANDLES, 0]]


def test_forming_candles_come_at_most_every_so_often_and_only_if_changed():
    world = World()
    world.run(FORMING_MS)
    world.play.trade(0)
    world.run(FORMING_MS)
    assert world.keys() == [f"ABC-USD {interval}" for interval in ("1s", "1m", "5m", "15m", "1h", "4h", "1d")]
    world.play.trade(10)
    world.run(FORMING_MS - 1)
    world.play.trade(20)
    world.run()
    assert len(world.keys()) == 7
    world.run(1)
    assert len(world.keys()) == 14 and world.candles()[-1].last_sequence == 3
    world.run(10 * FORMING_MS)
    assert len(world.keys()) == 14
    assert world.closed() == []


def test_a_forming_candle_lies_behind_the_closed_ones_that_it_knows_of():
    world = World()
    for number in range(100):
        world.play.trade(number * 600)
        world.run(100)
    last = 0
    for candle in world.candles():
        if isinstance(candle, FormingCandle):
            assert candle.edge_sequence == last
        else:
            last += 1
            assert candle.edge_sequence == last
    assert last > 50


@pytest.mark.parametrize("cadence", [KEPT, SNAPSHOTS])
@pytest.mark.parametrize("commit_lost", [False, True])
def test_a_start_repeats_nothing_and_goes_on(cadence: Cadence, commit_lost: bool):
    world, undisturbed = World(), World()
    world.start(cadence)
    for number in range(120):
        for each in (world, undisturbed):
            each.play.trade(number * 450, str(10 + number % 5))
            each.run(70)
        if number % 7 == 3:
            if commit_lost:
                world.cluster.committed.clear()
            world.start(cadence)
    assert world.closed() == undisturbed.closed()
    assert [candle.edge_sequence for candle in world.closed()] == list(range(1, len(world.closed()) + 1))


def test_while_it_replays_no_older_forming_candle_is_shown():
    world = World()
    for number in range(30):
        world.play.trade(number * 450)
        world.run(FORMING_MS)
    before = len(world.candles())
    world.cluster.committed.clear()
    world.start()
    taken = 0
    while world.service.partitions[0].is_replaying:
        assert len(world.candles()) == before
        world.cluster.now_ms += FORMING_MS
        taken += world.service.step(1)
    assert taken > 20
    world.run(FORMING_MS)
    assert all(candle.last_sequence == 30 for candle in world.candles()[before:])


def test_the_last_closed_candle_is_found_behind_any_number_of_forming_ones():
    world = World()
    world.play.trade(0)
    world.play.tick(1000)
    for number in range(TAIL_RECORDS // 7 + 5):
        world.play.trade(1000 + number)
        world.run(FORMING_MS)
    tail = world.cluster.tail(CANDLES, 0)
    assert len(tail) > TAIL_RECORDS and place_on_edge(tail[0]) is not None
    found = last_published(tail)
    assert found is not None and found.edge_sequence == 1
    world.cluster.committed.clear()
    world.start()
    world.run()
    assert len(world.closed()) == 1
    # Its bytes are compared, too: another history must not be gone on from.
    record = world.cluster.records[TRADES, 0][0]
    record.value += b" "
    world.cluster.committed.clear()
    world.start()
    with pytest.raises(LogRewritten, match="differs from what offset 1 of the input gives"):
        world.run()


def test_without_any_closed_candle_the_whole_partition_is_looked_at():
    world = World()
    for number in range(TAIL_RECORDS // 7 + 5):
        world.play.trade(number)
        world.run(FORMING_MS)
    assert len(world.cluster.tail(CANDLES, 0)) == len(world.cluster.records[CANDLES, 0]) > TAIL_RECORDS
    assert last_published(world.cluster.tail(CANDLES, 0)) is None
    world.start()
    world.play.tick(1000)
    world.run()
    assert len(world.closed()) == 1


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b'{"record":"candle"}', b'{"edge_sequence":7,"source":null}'])
def test_bytes_of_strangers_take_no_place(value: bytes):
    assert place_on_edge(value) is None
