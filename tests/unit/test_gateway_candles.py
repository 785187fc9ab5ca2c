"""Candles over HTTP: from memory, from ClickHouse and from both, and never with a hole in between."""

import csv
import io
from typing import Any

import httpx
import pytest

from producers.health import Part
from schemas.candles import Interval
from schemas.codec import candles_decoder
from tests.unit.gateway_world import GatewayWorld
from tests.unit.history_world import MINUTE_MS, START_MS, SYMBOL, Market

PATH = f"/api/v1/markets/{SYMBOL}/candles"


@pytest.fixture
def market() -> Market:
    made = Market()
    made.trades(30)
    return made


def candles(world: GatewayWorld, interval: Any = "1m", **params: Any) -> httpx.Response:
    return world.request("GET", PATH, params={"interval": interval} | params)


def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.json()
    return list(answer.json()["candles"])


def on_topic(market: Market, interval: str = "1m") -> list[dict[str, Any]]:
    """What the topic says in the end: every closed candle, and the newest state of the one that forms."""
    found: dict[int, Any] = {}
    for record in market.exchange.read("candles", 0, candles_decoder()):
        if record.interval == interval and (record.open_time_ms not in found or not found[record.open_time_ms].closed):
            found[record.open_time_ms] = record
    fields = (
        "open_time_ms", "closed", "open", "high", "low", "close", "volume", "quote_volume", "trades",
        "taker_buy_volume", "taker_buy_quote_volume", "first_sequence", "last_sequence",
    )  # fmt: skip
    return [{name: getattr(found[at], name) for name in fields} for at in sorted(found)]


@pytest.mark.parametrize("interval", list(Interval))
@pytest.mark.parametrize("max_candles", [1, 7, 40, 1000])
def test_every_candle_is_there_wherever_it_comes_from(market, interval, max_candles):
    """However much of it is in memory, the answer is what stands on the topic."""
    market.trade()
    market.show_candles()
    world = market.seen(max_candles=max_candles)
    answer = candles(world, interval.value)
    assert rows(answer) == on_topic(market, interval.value)
    told = answer.json()
    assert (told["symbol"], told["interval"], told["trade_sequence"]) == (SYMBOL, interval.value, market.traded)
    assert (told["more"], told["expired"]) == (False, False)
    assert not rows(answer)[-1]["closed"]


def test_what_is_in_memory_asks_nobody(market):
    world = market.seen()
    assert len(rows(candles(world))) == 10
    assert world.store.asked == []
    world = market.seen(max_candles=10)
    assert rows(candles(world, "1s", limit=3)) == on_topic(market, "1s")[-3:]
    assert world.store.asked == []


@pytest.mark.parametrize("max_candles", [1, 20, 1000])
def test_pages_in_both_directions(market, max_candles):
    world, whole = market.seen(max_candles=max_candles), on_topic(market)
    upwards: list[Any] = []
    more, params = True, {"from": 0}
    while more:
        answer = candles(world, limit=4, **params)
        upwards += rows(answer)
        more = answer.json()["more"]
        params = {"from": upwards[-1]["open_time_ms"] + 1}
    downwards: list[Any] = []
    more, params = True, {}
    while more:
        answer = candles(world, limit=4, **params)
        downwards = rows(answer) + downwards
        more = answer.json()["more"]
        params = {"to": downwards[0]["open_time_ms"]}
    assert upwards == downwards == whole


@pytest.mark.parametrize("first, end", [(0, 5), (2, 5), (5, 5), (3, 100), (100, 101)])
@pytest.mark.parametrize("max_candles", [1, 1000])
def test_a_range_of_time(market, first, end, max_candles):
    world = market.seen(max_candles=max_candles)
    first_ms, end_ms = START_MS + first * MINUTE_MS, START_MS + end * MINUTE_MS
    asked = rows(candles(world, **{"from": first_ms, "to": end_ms}))
    assert asked == [one for one in on_topic(market) if first_ms <= one["open_time_ms"] < end_ms]
    text = {"from": "2027-01-15T08:00:00Z", "to": "2027-01-15T10:05:00.000+02:00"}
    assert rows(candles(world, **text)) == rows(candles(world, **{"from": START_MS, "to": START_MS + 5 * MINUTE_MS}))


