"""Matching, from docs/matching-rules.md: what an order does to a market, worked out without touching it.

`meet` walks the opposite queue and says whom the order meets; `outcome` turns that into what happens, in order.
Nothing here changes a book: `happen` does, given what happened, whoever says so.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from canary.numbers import LARGEST, MILLION, fee_of
from canary.order_book import MarketBook, Order
from schemas.commands import SelfTrade, TimeInForce
from schemas.reasons import Reason
from schemas.records import Amended, Closed, CloseStatus, Declined, Decremented, Filled, OrderEvent, Rested

# By their own names: looking a member up in its enumeration costs more than a comparison.
IOC, FOK = TimeInForce.IOC, TimeInForce.FOK
FILLED, EXPIRED, REJECTED = CloseStatus.FILLED, CloseStatus.EXPIRED, CloseStatus.REJECTED
EXPIRE_TAKER, EXPIRE_MAKER, EXPIRE_BOTH = SelfTrade.EXPIRE_TAKER, SelfTrade.EXPIRE_MAKER, SelfTrade.EXPIRE_BOTH


class Wish(NamedTuple):
    """How an order comes in. Without a limit it is a market order; `budget` bounds its money; `by_money` says that the
    budget alone is its size."""

    limit: int | None
    force: TimeInForce
    budget: int | None = None
    by_money: bool = False


class Fill(NamedTuple):
    """A trade, at the maker's price."""

    taker: Order
    maker: Order
    lots: int
    notional: int
    taker_fee: int
    maker_fee: int


Event = Fill | OrderEvent

# What happens at an order that is met.
TRADE, SHRINK, DROP = "trade", "shrink", "drop"


class Way(NamedTuple):
    """Whom an order meets, and how its way ends."""

    met: list[tuple[str, Order, int]]
    left: int
    spent: bool = False  # the budget affords no lot more at the best price left, or is used to the last unit
    own: bool = False  # it met an order of its own account, which ended it
    and_own: Order | None = None  # … and this order with it


def in_line(book: MarketBook, order: Order, limit: int | None, gone: set[str]) -> Iterator[Order]:
    """The orders that this one may trade with, who goes first first."""
    orders = book.orders
    buys = order.is_buy
    for key, _, order_id in book.queue(not buys):
        if limit is not None and (key > limit if buys else -key < limit):
            return
        if order_id not in gone:
            yield orders[order_id]


def cost_of(order: Order, unit: int, lots: int) -> int:
    """What a budget pays for: notional and fee of a buy, the proceeds of a sell."""
    notional = unit * lots
    return notional + fee_of(notional, order.taker_ppm) if order.is_buy else notional


def affordable(order: Order, unit: int, budget: int) -> int:
    """The most lots at `unit` of money each whose cost stays within the budget.

    l × unit + ⌊l × unit × rate⌋ ≤ budget, with the rate in millionths, holds just up to this l.
    """
    rate = order.taker_ppm if order.is_buy else 0
    room = (budget + 1) * MILLION - 1 if rate >= 0 else budget * MILLION
    lots: int = room // (unit * (MILLION + rate))
    return lots


def meet(book: MarketBook, order: Order, wish: Wish, gone: set[str]) -> Way:
    """Walks along the opposite queue. O(orders met)."""
    met: list[tuple[str, Order, int]] = []
    left, budget = order.left, wish.budget
    for other in in_line(book, order, wish.limit, gone):
        if left == 0:
            break
        unit = other.price * book.terms.unit
        afforded = LARGEST if budget is None else affordable(order, unit, budget)
        if afforded == 0:
            return Way(met, left, spent=True)
        if other.account == order.account:
            mode = order.self_trade
            if mode is EXPIRE_TAKER:
                return Way(met, left, own=True)
            if mode is EXPIRE_BOTH:
                return Way(met, left, own=True, and_own=other)
            lots = 0 if mode is EXPIRE_MAKER else min(left, other.left)
            met.append((SHRINK if lots else DROP, other, lots))
            left -= lots
            continue
        lots = min(left, other.left, afforded)
        met.append((TRADE, other, lots))
        left -= lots
        if budget is not None:
            budget -= cost_of(order, unit, lots)
            if lots == afforded and lots < other.left and left:
                return Way(met, left, spent=True)
    return Way(met, left, spent=budget == 0 and left > 0)


def outcome(book: MarketBook, order: Order, wish: Wish, gone: set[str]) -> list[Event]:
    """All that happens when this order comes in, in order; the last event is about the order itself."""
    account, order_id = order.account, order.order_id
    first = next(in_line(book, order, wish.limit, gone), None)
    if first is not None and order.post_only:
        return [Closed(account, order_id, REJECTED, Reason.WOULD_TAKE)]
    way = meet(book, order, wish, gone) if first is not None else Way([], order.left)
    if wish.force is FOK and not _fills_it_all(way, wish):
        return [Closed(account, order_id, EXPIRED, Reason.TIME_IN_FORCE)]
    events: list[Event] = []
    for what, other, lots in way.met:
        events += _at(book, order, what, other, lots)
    if way.and_own is not None:
        events.append(Closed(account, way.and_own.order_id, EXPIRED, Reason.SELF_TRADE))
    events.append(_end(order, wish, way))
    return events


def _fills_it_all(way: Way, wish: Wish) -> bool:
    if way.own or any(what == SHRINK for what, _, _ in way.met):
        return False
    return way.spent if wish.by_money else way.left == 0


