"""From the log to the streams' state: restored from snapshots or read from the beginning, it is the same."""

from typing import Any

import msgspec
import pytest

from feeds.markets import Markets
from feeds.messages import CanaryState
from feeds.past import minutes_of
from feeds.projections import AlertsProjection, ListingsProjection, MarketProjection
from feeds.stream import ALERTS, Kind, Stream
from schemas.alerts import Alert, Evidence, Severity
from stage.followed import Gap, Projection
from stage.snapshots import newest_snapshots
from tests.exchange import Exchange, market
from tests.unit.feeds_world import SYMBOL, FeedsWorld, depth
from tests.unit.market_play import MarketPlay
from tests.unit.test_feeds_market import Keeping


class Following:
    """The projections of a process, fed from an exchange in memory."""

    def __init__(self, exchange: Exchange, restored: bool) -> None:
        self.exchange = exchange
        self.markets = Markets()
        self.resyncs = 0
        self.projections: list[tuple[Projection, list[int]]] = [
            (ListingsProjection(self.markets), [0]),
            (MarketProjection(self.markets, self.lost), list(range(exchange.order_partitions))),
        ]
        self.positions: dict[tuple[str, int], int] = {}
        if restored:
            self.restore()
        self.pump()

    def lost(self) -> None:
        self.resyncs += 1

    def restore(self) -> None:
        records = [
            (record.key, record.value)
            for (topic, _), stored in sorted(self.exchange.cluster.records.items())
            if topic == "snapshots"
            for record in stored
        ]
        for projection, partitions in self.projections:
            assert projection.stage is not None
            projection.reset()
            snapshots = newest_snapshots(records, projection.stage)
            for partition in partitions:
                self.positions |= projection.restore(partition, snapshots.get(partition))
            projection.restored(self.positions, self.exchange.cluster.now_ms)

    def pump(self) -> None:
        for projection, partitions in self.projections:
            for place in ((topic, partition) for topic in projection.topics for partition in partitions):
                values = self.exchange.cluster.values(*place)
                for offset in range(self.positions.get(place, 0), len(values)):
                    projection.apply(*place, offset, values[offset])
                self.positions[place] = len(values)

    def seen(self) -> dict[str, Any]:
        return {
            symbol: (one.book.sequence, one.book.bids(), one.book.asks(), one.ticker.figures().last)
            for symbol, one in self.markets.by_symbol.items()
        }


def traded() -> Exchange:
    exchange = Exchange([market("ABC-USD"), market("XYZ-USD", partition=1)])
    seller, buyer = exchange.open_account(ABC="1000"), exchange.open_account(USD="100000")
    for price in ("10", "11", "12"):
        exchange.place(seller, "SELL", price, "3")
    exchange.place(buyer, "BUY", "10", "2")
    exchange.place(buyer, "BUY", "9", "2")
    exchange.run()
    return exchange


def test_from_snapshots_it_is_what_it_is_from_the_beginning():
    exchange = traded()
    restored, read = Following(exchange, True), Following(exchange, False)
    assert restored.seen() == read.seen()
    assert set(restored.seen()) == {"ABC-USD", "XYZ-USD"}, "a market is known before it has traded"
    assert restored.seen()["ABC-USD"][0] > 0
    buyer = exchange.open_account(USD="100000")
    exchange.place(buyer, "BUY", "11", "2")
    exchange.run()
    restored.pump()
    read.pump()
    assert restored.seen() == read.seen()


def test_a_listing_is_heard_of_when_it_comes():
    exchange = traded()
    following = Following(exchange, True)
    exchange.list_market(market("NEW-USD"))
    exchange.run()
    following.pump()
    assert "NEW-USD" in following.markets.by_symbol


def test_a_gap_is_never_passed_over_and_everybody_begins_anew():
    exchange = traded()
    following = Following(exchange, True)
    before, old = following.seen(), following.markets.by_symbol["ABC-USD"]
    with pytest.raises(Gap):
        following.projections[1][0].apply("depth", 0, 99, msgspec.json.encode(depth(77, [("9", "1")])))
    following.restore()
    following.pump()
    assert following.seen() == before
    assert following.resyncs == 2, "once at the start, when nobody was there"
    assert following.markets.by_symbol["ABC-USD"] is not old


