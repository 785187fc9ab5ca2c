"""Tables and views on the real engine: made once, made again, kept for so long; and what they say of an exchange."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from glassbook.settings import Settings
from producers.orders import OrderStatus
from producers.view import View
from schemas.codec import ledger_decoder
from schemas.commands import AmendOrder, SelfTrade, TimeInForce
from schemas.topics import CANDLES, LEDGER, TRADES
from sinks.migrations import BadMigration, migrate, read_migrations
from sinks.retention import TIMES, apply_retention
from sinks.store import Store
from sinks.tables import TABLES
from sinks.topic_sink import TopicSink
from tests import containers
from tests.exchange import Exchange
from tests.integration.sink_rig import emptied, store
from tests.unit.history_world import Market
from tests.unit.sink_records import stretch, trade

QUERY = Path(__file__).parents[2] / "deploy" / "queries" / "candles_check.sql"
DEADLINE_S = 60
DAY_MS = 86_400_000


@pytest.fixture
def writer(clickhouse: Settings) -> Iterator[Store]:
    emptied(clickhouse)
    with store(clickhouse) as made:
        yield made


def sink(writer: Store, exchange: Exchange, *topics: str) -> None:
    for topic in topics:
        partitions = sorted(partition for name, partition in exchange.cluster.records if name == topic)
        one = TopicSink(topic, writer)
        for partition, start in one.open(partitions).items():
            values = list(exchange.cluster.values(topic, partition))[start:]
            if values:
                one.take(stretch(topic, values, start, partition))
        one.write()


# --- migrations


def test_files_are_applied_once_and_by_whoever_comes_first(writer: Store, clickhouse: Settings) -> None:
    assert migrate(writer, read_migrations()) == []
    emptied(clickhouse)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: _migrated(clickhouse, number), range(4)))
    applied = writer.rows("SELECT number, count() FROM schema_migrations GROUP BY number ORDER BY number")
    assert [tuple(row) for row in applied] == [(m.number, 1) for m in read_migrations()]


def _migrated(clickhouse: Settings, number: int) -> None:
    with store(clickhouse, f"member{number}"):
        pass


def test_a_file_that_was_changed_is_an_error_that_names_it(writer: Store) -> None:
    first, *others = read_migrations()
    with pytest.raises(BadMigration, match=rf"{first.name} was changed after it had been applied"):
        migrate(writer, [first._replace(checksum="otherwise"), *others])


def test_what_is_missing_is_made_again_and_the_rest_is_left_alone(writer: Store) -> None:
    before = writer.identities()
    writer.run("DROP TABLE candles SYNC")
    writer.run("DROP VIEW orders SYNC")
    assert migrate(writer, read_migrations()) == [migration.name for migration in read_migrations()]
    after = writer.identities()
    assert {name for name in before if before[name] != after[name]} == {"candles"}
    writer.rows("SELECT * FROM orders")


@pytest.mark.skipif(not containers.wanted(), reason="the embedded ClickHouse lets nobody drop its database")
def test_a_database_that_was_dropped_is_made_again(writer: Store, clickhouse: Settings) -> None:
    writer.run("DROP DATABASE glassbook SYNC")
    writer.close()
    with store(clickhouse) as again:
        assert set(again.identities()) == {table.name for table in TABLES}


# --- retention


def test_old_months_go_and_are_not_read_again(writer: Store) -> None:
    now_ms = time.time_ns() // 1_000_000
    one = TopicSink("trades", writer)
    one.open([0, 1])
    one.take(stretch("trades", [trade(n, time_ms=now_ms - 400 * DAY_MS) for n in (1, 2)], partition=0))
    one.take(stretch("trades", [trade(1, symbol="XYZ-USD", time_ms=now_ms)], partition=1))
    one.write()
    identity = writer.identities()["trades"]
    writer.record_positions([(one.tables[0], identity, 0, 2)])

    assert sorted(apply_retention(writer, {"trades": 90, "postings": 10})) == ["postings", "trades"]
    assert apply_retention(writer, {"trades": 90, "postings": 10}) == []
    deadline = time.monotonic() + DEADLINE_S
    while [tuple(row) for row in writer.rows("SELECT symbol FROM trades")] != [("XYZ-USD",)]:
        assert time.monotonic() < deadline, "old rows are still there"
        time.sleep(0.1)
    assert writer.positions(one.tables[0], identity, [0, 1]) == {0: 2, 1: 1}
    assert sorted(apply_retention(writer, dict.fromkeys(TIMES, 0))) == ["postings", "trades"]


# --- orders with their outcomes


def busy_exchange(random: Random) -> Exchange:
    """Orders of all kinds: filled in parts, amended, cancelled, expired, refused, decremented, never filled."""
    exchange = Exchange()
    traders = [exchange.open_account(USD="100000", ABC="1000") for _ in range(4)]
    placed: list[tuple[Any, str]] = []
    for _ in range(120):
        trader, side = random.choice(traders), random.choice(("BUY", "SELL"))
        more: dict[str, Any] = random.choice(
            [
                {},
                {},
                dict(time_in_force=TimeInForce.IOC),
                dict(time_in_force=TimeInForce.FOK),
                dict(self_trade=SelfTrade.DECREMENT),
                dict(post_only=True),
            ]
        )
        price = f"{9 + random.randint(-3, 3) / 10:.1f}"
        kind = random.random()
        if kind < 0.08:
            exchange.place(trader, side, "1000000", price)  # nobody has so much
        elif kind < 0.16:
            spend = dict(max_quote="50") if side == "BUY" else {}
            exchange.place(trader, side, None if side == "BUY" else "3", None, **spend)
        elif kind < 0.3 and placed:
            exchange.cancel(*random.choice(placed))
        elif kind < 0.45 and placed:
            owner, order_id = random.choice(placed)
            exchange.send(owner, AmendOrder, order_id=order_id, price=price, quantity=str(random.randint(1, 30)))
        else:
            placed.append((trader, exchange.place(trader, side, str(random.randint(1, 20)), price, **more)))
    return exchange


@pytest.mark.parametrize("seed", [1, 2])
def test_orders_say_what_the_gateways_own_view_says(writer: Store, seed: int) -> None:
    exchange = busy_exchange(Random(seed))
    sink(writer, exchange, LEDGER)
    view = View()
    for partition in range(exchange.account_partitions):
        for record in exchange.read("ledger", partition, ledger_decoder()):
            view.apply(partition, record)
    columns = (
        "account, order_id, client_order_id, symbol, side, type, time_in_force, price, quantity, status, reason,"
        " filled_quantity, filled_quote, fees, toUnixTimestamp64Milli(opened_time), closed_time IS NULL, average_price"
    )
    rows = {row[1]: row for row in writer.rows(f"SELECT {columns} FROM orders")}
    assert set(rows) == set(view.orders) | set(view.closed_before)
    statuses = set()
    for order_id, order in view.orders.items():
        expected = (
            order.account, order_id, order.client_order_id, order.symbol, order.side, order.type, order.time_in_force,
            _decimal(order.price), _decimal(order.quantity),
            "OPEN" if order.status in (OrderStatus.OPEN, OrderStatus.PENDING) else order.status, order.cause or "",
            Decimal(order.filled_text), Decimal(order.filled_quote_text), Decimal(order.fee or 0), order.created_ms,
            not order.status.is_closed,
        )  # fmt: skip
        assert tuple(rows[order_id][:-1]) == expected
        average = None if order.average_price is None else float(order.average_price)
        assert (rows[order_id][-1] is None) == (average is None)
        assert average is None or float(rows[order_id][-1]) == pytest.approx(average, abs=1e-6)
        statuses.add(expected[9])
    for order_id, refused in view.closed_before.items():
        row = rows[order_id]
        assert (row[0], row[2], row[9], row[10]) == (
            refused.account, refused.client_order_id, "REFUSED", refused.reason,
        )  # fmt: skip
    assert statuses >= {"OPEN", "FILLED", "EXPIRED", "REJECTED"} and view.closed_before


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def test_one_order_is_found_by_the_primary_key(writer: Store) -> None:
    writer.run(
        "INSERT INTO order_events (account, order_id, event, time, entry_sequence)"
        " SELECT toString(number % 100), toString(number), 'order_opened', now64(3), number FROM numbers(500000)"
    )
    for condition, most in (("account = '7' AND order_id = '107'", 2), ("account = '7'", 3)):
        lines = writer.rows(f"EXPLAIN indexes = 1 SELECT * FROM orders WHERE {condition}")
        text = "\n".join(str(line[0]) for line in lines)
        granules = text[text.index("PrimaryKey") :].partition("Granules: ")[2].partition("/")
        assert int(granules[0]) <= most < 20 < int(granules[2].split()[0]), text


def test_balances_and_books_are_the_ledgers_own(writer: Store) -> None:
    exchange = busy_exchange(Random(3))
    sink(writer, exchange, LEDGER)
    balances = {(a, s): (f, r) for a, s, f, r in writer.rows("SELECT account, asset, free, reserved FROM balances")}
    expected: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for partition in range(exchange.account_partitions):
        core = exchange.ledger_core(partition)
        for account in core.accounts.values():
            for asset, balance in account.balances.items():
                scale = -core.decimals[asset]
                amounts = (Decimal(balance.free).scaleb(scale), Decimal(balance.reserved).scaleb(scale))
                expected[account.account, asset] = amounts
    assert {key: value for key, value in balances.items() if any(value)} == {
        key: value for key, value in expected.items() if any(value)
    }
    books = {(book, asset): balance for book, asset, balance in writer.rows("SELECT * FROM exchange_books")}
    assert all(balance == 0 for (book, _), balance in books.items() if book.startswith("clearing:"))
    assert books["fees", "USD"] > 0 and books["world", "USD"] < 0
    assert writer.rows("SELECT asset FROM postings GROUP BY asset HAVING sum(amount) != 0") == []


# --- candles


def test_candles_equal_what_the_trades_give_in_both_directions(writer: Store) -> None:
    market = Market()
    market.trades(30, apart_ms=47_000)
    market.tick(DAY_MS)
    market.tick(DAY_MS)
    market.trade()
    market.tick(10_000)
    sink(writer, market.exchange, TRADES, CANDLES)
    query = QUERY.read_text()
    assert writer.rows(query) == []
    closed = {str(i): int(n) for i, n in writer.rows("SELECT interval, count() FROM candles GROUP BY interval")}
    assert set(closed) == {"1s", "1m", "5m", "15m", "1h", "4h", "1d"} and closed["1s"] == 31

    writer.run("ALTER TABLE candles DELETE WHERE interval = '5m' AND trades > 4 SETTINGS mutations_sync = 1")
    writer.run("ALTER TABLE candles UPDATE high = high + 1 WHERE interval = '1d' SETTINGS mutations_sync = 1")
    found = [(difference, interval) for difference, _, interval, *_ in writer.rows(query)]
    assert ("missing or different in candles", "5m") in found
    assert ("missing or different in candles", "1d") in found and ("not what the trades give", "1d") in found
    assert {interval for _, interval in found} == {"5m", "1d"}


def test_candles_that_are_still_on_their_way_are_no_difference(writer: Store) -> None:
    market = Market()
    market.trades(10, apart_ms=20_000)
    sink(writer, market.exchange, TRADES, CANDLES)
    market.trades(10, apart_ms=20_000)
    sink(writer, market.exchange, TRADES)  # the candles come later
    assert writer.rows(QUERY.read_text()) == []
    market.trades(10, apart_ms=20_000)
    sink(writer, market.exchange, CANDLES)  # and this time the trades
    assert writer.rows(QUERY.read_text()) == []
