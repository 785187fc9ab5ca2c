"""A market's trades over HTTP: paging both ways, by sequence and by time, from memory and from ClickHouse."""

import csv
import io
from typing import Any

import httpx
import msgspec
import pytest

from schemas.documents import TradeAnswer
from tests.unit.gateway_world import GatewayWorld
from tests.unit.history_world import START_MS, SYMBOL, Market

PATH = f"/api/v1/markets/{SYMBOL}/trades"


@pytest.fixture
def market() -> Market:
    made = Market()
    made.trades(25)
    return made


def trades(world: GatewayWorld, **params: Any) -> httpx.Response:
    return world.request("GET", PATH, params=params)


def sequences(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.json()
    return [trade["sequence"] for trade in answer.json()["trades"]]


@pytest.mark.parametrize("max_trades", [1, 10, 24, 1000])
def test_every_trade_is_as_on_the_topic(market, max_trades):
    answer = trades(market.seen(max_trades=max_trades))
    told = [msgspec.convert(trade, TradeAnswer) for trade in answer.json()["trades"]]
    expected = [msgspec.json.decode(msgspec.json.encode(trade), type=TradeAnswer) for trade in market.exchange.trades()]
    assert told == expected
    assert (answer.json()["more"], answer.json()["expired"]) == (False, False)


@pytest.mark.parametrize("max_trades", [1, 10, 1000])
@pytest.mark.parametrize(
    "params, first, last, more",
    [
        ({"limit": 5}, 21, 25, True),
        ({"before": 11, "limit": 4}, 7, 10, True),
        ({"before": 3}, 1, 2, False),
        ({"before": 1}, 1, 0, False),
        ({"before": 1000, "limit": 1}, 25, 25, True),
        ({"after": 0, "limit": 4}, 1, 4, True),
        ({"after": 21, "limit": 4}, 22, 25, False),
        ({"after": 25}, 26, 25, False),
        ({"after": 10**12}, 26, 25, False),
        ({"from": 0, "limit": 3}, 1, 3, True),
    ],
)
def test_pages_by_sequence(market, max_trades, params, first, last, more):
    answer = trades(market.seen(max_trades=max_trades), **params)
    assert sequences(answer) == list(range(first, last + 1))
    assert answer.json()["more"] is more


@pytest.mark.parametrize("max_trades", [1, 10, 1000])
def test_pages_by_time(market, max_trades):
    world = market.seen(max_trades=max_trades)
    times = {trade.sequence: trade.time_ms for trade in market.exchange.trades()}
    for first in (1, 12, 20, 25):
        assert sequences(trades(world, **{"from": times[first]})) == list(range(first, 26))
        assert sequences(trades(world, **{"from": times[first] + 1})) == list(range(first + 1, 26))
        assert sequences(trades(world, to=times[first])) == list(range(1, first))
    between = {"from": times[5], "to": times[20]}
    assert sequences(trades(world, **between)) == list(range(5, 20))
    assert sequences(trades(world, **between, limit=3)) == [5, 6, 7]
    assert sequences(trades(world, **between, after=17)) == [18, 19]
    assert sequences(trades(world, **between, before=10, limit=2)) == [8, 9]
    assert sequences(trades(world, to=START_MS)) == []
    assert sequences(trades(world, **{"from": times[25] + 10**9})) == []


def test_the_newest_come_from_memory_alone(market):
    world = market.seen(max_trades=10)
    assert sequences(trades(world, limit=10)) == list(range(16, 26))
    assert sequences(trades(world, after=15)) == list(range(16, 26))
    assert world.store.asked == []
    world.store.problem = "ClickHouse does not answer"
    assert sequences(trades(world, limit=10)) == list(range(16, 26))


def test_a_gateway_that_was_just_started_knows_how_many_there_were(market):
    world = market.seen_late()
    assert sequences(trades(world, limit=4)) == [22, 23, 24, 25]
    market.trade()
    world.pump()
    assert sequences(trades(world, limit=4)) == [23, 24, 25, 26], "the sink hasn't taken the last one"


def test_what_the_sink_has_not_taken_yet_is_read_back(market):
    world = GatewayWorld(exchange=market.exchange)
    world.store.sink()
    behind = world.store.positions
    market.trades(10)
    world = GatewayWorld(exchange=market.exchange, restored=True)
    world.store.positions = behind
    assert sequences(trades(world)) == list(range(1, 36))
    times = {trade.sequence: trade.time_ms for trade in market.exchange.trades()}
    assert sequences(trades(world, **{"from": times[30]})) == list(range(30, 36))
    assert world.stretches.read_records > 0


def test_a_gap_is_told(market, monkeypatch):
    monkeypatch.setattr("producers.stretches.MAX_STRETCH_RECORDS", 5)
    world = GatewayWorld(exchange=market.exchange)
    world.store.sink()
    behind = world.store.positions
    market.trades(10)
    world = GatewayWorld(exchange=market.exchange, restored=True)
    world.store.positions = behind
    for params in ({}, {"after": 20}, {"from": START_MS + 10**7}):
        answer = trades(world, **params)
        assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE"), params
        assert answer.headers["retry-after"] == "1"
    assert sequences(trades(world, before=20, limit=5)) == [15, 16, 17, 18, 19]


def test_a_hole_in_clickhouse_is_told(market):
    world = market.seen(max_trades=1)
    whole = world.store._trades

    def holed(symbol: str) -> list[Any]:
        return [(offset, trade) for offset, trade in whole(symbol) if trade.sequence != 12]

    world.store._trades = holed
    answer = trades(world)
    assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE")
    assert "not all trades of ABC-USD from 1 to 24 are in ClickHouse" in answer.json()["detail"]
    assert sequences(trades(world, after=12)) == list(range(13, 26))


def test_without_clickhouse_what_is_older_is_refused(market):
    world = market.seen(max_trades=10)
    world.store.problem = "ClickHouse does not answer: refused"
    for params in ({"limit": 11}, {"after": 3}, {"before": 5}, {"from": START_MS}):
        answer = trades(world, **params)
        assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE"), params
        assert answer.json()["detail"] == (
            "trades of ABC-USD: this gateway itself has from 16 on; ClickHouse does not answer: refused"
        )


def test_what_has_expired_is_told(market):
    world = market.seen(max_trades=5)
    times = {trade.sequence: trade.time_ms for trade in market.exchange.trades()}
    world.store.kept_from_ms = times[9]
    for params, expected, expired, more in [
        ({}, range(9, 26), True, False),
        ({"limit": 17}, range(9, 26), False, True),
        ({"before": 12}, range(9, 12), True, False),
        ({"before": 9}, range(0), True, False),
        ({"after": 0, "limit": 3}, range(9, 12), True, True),
        ({"from": START_MS, "limit": 3}, range(9, 12), True, True),
        ({"from": times[9] + 1, "limit": 3}, range(10, 13), False, True),
    ]:
        answer = trades(world, **params)
        assert sequences(answer) == list(expected), params
        assert (answer.json()["expired"], answer.json()["more"]) == (expired, more), params


def test_a_copy_on_the_topic_changes_nothing(market):
    values = market.cluster.values("trades", 0)
    for value in values[3:6]:
        market.cluster.append("trades", 0, b"", value)
    assert sequences(trades(market.seen())) == list(range(1, 26))
    late = market.seen_late()
    market.cluster.append("trades", 0, b"", values[4])
    market.trade()
    late.pump()
    assert sequences(trades(late)) == list(range(1, 27))


def test_a_fresh_market_and_the_same_as_csv(market):
    fresh = Market().seen()
    assert sequences(trades(fresh)) == []
    assert fresh.store.asked == []
    world = market.seen()
    answer = trades(world, format="csv", limit=2)
    told = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["sequence"] for row in told] == ["24", "25"]
    assert told[0].keys() == trades(world, limit=1).json()["trades"][0].keys()
    assert answer.headers["glassbook-more"] == "true"
    assert trades(fresh, format="csv").text.startswith("sequence,trade_id,time_ms,price,")


@pytest.mark.parametrize(
    "query, status, code",
    [
        ("after=1&before=5", 400, "BAD_RANGE"),
        ("from=5&to=4", 400, "BAD_RANGE"),
        ("after=-1", 400, "BAD_PARAMETER"),
        ("before=x", 400, "BAD_PARAMETER"),
        ("after=99999999999999999999", 400, "BAD_PARAMETER"),
        ("limit=1001", 400, "BAD_PARAMETER"),
        ("from=now", 400, "BAD_PARAMETER"),
        ("format=parquet", 400, "BAD_PARAMETER"),
        ("page=2", 400, "BAD_PARAMETER"),
    ],
)
def test_refusals(market, query, status, code):
    answer = market.seen().request("GET", f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_an_unknown_market(market):
    answer = market.seen().request("GET", "/api/v1/markets/NONE/trades")
    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_SYMBOL")
