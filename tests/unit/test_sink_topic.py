"""One row a fact, whatever stands on the topic and whenever a sink dies."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from schemas.journal import CommandRefused, Deposited, OrderOpened, OrderRested
from schemas.reasons import Reason
from sinks.port import ASKED_AT_ONCE, StoreFailed
from sinks.tables import ALERTS, CANDLES, FORMING_CANDLES, MARKETS, ORDER_EVENTS, POSTINGS, TRADES, Table
from sinks.topic_sink import TopicSink
from tests.unit.sink_records import (
    BOB,
    NOON_MS,
    alert,
    candle,
    entry,
    listed,
    posting,
    stretch,
    tick,
    trade,
)
from tests.unit.sink_world import MemoryStore


def sunk(store: MemoryStore, topic: str, records: list[Any], partition: int = 0) -> TopicSink:
    """A sink that starts on a partition with these records and reads them to the end."""
    sink = TopicSink(topic, store)
    start = sink.open([partition])[partition]
    if records[start:]:
        sink.take(stretch(topic, records[start:], start, partition))
    sink.write()
    return sink


def offsets(store: MemoryStore, table: Table) -> list[int]:
    return [row["log_offset"] for row in store.rows[table.name]]


def test_it_goes_on_from_clickhouse_and_not_twice():
    store, records = MemoryStore(), [trade(n) for n in range(1, 11)]
    sunk(store, "trades", records[:6])
    sunk(store, "trades", records)
    sunk(store, "trades", records)
    assert offsets(store, TRADES) == list(range(10))


def test_all_that_is_contiguous_is_taken_without_a_question():
    store = MemoryStore()
    sink = TopicSink("trades", store)
    sink.open([0])
    for start in range(0, 100, 10):
        sink.take(stretch("trades", [trade(n) for n in range(start + 1, start + 11)], start))
    sink.write()
    assert len(store.inserts) == 1 and offsets(store, TRADES) == list(range(100))
    assert store.asked == 10  # only about the first records after the start


def test_repeats_of_a_zombie_are_dropped_and_what_follows_them_is_not():
    log = [trade(n) for n in (1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 2, 8)]
    store = MemoryStore()
    sunk(store, "trades", log)
    assert offsets(store, TRADES) == [0, 1, 2, 3, 4, 8, 9, 11]


@pytest.mark.parametrize("cut", range(13))
def test_repeats_are_known_wherever_a_restart_falls(cut):
    log = [trade(n) for n in (1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 2, 8)]
    store = MemoryStore()
    sunk(store, "trades", log[:cut])
    sunk(store, "trades", log)
    assert offsets(store, TRADES) == [0, 1, 2, 3, 4, 8, 9, 11]


def test_ticks_have_their_places_on_the_edge_and_no_rows():
    store = MemoryStore()
    sink = sunk(store, "trades", [trade(1), tick(2), tick(3), trade(4, sequence=2), tick(5)])
    assert offsets(store, TRADES) == [0, 3]
    assert sink.write().positions == {0: 5}


def test_many_repeats_are_asked_about_in_parts():
    many = 2 * ASKED_AT_ONCE + 10
    log = [trade(n) for n in [*range(1, many + 1), *range(1, many + 6)]]
    store = MemoryStore()
    sunk(store, "trades", log[:many])
    sunk(store, "trades", log)
    assert len(store.rows["trades"]) == many + 5
    assert set(Counter(store.facts(TRADES)).values()) == {1}


def test_a_forged_sequence_costs_a_question_and_no_record():
    """A stranger's record with a sequence far ahead must not make repeats of all that follow."""
    log = [
        trade(1),
        trade(2),
        trade(10**15, symbol="FORGED", time_ms=NOON_MS),
        trade(3),
        trade(4),
        tick(2**63),
        trade(5),
    ]
    store = MemoryStore()
    sunk(store, "trades", log)
    assert offsets(store, TRADES) == [0, 1, 2, 3, 4, 6]


def test_a_misfit_is_named_with_its_bytes_and_the_rest_goes_on():
    store = MemoryStore()
    sink = TopicSink("trades", store)
    sink.open([0])
    given = stretch("trades", [trade(1), trade(2, price="1e99"), b"\xff", trade(4, sequence=3)])
    sink.take(given)
    written = sink.write()
    assert offsets(store, TRADES) == [0, 3] and written.positions == {0: 4}
    assert sorted((bad.offset, bad.reason, bad.value) for bad in written.unreadable) == [
        (1, Reason.BAD_DECIMAL, given.values[1]),
        (2, Reason.NOT_JSON, b"\xff"),
    ]
    assert sink.write().unreadable == []