# --- the seam


def test_a_gateway_that_was_just_started_has_history_and_the_forming_candle(market):
    market.trade()
    market.show_candles()
    world = market.seen_late()
    for interval in Interval:
        assert rows(candles(world, interval.value)) == on_topic(market, interval.value)
    # the day's candle forms for hours, and nothing of it was on the topic since the gateway started
    assert candles(world, "1d").json()["candles"][-1]["closed"] is False


def test_candles_closed_while_the_sink_is_away_are_read_back_from_the_topic(market):
    """ClickHouse ends before memory begins."""
    world = GatewayWorld(exchange=market.exchange)
    world.store.sink()
    market.trades(20)
    world = GatewayWorld(exchange=market.exchange, restored=True)
    world.store.sink("trades")
    world.store.positions |= {("candles", 0): 150}
    market.trades(10)
    world.pump()
    assert rows(candles(world)) == on_topic(market)
    assert world.stretches.read_records > 0


@pytest.mark.parametrize("asked", [{}, {"from": START_MS}, {"to": START_MS + 12 * MINUTE_MS}])
def test_a_gap_is_told_and_never_returned(market, asked, monkeypatch):
    monkeypatch.setattr("producers.stretches.MAX_STRETCH_RECORDS", 10)
    world = GatewayWorld(exchange=market.exchange)
    world.store.sink()
    market.trades(30)
    behind = world.store.positions
    world = GatewayWorld(exchange=market.exchange, restored=True)
    world.store.positions = behind
    answer = candles(world, **asked)
    assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE")
    assert "more than 10 records between them" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "1"
    # What lies wholly on one side of it is answered all the same.
    old = {"from": START_MS, "to": START_MS + 5 * MINUTE_MS}
    assert len(rows(candles(world, **old))) == 5
    world.store.sink()
    assert rows(candles(world, **asked))


def test_a_hole_in_clickhouse_is_told(market):
    world = market.seen(max_candles=1)
    whole = world.store._closed

    def holed(symbol: str, interval: Interval) -> list[Any]:
        return [one for one in whole(symbol, interval) if one.open_time_ms != START_MS + 4 * MINUTE_MS]

    world.store._closed = holed
    answer = candles(world)
    assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE")
    assert "the trades of ABC-USD from 13 to 15 are in no 1m candle that is at hand" in answer.json()["detail"]
    assert len(rows(candles(world, to=START_MS + 3 * MINUTE_MS))) == 3


def test_while_the_candles_are_behind_it_is_told_by_the_sequences(market):
    """candle_agg is away: what there is comes, and says up to which trade it goes."""
    world = market.seen()
    market.trade()
    market.trade()
    world.pump()
    answer = candles(world)
    assert rows(answer) == on_topic(market)
    assert (rows(answer)[-1]["last_sequence"], answer.json()["trade_sequence"]) == (30, 32)


def long_ago(market: Market) -> int:
    """A trade, and then nothing for longer than a gateway looks back. Where its candles began to be shown."""
    market.trade()
    place = len(market.cluster.records["candles", 0])
    market.show_candles()
    market.tick(400_000)
    return place


def test_a_forming_candle_that_nobody_knows_is_told(market):
    """Trades that happened before this gateway looked are in no candle, and ClickHouse can't say that there is none."""
    long_ago(market)
    world = market.seen_late()
    world.store.problem = "ClickHouse does not answer: refused"
    answer = candles(world, "1d", limit=1)
    assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE")
    assert "this gateway itself has none; ClickHouse does not answer: refused" in answer.json()["detail"]


