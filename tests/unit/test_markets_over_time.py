"""Expiry by ticks, market states, revised and delisted markets, and orders that rest while the terms change."""

from typing import Any

import pytest

from schemas.codec import trades_decoder
from schemas.commands import AmendOrder, CancelAll, TimeInForce
from schemas.journal import OrderAmended, OrderClosed, OrderFilled, OrderRested
from schemas.market import MarketState
from schemas.reasons import Reason
from schemas.records import CloseStatus, TradesTick
from tests.exchange import Exchange, Signer, market


class Traders:
    def __init__(self, **terms: Any) -> None:
        self.exchange = Exchange([market(**terms)])
        self.alice = self.exchange.open_account(USD="100000", ABC="1000")
        self.bob = self.exchange.open_account(USD="100000", ABC="1000")
        self.revision = 1

    def revise(self, **terms: Any) -> None:
        self.revision += 1
        self.exchange.list_market(market(**terms), self.revision)
        self.exchange.run()

    def buy(self, quantity: str = "10", price: str = "5", **more: Any) -> str:
        return self.exchange.place(self.alice, "BUY", quantity, price, **more)

    def amend(self, order_id: str, quantity: str, price: str | None = None) -> None:
        self.exchange.send(self.alice, AmendOrder, order_id=order_id, quantity=quantity, price=price)

    def reasons(self) -> list[Reason]:
        return [event.reason for event in self.exchange.events(self.alice) if hasattr(event, "reason")]

    def closed(self, signer: Signer) -> list[tuple[str, CloseStatus, Reason | None]]:
        events = self.exchange.events(signer)
        return [(event.order_id, event.status, event.cause) for event in events if isinstance(event, OrderClosed)]

    def drawn(self) -> list[tuple[int, int]]:
        book = self.exchange.matcher_core(0).books["ABC-USD"].engine.book
        return [(order.price_ticks, order.remaining_lots) for order in book]


@pytest.fixture
def traders() -> Traders:
    return Traders()


# --- time


def gtd(traders: Traders, ahead_ms: int) -> str:
    until = traders.exchange.cluster.now_ms + ahead_ms
    return traders.buy(time_in_force=TimeInForce.GTD, valid_until_ms=until)


def test_a_tick_expires_what_is_due_in_the_order_of_its_time(traders):
    late, early, never = gtd(traders, 900), gtd(traders, 500), gtd(traders, 5000)
    traders.exchange.tick(1000)
    traders.exchange.run()
    assert traders.closed(traders.alice) == [
        (early, CloseStatus.EXPIRED, Reason.VALID_UNTIL), (late, CloseStatus.EXPIRED, Reason.VALID_UNTIL),
    ]  # fmt: skip
    assert list(traders.exchange.matcher_core(0).resting.orders) == [never]


def test_an_order_lasts_until_its_very_millisecond(traders):
    order_id = gtd(traders, 1000)
    order = traders.exchange.matcher_core(0).resting.orders[order_id]
    assert order.valid_until_ms is not None
    traders.exchange.tick(order.valid_until_ms - traders.exchange.cluster.now_ms - 1)
    traders.exchange.run()
    assert traders.drawn()
    traders.exchange.cluster.now_ms = order.valid_until_ms - 1  # the run has moved the clock
    traders.exchange.tick(1)
    traders.exchange.run()
    assert not traders.drawn()


def test_what_is_due_expires_before_an_order_could_meet_it(traders):
    gtd(traders, 1000)
    traders.exchange.cluster.now_ms += 1000
    traders.exchange.place(traders.bob, "SELL", "10", "5")
    assert not traders.exchange.trades()
    assert traders.closed(traders.alice)[0][1:] == (CloseStatus.EXPIRED, Reason.VALID_UNTIL)


def test_a_clock_that_steps_back_brings_nothing_back(traders):
    gtd(traders, 1000)
    traders.exchange.tick(2000)
    traders.exchange.run()
    traders.exchange.cluster.now_ms -= 5000
    traders.exchange.tick(1)
    traders.exchange.run()
    times = [record.time_ms for record in traders.exchange.read("trades", 0, trades_decoder())]
    assert times == sorted(times) and len(times) == 2


