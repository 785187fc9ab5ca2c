"""The canary's service on a whole exchange in memory: a divergence halts its market until the operator resumes it."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import msgspec
import pytest

from canary.core import Canary
from canary.halter import HaltRecord, MarketHalter
from canary.log import Place, Record
from canary.service import Cadence, CanaryService
from glassbook.client.keys import Key
from schemas.alerts import Alert, Evidence, Kind, Severity
from schemas.commands import HaltMarket, decode_command
from schemas.journal import OrderClosed
from schemas.market import MarketState
from schemas.reasons import Reason
from schemas.records import CloseStatus, Submitted
from schemas.topics import ACCOUNTS, ALERTS, ORDERS, TRADES
from tests.exchange import market
from tests.unit.market_play import SYMBOL, MarketPlay

KEY = Key.new()
TRADES_BEFORE = 20
MARKETS = [market(SYMBOL, 0), market("DEF-USD", 1), market("GHI-USD", 1), market("OLD-USD", 1)]


class PlayedLog:
    """The canary's port on the log of an exchange in memory."""

    def __init__(self, play: MarketPlay) -> None:
        self._exchange = play.exchange
        self.positions: dict[Place, int] = {}

    def fetch(self, max_records: int) -> Sequence[Record]:
        found = []
        for place, start in self.positions.items():
            records = self._exchange.cluster.records[place]
            found += [
                Record(*place, start + number, record.log_time_ms, record.key, record.value)
                for number, record in enumerate(records[start:])
            ]
            self.positions[place] = len(records)
        return found

    def ends(self) -> Mapping[Place, int]:
        return {place: len(self._exchange.cluster.records[place]) for place in self.positions}

    def hold(self, places: Set[Place]) -> None:
        """Nothing is far behind here."""

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        self._exchange.cluster.append(topic, partition, key, value)

    def flush(self) -> None:
        """Everything stands at once."""

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Nobody asks for it here."""


class Watched:
    """An exchange and its canary, started anew as often as is wanted."""

    def __init__(self, engine_version: int = 2, halts: bool = True, **genesis: Any) -> None:
        self.play = MarketPlay(engine_version, **genesis)
        self._halts = halts
        if engine_version == 2:
            self.play.authorise(2, KEY.public)
        self.start()

    def start(self) -> None:
        """Without a snapshot: everything is judged again."""
        exchange = self.play.exchange
        canary = Canary(exchange.account_partitions, exchange.order_partitions)
        log, known = PlayedLog(self.play), [alert.alert_id for alert in self.alerts]
        halter = MarketHalter(KEY.public, KEY.sign) if self._halts else None
        cadence = Cadence(ends_ms=0, snapshot_ms=10**9)
        self.service = CanaryService(
            log, canary, 1, known, 0, lambda: exchange.cluster.now_ms, KEY.sign, halter, cadence
        )
        log.positions = dict.fromkeys(canary.positions(), 0)
        self.look()

    def look(self) -> None:
        """Until the canary has seen what the exchange makes of what it wrote."""
        for _ in range(3):
            self.service.step()
            self.play.exchange.run()
        self.service.step()

    def forge(self, number: int) -> None:
        """Appends a copy of a trade, the first being 0, with another price."""
        cluster = self.play.exchange.cluster
        values = [msgspec.json.decode(record.value) for record in cluster.records[TRADES, 0]]
        trade = [value for value in values if value["record"] == "trade"][number]
        cluster.append(TRADES, 0, b"", msgspec.json.encode(trade | {"price": "4.99"}))
        self.look()

    @property
    def alerts(self) -> list[Alert]:
        return [msgspec.json.decode(r.value, type=Alert) for r in self.play.exchange.cluster.records[ALERTS, 0]]

    @property
    def halt_ids(self) -> list[str]:
        """Of all that was asked for on the first partition of `orders`."""
        return [halt.halt_id for record in self.play.exchange.cluster.records[ORDERS, 0] if (halt := halt_in(record))]

    def buys(self) -> list[Reason]:
        """Places an order; the reason if it is refused."""
        before = len(self.play.reasons(self.play.alice))
        self.play.buy("1", "1")
        self.look()
        return self.play.reasons(self.play.alice)[before:]


def halt_in(record: Any) -> HaltMarket | None:
    try:
        command = decode_command(bytes(msgspec.json.decode(record.value, type=Submitted).signed.command))
    except msgspec.DecodeError:
        return None
    return command if isinstance(command, HaltMarket) else None


@pytest.fixture
def watched() -> Watched:
    watched = Watched()
    for _ in range(TRADES_BEFORE):
        watched.play.trade("1")
    watched.look()
    return watched


# --- what it does to the exchange


def test_a_divergence_halts_its_market_and_the_operator_resumes_it(watched: Watched) -> None:
    order_id = watched.play.buy("1", "1")
    watched.forge(0)
    (alert,) = watched.alerts
    assert watched.halt_ids == [alert.alert_id]
    assert all(watched.play.is_halted())
    assert watched.buys() == [Reason.MARKET_HALTED]
    watched.play.exchange.cancel(watched.play.alice, order_id)
    watched.play.exchange.run()
    closed = watched.play.exchange.events(watched.play.alice)[-1]
    assert isinstance(closed, OrderClosed)
    assert (closed.order_id, closed.status) == (order_id, CloseStatus.CANCELLED)
    watched.play.resume(alert.alert_id)
    assert watched.buys() == []
    assert watched.alerts == [alert], "halts and resumptions are no divergence"


def test_a_market_that_stands_still_is_not_halted_again(watched: Watched) -> None:
    for number in range(TRADES_BEFORE):
        watched.forge(number)
    assert (len(watched.alerts), len(watched.halt_ids)) == (TRADES_BEFORE, 1)


def test_a_divergence_behind_a_resumption_halts_anew(watched: Watched) -> None:
    watched.forge(0)
    watched.play.resume(watched.halt_ids[0])
    watched.forge(1)
    assert watched.halt_ids == [alert.alert_id for alert in watched.alerts]
    assert all(watched.play.is_halted())


def test_what_was_resumed_stays_so_when_the_canary_judges_everything_again(watched: Watched) -> None:
    watched.forge(0)
    watched.forge(1)
    watched.play.resume(*watched.halt_ids)
    watched.start()
    assert not any(watched.play.is_halted())
    assert len(watched.halt_ids) == 1
    watched.forge(2)
    assert all(watched.play.is_halted())


def test_an_alert_that_somebody_else_writes_halts_nothing(watched: Watched) -> None:
    forged = alert(SYMBOL, ("trades", 0, 1))
    watched.play.exchange.cluster.append(ALERTS, 0, b"", msgspec.json.encode(forged))
    watched.look()
    assert watched.halt_ids == []


def test_it_can_be_switched_off() -> None:
    watched = Watched(halts=False)
    watched.play.trade()
    watched.forge(0)
    assert (len(watched.alerts), watched.halt_ids) == (1, [])


def test_an_exchange_without_halts_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    watched = Watched(engine_version=1)
    watched.play.trade()
    watched.play.trade()
    watched.forge(0)
    watched.forge(1)
    assert (len(watched.alerts), watched.halt_ids) == (2, [])
    assert capsys.readouterr().out.count("the exchange's engine version has no halts") == 1


def test_a_canary_that_is_not_the_halter_says_so_and_asks(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    watched.play.authorise(3, None)
    watched.forge(0)
    assert len(watched.halt_ids) == 1
    assert not any(watched.play.is_halted())
    watched.forge(1)
    assert len(watched.halt_ids) == 1, "it isn't asked again and again for what was refused"
    assert capsys.readouterr().out.count(f"glassbook halter --authorise {KEY.public}") == 1
    watched.play.authorise(4, KEY.public)
    watched.look()
    watched.forge(2)
    assert all(watched.play.is_halted())


# --- which markets


def alert(symbol: str, *evidence: tuple[str, int, int], severity: Severity = Severity.WRONG) -> Alert:
    places = [Evidence(*place) for place in evidence]
    return Alert(
        alert_id="alert-1", kind=Kind.FILL_MISSING, severity=severity, symbol=symbol, time_ms=7, expected="a fill",
        found="none", evidence=places,
    )  # fmt: skip


@pytest.fixture(scope="module")
def canary() -> Canary:
    """Of four markets on two partitions, one of them delisted."""
    watched = Watched(markets=MARKETS)
    watched.play.exchange.list_market(market("OLD-USD", 1, state=MarketState.DELISTED), 2)
    watched.play.exchange.run()
    watched.look()
    return watched.service.canary


def places(records: list[HaltRecord]) -> list[tuple[str, int, str]]:
    return [(record.topic, record.partition, record.key.decode()) for record in records]


def everywhere(symbol: str, partition: int) -> list[tuple[str, int, str]]:
    return [(ORDERS, partition, symbol), (ACCOUNTS, 0, symbol), (ACCOUNTS, 1, symbol)]


@pytest.mark.parametrize(
    "told, halted",
    [
        (alert("DEF-USD", ("trades", 1, 5)), ["DEF-USD"]),
        (alert("DEF-USD", ("trades", 0, 5)), ["DEF-USD"]),
        (alert("", ("ledger", 0, 5), ("orders", 0, 2)), [SYMBOL]),
        (alert("", ("depth", 1, 5)), ["DEF-USD", "GHI-USD"]),
        (alert("OLD-USD", ("trades", 1, 5)), ["DEF-USD", "GHI-USD"]),
        (alert("NO\x00-SUCH-MARKET", ("trades", 0, 5)), [SYMBOL]),
        (alert("", ("accounts", 0, 5), ("ledger", 0, 1)), [SYMBOL, "DEF-USD", "GHI-USD"]),
        (alert("", ("trades", 77, 5)), [SYMBOL, "DEF-USD", "GHI-USD"]),
        (alert("DEF-USD", ("trades", 1, 5), severity=Severity.LATE), []),
        (alert("DEF-USD", ("trades", 1, 5), severity=Severity.NOTICE), []),
    ],
    ids=lambda value: "" if isinstance(value, list) else f"{value.symbol!a} {value.evidence[0].topic} {value.severity}",
)
def test_which_markets_an_alert_halts(canary: Canary, told: Alert, halted: list[str]) -> None:
    records = MarketHalter(KEY.public, KEY.sign).halts(told, canary)
    partitions = {SYMBOL: 0, "DEF-USD": 1, "GHI-USD": 1}
    assert places(records) == [place for symbol in halted for place in everywhere(symbol, partitions[symbol])]


def test_one_alert_gives_the_same_bytes_whoever_halts_by_it(canary: Canary) -> None:
    told = alert("DEF-USD", ("trades", 1, 5))
    first, second = (MarketHalter(KEY.public, KEY.sign).halts(told, canary) for _ in range(2))
    assert first == second
    halt = halt_in(first[0])
    assert halt is not None
    assert (halt.symbol, halt.partition, halt.halt_id, halt.time_ms) == ("DEF-USD", 1, "alert-1", 7)