# --- candles and alerts: topics whose records don't all have a place on an edge


def test_a_closed_candle_is_one_row_and_a_forming_one_is_replaced():
    log = [
        candle(1, closed=False, open_time_ms=NOON_MS + 60_000), candle(1), candle(2, NOON_MS + 60_000), candle(1),
        candle(2, closed=False, open_time_ms=NOON_MS + 120_000), candle(2, NOON_MS + 60_000),
        candle(3, NOON_MS + 120_000),
    ]  # fmt: skip
    store = MemoryStore()
    sunk(store, "candles", log[:2])
    sunk(store, "candles", log)
    assert offsets(store, CANDLES) == [1, 2, 6]
    assert offsets(store, FORMING_CANDLES) == [0, 4]


def test_a_candle_whose_first_copy_was_compacted_away_is_taken_from_the_second():
    """Compaction leaves only the last copy: the sequence jumps, and comes back."""
    edges = (1, 2, 4, 5, 3, 6)
    store = MemoryStore()
    sunk(store, "candles", [candle(edge, NOON_MS + edge * 60_000) for edge in edges])
    assert len(store.rows["candles"]) == 6


def test_an_alert_is_one_row_however_often_it_is_found():
    store = MemoryStore()
    log = [alert("a"), alert("b"), alert("a"), alert("c"), alert("b", "otherwise"), alert("d")]
    sunk(store, "alerts", log[:3])
    sunk(store, "alerts", log)
    assert [row["alert_id"] for row in store.rows["alerts"]] == ["a", "b", "c", "d"]
    assert offsets(store, ALERTS) == [0, 1, 3, 5]


# --- the ledger: several tables of one topic


OPENED = OrderOpened("0-5", "mine", "ABC-USD", "BUY", "LIMIT", "GTC", "9.5", "3")  # type: ignore[arg-type]


def ledger_log() -> list[Any]:
    refused = CommandRefused("0-9", Reason.UNKNOWN_ACCOUNT)
    return [
        listed(1), entry(2, Deposited("0-1", "USD", "9", "t"), sequence=1, postings=posting()),
        entry(3, OPENED, sequence=2, postings=posting()), entry(4, OrderRested("0-5", "3"), sequence=3),
        entry(5, refused, account=BOB, sequence=0), listed(6, revision=2),
        entry(7, CommandRefused("0-10", Reason.UNKNOWN_ACCOUNT), account=BOB, sequence=0),
    ]  # fmt: skip


def test_each_table_of_a_topic_has_a_position_of_its_own():
    store, log = MemoryStore(), ledger_log()
    sunk(store, "ledger", log)
    before = {name: list(rows) for name, rows in store.rows.items()}
    assert [len(before[t.name]) for t in (ORDER_EVENTS, POSTINGS, MARKETS)] == [4, 4, 2]
    store.drop("postings")
    sink = TopicSink("ledger", store)
    assert sink.open([0]) == {0: 0}
    sink.take(stretch("ledger", log))
    sink.write()
    assert store.rows == before


def test_a_position_that_was_recorded_holds_for_the_table_that_it_was_recorded_of():
    store, log = MemoryStore(), ledger_log()
    sunk(store, "ledger", log)
    for table in (ORDER_EVENTS, POSTINGS, MARKETS):
        store.recorded[store.there[table.name], 0] = len(log)
    assert TopicSink("ledger", store).open([0]) == {0: len(log)}
    store.drop("markets")
    assert TopicSink("ledger", store).open([0]) == {0: 0}


def test_refusals_of_accounts_that_are_not_there_are_told_apart_by_their_commands():
    """Their entries all have the sequence 0."""
    store, log = MemoryStore(), ledger_log()
    sunk(store, "ledger", [*log, *log[4:]])
    assert [row["command_id"] for row in store.rows["order_events"] if row["account"] == BOB] == ["0-9", "0-10"]