def test_a_forming_candle_that_the_sink_has_not_taken_yet_is_read_back(market):
    place = long_ago(market)
    world = GatewayWorld(exchange=market.exchange, restored=True)
    world.store.positions = {("candles", 0): place, ("trades", 0): 0}
    assert rows(candles(world, "1d")) == on_topic(market, "1d")
    assert rows(candles(world, "1d"))[-1]["last_sequence"] == 31
    assert world.stretches.read_records > 0


def test_a_candle_whose_time_is_over_is_closed_even_if_that_was_not_heard(market):
    """The sink has the forming one and not yet the closed one, which lies before what this gateway has read."""
    market.trade()
    market.show_candles()
    end = len(market.cluster.records["candles", 0])
    market.tick(400_000)
    world = GatewayWorld(exchange=market.exchange, restored=True)
    world.store.positions = {("candles", 0): end}
    world.candles.reset()
    market.exchange.tick()
    market.exchange.run()
    world.pump()
    assert rows(candles(world)) == on_topic(market)
    assert rows(candles(world, "1d"))[-1]["closed"] is False


def test_without_clickhouse_memory_answers_what_it_can(market):
    world = market.seen(max_candles=20)
    world.store.problem = "ClickHouse does not answer: refused"
    assert rows(candles(world, limit=3)) == on_topic(market)[-3:]
    answer = candles(world, limit=500)
    assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE")
    assert "this gateway itself has from " in answer.json()["detail"]


def test_a_fresh_market_has_no_candles_whatever_clickhouse_says():
    fresh = Market()
    world = fresh.seen()
    answer = candles(world)
    assert (rows(answer), answer.json()["trade_sequence"]) == ([], 0)
    world.store.problem = "ClickHouse does not answer"
    assert rows(candles(world)) == []


def test_what_has_expired_is_told(market):
    world = market.seen_late()
    world.store.kept_from_ms = START_MS + 3 * MINUTE_MS
    answer = candles(world)
    assert rows(answer) == on_topic(market)[3:]
    assert (answer.json()["expired"], answer.json()["more"]) == (True, False)
    assert candles(world, limit=4).json()["expired"] is False
    older = candles(world, **{"from": START_MS, "to": START_MS + 2 * MINUTE_MS}).json()
    assert (older["candles"], older["expired"]) == ([], True)


# --- with empty buckets


