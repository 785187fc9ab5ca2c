"""What a load sends: how many of what, to which markets, and what becomes of it on real books."""

from collections import Counter
from heapq import heappop, heappush
from itertools import pairwise
from random import Random

import pytest

from matcher.book import Order, Resting
from matcher.engine import Engine, Incoming, Match
from schemas.commands import OrderType, Side, TimeInForce
from schemas.records import Closed, CloseStatus
from simulator.load.flow import BASKET, MAX_LOTS, Draft, Flow, OpenOrders, held_symbols, holders
from simulator.load.mix import BROKERS, SYMBOLS, Kind, rates_per_s
from simulator.load.schedule import arrivals

MIDDLE = 5_000


def test_at_a_hundred_percent_there_are_700_orders_251_cancels_and_370_reads_a_second() -> None:
    assert {kind: round(per_s) for kind, per_s in rates_per_s(100).items()} == {
        Kind.ORDER: 700,
        Kind.CANCEL: 251,
        Kind.READ: 370,
    }
    assert rates_per_s(250)[Kind.ORDER] == pytest.approx(1750)


def test_arrivals_are_poisson_of_each_kind_and_follow_from_the_seed() -> None:
    rates = rates_per_s(100)
    found = list(arrivals(rates, 60, "seed"))
    assert found == list(arrivals(rates, 60, "seed"))
    assert found != list(arrivals(rates, 60, "another"))
    assert found == sorted(found)
    for kind, per_s in rates.items():
        dues = [due_s for due_s, of in found if of is kind]
        assert len(dues) == pytest.approx(60 * per_s, rel=0.05)
        gaps = [after - before for before, after in pairwise(dues)]
        mean = sum(gaps) / len(gaps)
        variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
        assert variance == pytest.approx(mean**2, rel=0.1)  # as of an exponential distribution
    counts = Counter(int(due_s) for due_s, _ in found)
    assert max(counts.values()) > 1.05 * sum(rates.values())  # not evened out


def test_every_symbol_is_traded_by_several_brokers_and_the_busiest_by_all() -> None:
    assert len(holders(0, BROKERS)) == BROKERS
    assert len(holders(449, BROKERS)) == 6
    assert holders(449, 3) == [0, 1, 2]
    held = held_symbols(SYMBOLS, BROKERS)
    assert set().union(*held) == set(range(SYMBOLS))
    assert max(map(len, held)) - min(map(len, held)) <= 2


