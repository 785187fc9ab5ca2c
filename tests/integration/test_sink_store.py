"""What a sink asks of ClickHouse, on the real engine: claims, positions, facts, and that nobody writes twice."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from glassbook.settings import Settings
from sinks.blocks import Block, blocks_of, chunk_of
from sinks.port import FUNCTION_THROW_IF, UNKNOWN_TABLE, Owned, StoreFailed
from sinks.store import FENCED, Store
from sinks.tables import TABLES, TRADES
from sinks.topic_sink import TopicSink
from tests.integration.sink_rig import HoldingProxy, emptied, store
from tests.unit.sink_records import alert, busted, candle, stretch, trade
from tests.unit.test_sink_topic import ledger_log

DEADLINE_S = 60


@pytest.fixture(autouse=True)
def _fresh(clickhouse: Settings) -> None:
    emptied(clickhouse)


@pytest.fixture
def writer(clickhouse: Settings) -> Iterator[Store]:
    with store(clickhouse) as made:
        yield made


def count(writer: Store, table: str = "trades") -> int:
    return int(writer.rows(f"SELECT count() FROM {table}")[0][0])


def block_of(*numbers: int, partition: int = 0) -> Block:
    chunk, _ = chunk_of(TRADES, partition, [trade(n) for n in numbers], [n - 1 for n in numbers])
    assert chunk is not None
    (block,) = blocks_of(TRADES, [chunk])
    return block


LOGS: dict[str, list[Any]] = {
    "trades": [*(trade(n) for n in range(1, 6)), busted(6, trade(2))],
    "candles": [candle(1), candle(2, candle(1).open_time_ms + 60_000), candle(2, closed=False)],
    "ledger": ledger_log(),
    "alerts": [alert("a"), alert("it's \\ b"), alert("c")],
}
ROWS = {
    "trades": 5,
    "busts": 1,
    "candles": 2,
    "forming_candles": 1,
    "order_events": 4,
    "postings": 4,
    "markets": 2,
    "alerts": 3,
}


def test_every_kind_of_row_goes_in_and_is_known_again(writer: Store) -> None:
    for topic, log in LOGS.items():
        for first in (0, 0, len(log)):  # read again, and there again as copies behind
            sink = TopicSink(topic, writer)
            sink.open([0])
            sink.take(stretch(topic, log, first))
            sink.write()
    names = {t.name: t.name if t.fact_of else f"{t.name} FINAL" for t in TABLES}
    assert {name: count(writer, source) for name, source in names.items()} == ROWS
    for table in TABLES:
        if table.fact_of is None:
            continue
        facts = [table.fact_of(record) for record in LOGS[table.topic] if table.has_rows(record, 0)]
        assert writer.existing(table, facts) == set(facts)
        absent = tuple(part + 1 if isinstance(part, int) else "x" for part in facts[0])
        assert writer.existing(table, [absent]) == set()


def test_values_stand_in_the_table_as_they_stood_in_the_record(writer: Store) -> None:
    sink = TopicSink("trades", writer)
    sink.open([3])
    sink.take(stretch("trades", [trade(1, taker_account="o'neil \\", price="99999999999999999999.000000000000000001")],
                      first=7, partition=3))  # fmt: skip
    sink.write()
    (row,) = writer.rows(
        "SELECT toString(price), toString(maker_fee), aggressor_side, taker_account,"
        " toUnixTimestamp64Milli(time), log_partition, log_offset FROM trades"
    )
    first = trade(1)
    assert tuple(row) == (
        "99999999999999999999.000000000000000001", first.maker_fee, "BUY", "o'neil \\", first.time_ms, 3, 7,
    )  # fmt: skip


def test_what_was_busted_stands_in_trades_and_not_in_what_stands(writer: Store) -> None:
    high = trade(2, price="900", quote_quantity="2700")
    sink = TopicSink("trades", writer)
    sink.open([0])
    sink.take(stretch("trades", [trade(1), high, trade(3, price="9"), busted(4, high)]))
    sink.write()
    assert (count(writer), count(writer, "standing_trades")) == (3, 2)
    candles = "SELECT toFloat64(high), toFloat64(volume), trades FROM {} WHERE interval = '1m'"
    assert [tuple(row) for row in writer.rows(candles.format("candles_check"))] == [(900, 9, 3)]
    assert [tuple(row) for row in writer.rows(candles.format("standing_candles"))] == [(9.5, 6, 2)]


# --- who may write


def test_the_highest_claim_writes_and_no_other(writer: Store, clickhouse: Settings) -> None:
    identity = writer.identities()["trades"]
    first = Owned("trades", writer.claim("trades", [0, 1]))
    writer.insert(TRADES, identity, first, block_of(1, 2))
    with store(clickhouse, "second") as other:
        second = Owned("trades", other.claim("trades", [0]))
        with pytest.raises(StoreFailed) as failed:
            writer.insert(TRADES, identity, first, block_of(3))
        assert failed.value.is_fenced
        other.insert(TRADES, identity, second, block_of(3))
    writer.insert(TRADES, identity, first, block_of(1, partition=1))  # this one it still has
    assert count(writer) == 4
    assert writer.positions(TRADES, identity, [0, 1, 2]) == {0: 3, 1: 1, 2: 0}


def test_a_request_that_was_under_way_when_its_sender_gave_up_is_refused(clickhouse: Settings, writer: Store) -> None:
    """The zombie: its insert reaches the server only after another has taken over and gone on."""
    proxy = HoldingProxy(clickhouse.clickhouse_port)
    try:
        behind = clickhouse.model_copy(update={"clickhouse_port": proxy.port})
        with store(behind, "zombie", prepared=False, send_receive_timeout=2) as zombie:
            identity = zombie.identities()["trades"]
            owned = Owned("trades", zombie.claim("trades", [0]))
            proxy.hold()
            with pytest.raises(StoreFailed, match="away"):
                zombie.insert(TRADES, identity, owned, block_of(1, 2, 3))
        assert proxy.held.is_set()

        assert writer.positions(TRADES, identity, [0]) == {0: 0}  # nobody can know yet
        now = Owned("trades", writer.claim("trades", [0]))
        writer.insert(TRADES, identity, now, block_of(1, 2))
        assert FENCED.encode() not in proxy.answers
        proxy.let_go()
        _until(lambda: FENCED.encode() in proxy.answers, "the zombie's insert was never refused")
        assert count(writer) == 2
    finally:
        proxy.close()


def _until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_a_claim_waits_for_inserts_that_began_before_it(writer: Store, clickhouse: Settings) -> None:
    writer.run("CREATE TABLE IF NOT EXISTS slow (n UInt64) ENGINE = Memory")
    slow = "INSERT INTO slow SELECT sleepEachRow(0.5) FROM numbers(6) WHERE (SELECT count() FROM sink_claims) >= 0"
    with store(clickhouse, "slow", prepared=False) as other:
        running = threading.Thread(target=other.run, args=(f"{slow} SETTINGS max_block_size = 1",))
        running.start()
        _until(lambda: writer._writers(), "the slow insert never began")
        writer.claim("trades", [0])
        assert count(writer, "slow") == 6  # it has ended
        running.join()


def test_of_those_who_claim_at_once_one_remains(clickhouse: Settings, writer: Store) -> None:
    def claim(number: int) -> tuple[str, dict[int, str]] | None:
        with store(clickhouse, f"member{number}", prepared=False) as other:
            try:
                return f"member{number}", other.claim("trades", [0, 1, 2])
            except StoreFailed as failure:
                assert failure.is_fenced, failure
                return None

    with ThreadPoolExecutor(8) as pool:
        won = [claims for claims in pool.map(claim, range(8)) if claims]
    highest = {int(p): c for p, c in writer.rows("SELECT log_partition, max(claim) FROM sink_claims GROUP BY 1")}
    holders = [claims for _, claims in won if claims == highest]
    assert len(holders) <= 1  # each other one that won was overtaken later, and sees it at its first insert
    identity = writer.identities()["trades"]
    for _, claims in won:
        if claims != highest:
            with pytest.raises(StoreFailed):
                writer.insert(TRADES, identity, Owned("trades", claims), block_of(1))


def test_the_same_request_twice_is_one_block(writer: Store) -> None:
    """As a proxy or a client may send it again by itself."""
    identity = writer.identities()["trades"]
    owned = Owned("trades", writer.claim("trades", [0]))
    for _ in range(2):
        writer.insert(TRADES, identity, owned, block_of(1, 2, 3))
    assert count(writer) == 3


# --- tables that go


def test_a_table_that_was_made_again_is_another_one(writer: Store, clickhouse: Settings) -> None:
    identity = writer.identities()["trades"]
    owned = Owned("trades", writer.claim("trades", [0]))
    writer.insert(TRADES, identity, owned, block_of(1, 2))
    writer.record_positions([(TRADES, identity, 0, 2)])
    writer.run("DROP TABLE trades SYNC")
    with pytest.raises(StoreFailed) as failed:
        writer.insert(TRADES, identity, owned, block_of(3))
    assert failed.value.is_gone and failed.value.code == UNKNOWN_TABLE
    with store(clickhouse):  # makes it again
        pass
    with pytest.raises(StoreFailed) as failed:
        writer.insert(TRADES, identity, owned, block_of(3))
    assert failed.value.code == FUNCTION_THROW_IF
    again = writer.identities()["trades"]
    assert again != identity
    assert writer.positions(TRADES, again, [0]) == {0: 0}
    assert writer.positions(TRADES, identity, [0]) == {0: 2}  # what was recorded holds for the old one alone


def test_positions_are_recorded_where_no_row_says_them(writer: Store) -> None:
    identity = writer.identities()["trades"]
    writer.record_positions([(TRADES, identity, 0, 5), (TRADES, identity, 1, 7)])
    writer.record_positions([(TRADES, identity, 0, 4)])  # late
    writer.record_positions([])
    owned = Owned("trades", writer.claim("trades", [0]))
    assert writer.positions(TRADES, identity, [0, 1]) == {0: 5, 1: 7}
    writer.insert(TRADES, identity, owned, block_of(6, 7, 8))
    assert writer.positions(TRADES, identity, [0, 1]) == {0: 8, 1: 7}


def test_finding_positions_reads_no_more_than_the_end_of_a_table(writer: Store) -> None:
    """By the index of places, below what is recorded."""
    writer.run(
        "INSERT INTO trades (symbol, sequence, time, log_partition, log_offset) SELECT 'A', number, now64(3), 0, number"
        " FROM numbers(200000)"
    )
    plan = writer.rows(
        "EXPLAIN indexes = 1 SELECT log_partition, max(log_offset) FROM trades"
        " WHERE (log_partition = 0 AND log_offset >= 199990) GROUP BY log_partition"
    )
    text = "\n".join(str(line[0]) for line in plan)
    skipped = text[text.index("log_places") :]
    assert "Granules: 1/25" in skipped, text