@pytest.mark.parametrize("late", [False, True])
def test_empty_buckets_are_filled_on_request(late):
    market = Market()
    market.trade("10")
    market.tick(3 * MINUTE_MS)
    market.trade("12")
    market.tick(2 * MINUTE_MS)
    world = market.seen_late() if late else market.seen()
    market.tick()
    world.pump()
    assert [row["close"] for row in rows(candles(world))] == ["10", "12"]
    filled = rows(candles(world, fill="true"))
    assert [(row["open_time_ms"] - START_MS) // MINUTE_MS for row in filled] == [0, 1, 2, 3, 4, 5]
    assert [row["close"] for row in filled] == ["10", "10", "10", "12", "12", "12"]
    assert [row["trades"] for row in filled] == [1, 0, 0, 1, 0, 0]
    assert [row["closed"] for row in filled] == [True] * 5 + [False]
    assert {row["volume"] for row in filled if not row["trades"]} == {"0"}
    some = {"fill": "true", "limit": 2}
    assert rows(candles(world, **some)) == filled[-2:]
    assert rows(candles(world, **some, to=START_MS + 3 * MINUTE_MS)) == filled[1:3]
    answer = candles(world, **some, **{"from": START_MS + MINUTE_MS})
    assert (rows(answer), answer.json()["more"]) == (filled[1:3], True)
    answer = candles(world, fill="true", limit=6, **{"from": 0})
    assert (rows(answer), answer.json()["more"]) == (filled, False)


def test_buckets_that_may_have_trades_are_not_filled():
    """candle_agg is away, and a trade is known that is in no candle yet."""
    market = Market()
    market.trade("10")
    market.tick(3 * MINUTE_MS)
    world = market.seen()
    market.exchange.tick(MINUTE_MS)
    market.exchange.run()
    market.trade("12")
    world.pump()
    assert [row["close"] for row in rows(candles(world, fill="true"))] == ["10"]


def test_filling_needs_the_time(market):
    world = market.seen_late()
    answer = candles(world, fill="true")
    assert (answer.status_code, answer.json()["code"]) == (503, "NOT_READY")
    market.tick()
    world.pump()
    assert len(rows(candles(world, fill="true"))) == 11


# --- forms and refusals


@pytest.mark.parametrize("by", ["parameter", "header"])
def test_the_same_as_csv(market, by):
    world = market.seen()
    params = {"interval": "1m"} | ({"format": "csv"} if by == "parameter" else {})
    headers = {"accept": "text/csv;q=0.9"} if by == "header" else {}
    answer = world.request("GET", PATH, params=params, headers=headers)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    notes = {name: answer.headers[f"glassbook-{name}"] for name in ("more", "expired", "trade-sequence")}
    assert notes == {"more": "false", "expired": "false", "trade-sequence": "30"}
    told = list(csv.DictReader(io.StringIO(answer.text)))
    expected = [{name: str(value).lower() for name, value in row.items()} for row in rows(candles(world))]
    assert told == expected


@pytest.mark.parametrize(
    "query, status, code",
    [
        ("", 400, "BAD_PARAMETER"),
        ("interval=2m", 400, "UNKNOWN_INTERVAL"),
        ("interval=1M", 400, "UNKNOWN_INTERVAL"),
        ("interval=1m&limit=1000000", 400, "BAD_PARAMETER"),
        ("interval=1m&limit=1001", 400, "BAD_PARAMETER"),
        ("interval=1m&limit=0", 400, "BAD_PARAMETER"),
        ("interval=1m&from=2&to=1", 400, "BAD_RANGE"),
        ("interval=1m&from=-1", 400, "BAD_PARAMETER"),
        ("interval=1m&from=yesterday", 400, "BAD_PARAMETER"),
        ("interval=1m&from=99999999999999", 400, "BAD_PARAMETER"),
        ("interval=1m&from=2026-13-01T00:00:00Z", 400, "BAD_PARAMETER"),
        ("interval=1m&from=2026-01-01", 400, "BAD_PARAMETER"),
        ("interval=1m&from=2026-01-01T00:00:00", 400, "BAD_PARAMETER"),
        ("interval=1m&to=1e3", 400, "BAD_PARAMETER"),
        ("interval=1m&fill=yes", 400, "BAD_PARAMETER"),
        ("interval=1m&format=xml", 400, "BAD_PARAMETER"),
        ("interval=1m&interval=5m", 400, "BAD_PARAMETER"),
        ("interval=1m&symbol=X", 400, "BAD_PARAMETER"),
    ],
)
def test_refusals(market, query, status, code):
    answer = market.seen().request("GET", f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_market_and_a_stale_window(market):
    world = market.seen()
    answer = world.request("GET", "/api/v1/markets/NONE/candles?interval=1m")
    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_SYMBOL")
    world.seconds += 10
    for part in (Part.LEDGER, Part.MARKET, Part.ALERTS):
        world.health.parts[part].fresh_at = world.seconds
    world.health.answered_at = world.seconds
    answer = candles(world)
    assert (answer.status_code, answer.json()["code"]) == (503, "NOT_READY")
    ready = world.request("GET", "/readyz")
    assert (ready.status_code, ready.json()["degraded"]) == (200, ["candles not read"])


def test_what_is_no_candle_is_passed_over(market):
    for value in (b"", b"garbage", b"\xff", b'{"record":"candle"}', b'{"record":"tick","time_ms":1}'):
        market.cluster.append("candles", 0, b"", value)
    assert len(rows(candles(market.seen()))) == 10