def test_ticks_are_passed_on_to_trades(traders):
    traders.exchange.tick()
    traders.exchange.run()
    (tick,) = traders.exchange.read("trades", 0, trades_decoder())
    assert isinstance(tick, TradesTick)


def test_an_amended_order_keeps_its_time(traders):
    order_id = gtd(traders, 1000)
    traders.amend(order_id, "20", "6")
    traders.exchange.tick(2000)
    traders.exchange.run()
    assert not traders.drawn() and not traders.exchange.matcher_core(0).resting.due


# --- states


@pytest.mark.parametrize("state", [MarketState.CANCEL_ONLY, MarketState.HALTED, MarketState.DELISTED])
def test_only_an_open_market_takes_new_orders(traders, state):
    traders.revise(state=state)
    traders.buy()
    assert traders.reasons() == [Reason.MARKET_NOT_OPEN]


@pytest.mark.parametrize("state", [MarketState.CANCEL_ONLY, MarketState.HALTED])
def test_orders_may_leave_a_market_that_is_not_open(traders, state):
    order_id, timed = traders.buy(), gtd(traders, 1000)
    traders.revise(state=state)
    traders.exchange.cancel(traders.alice, order_id)
    traders.exchange.tick(2000)
    traders.exchange.run()
    assert traders.closed(traders.alice) == [
        (order_id, CloseStatus.CANCELLED, None), (timed, CloseStatus.EXPIRED, Reason.VALID_UNTIL),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "quantity", "price", "allowed"),
    [
        (MarketState.CANCEL_ONLY, "9", None, True),
        (MarketState.CANCEL_ONLY, "11", None, False),
        (MarketState.CANCEL_ONLY, "9", "4", False),
        (MarketState.HALTED, "9", None, False),
    ],
)
def test_amends_in_a_market_that_is_not_open(traders, state, quantity, price, allowed):
    order_id = traders.buy()
    traders.revise(state=state)
    traders.amend(order_id, quantity, price)
    assert traders.reasons() == ([] if allowed else [Reason.MARKET_NOT_OPEN])
    assert traders.drawn() == [(500, 9 if allowed else 10)]


def test_a_market_opens_again(traders):
    traders.buy()
    traders.revise(state=MarketState.HALTED)
    traders.revise(state=MarketState.OPEN)
    traders.exchange.place(traders.bob, "SELL", "10", "5")
    assert len(traders.exchange.trades()) == 1


def test_delisting_expires_all_bids_then_asks_best_first(traders):
    low, high = traders.buy(price="4"), traders.buy(price="5")
    ask = traders.exchange.place(traders.alice, "SELL", "1", "7")
    traders.revise(state=MarketState.DELISTED)
    assert traders.closed(traders.alice) == [
        (order_id, CloseStatus.EXPIRED, Reason.DELISTED) for order_id in (high, low, ask)
    ]
    assert traders.exchange.balance(traders.alice, "USD") == (100_000 * 10_000, 0)
    assert traders.exchange.balance(traders.alice, "ABC") == (1000, 0)


def large_market(orders: int) -> tuple[Exchange, Signer]:
    """Alice has this many orders of one ABC at 5."""
    exchange = Exchange([market()], max_open_orders=orders, account_partitions=1)
    alice = exchange.open_account(USD="100000")
    for _ in range(orders):
        exchange.submit(alice.sign(exchange.order(alice, "BUY", "1", "5")), alice.account)
    exchange.run()
    return exchange, alice


def check_record_sizes(exchange: Exchange) -> None:
    """What the broker takes in one record, whatever one input causes."""
    for topic in ("accounts", "ledger", "orders", "trades", "depth"):
        assert max(map(len, exchange.cluster.values(topic, 0)), default=0) < 1_000_000


def test_delisting_a_large_market_is_told_in_several_reports():
    exchange, alice = large_market(1200)
    exchange.list_market(market(state=MarketState.DELISTED), 2)
    exchange.run()
    assert exchange.balance(alice, "USD") == (100_000 * 10_000, 0)
    assert sum(b'"cause":"DELISTED"' in value for value in exchange.cluster.values("accounts", 0)) == 3
    check_record_sizes(exchange)