def test_what_cannot_be_read_is_passed_over():
    following = Following(traded(), True)
    before = following.seen()
    for topic in ("depth", "trades"):
        for value in (b"", b"\xff", b"{}", b'{"record":"depth"}'):
            following.projections[1][0].apply(topic, 0, 99, value)
    assert following.seen() == before


def test_an_alert_is_told_once_and_the_canarys_state_when_it_moves():
    world, reader = FeedsWorld(), Keeping()
    world.desk.join(ALERTS, reader)
    assert reader.take() == [], "nothing is known of a canary"
    alert = Alert(
        alert_id="a1", kind="FILL_UNJUSTIFIED", severity=Severity.WRONG, symbol=SYMBOL, time_ms=5, expected="x",
        found="y", evidence=[Evidence("trades", 0, 7)],
    )  # fmt: skip
    for _ in range(2):
        world.alerts.apply("alerts", 0, 0, msgspec.json.encode(alert))
    world.alerts.apply("alerts", 0, 1, b"nonsense")
    (told,) = reader.take()
    assert (told["alert_id"], told["cursor"]) == ("a1", "5-a1")
    for time_ms, judged in ((1, 10), (2, 10), (3, 11)):
        world.desk.canary_judged(CanaryState(time_ms, {"orders-0": judged}, 0))
    assert [state["time_ms"] for state in reader.take()] == [1, 3]
    late = Keeping()
    world.desk.join(ALERTS, late)
    assert late.take() == [{"type": "state", "time_ms": 3, "judged": {"orders-0": 11}, "behind": 0}]


def test_records_are_read_one_by_one_only_while_somebody_is_told_of_each():
    world, reader = FeedsWorld(), Keeping()
    for stream, at_once in (
        (Stream(Kind.DEPTH, SYMBOL), False),
        (Stream(Kind.TICKER, SYMBOL), False),
        (ALERTS, False),
        (Stream(Kind.TRADES, SYMBOL), True),
        (Stream(Kind.DEPTH, SYMBOL, None, True), True),
    ):
        channel = world.desk.join(stream, reader)
        assert world.desk.tells_at_once is at_once, stream
        world.desk.part(channel, reader)
        assert not world.desk.tells_at_once


def test_alerts_are_kept_by_their_id_in_bounds(monkeypatch):
    monkeypatch.setattr("feeds.projections.ALERTS_KEPT", 3)
    alerts = AlertsProjection()
    for i in range(10):
        alert = Alert(
            alert_id=f"a{i}", kind="X", severity=Severity.LATE, symbol="", time_ms=i, expected="", found="", evidence=[]
        )
        alerts.apply("alerts", 0, i, msgspec.json.encode(alert))
    assert len(alerts._told) == 3


def test_minutes_from_clickhouses_rows():
    row = (
        b'{"open_time_ms":"1800000000000","open":"10","high":"12.5","low":"9","close":"11",'
        b'"volume":"3.25","quote_volume":"33","first_sequence":"4","last_sequence":"9","symbol":"ABC-USD"}\n'
    )
    (minute,) = minutes_of(row)["ABC-USD"]
    assert (minute.open_time_ms, minute.first_sequence, minute.last_sequence) == (1_800_000_000_000, 4, 9)
    assert (minute.high, minute.volume) == (125 * 10**17, 325 * 10**16)
    assert minutes_of(b"") == {}


def test_a_busted_trade_is_told_on_the_trades_stream():
    play, reader = MarketPlay(), Keeping()
    following = Following(play.exchange, True)
    following.markets.by_symbol["ABC-USD"].channel(Stream(Kind.TRADES, "ABC-USD")).add(reader)
    play.bust(play.trade())
    following.pump()
    trade, told = reader.take()
    assert (told["type"], told["sequence"], told["trade_id"]) == ("busted", trade["sequence"], trade["trade_id"])
    assert told["reason"] == "a wrong price"
