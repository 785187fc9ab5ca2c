"""Whatever the sink has taken, whenever a gateway was started, and however little it keeps: an answer is what stands on
the topics, or it is refused. Seeded; a failure prints its seed."""

import random
from typing import Any

import pytest

from schemas.candles import Interval
from tests.exchange import Signer
from tests.unit import test_gateway_candles, test_gateway_journal
from tests.unit.gateway_world import GatewayWorld
from tests.unit.history_world import START_MS, SYMBOL, Market

SEEDS = range(12)  # thousands were run when this was written
ASKS = 30


class Play:
    """A random history, gateways started in the middle of it, and a sink that comes and goes."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.market = Market()
        self.positions: dict[tuple[str, int], int] = {}
        self.gateways: list[GatewayWorld] = []
        for _ in range(self.chance.randrange(10, 70)):
            self.step()
        for gateway in self.gateways:
            gateway.pump()
            gateway.store.positions = self.positions
            gateway.store.kept_from_ms = self.chance.choice([0, 0, START_MS + self.chance.randrange(600_000)])

    def step(self) -> None:
        chance, market = self.chance, self.market
        match chance.randrange(12):
            case 0 | 1 | 2 | 3:
                market.trade(f"10.{chance.randrange(50):02}", str(chance.randrange(1, 4)))
            case 4 | 5 | 6:
                market.tick(chance.choice([200, 1_000, 20_000, 90_000]))
            case 7:
                market.exchange.tick(chance.choice([1_000, 61_000]))  # candle_agg is away
                market.exchange.run()
            case 8:
                order_id = market.exchange.place(market.taker, "BUY", "1", "9")
                market.exchange.cancel(market.taker, order_id)
            case 9 | 10:
                self.sink()
            case 11:
                self.start_gateway()

    def sink(self) -> None:
        for place, records in list(self.market.cluster.records.items()):
            if place[0] in ("trades", "candles", "ledger") and self.chance.random() < 0.8:
                known = self.positions.get(place, 0)
                self.positions[place] = self.chance.choice([len(records), self.chance.randint(known, len(records))])

    def start_gateway(self) -> None:
        bounds: dict[str, Any] = {
            name: self.chance.choice([1, 5, 20, 1000]) for name in ("max_entries", "max_trades", "max_candles")
        }
        for gateway in self.gateways:
            gateway.pump()
        self.gateways.append(GatewayWorld(exchange=self.market.exchange, restored=self.chance.random() < 0.8, **bounds))

    def moments(self) -> dict[str, int]:
        """`from` and `to`, either, both or none."""
        times = sorted(START_MS + self.chance.randrange(700_000) for _ in range(2))
        given = {"from": times[0], "to": times[1]}
        return {name: time_ms for name, time_ms in given.items() if self.chance.random() < 0.4}


@pytest.fixture(params=SEEDS)
def play(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Play:
    made = Play(request.param)
    monkeypatch.setattr("producers.stretches.MAX_STRETCH_RECORDS", made.chance.choice([0, 15, 20_000]))
    return made


def within(rows: list[dict[str, Any]], moments: dict[str, int], at: str) -> list[dict[str, Any]]:
    return [row for row in rows if moments.get("from", 0) <= row[at] < moments.get("to", 10**15)]


def compare(answer: Any, rows: str, whole: list[dict[str, Any]], ascending: bool, limit: int, at: str) -> bool:
    """Holds a page against all that was asked for; False if it was refused."""
    document = answer.json()
    if answer.status_code == 503:
        assert document["code"] == "HISTORY_UNAVAILABLE"
        return False
    assert answer.status_code == 200, document
    found = document[rows]
    if document.get("expired"):
        whole = [row for row in whole if found and row[at] >= found[0][at]]
    assert found == (whole[:limit] if ascending else whole[-limit:])
    if not document.get("expired") and len(whole) > limit:
        assert document["more"]
    return True


def candles_as_of(play: Play, gateway: GatewayWorld, interval: Interval) -> list[dict[str, Any]]:
    """What the topic says, and where candle_agg is away, what the time says: a bucket that is over is closed."""
    found = test_gateway_candles.on_topic(play.market, interval.value)
    trades = play.market.exchange.trades()
    if found and found[-1]["last_sequence"] == trades[-1].sequence:
        is_over = found[-1]["open_time_ms"] + interval.milliseconds <= gateway.market.times.get(0, 0)
        found[-1]["closed"] = found[-1]["closed"] or is_over
    return found


def test_candles(play: Play) -> None:
    for gateway in play.gateways:
        for _ in range(ASKS):
            interval, limit = play.chance.choice(list(Interval)), play.chance.choice([1, 2, 5, 1000])
            moments = play.moments()
            answer = test_gateway_candles.candles(gateway, interval.value, limit=limit, **moments)
            truth = candles_as_of(play, gateway, interval)
            compare(answer, "candles", within(truth, moments, "open_time_ms"), "from" in moments, limit, "open_time_ms")


def test_trades(play: Play) -> None:
    truth = [
        {"sequence": trade.sequence, "time_ms": trade.time_ms, "trade_id": trade.trade_id, "price": trade.price}
        for trade in play.market.exchange.trades()
    ]
    for gateway in play.gateways:
        for _ in range(ASKS):
            limit, moments = play.chance.choice([1, 2, 5, 1000]), play.moments()
            cursor = play.chance.choice(
                [{}, {}, {"after": play.chance.randrange(60)}, {"before": play.chance.randrange(60)}]
            )
            params = moments | cursor
            answer: Any = gateway.request("GET", f"/api/v1/markets/{SYMBOL}/trades", params={"limit": limit} | params)
            asked = within(truth, moments, "time_ms")
            low, high = cursor.get("after", 0), cursor.get("before", 10**9)
            asked = [trade for trade in asked if low < trade["sequence"] < high]
            ascending = "before" not in params and ("after" in params or "from" in params)
            if answer.status_code == 200:
                answer = Reduced(answer.json(), "trades", asked)
            compare(answer, "trades", asked, ascending, limit, "sequence")


class Reduced:
    """An answer with those fields of its rows alone that the truth has."""

    status_code = 200

    def __init__(self, document: dict[str, Any], rows: str, truth: list[dict[str, Any]]) -> None:
        names = truth[0].keys() if truth else ()
        self._document = document | {rows: [{name: row[name] for name in names} for row in document[rows]]}

    def json(self) -> dict[str, Any]:
        return self._document


def test_statements_and_own_trades(play: Play) -> None:
    """Without retention: an account's journal is kept."""
    me: Signer = play.market.taker
    lines = GatewayWorld(exchange=play.market.exchange, max_entries=10**6)
    for path, rows in ((test_gateway_journal.STATEMENT, "lines"), (test_gateway_journal.TRADES, "trades")):
        # A gateway that has all of it in memory says the truth; that it does is another test's.
        truth = test_gateway_journal.read(lines, me, path, "limit=1000&after=0-0").json()[rows]
        for gateway in play.gateways:
            for _ in range(ASKS):
                limit, moments = play.chance.choice([1, 2, 5, 1000]), play.moments()
                cursor = play.chance.choice([None, None, "after", "before"])
                place = (play.chance.randrange(80), play.chance.randrange(6))
                query = "&".join(f"{name}={value}" for name, value in moments.items())
                if cursor is not None:
                    query += f"&{cursor}={place[0]}-{place[1]}"
                answer = test_gateway_journal.read(
                    gateway, me, path, f"limit={limit}&{query}".replace("&&", "&").rstrip("&")
                )
                asked = within(truth, moments, "time_ms")
                asked = [row for row in asked if is_asked_for(row, cursor, place)]
                ascending = cursor == "after" or (cursor is None and "from" in moments)
                compare(answer, rows, asked, ascending, limit, "time_ms")


def is_asked_for(row: dict[str, Any], cursor: str | None, place: tuple[int, int]) -> bool:
    sequence, part = row["cursor"].split("-")
    own = (int(sequence), int(part))
    return cursor is None or (own > place if cursor == "after" else own < place)


def test_most_is_answered() -> None:
    """Else the tests above would hold for a gateway that refuses everything."""
    answered = asked = 0
    for seed in SEEDS:
        play = Play(seed)
        for gateway in play.gateways:
            for _ in range(5):
                moments = play.moments()
                answer = test_gateway_candles.candles(gateway, "1m", **moments)
                truth = candles_as_of(play, gateway, Interval.M1)
                whole = within(truth, moments, "open_time_ms")
                answered += compare(answer, "candles", whole, "from" in moments, 500, "open_time_ms")
                asked += 1
    assert answered > 0.9 * asked > 100
