"""The analytics queries on small histories with what is odd in them: nothing, one trade, wash trades, false money."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from glassbook.report_questions import ORDER
from glassbook.settings import Settings
from tests.integration.analyst import Analyst
from tests.integration.made_up_history import History


@pytest.fixture(scope="module")
def ask_of(clickhouse: Settings) -> Callable[[History], Analyst]:
    return Analyst(clickhouse).show


@pytest.mark.parametrize("name", ORDER)
def test_nothing_happened_yet(ask_of: Callable[[History], Analyst], name: str) -> None:
    assert ask_of(History()).ask(name) == []


def test_one_trade(ask_of: Callable[[History], Analyst]) -> None:
    history = History()
    history.trade(history.order("ann", "AAA-USD", "BUY", "2"), history.order("bob", "AAA-USD", "SELL", "3"), "10", "2")
    analyst = ask_of(history)
    answers = {name: analyst.ask(name) for name in ORDER}
    assert answers["vwap"][0]["vwap"] == 10
    assert answers["traded_range"][0]["range"] == 0
    assert answers["top_symbols"][0]["share_percent"] == 100
    volatility = answers["volatility"][0]
    assert (volatility["candles"], volatility["returns"], volatility["realised_percent"]) == (1, 0, None)
    assert volatility["annualised_percent"] is None and volatility["largest_move_percent"] is None
    assert [(a["account"], a["maker_percent"]) for a in answers["maker_taker_share"]] == [("ann", 0), ("bob", 100)]
    assert answers["wash_trade_suspects"] == answers["candle_gaps"] == []
    assert {a["asset"]: a["amount"] for a in answers["balance_sheet"] if a["section"] == "sum"} == {"AAA": 0, "USD": 0}


def test_orders_without_a_trade_have_no_ratio(ask_of: Callable[[History], Analyst]) -> None:
    history = History()
    history.cancel(history.order("ann", "AAA-USD", "BUY", "2"))
    analyst = ask_of(history)
    (answer,) = analyst.ask("order_to_trade_ratio")
    assert (answer["orders"], answer["cancels"], answer["trades"]) == (1, 1, 0)
    assert answer["messages_per_trade"] is None
    assert analyst.ask("fill_ratio")[0]["filled_percent"] == 0


def test_what_never_was_an_order_has_no_fill_ratio(ask_of: Callable[[History], Analyst]) -> None:
    history = History()
    history.order("ann", "AAA-USD", "BUY", "1", event="command_refused", client_order_id="c1", reason="OFF_TICK")
    assert ask_of(history).ask("fill_ratio") == []


def test_an_order_that_self_trade_prevention_took_away_was_not_filled(ask_of: Callable[[History], Analyst]) -> None:
    history = History()
    order = history.order("ann", "AAA-USD", "BUY", "3")
    history.event(order, "order_decremented", quantity=Decimal(3))
    history.event(order, "order_closed", status="EXPIRED")
    (answer,) = ask_of(history).ask("fill_ratio")
    assert (answer["not_filled"], answer["filled_percent"]) == (1, 0)


def test_a_market_buy_counts_by_what_it_spent(ask_of: Callable[[History], Analyst]) -> None:
    history = History()
    buy = history.order("ann", "AAA-USD", "BUY", "9", quantity=None, max_quote=Decimal(100), type="MARKET")
    history.trade(buy, history.order("bob", "AAA-USD", "SELL", "5"), "8", "5")
    answers = {answer["account"]: answer for answer in ask_of(history).ask("fill_ratio")}
    assert answers["ann"]["filled_percent"] == pytest.approx(40)
    assert answers["bob"]["filled"] == 1


def test_a_pair_that_trades_back_and_forth_is_a_suspect_and_a_market_maker_is_not(
    ask_of: Callable[[History], Analyst],
) -> None:
    history = History()

    def trade(taker: str, side: str, maker: str, quantity: str = "10") -> None:
        other = "SELL" if side == "BUY" else "BUY"
        rests = history.order(maker, "AAA-USD", other, quantity)
        history.trade(history.order(taker, "AAA-USD", side, quantity), rests, "10", quantity)

    for customer in ("c1", "c2", "c3", "c4", "c5"):
        for side in ("BUY", "SELL", "BUY", "SELL"):
            trade(customer, side, "maker")
    for side in ("BUY", "SELL", "BUY", "SELL"):
        trade("wash1", side, "wash2")
    for _ in range(4):
        trade("buyer", "BUY", "seller")  # one way only
    trade("self", "BUY", "self")
    trade("few1", "BUY", "few2")
    trade("few2", "BUY", "few1")
    answers = ask_of(history).ask("wash_trade_suspects")
    assert [(a["first_account"], a["second_account"], a["self_trade"]) for a in answers] == [
        ("self", "self", True),
        ("wash1", "wash2", False),
    ]
    assert [(a["matched_percent"], a["of_their_volume_percent"]) for a in answers] == [(100, 100), (100, 100)]


def test_a_lost_candle_is_told_from_a_quiet_minute(ask_of: Callable[[History], Analyst]) -> None:
    history = History()
    history.now = datetime(2026, 3, 1, 9, 0, 30, tzinfo=UTC)
    for minutes_later in (1, 1, 1, 1, 1, 1, 1, 4, 0):
        buy, sell = history.order("ann", "AAA-USD", "BUY", "1"), history.order("bob", "AAA-USD", "SELL", "1")
        history.trade(buy, sell, "9", "1")
        history.wait(60 * minutes_later)
    history.lost = {1, 4, 5}
    found = [
        (a["verdict"], a["gap_from"] and a["gap_from"].minute, a["gap_to"].minute, a["missing_trades"])
        for a in ask_of(history).ask("candle_gaps")
    ]
    assert found == [("MISSING", 3, 5, 2), ("MISSING", None, 1, 1), ("QUIET", 8, 11, 0)]


def test_money_that_comes_from_nowhere_shows_in_the_sum(ask_of: Callable[[History], Analyst]) -> None:
    history = History()
    history.deposit("ann", "USD", "100")
    history.entry("ann", [("free:ann", "USD", Decimal("0.000000000000000001"))])
    history.deposit("bob", "EUR", "100")
    sheet = ask_of(history).ask("balance_sheet")
    sums = {a["asset"]: a["amount"] for a in sheet if a["section"] == "sum"}
    assert sums == {"EUR": 0, "USD": Decimal("0.000000000000000001")}