@pytest.mark.parametrize(("first", "step"), [(0, 1), (1, 4)], ids=["one process", "one of four"])
def test_symbols_are_skewed_as_zipf_says(first: int, step: int) -> None:
    held = held_symbols(SYMBOLS, BROKERS)[first::step]
    flow = Flow(Random(1), held, [MIDDLE] * SYMBOLS)
    drawn = Counter(flow.symbol(flow.any_broker()) for _ in range(60_000))
    harmonic = sum(1 / rank for rank in range(1, SYMBOLS + 1))
    for rank in (1, 2, 5, 10):
        assert drawn[rank - 1] / 60_000 == pytest.approx(1 / rank / harmonic, rel=0.15)
    busiest_tenth = sum(drawn[symbol] for symbol in range(SYMBOLS // 10))
    assert busiest_tenth / 60_000 == pytest.approx(0.66, abs=0.03)


def test_a_brokers_commands_come_in_baskets() -> None:
    flow = Flow(Random(1), held_symbols(8, 10), [MIDDLE] * 8)
    brokers = [flow.next_broker() for _ in range(10 * BASKET)]
    baskets = [brokers[start : start + BASKET] for start in range(0, len(brokers), BASKET)]
    assert all(len(set(basket)) == 1 for basket in baskets)
    assert len({basket[0] for basket in baskets}) > 4


def test_orders_are_mostly_limits_within_their_bounds() -> None:
    flow = Flow(Random(1), held_symbols(8, 10), [MIDDLE] * 8)
    drafts = [flow.draft(flow.any_broker()) for _ in range(20_000)]
    kinds = Counter((draft.type, draft.time_in_force) for draft in drafts)
    assert kinds[OrderType.LIMIT, TimeInForce.GTD] / 20_000 == pytest.approx(0.31, abs=0.02)
    assert kinds[OrderType.MARKET, TimeInForce.IOC] / 20_000 == pytest.approx(0.06, abs=0.01)
    assert all(1 <= draft.lots <= MAX_LOTS and abs(draft.price_ticks - MIDDLE) <= 100 for draft in drafts)
    assert all((draft.lifetime_ms is None) == (draft.time_in_force is not TimeInForce.GTD) for draft in drafts)


def test_a_broker_cancels_what_lasts_first_and_never_twice() -> None:
    known = OpenOrders()
    assert known.take() == ""
    known.sent("a")
    assert known.take() == "a"  # under way: it may be open by then
    known.rests("timed", lasting=False)
    known.rests("lasting", lasting=True)
    assert len(known) == 2
    assert [known.take(), known.take(), known.take()] == ["lasting", "timed", "a"]


class Books:
    """The matcher's engine for each symbol, driven as the load drives it, in a time of its own."""

    def __init__(self) -> None:
        self.resting = [Resting() for _ in range(SYMBOLS)]
        self.engines = [Engine(1, resting) for resting in self.resting]
        self.trades = self.entered = 0

    def submit(self, draft: Draft, order_id: str, account: str) -> None:
        self.entered += 1
        price = None if draft.type is OrderType.MARKET else draft.price_ticks
        order = Order(
            order_id, account, str(draft.symbol), draft.side is Side.BUY, draft.price_ticks, draft.lots, 0, 0,
            entered=self.entered,
        )  # fmt: skip
        events = self.engines[draft.symbol].submit(Incoming(order, price, draft.time_in_force))
        self.trades += sum(isinstance(event, Match) for event in events)

    def end(self, symbol: int, order_id: str) -> bool:
        order = self.resting[symbol].orders.get(order_id)
        if order is None:
            return False
        closed = self.engines[symbol].cancel(order, "0-0")[0]
        assert isinstance(closed, Closed) and closed.status is CloseStatus.CANCELLED
        return True


def test_about_one_order_in_five_trades_most_cancels_hit_and_books_stay_bounded() -> None:
    """Two minutes at 100%: the second is like the first."""
    flow, books = Flow(Random(1), held_symbols(SYMBOLS, BROKERS), [MIDDLE] * SYMBOLS), Books()
    brokers = [OpenOrders() for _ in range(BROKERS)]
    symbols: dict[str, int] = {}
    orders = cancels = hits = open_after_one = 0
    expiring: list[tuple[float, str]] = []
    for due_s, kind in arrivals({kind: per_s for kind, per_s in rates_per_s(100).items() if kind != Kind.READ}, 120, 1):
        while expiring and expiring[0][0] <= due_s:
            order_id = heappop(expiring)[1]
            books.end(symbols[order_id], order_id)
        broker = flow.next_broker()
        if kind is Kind.CANCEL:
            cancels += 1
            order_id = brokers[broker].take()
            hits += order_id in symbols and books.end(symbols[order_id], order_id)
            continue
        orders += 1
        draft, order_id = flow.draft(broker), str(orders)
        symbols[order_id] = draft.symbol
        books.submit(draft, order_id, str(broker))
        if order_id in books.resting[draft.symbol].orders:
            brokers[broker].rests(order_id, draft.time_in_force is TimeInForce.GTC)
            if draft.lifetime_ms is not None:
                heappush(expiring, (due_s + draft.lifetime_ms / 1000, order_id))
        if not open_after_one and due_s > 60:
            open_after_one = sum(len(resting.orders) for resting in books.resting)
    open_after_two = sum(len(resting.orders) for resting in books.resting)
    assert books.trades / orders == pytest.approx(0.2, abs=0.03)
    assert hits / cancels > 0.8
    assert open_after_two < 1.2 * open_after_one
