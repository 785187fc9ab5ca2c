"""The gateway's history on the real ClickHouse: its SQL gives what the adapter written by hand gives, and what is
answered over HTTP is what the topics say."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from glassbook.settings import Settings
from producers.candle_chain import CandleAsk
from producers.clickhouse_store import ClickHouseStore
from producers.history_store import Cursor, JournalAsk, Table, TradeBounds
from producers.stored_past import StoredPast
from schemas.candles import Interval
from tests.integration.sunk_market import gateway_store, sink, write_again
from tests.unit.gateway_world import GatewayWorld
from tests.unit.history_world import START_MS, SYMBOL
from tests.unit.memory_history import MemoryStore
from tests.unit.test_gateway_journal import STATEMENT, TRADES, own_lines, own_trades, told_lines, told_trades
from tests.unit.test_gateway_old_orders import FORGETFUL, Story

ASKS = 60


class Sunk:
    """One market, as both adapters have it."""

    def __init__(self, settings: Settings, runner: asyncio.Runner, store: ClickHouseStore) -> None:
        self.story = Story()
        self.market = self.story.market
        self.market.trades(40, apart_ms=7_000)
        self.market.trade()
        self.market.show_candles()
        sink(settings, self.market)
        write_again(settings)
        self.runner, self.store = runner, store
        self.by_hand = MemoryStore(self.market.exchange)
        self.by_hand.sink()
        self.accounts = [self.market.taker.account, self.market.maker.account, "0" * 40]

    def both(self, name: str, *arguments: Any) -> Any:
        """What both say, which is the same."""
        told = self.runner.run(getattr(self.store, name)(*arguments))
        assert told == self.runner.run(getattr(self.by_hand, name)(*arguments)), (name, arguments)
        return told

    def world(self, **options: Any) -> GatewayWorld:
        """A gateway on the real ClickHouse."""
        world = GatewayWorld(exchange=self.market.exchange, **options)
        world.gateway.store = self.store
        world.gateway.stored_past = StoredPast(self.store, world.past)
        return world

    def get(self, world: GatewayWorld, target: str, signed: bool = False) -> httpx.Response:
        headers = world.read_headers(self.market.taker, target) if signed else {}
        return self.runner.run(world.ask("GET", target, headers=headers))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def store(clickhouse: Settings, runner: asyncio.Runner) -> Iterator[ClickHouseStore]:
    with gateway_store(clickhouse, runner) as made:
        yield made


@pytest.fixture(scope="module")
def fresh(runner: asyncio.Runner, store: ClickHouseStore) -> dict[str, Any]:
    """What is said while there is not even a database."""
    candles = CandleAsk(symbol=SYMBOL, interval=Interval.M1, first_ms=0, end_ms=None, limit=5)
    journal = journal_ask(random.Random(0), "0" * 40, [0])
    asked: dict[str, tuple[Any, ...]] = {
        "candles": (candles,), "forming": (SYMBOL, Interval.M1), "position": (Table.POSTINGS, 0, 10),
        "trades": (SYMBOL, 1, 5), "trade_before": (SYMBOL, 5), "trade_bounds": (SYMBOL,),
        "order_events": ("a", "0-1"), "order_named": ("a", "x"), "account_trades": (journal, 5), "lines": (journal, 5),
        "sums": ("a", Cursor(0, 0), 5),
    }  # fmt: skip
    return {name: runner.run(getattr(store, name)(*arguments)) for name, arguments in asked.items()}


@pytest.fixture(scope="module")
def sunk(clickhouse: Settings, runner: asyncio.Runner, store: ClickHouseStore, fresh: dict[str, Any]) -> Sunk:
    return Sunk(clickhouse, runner, store)


def test_before_anything_was_written_everything_is_empty(fresh: dict[str, Any], store: ClickHouseStore) -> None:
    assert fresh == {
        "candles": [], "forming": None, "position": 0, "trades": [], "trade_before": 0, "trade_bounds": TradeBounds(),
        "order_events": [], "order_named": None, "account_trades": [], "lines": [], "sums": [],
    }  # fmt: skip
    assert store.problem is None


@pytest.mark.parametrize("interval", list(Interval))
def test_candles(sunk: Sunk, interval: Interval) -> None:
    chance = random.Random(1)
    times = [None, 0, START_MS, START_MS + 10**9, *(START_MS + chance.randrange(400_000) for _ in range(5))]
    for _ in range(ASKS):
        first, end = chance.choice(times), chance.choice(times)
        limit = chance.choice([1, 2, 5, 1000])
        ask = CandleAsk(symbol=SYMBOL, interval=interval, first_ms=first, end_ms=end, limit=limit)
        sunk.both("candles", ask)
    assert sunk.both("forming", SYMBOL, interval) is not None


def test_trades(sunk: Sunk) -> None:
    chance = random.Random(2)
    bounds = sunk.both("trade_bounds", SYMBOL)
    assert bounds.oldest == 1
    assert bounds.newest >= 40
    for _ in range(ASKS):
        first = chance.randrange(1, 60)
        sunk.both("trades", SYMBOL, first, first + chance.randrange(30))
        sunk.both("trade_before", SYMBOL, START_MS + chance.randrange(400_000))
    assert sunk.both("trades", "NONE", 1, 10) == []
    assert sunk.both("trade_bounds", "NONE") == TradeBounds()


def test_orders(sunk: Sunk) -> None:
    for name, order_id in sunk.story.ids.items():
        for account in sunk.accounts:
            found = sunk.both("order_named", account, name)
            assert found == (order_id if account == sunk.story.me.account else None)
    for hostile in ("never", "x' OR '1'='1", "\\", "{account:String}", "%"):
        assert sunk.both("order_named", sunk.story.me.account, hostile) is None


def journal_ask(chance: random.Random, account: str, times: list[int]) -> JournalAsk:
    cursors = [None, None, *(Cursor(chance.randrange(120), chance.randrange(8)) for _ in range(3))]
    after, before = chance.choice([(chance.choice(cursors), None), (None, chance.choice(cursors))])
    return JournalAsk(
        account=account, after=after, before=before, first_ms=chance.choice([None, *times]),
        end_ms=chance.choice([None, *times]), only=chance.choice([None, None, "USD", "ABC", SYMBOL]),
        limit=chance.choice([1, 3, 1000]),
    )  # fmt: skip


@pytest.mark.parametrize("what", ["account_trades", "lines"])
def test_an_accounts_journal(sunk: Sunk, what: str) -> None:
    chance = random.Random(3)
    times = [START_MS, *(START_MS + chance.randrange(400_000) for _ in range(6))]
    found = 0
    for _ in range(3 * ASKS):
        ask = journal_ask(chance, chance.choice(sunk.accounts), times)
        found += len(sunk.both(what, ask, chance.choice([1, 40, 10**6])))
    assert found > 100


def test_sums(sunk: Sunk) -> None:
    chance = random.Random(4)
    for _ in range(ASKS):
        arguments = (
            chance.choice(sunk.accounts),
            Cursor(chance.randrange(60), chance.randrange(8)),
            chance.randrange(120),
        )
        told, by_hand = (
            {(one.book, one.asset): one.amount for one in sunk.runner.run(adapter.sums(*arguments))}
            for adapter in (sunk.store, sunk.by_hand)
        )
        assert {key: float(amount) for key, amount in told.items()} == {
            key: float(amount) for key, amount in by_hand.items()
        }


@pytest.mark.parametrize("table", [table for table in Table if table is not Table.ALERTS])
def test_how_far_the_sink_is(sunk: Sunk, table: Table) -> None:
    """As far as rows say, whatever is wanted; never further than the topic."""
    topic = "candles" if "candles" in table else "ledger"
    end = len(sunk.market.cluster.values(topic, 0))
    told = {sunk.runner.run(sunk.store.position(table, 0, wanted)) for wanted in (0, 1, end // 2, end, end + 9)}
    assert len(told) == 1
    assert end // 2 < told.pop() <= end
    assert sunk.runner.run(sunk.store.position(table, 7, 5)) == 0


def test_over_http(sunk: Sunk) -> None:
    """Two gateways, one that has followed all and one that was started now with little memory, say the same."""
    whole, late = sunk.world(), sunk.world(restored=True, max_entries=3, max_trades=3, max_candles=3)
    for interval in Interval:
        target = f"/api/v1/markets/{SYMBOL}/candles?interval={interval}"
        assert sunk.get(late, target).json() == sunk.get(whole, target).json()
    target = f"/api/v1/markets/{SYMBOL}/trades?limit=1000"
    assert sunk.get(late, target).json() == sunk.get(whole, target).json()
    assert len(sunk.get(late, target).json()["trades"]) >= 40
    me = sunk.market.taker
    for world in (whole, late):
        assert told_lines(sunk.get(world, f"{STATEMENT}?limit=1000", signed=True)) == own_lines(sunk.market, me)
        assert told_trades(sunk.get(world, f"{TRADES}?limit=1000", signed=True)) == own_trades(sunk.market, me)
    assert sunk.get(late, f"{STATEMENT}?limit=1000", signed=True).text == (
        sunk.get(whole, f"{STATEMENT}?limit=1000", signed=True).text
    )


def test_an_old_order_is_the_same_from_clickhouse(sunk: Sunk) -> None:
    whole, forgetful = sunk.world(), sunk.world(bounds=FORGETFUL, max_entries=1)
    for name, order_id in sunk.story.ids.items():
        target = f"/api/v1/orders/{order_id}"
        answer = sunk.get(forgetful, target, signed=True)
        assert answer.json() == sunk.get(whole, target, signed=True).json()
        by_name = sunk.get(forgetful, f"/api/v1/orders/by-client-id/{name}", signed=True)
        assert by_name.json() == answer.json()
    assert forgetful.past.orders_read == 0
    unknown = sunk.get(forgetful, "/api/v1/orders/by-client-id/never", signed=True)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "UNKNOWN_ORDER")


def test_a_seam_in_the_middle(sunk: Sunk, clickhouse: Settings) -> None:
    """More happens, and the sink is away: what it lacks is in memory, or read back from the topic."""
    late = sunk.world(restored=True)
    before = len(own_lines(sunk.market, sunk.market.taker))
    sunk.market.trades(5, apart_ms=7_000)
    late.pump()
    later = sunk.world(restored=True)
    for world in (late, later):
        assert told_lines(sunk.get(world, f"{STATEMENT}?limit=1000", signed=True)) == own_lines(
            sunk.market, sunk.market.taker
        )
        target = f"/api/v1/markets/{SYMBOL}/candles?interval=1s&limit=1000"
        told = sunk.get(world, target).json()
        assert (told["candles"][-1]["last_sequence"], told["more"]) == (
            sunk.market.exchange.trades()[-1].sequence,
            False,
        )
    assert later.stretches.read_records > late.stretches.read_records
    assert before < len(own_lines(sunk.market, sunk.market.taker))
    sink(clickhouse, sunk.market)
    sunk.by_hand.sink()
