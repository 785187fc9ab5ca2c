"""The baseline's price-time book: a sorted dictionary of price levels a side, each a queue of orders.

Owns the resting orders of one market and who meets whom. Knows no money: `match` asks a function how much a taker can
pay. A level keeps its total, so that depth is read without looking at orders; an `OrderedDict` is the queue, since
taking from the front of a plain dict costs more with each order taken.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct, field
from sortedcontainers import SortedDict

from glassbook.client.answers import Fill


class Order(Struct, kw_only=True):
    """An order with all that is known of it: what the book needs, what is answered, and what is stored."""

    number: int  # its place in time too
    account: str
    client_order_id: str = ""
    symbol: str = ""
    is_buy: bool
    type: str = "LIMIT"
    time_in_force: str = "GTC"
    price: str | None = None
    quantity: str | None = None
    max_quote: str | None = None
    valid_until_ms: int | None = None
    post_only: bool = False
    price_ticks: int | None
    remaining_lots: int  # UNLIMITED where only an amount of money bounds it
    filled_lots: int = 0
    filled_quote_minor: int = 0
    fee_minor: int = 0
    reserved_minor: int = 0
    status: str = "OPEN"
    cause: str | None = None
    created_ms: int = 0
    updated_ms: int = 0
    fills: list[Fill] = field(default_factory=list)


class Match(NamedTuple):
    maker: Order
    price_ticks: int
    lots: int


class Level:
    __slots__ = ("lots", "orders")

    def __init__(self) -> None:
        self.orders: OrderedDict[int, Order] = OrderedDict()
        self.lots = 0


Afford = Callable[[int, int], int]
"""Of so many lots at this price, how many can be paid for with what the matches so far have left."""


class Book:
    def __init__(self) -> None:
        self.bids: SortedDict[int, Level] = SortedDict()
        self.asks: SortedDict[int, Level] = SortedDict()

    def side(self, is_buy: bool) -> "SortedDict[int, Level]":
        return self.bids if is_buy else self.asks

    def best_ticks(self, is_buy: bool) -> int | None:
        side = self.side(is_buy)
        if not side:
            return None
        price: int = side.peekitem(-1 if is_buy else 0)[0]
        return price

    def levels(self, is_buy: bool, count: int) -> list[tuple[int, int]]:
        """(price, lots), best first. O(count)."""
        side = self.side(is_buy)
        prices = side.islice(max(0, len(side) - count), reverse=True) if is_buy else side.islice(0, count)
        return [(price, side[price].lots) for price in prices]

    # --- what moves it

    def add(self, order: Order) -> None:
        """O(log levels)."""
        assert order.price_ticks is not None
        side = self.side(order.is_buy)
        level = side.get(order.price_ticks)
        if level is None:
            level = side[order.price_ticks] = Level()
        level.orders[order.number] = order
        level.lots += order.remaining_lots

    def remove(self, order: Order) -> None:
        """O(1), or O(log levels) for a level's last."""
        assert order.price_ticks is not None
        side = self.side(order.is_buy)
        level = side[order.price_ticks]
        del level.orders[order.number]
        level.lots -= order.remaining_lots
        if not level.orders:
            del side[order.price_ticks]

    def match(self, taker: Order, afford: Afford | None = None) -> tuple[list[Match], bool]:
        """Fills the taker as far as its price and its money go. The second is whether it met its own account, where it
        ends. Quantities of both sides are moved; fills and money are the caller's."""
        matches: list[Match] = []
        opposite = self.side(not taker.is_buy)
        limit, is_buy, best = taker.price_ticks, taker.is_buy, 0 if taker.is_buy else -1
        while taker.remaining_lots and opposite:
            price, level = opposite.peekitem(best)
            if limit is not None and (price > limit if is_buy else price < limit):
                break
            maker = next(iter(level.orders.values()))
            if maker.account == taker.account:
                return matches, True
            wanted = lots = min(taker.remaining_lots, maker.remaining_lots)
            if afford is not None:
                lots = afford(price, wanted)
            if lots:
                self._fill(taker, maker, level, lots)
                matches.append(Match(maker, price, lots))
                if not level.orders:
                    del opposite[price]
            if lots < wanted:
                break
        return matches, False

    def fills_whole(self, taker: Order) -> bool:
        """Whether the taker's whole quantity is there to be taken, before it meets its own account. O(orders met)."""
        opposite, limit, left = self.side(not taker.is_buy), taker.price_ticks, taker.remaining_lots
        for price in opposite if taker.is_buy else reversed(opposite):
            if limit is not None and (price > limit if taker.is_buy else price < limit):
                return False
            for maker in opposite[price].orders.values():
                if maker.account == taker.account:
                    return False
                left -= maker.remaining_lots
                if left <= 0:
                    return True
        return False

    @staticmethod
    def _fill(taker: Order, maker: Order, level: Level, lots: int) -> None:
        for order in (taker, maker):
            order.remaining_lots -= lots
            order.filled_lots += lots
        level.lots -= lots
        if not maker.remaining_lots:
            del level.orders[maker.number]