def test_an_entry_is_whole_in_one_block_and_a_crash_between_tables_is_made_good():
    store, log = MemoryStore(), ledger_log()
    sink = TopicSink("ledger", store)
    sink.open([0])
    store.fail("", "before")  # order_events go in, postings don't
    with pytest.raises(StoreFailed):
        sink.take(stretch("ledger", log))
        sink.write()
    assert store.rows["order_events"] and not store.rows["postings"]
    sunk(store, "ledger", log)
    assert [len(store.rows[t.name]) for t in (ORDER_EVENTS, POSTINGS, MARKETS)] == [4, 4, 2]


# --- several owners


def test_who_lost_its_claim_cannot_write():
    store, log = MemoryStore(), [trade(n) for n in range(1, 11)]
    zombie = TopicSink("trades", store)
    zombie.open([0])
    zombie.take(stretch("trades", log[:8]))
    sunk(store, "trades", log)
    with pytest.raises(StoreFailed) as failed:
        zombie.write()
    assert failed.value.is_fenced
    assert offsets(store, TRADES) == list(range(10))


def test_a_table_that_was_made_again_takes_nothing_from_the_middle():
    store, log = MemoryStore(), [trade(n) for n in range(1, 11)]
    sink = sunk(store, "trades", log[:5])
    sink.take(stretch("trades", log[5:], 5))
    store.drop("trades")
    with pytest.raises(StoreFailed):
        sink.write()
    sunk(store, "trades", log)
    assert offsets(store, TRADES) == list(range(10))


def test_what_was_taken_of_a_partition_that_is_given_away_is_not_written():
    store = MemoryStore()
    sink = TopicSink("trades", store)
    sink.open([0, 1])
    sink.take(stretch("trades", [trade(1)], partition=0))
    sink.take(stretch("trades", [trade(1, symbol="XYZ-USD"), b"?"], partition=1))
    sink.forget([1])
    written = sink.write()
    assert (written.positions, written.unreadable, sink.partitions) == ({0: 1}, [], [0])
    assert [row["symbol"] for row in store.rows["trades"]] == ["ABC-USD"]


def test_without_its_tables_a_sink_does_not_open():
    store = MemoryStore()
    del store.there["postings"]
    with pytest.raises(StoreFailed, match="postings") as failed:
        TopicSink("ledger", store).open([0])
    assert failed.value.is_gone and not store.claims


# --- all of it at random


def zombie_log(random: Random, length: int) -> list[Any]:
    """A partition of `trades` as it may come to be: contiguous, with stretches repeated by writers that woke late."""
    log: list[Any] = []
    edge, sequences = 0, Counter[str]()
    written: list[Any] = []
    while edge < length:
        for _ in range(random.randint(1, 12)):
            edge += 1
            symbol = random.choice(("A-USD", "B-USD", "C-USD"))
            sequences[symbol] += 1
            is_tick = random.random() < 0.2
            record = tick(edge) if is_tick else trade(edge, symbol=symbol, sequence=sequences[symbol])
            if is_tick:
                sequences[symbol] -= 1
            log.append(record)
            written.append(record)
        if random.random() < 0.3:
            start = random.randrange(len(written))
            log += written[start : start + random.randint(1, 15)]
        if random.random() < 0.1:
            log.append(b"garbage")
    return log


def batches(random: Random, log: list[Any], start: int) -> Iterator[Any]:
    while start < len(log):
        end = min(start + random.randint(1, 20), len(log))
        yield stretch("trades", log[start:end], start)
        start = end


@pytest.mark.parametrize("seed", range(40))
def test_every_fact_is_one_row_through_repeats_restarts_and_lost_answers(seed):
    random = Random(seed)
    log, store = zombie_log(random, 300), MemoryStore()
    sink: TopicSink | None = None
    done = 0
    while done < len(log):
        if sink is None:
            sink = TopicSink("trades", store)
            done = sink.open([0])[0]
        try:
            for batch in batches(random, log, done):
                sink.take(batch)
                if random.random() < 0.4:
                    store.fail(random.choice(("", "", "before", "after")))
                    done = sink.write().positions[0]
                if random.random() < 0.05:
                    raise StoreFailed("killed")
            done = sink.write().positions[0]
        except StoreFailed:
            sink = None
    facts = {(r.symbol, r.sequence) for r in log if not isinstance(r, bytes) and hasattr(r, "sequence")}
    assert Counter(store.facts(TRADES)) == Counter(facts)
