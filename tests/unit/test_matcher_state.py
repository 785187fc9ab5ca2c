"""The matcher's state as columns: the same book comes back, also from a snapshot that held rows."""

from random import Random

import msgspec
import pytest

from matcher.book import Book, Order, Resting
from matcher.core import MatcherCore
from matcher.listed_book import ListedBook
from schemas.codec import encode
from schemas.commands import SelfTrade, Side
from schemas.market import Terms
from schemas.matcher_state import BookState, MatcherState, RestingOrder, RestingOrders, resting_orders
from tests.exchange import market

SYMBOLS = ("ABC-USD", "XYZ-USD")


def made_order(random: Random, number: int, symbol: str) -> Order:
    is_buy = random.random() < 0.5
    price_ticks = random.randint(90, 99) if is_buy else random.randint(101, 110)
    return Order(
        f"{number % 3}-{number}", random.choice("abc") * 40, symbol, is_buy, price_ticks, random.randint(1, 50),
        random.choice([0, 100]), random.choice([300, 500]), random.choice(list(SelfTrade)), random.random() < 0.2,
        random.choice([None, None, 5_000 + number % 7]), 2 * number, random.choice([0, 0, 3]),
    )  # fmt: skip


def made_core(seed: int, orders: int = 300) -> MatcherCore:
    """Two books with orders that came, were filled in part, moved and left."""
    random, core = Random(seed), MatcherCore(0)
    for symbol in SYMBOLS:
        core.books[symbol] = ListedBook(1, Terms(market(symbol)), core.resting)
    for number in range(orders):
        symbol = random.choice(SYMBOLS)
        book = core.books[symbol].engine.book
        book.add(made_order(random, number, symbol))
        there = random.choice(list(core.resting.orders.values()))
        its_book = core.books[there.symbol].engine.book
        what = random.random()
        if what < 0.2:
            its_book.remove(there)
        elif what < 0.4 and there.remaining_lots > 1:
            its_book.reduce(there, 1)
        elif what < 0.5:
            its_book.remove(there)
            there.entered = 2 * number + 1
            its_book.add(there)
    for listed in core.books.values():
        listed.engine.book.take_changes()
    return core


def queues(core: MatcherCore) -> dict[str, list[list[object]]]:
    """Every order's fields but its neighbours, in priority."""
    fields = Order.__struct_fields__[:13]
    return {
        symbol: [[getattr(order, field) for field in fields] for order in listed.engine.book]
        for symbol, listed in core.books.items()
    }


def restored(raw: bytes) -> MatcherCore:
    core = MatcherCore(0)
    core.restore(raw)
    for listed in core.books.values():
        listed.engine.book.check()
    return core


@pytest.mark.parametrize("seed", range(20))
def test_a_restored_book_is_the_same(seed: int):
    core = made_core(seed)
    raw = encode(core.dump())
    again = restored(raw)
    assert queues(again) == queues(core)
    assert list(again.resting.due) == list(core.resting.due) and again.resting.due
    assert again.resting.orders.keys() == core.resting.orders.keys()
    assert encode(again.dump()) == raw
    assert again.books[SYMBOLS[0]].engine.book.take_changes() == ([], [])


def test_a_snapshot_that_held_rows_is_still_read():
    core = made_core(1)
    books = []
    for symbol, listed in core.books.items():
        rows = [
            RestingOrder(
                order.order_id, order.account, order.side, order.price_ticks, order.remaining_lots, order.filled_lots,
                order.maker_fee_ppm, order.taker_fee_ppm, order.self_trade, order.post_only, order.valid_until_ms,
                order.entered,
            )
            for order in listed.engine.book
        ]  # fmt: skip
        state = msgspec.to_builtins(BookState(1, market(symbol), 0, 0, None, orders=rows))
        del state["bids"], state["asks"]
        books.append(state)
    raw = encode({"genesis": None, "books": books})
    assert queues(restored(raw)) == queues(core)
    assert encode(restored(raw).dump()) == encode(core.dump())
    old, new = (msgspec.json.decode(data, type=MatcherState).books for data in (raw, encode(core.dump())))
    assert [sorted(book.levels()) for book in old] == [sorted(book.levels()) for book in new]


def test_what_many_orders_share_stands_once():
    orders = [Order(f"0-{n}", "a" * 40, "ABC-USD", True, 100, 5, 100, 300, entered=n) for n in range(1000)]
    columns = resting_orders(orders)
    assert columns.accounts == ["a" * 40] and columns.maker_fee_ppm == [(100, 1000)]
    assert columns.self_trade == [(SelfTrade.EXPIRE_TAKER, 1000)]
    assert len(encode(columns)) < 25 * len(orders)


def test_levels_are_summed_up():
    state = BookState(1, market(), 0, 0, None)
    orders = [Order(f"0-{n}", "a", "ABC-USD", True, 100 - n % 2, n + 1, 0, 0) for n in range(4)]
    state.bids = resting_orders(orders)
    assert sorted(state.levels()) == [(Side.BUY, 99, 6), (Side.BUY, 100, 4)]
    assert state.asks == RestingOrders()


def test_only_an_empty_side_is_filled():
    book = Book(Resting())
    book.add(Order("0-1", "a", "ABC-USD", True, 100, 5, 0, 0))
    with pytest.raises(AssertionError):
        book.fill(True, [Order("0-2", "a", "ABC-USD", True, 100, 5, 0, 0)])
    book.fill(False, [])
    book.check()
