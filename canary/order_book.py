"""One market's orders: on each side one queue of all orders, sorted by who goes first.

No levels and no links: an order's place is its key, (price from the best on, offset at which it took its place, id).
Totals by price are kept beside, for depth alone. Adding, removing, finding: O(log n).
"""

from msgspec import Struct
from msgspec.structs import replace
from sortedcontainers import SortedList

from canary.market_terms import MarketTerms
from schemas.commands import SelfTrade
from schemas.market import Market

Key = tuple[int, int, str]


class Order(Struct):
    """An order that rests, or comes in. Prices in ticks, quantities in lots."""

    order_id: str
    account: str
    is_buy: bool
    price: int
    left: int
    filled: int
    place: int  # the offset in `orders` at which it took its present place
    maker_ppm: int
    taker_ppm: int
    self_trade: SelfTrade
    post_only: bool
    until: int | None
    came: int  # the offset in `orders` at which it came


class BookState(Struct):
    """A market as a snapshot holds it."""

    revision: int
    market: Market
    orders: list[Order]


class MarketBook:
    """A market of one partition of `orders`: its terms and its queues."""

    def __init__(self, revision: int, terms: MarketTerms) -> None:
        self.revision = revision
        self.terms = terms
        self.orders: dict[str, Order] = {}
        self.bids: SortedList[Key] = SortedList()
        self.asks: SortedList[Key] = SortedList()
        self.bid_totals: dict[int, int] = {}
        self.ask_totals: dict[int, int] = {}
        self.due: SortedList[tuple[int, int, str]] = SortedList()  # of orders that expire by time

    def queue(self, is_buy: bool) -> "SortedList[Key]":
        return self.bids if is_buy else self.asks

    def totals(self, is_buy: bool) -> dict[int, int]:
        return self.bid_totals if is_buy else self.ask_totals

    # --- changes

    def add(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self.queue(order.is_buy).add(_key(order))
        self._count(order, order.left)
        if order.until is not None:
            self.due.add((order.until, order.place, order.order_id))

    def remove(self, order: Order) -> None:
        del self.orders[order.order_id]
        self.queue(order.is_buy).remove(_key(order))
        self._count(order, -order.left)
        if order.until is not None:
            self.due.remove((order.until, order.place, order.order_id))

    def reduce(self, order: Order, lots: int) -> None:
        """Takes lots off an order that keeps its place; at nothing it is gone."""
        if lots >= order.left:
            self.remove(order)
        else:
            self._count(order, -lots)
        order.left -= min(lots, order.left)

    def _count(self, order: Order, lots: int) -> None:
        totals = self.totals(order.is_buy)
        total = totals.get(order.price, 0) + lots
        if total:
            totals[order.price] = total
        else:
            del totals[order.price]

    # --- copies

    def dump(self) -> BookState:
        """The book's state, sharing its orders: to be encoded or copied at once."""
        ids = [key[2] for queue in (self.bids, self.asks) for key in queue]
        orders = [self.orders[order_id] for order_id in ids]
        return BookState(self.revision, self.terms.market, orders)

    @classmethod
    def restored(cls, state: BookState) -> "MarketBook":
        book = cls(state.revision, MarketTerms(state.market))
        for order in state.orders:
            book.add(order)
        return book

    def copied(self) -> "MarketBook":
        state = self.dump()
        state.orders = [replace(order) for order in state.orders]
        return MarketBook.restored(state)


def _key(order: Order) -> Key:
    """Who goes first: the highest bid, the lowest ask; then who took his place first."""
    return (-order.price if order.is_buy else order.price), order.place, order.order_id