def test_an_order_that_meets_a_thousand_others_is_told_in_several_reports():
    exchange, alice = large_market(1200)
    bob = exchange.open_account(ABC="1200")
    exchange.place(bob, "SELL", "1200", "5")
    assert len(exchange.trades()) == 1200
    assert exchange.balance(alice, "ABC") == (1200, 0) and exchange.balance(bob, "ABC") == (0, 0)
    assert exchange.balance(alice, "USD")[1] == 0
    check_record_sizes(exchange)


# --- terms that change under resting orders


def test_resting_orders_keep_the_fees_they_came_with(traders):
    traders.buy("10", "5")
    traders.revise(maker_fee="0.05", taker_fee="0.1")
    traders.exchange.place(traders.bob, "SELL", "10", "5")
    (trade,) = traders.exchange.trades()
    assert (trade.maker_fee, trade.taker_fee) == ("0.01", "5")
    assert traders.exchange.balance(traders.alice, "USD")[1] == 0


def test_resting_orders_are_not_judged_by_a_new_band(traders):
    order_id = traders.buy("10", "5")
    traders.revise(price_low="6", price_high="9")
    assert traders.drawn() == [(500, 10)]
    traders.amend(order_id, "5")
    assert traders.drawn() == [(500, 5)]
    traders.amend(order_id, "5", "4")
    assert traders.reasons() == [Reason.OUTSIDE_PRICE_BAND]


def test_an_amend_is_judged_by_new_limits(traders):
    order_id = traders.buy("10", "5")
    traders.revise(min_quantity="8")
    traders.amend(order_id, "7")
    assert traders.reasons() == [Reason.BELOW_MIN_QUANTITY]


def test_ledger_and_matcher_may_learn_of_a_revision_at_different_times(traders):
    """An order that the ledger let through by the old terms is judged by the matcher's, and gets its funds back."""
    traders.revision += 1
    signed = traders.alice.sign(traders.exchange.order(traders.alice, "BUY", "10", "5"))
    traders.exchange.list_market(market(price_low="6"), traders.revision)
    partition = int(traders.alice.account[:8], 16) % 2
    traders.exchange.cluster.records[("accounts", partition)].pop()  # the revision has not come to her partition yet
    traders.exchange.submit(signed, traders.alice.account)
    traders.exchange.run()
    assert traders.closed(traders.alice)[0][1:] == (CloseStatus.REJECTED, Reason.OUTSIDE_PRICE_BAND)
    assert traders.exchange.balance(traders.alice, "USD") == (100_000 * 10_000, 0)


def test_a_mass_cancel_covers_all_markets_or_one():
    exchange = Exchange([market(), market("XYZ-USD", 1)])
    alice = exchange.open_account(USD="1000")
    one = exchange.place(alice, "BUY", "1", "5")
    two = exchange.place(alice, "BUY", "1", "5", symbol="XYZ-USD")
    three = exchange.place(alice, "BUY", "1", "5")
    exchange.send(alice, CancelAll, symbol="ABC-USD")
    closed = [event.order_id for event in exchange.events(alice) if isinstance(event, OrderClosed)]
    assert closed == [one, three]
    exchange.send(alice, CancelAll)
    closed = [event.order_id for event in exchange.events(alice) if isinstance(event, OrderClosed)]
    assert closed == [one, three, two]
    assert exchange.balance(alice, "USD") == (10_000_000, 0)


def test_the_journal_tells_an_orders_whole_life(traders):
    order_id = traders.buy("10", "5")
    traders.exchange.place(traders.bob, "SELL", "4", "5")
    traders.amend(order_id, "8")
    traders.exchange.place(traders.bob, "SELL", "4", "5")
    told = [type(event) for event in traders.exchange.events(traders.alice)[3:]]
    assert [kind for kind in told if kind in (OrderRested, OrderFilled, OrderAmended, OrderClosed)] == [
        OrderRested, OrderFilled, OrderAmended, OrderFilled, OrderClosed,
    ]  # fmt: skip
