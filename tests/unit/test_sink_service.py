"""The sink's loop: batches, waits, alarms; what is wrong with one topic doesn't hold up the others."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from itertools import pairwise
from typing import Any

import pytest
import structlog

from sinks.lane import FIRST_WAIT_MS, Start
from sinks.log import Fetched
from sinks.port import UNKNOWN_TABLE, StoreFailed
from sinks.records import TOPICS, Stretch, Unreadable
from sinks.service import Cadence, SinkService
from sinks.tables import Table
from tests.unit.sink_records import alert, stretch, tick, trade
from tests.unit.sink_world import MemoryStore

Place = tuple[str, int]


class MemoryLog:
    """Topics as lists of records; a consumer that reads on from where it was started, unless it was stopped."""

    def __init__(self) -> None:
        self.records: dict[Place, list[Any]] = {}
        self.low: dict[Place, int] = {}
        self.reading: dict[Place, int] = {}
        self.committed: dict[Place, int] = {}
        self.notes: dict[Place, str] = {}
        self.buried: list[Unreadable] = []
        self.waits: list[float] = []
        self.gone: list[Place] = []
        self.most = 1000

    def start(self, starts: Mapping[Place, int]) -> None:
        self.reading |= starts

    def stop(self, places: Sequence[Place]) -> None:
        for place in places:
            self.reading.pop(place, None)

    def fetch(self, max_records: int, wait_s: float) -> Fetched:
        self.waits.append(wait_s)
        fetched: list[Stretch] = []
        for place, position in self.reading.items():
            records = self.records.get(place, [])[position : position + self.most]
            if records:
                fetched.append(stretch(place[0], records, position, place[1]))
                self.reading[place] = position + len(records)
        gone, self.gone = self.gone, []
        return Fetched(fetched, gone)

    def bounds(self, places: Sequence[Place]) -> dict[Place, tuple[int, int]]:
        return {place: (self.low.get(place, 0), len(self.records.get(place, []))) for place in places}

    def commit(self, positions: Mapping[Place, int], wait: bool = False) -> None:
        self.committed |= positions
        for place in positions:
            self.notes.pop(place, None)

    def note(self, places: Sequence[Place], text: str) -> None:
        self.notes |= dict.fromkeys(places, text)

    def bury(self, unreadable: Sequence[Unreadable]) -> None:
        self.buried.extend(unreadable)


class ServedStore(MemoryStore):
    """With what the service asks besides; `away` fails everything, `broken` the inserts into one table."""

    def __init__(self) -> None:
        super().__init__()
        self.away = ""
        self.broken: dict[str, StoreFailed] = {}
        self.prepared = 0

    def identities(self) -> dict[str, str]:
        if self.away:
            raise StoreFailed(self.away)
        return super().identities()

    def insert(self, table: Table, identity: str, *more: Any) -> None:
        if self.away:
            raise StoreFailed(self.away)
        if table.name in self.broken:
            raise self.broken[table.name]
        super().insert(table, identity, *more)

    def record_positions(self, positions: Any) -> None:
        for _, identity, partition, offset in positions:
            self.recorded[identity, partition] = offset

    def run(self, statement: str, settings: Any = None) -> None:
        """Migrations and retention: made tables are all that shows."""
        if self.away:
            raise StoreFailed(self.away)
        self.prepared += "schema_migrations" in statement
        self.there = MemoryStore().there | self.there

    def rows_of(self, query: str) -> list[Any]:
        return []

    def close(self) -> None: ...


def at_once(topic: str) -> Start:
    """No threads: what is started has ended."""

    def start(work: Callable[[], None]) -> Future[None]:
        done: Future[None] = Future()
        try:
            work()
            done.set_result(None)
        except StoreFailed as failure:
            done.set_exception(failure)
        return done

    return start


class World:
    def __init__(self, **cadence: int) -> None:
        self.log, self.store, self.now_ms = MemoryLog(), ServedStore(), 0
        self.service = self.start(**cadence)

    def start(self, **cadence: int) -> SinkService:
        store: Any = _Rows(self.store)
        log: Any = self.log
        return SinkService(log, lambda: store, TOPICS, [], {}, Cadence(**cadence), lambda: self.now_ms, at_once)

    def run(self, ms: int, step_ms: int = 100) -> None:
        for _ in range(ms // step_ms):
            self.now_ms += step_ms
            self.service.step()

    def offsets(self, table: str = "trades") -> list[int]:
        return [row["log_offset"] for row in self.store.rows[table]]


class _Rows:
    """The store with `rows` as a query, and not as the tables' content."""

    def __init__(self, store: ServedStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return self._store.rows_of if name == "rows" else getattr(self._store, name)


@pytest.fixture
def world() -> World:
    made = World()
    made.log.records = {("trades", 0): [trade(n) for n in range(1, 11)]}
    made.service.assigned([("trades", 0), ("alerts", 0)])
    return made


def test_a_batch_is_written_when_its_first_record_is_old_enough(world):
    world.run(200)
    assert world.offsets() == [] and world.log.reading[("trades", 0)] == 10
    world.run(1000)
    assert world.offsets() == list(range(10)) and len(world.store.inserts) == 1
    assert world.log.committed == {("trades", 0): 10, ("alerts", 0): 0}


def test_a_batch_is_written_when_it_is_large_enough():
    world = World(batch_rows=25, batch_ms=60_000)
    world.log.records = {("trades", 0): [trade(n) for n in range(1, 61)]}
    world.log.most = 10
    world.service.assigned([("trades", 0)])
    world.run(1000)
    # Records are held as they are until there are many, so that a slow trickle costs no more than a fast one.
    assert world.offsets() == []
    world = World(batch_bytes=5_000, batch_ms=60_000)
    world.log.records = {("trades", 0): [trade(n) for n in range(1, 61)]}
    world.log.most = 10
    world.service.assigned([("trades", 0)])
    world.run(1000)
    assert len(world.store.inserts) == 6


def test_it_waits_no_longer_than_until_the_next_thing_to_do(world):
    world.run(100)
    assert world.log.waits == [0.5]  # nothing was there before
    world.now_ms += 900
    world.service.step()
    assert world.log.waits[-1] == pytest.approx(0.1)


def test_ticks_move_the_position_without_a_row(world):
    world.log.records["trades", 0] = [tick(n) for n in range(1, 6)]
    world.run(12_000)
    assert world.log.committed["trades", 0] == 5 and not world.store.inserts
    assert world.store.recorded == {(world.store.there[name], 0): 5 for name in ("trades", "busts")}


def test_while_clickhouse_is_away_nothing_piles_up_and_everything_is_there_afterwards(world):
    world.run(2000)
    world.store.away = "ClickHouse is away"
    for number in range(11, 200):
        world.log.records["trades", 0].append(trade(number))
        world.run(100)
    lane = world.service._lanes["trades"]
    assert world.log.reading == {} and lane.bytes == 0 and lane.sink.pending_rows == 0
    assert world.log.committed["trades", 0] == 10  # the lag shows
    assert world.log.notes == {("trades", 0): "ClickHouse is away", ("alerts", 0): "ClickHouse is away"}
    world.store.away = ""
    world.run(15_000)
    assert world.offsets() == list(range(199)) and world.log.committed["trades", 0] == 199
    assert ("trades", 0) not in world.log.notes


def test_the_waits_grow_up_to_a_limit_and_begin_anew_when_it_writes_again(world):
    world.store.away = "ClickHouse is away"
    tries: list[int] = []
    identities: Callable[[], dict[str, str]] = world.store.identities

    def counted() -> dict[str, str]:
        tries.append(world.now_ms)
        return identities()

    world.store.identities = counted
    world.store.run = lambda statement, settings=None: counted()
    world.service._lanes["alerts"].waiting.clear()
    world.run(40_000, step_ms=50)
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps[:4] == [FIRST_WAIT_MS * 2**n for n in range(4)] and max(gaps) == 10_000 == gaps[-1]
    world.store.away = ""
    world.run(15_000)
    assert world.service._lanes["trades"].wait_ms == FIRST_WAIT_MS and len(world.offsets()) == 10


def test_a_topic_that_cannot_be_written_does_not_hold_up_the_others(world):
    world.log.records["alerts", 0] = [alert("a")]
    world.store.broken["alerts"] = StoreFailed("Code: 469. Constraint is violated", 469)
    world.run(30_000)
    assert len(world.offsets()) == 10 and world.offsets("alerts") == []
    assert world.log.notes == {("alerts", 0): "Code: 469. Constraint is violated"}
    assert len(world.service._lanes["alerts"].trouble) > 0
    tried = world.service._lanes["alerts"].wait_ms
    assert tried == 10_000  # it opens each time, but only a write that works takes the trouble away
    del world.store.broken["alerts"]
    world.run(12_000)
    assert world.offsets("alerts") == [0] and world.log.notes == {}


def test_a_table_that_was_dropped_is_noticed_made_again_and_filled(world):
    world.run(2000)
    before = world.store.prepared
    world.store.drop("trades")
    with structlog.testing.capture_logs() as said:
        world.run(8000)  # with nothing new on the topic
    assert world.offsets() == list(range(10)) and world.store.prepared == before + 1
    (alarm,) = [entry for entry in said if entry["log_level"] == "error"]
    assert alarm["topic"] == "trades" and "table trades was dropped" in alarm["why"]
    assert [entry["event"] for entry in said if entry["log_level"] == "info"] == ["partitions opened", "writing again"]


def test_an_insert_into_a_dropped_table_prepares_the_tables_anew(world):
    world.run(2000)
    before = world.store.prepared
    world.store.broken["trades"] = StoreFailed("a table was dropped", UNKNOWN_TABLE)
    world.log.records["trades", 0].append(trade(11))
    world.run(1200)
    del world.store.broken["trades"]
    world.run(3000)
    assert world.store.prepared == before + 1 and len(world.offsets()) == 11


def test_a_lasting_trouble_is_said_now_and_again_and_not_each_time(world):
    world.store.away = "ClickHouse is away"
    with structlog.testing.capture_logs() as said:
        world.run(95_000)
    assert len([entry for entry in said if entry["log_level"] == "error" and entry["topic"] == "trades"]) == 4


def test_being_overtaken_is_no_alarm(world):
    world.run(2000)
    world.store.claim("trades", [0])  # another sink
    world.log.records["trades", 0].append(trade(11))
    with structlog.testing.capture_logs() as said:
        world.run(3000)
    assert not [entry for entry in said if entry["log_level"] == "error"] and world.log.notes == {}
    assert world.offsets() == list(range(11))


# --- partitions that come and go


def test_a_partition_that_is_revoked_is_written_before_and_committed(world):
    world.run(200)
    world.service.taken([("trades", 0)], True)
    assert world.offsets() == list(range(10)) and world.log.committed["trades", 0] == 10
    world.log.records["trades", 0].append(trade(11))
    world.run(3000)
    assert len(world.offsets()) == 10


def test_a_partition_that_was_lost_is_dropped(world):
    world.run(200)
    world.service.taken([("trades", 0)], False)
    world.run(3000)
    assert world.offsets() == [] and world.log.committed["trades", 0] == 0


def test_a_partition_that_was_lost_while_its_batch_was_under_way_stays_lost(world):
    world.run(1100)
    assert world.service._lanes["trades"].is_writing
    world.service.taken([("trades", 0)], False)
    world.run(3000)
    assert "trades" not in {lane.topic for lane in world.service._lanes.values() if lane.positions}
    assert world.log.committed["trades", 0] == 0


def test_what_comes_late_of_a_closed_partition_is_not_taken(world):
    world.run(2000)
    world.service._take(world.service._lanes["trades"], stretch("trades", [trade(1)], 50, 7), 0)
    world.run(2000)
    assert world.offsets() == list(range(10))


def test_closing_writes_what_was_taken_and_where_it_is(world):
    world.log.records["trades", 0] = [trade(1), tick(2)]
    world.run(200)
    world.service.close()
    assert world.offsets() == [0] and world.log.committed["trades", 0] == 2
    assert world.store.recorded == {(world.store.there[name], 0): 2 for name in ("trades", "busts")}


# --- a log that isn't as it was


def test_records_that_retention_took_are_passed_over_with_a_warning(world):
    world.log.low["trades", 0] = 4
    with structlog.testing.capture_logs() as said:
        world.run(2000)
    assert world.offsets() == list(range(4, 10))
    (warning,) = [entry for entry in said if entry["log_level"] == "warning"]
    assert (warning["topic"], warning["first"], warning["behind_last"]) == ("trades", 0, 4)


def test_another_log_than_the_tables_were_filled_from_is_refused(world):
    world.run(12_000)  # a table without rows has the position that is told every ten seconds
    world.service.taken([("trades", 0)], False)
    world.log.reading.clear()
    world.log.records["trades", 0] = [trade(1)]
    world.service.assigned([("trades", 0)])
    world.run(2000)
    assert "it is not the log that these tables were filled from" in world.log.notes["trades", 0]
    assert ("trades", 0) not in world.log.reading


def test_a_position_that_the_log_has_no_more_is_looked_up_anew(world):
    world.run(2000)
    world.log.records["trades", 0] += [trade(n) for n in range(11, 21)]
    world.log.low["trades", 0] = 15
    world.log.gone = [("trades", 0)]
    world.log.reading.clear()
    world.run(3000)
    assert world.offsets() == [*range(10), *range(15, 20)]


def test_what_cannot_be_read_is_buried_before_the_position_moves(world):
    world.log.records["trades", 0].insert(4, b"garbage")
    bury = world.log.bury

    def checked(unreadable: Sequence[Unreadable]) -> None:
        assert world.log.committed["trades", 0] == 0
        bury(unreadable)

    world.log.bury = checked
    world.run(2000)
    assert [record.offset for record in world.log.buried] == [4] and len(world.offsets()) == 10
    assert world.log.committed["trades", 0] == 11