def _at(book: MarketBook, order: Order, what: str, other: Order, lots: int) -> list[Event]:
    """What happens at one order that is met."""
    if what == DROP:
        return [Closed(other.account, other.order_id, EXPIRED, Reason.SELF_TRADE)]
    used_up = lots == other.left
    if what == SHRINK:
        events: list[Event] = [
            Decremented(other.account, other.order_id, lots), Decremented(order.account, order.order_id, lots)
        ]  # fmt: skip
        if used_up:
            events.append(Closed(other.account, other.order_id, EXPIRED, Reason.SELF_TRADE))
        return events
    notional = other.price * lots * book.terms.unit
    fill = Fill(order, other, lots, notional, fee_of(notional, order.taker_ppm), fee_of(notional, other.maker_ppm))
    if used_up:
        return [fill, Closed(other.account, other.order_id, FILLED)]
    return [fill]


def _end(order: Order, wish: Wish, way: Way) -> Rested | Closed:
    """What becomes of the order itself."""
    account, order_id = order.account, order.order_id
    if way.own or (way.left == 0 and way.met[-1][0] == SHRINK):
        return Closed(account, order_id, EXPIRED, Reason.SELF_TRADE)
    if way.left == 0:
        return Closed(account, order_id, FILLED)
    if wish.force is not IOC and wish.force is not FOK:
        return Rested(account, order_id, way.left)
    traded = any(what == TRADE for what, _, _ in way.met)
    if wish.by_money and way.spent and traded:
        return Closed(account, order_id, FILLED)
    return Closed(account, order_id, EXPIRED, Reason.TIME_IN_FORCE)


def amended(book: MarketBook, order: Order, command_id: str, price: int, total: int, gone: set[str]) -> list[Event]:
    """What an amend of a resting order to this price and total does."""
    account, order_id = order.account, order.order_id
    rest = total - order.filled
    if rest <= 0:
        return [Declined(account, command_id, Reason.AMEND_BELOW_FILLED, "", order_id)]
    done = Amended(account, order_id, command_id, price, total)
    if keeps_place(order, price, rest):
        return [done]
    again = replace(order)
    again.price, again.left = price, rest
    if order.post_only and next(in_line(book, again, price, gone), None) is not None:
        return [Declined(account, command_id, Reason.WOULD_TAKE, "", order_id)]
    return [done, *outcome(book, again, Wish(price, TimeInForce.GTC), gone)]


def keeps_place(order: Order, price: int, rest: int) -> bool:
    return price == order.price and rest <= order.left


# --- what happened, to the totals by price


class Ripple:
    """How what happens in one input changes a market's totals. The book stays as it is."""

    def __init__(self, book: MarketBook) -> None:
        self._book = book
        self._left: dict[str, int] = {}  # of orders that this input touched and that still rest
        self._outside: dict[str, Order] = {}  # orders on their way in
        self._changes: dict[tuple[bool, int], int] = {}

    def add(self, events: Iterable[Event], incoming: Order | None) -> None:
        if incoming is not None:
            self._outside[incoming.order_id] = incoming
        for event in events:
            if isinstance(event, Fill):
                self._take(event.maker, event.lots)
                continue
            order = self._resting(event.order_id)
            match event:
                case Rested():
                    came = self._outside[event.order_id]
                    self._change(came, event.remaining_lots)
                case Decremented() if order is not None:
                    self._take(order, event.quantity_lots)
                case Closed() if order is not None:
                    self._take(order, self._lots_left(order))
                case Amended() if order is not None:
                    rest = event.quantity_lots - order.filled
                    if keeps_place(order, event.price_ticks, rest):
                        self._take(order, order.left - rest)
                    else:
                        self._take(order, order.left)
                        moved = self._outside[order.order_id] = replace(order)
                        moved.price = event.price_ticks

    def totals(self, is_buy: bool) -> list[tuple[int, int]]:
        """(price, new total) where it is another than before; best price first."""
        old = self._book.totals(is_buy)
        changed = [
            (price, old.get(price, 0) + by) for (side, price), by in self._changes.items() if side == is_buy and by
        ]
        return sorted(changed, reverse=is_buy) if len(changed) > 1 else changed

    def _resting(self, order_id: str | None) -> Order | None:
        return None if order_id in self._outside else self._book.orders.get(order_id or "")

    def _lots_left(self, order: Order) -> int:
        return self._left.get(order.order_id, order.left)

    def _take(self, order: Order, lots: int) -> None:
        self._left[order.order_id] = self._lots_left(order) - lots
        self._change(order, -lots)

    def _change(self, order: Order, lots: int) -> None:
        level = (order.is_buy, order.price)
        self._changes[level] = self._changes.get(level, 0) + lots


# --- what happened, done to the book


def happen(book: MarketBook, events: Iterable[OrderEvent], incoming: Order | None, place: int) -> None:
    """Changes the book as these events say; what can't be, because another says so than the rules, is left out.

    `incoming` is the new order, which rests only if an event says so; `place` the input's offset.
    """
    outside = {incoming.order_id: incoming} if incoming is not None else {}
    for event in events:
        order = book.orders.get(event.order_id or "")
        moved = outside.get(event.order_id or "")
        match event:
            case Filled() | Decremented():
                lots = max(event.quantity_lots, 0)
                one = order if order is not None else moved
                if one is not None and isinstance(event, Filled):
                    one.filled += lots
                if order is not None:
                    book.reduce(order, lots)
                elif moved is not None:
                    moved.left -= lots
            case Amended() if order is not None:
                rest = event.quantity_lots - order.filled
                if keeps_place(order, event.price_ticks, rest) and rest > 0:
                    if rest < order.left:
                        book.reduce(order, order.left - rest)
                else:
                    book.remove(order)
                    order.price, order.left = event.price_ticks, rest
                    outside[order.order_id] = order
            case Rested() if order is None and moved is not None and event.remaining_lots > 0:
                moved.left, moved.place = event.remaining_lots, place
                book.add(moved)
            case Closed() if order is not None:
                book.remove(order)
