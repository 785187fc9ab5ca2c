"""Matching in one market: what an incoming order does to the book, as events.

Rules are those of docs/matching-rules.md: best price first, then oldest; a trade is at the maker's price; an order
never trades with one of its own account. An order's way is first planned against the book, which stays as it is, then
carried out; so fill-or-kill needs no undo.

Pure: no time, no input but the orders. `Match` stands for both sides' fills and the trade.
"""

from msgspec import Struct

from matcher.book import Book, Level, Order, Resting
from schemas.commands import SelfTrade, TimeInForce
from schemas.market import PPM, fee_minor
from schemas.reasons import Reason
from schemas.records import Amended, Closed, CloseStatus, Declined, Decremented, Rested

UNLIMITED_LOTS = 2**63 - 1

# By their own names: finding a member in its enumeration takes Python 3.11 longer than a step of matching.
_FOK = TimeInForce.FOK
_GTC = TimeInForce.GTC
_GTD = TimeInForce.GTD
_FILLED = CloseStatus.FILLED
_CANCELLED = CloseStatus.CANCELLED


class Match(Struct, frozen=True, gc=False):
    """A trade between two orders, at the maker's price. Fees in quote minor units."""

    taker: Order
    maker: Order
    price_ticks: int
    quantity_lots: int
    notional_minor: int
    taker_fee_minor: int
    maker_fee_minor: int


class Incoming(Struct, frozen=True, gc=False):
    """How an order comes in. `price_ticks` None is a market order; `budget_minor` bounds a buy's cost with its fee, or
    a sell's proceeds without it; `by_budget` says that the budget alone is the order's size."""

    order: Order
    price_ticks: int | None
    time_in_force: TimeInForce
    budget_minor: int | None = None
    by_budget: bool = False


EngineEvent = Match | Rested | Decremented | Amended | Closed | Declined

# What the plan does with a resting order that the incoming one meets.
_FILL, _EXPIRE_MAKER, _DECREMENT = 0, 1, 2


class _Plan(Struct, frozen=True, gc=False):
    steps: list[tuple[int, Order, int]]  # (what, resting order, lots)
    left_lots: int
    spent: bool  # the budget is used up: it buys not one lot more at the best price left, or is zero
    self_trade: bool  # self-trade prevention ended the incoming order
    expire_maker: Order | None  # … and this one with it


class Engine:
    """One market's book and the rules that move it."""

    __slots__ = ("_notional_unit", "book")

    def __init__(self, notional_unit: int, resting: Resting) -> None:
        self.book = Book(resting)
        self._notional_unit = notional_unit

    # --- what comes in

    def submit(self, incoming: Incoming) -> list[EngineEvent]:
        """Matches a new order. It ends filled, resting, expired or rejected, and the last event on it says which."""
        order = incoming.order
        opposite = self.book.asks if order.is_buy else self.book.bids
        if not opposite.meets(incoming.price_ticks):
            return self._finish(incoming, [])
        if order.post_only:
            return [Closed(order.account, order.order_id, CloseStatus.REJECTED, Reason.WOULD_TAKE)]
        plan = self._plan(incoming)
        if incoming.time_in_force is _FOK and not self._fills_whole(incoming, plan):
            return [Closed(order.account, order.order_id, CloseStatus.EXPIRED, Reason.TIME_IN_FORCE)]
        events = self._carry_out(order, plan)
        return self._finish(incoming, events, plan)

    def cancel(self, order: Order, command_id: str) -> list[EngineEvent]:
        self.book.remove(order)
        return [Closed(order.account, order.order_id, _CANCELLED, None, command_id)]

    def expire(self, order: Order, cause: Reason) -> list[EngineEvent]:
        self.book.remove(order)
        return [Closed(order.account, order.order_id, CloseStatus.EXPIRED, cause)]

    def amend(
        self, order: Order, command_id: str, price_ticks: int, total_lots: int, entered: int
    ) -> list[EngineEvent]:
        """Less at the same price keeps the order's place. All else comes in anew at `entered`, and may take."""
        account, order_id = order.account, order.order_id
        remaining = total_lots - order.filled_lots
        if remaining <= 0:
            detail = f"{order.filled_lots} lots are filled already"
            return [Declined(account, command_id, Reason.AMEND_BELOW_FILLED, detail, order_id)]
        amended = Amended(account, order_id, command_id, price_ticks, total_lots)
        if price_ticks == order.price_ticks and remaining <= order.remaining_lots:
            if remaining < order.remaining_lots:
                self.book.reduce(order, order.remaining_lots - remaining)
            return [amended]
        if order.post_only and (self.book.asks if order.is_buy else self.book.bids).meets(price_ticks):
            return [Declined(account, command_id, Reason.WOULD_TAKE, "", order_id)]
        self.book.remove(order)
        order.price_ticks, order.remaining_lots, order.entered = price_ticks, remaining, entered
        return [amended, *self.submit(Incoming(order, price_ticks, TimeInForce.GTC))]

    # --- matching

    def _plan(self, incoming: Incoming) -> _Plan:
        """Whom the order meets, in price-time priority. O(orders met); changes nothing."""
        order, budget = incoming.order, incoming.budget_minor
        account, left = order.account, order.remaining_lots
        opposite = self.book.asks if order.is_buy else self.book.bids
        steps: list[tuple[int, Order, int]] = []
        for level in opposite.within(incoming.price_ticks):
            resting = level.first
            while resting is not None:
                affordable = left
                if budget is not None:
                    affordable = self._affordable_lots(order, level, budget)
                    if affordable == 0:
                        return _Plan(steps, left, True, False, None)
                what = _FILL
                lots = resting.remaining_lots
                if left < lots:
                    lots = left
                if resting.account == account:
                    mode = order.self_trade
                    if mode is SelfTrade.EXPIRE_TAKER:
                        return _Plan(steps, left, False, True, None)
                    if mode is SelfTrade.EXPIRE_BOTH:
                        return _Plan(steps, left, False, True, resting)
                    if mode is SelfTrade.EXPIRE_MAKER:
                        steps.append((_EXPIRE_MAKER, resting, 0))
                        resting = resting.behind
                        continue
                    what = _DECREMENT
                elif budget is not None:
                    lots = min(lots, affordable)
                    budget -= self._cost_minor(order, level, lots)
                steps.append((what, resting, lots))
                left -= lots
                if left == 0:
                    return _Plan(steps, 0, False, False, None)
                if lots < resting.remaining_lots:
                    return _Plan(steps, left, True, False, None)
                resting = resting.behind
        return _Plan(steps, left, budget == 0, False, None)

    def _cost_minor(self, order: Order, level: Level, lots: int) -> int:
        notional = level.price_ticks * lots * self._notional_unit
        return notional + fee_minor(notional, order.taker_fee_ppm) if order.is_buy else notional

    def _affordable_lots(self, order: Order, level: Level, budget_minor: int) -> int:
        """The most lots at this level whose cost stays within the budget."""
        unit = level.price_ticks * self._notional_unit
        fee_ppm = order.taker_fee_ppm if order.is_buy else 0
        lots: int = budget_minor * PPM // (unit * (PPM + fee_ppm))
        return lots + 1 if self._cost_minor(order, level, lots + 1) <= budget_minor else lots

    def _fills_whole(self, incoming: Incoming, plan: _Plan) -> bool:
        if plan.self_trade or any(what == _DECREMENT for what, _, _ in plan.steps):
            return False
        return plan.spent if incoming.by_budget else plan.left_lots == 0

    def _carry_out(self, taker: Order, plan: _Plan) -> list[EngineEvent]:
        events: list[EngineEvent] = []
        book = self.book
        for what, maker, lots in plan.steps:
            if what == _EXPIRE_MAKER:
                events += self.expire(maker, Reason.SELF_TRADE)
                continue
            if what == _DECREMENT:
                book.reduce(maker, lots)
                taker.remaining_lots -= lots
                events.append(Decremented(maker.account, maker.order_id, lots))
                events.append(Decremented(taker.account, taker.order_id, lots))
                if maker.remaining_lots == 0:
                    events.append(Closed(maker.account, maker.order_id, CloseStatus.EXPIRED, Reason.SELF_TRADE))
                continue
            book.reduce(maker, lots)
            maker.filled_lots += lots
            taker.remaining_lots -= lots
            taker.filled_lots += lots
            events.append(self._match(taker, maker, lots))
            if maker.remaining_lots == 0:
                events.append(Closed(maker.account, maker.order_id, _FILLED))
        if plan.expire_maker is not None:
            events += self.expire(plan.expire_maker, Reason.SELF_TRADE)
        return events

    def _match(self, taker: Order, maker: Order, lots: int) -> Match:
        notional = maker.price_ticks * lots * self._notional_unit
        taker_fee, maker_fee = fee_minor(notional, taker.taker_fee_ppm), fee_minor(notional, maker.maker_fee_ppm)
        return Match(taker, maker, maker.price_ticks, lots, notional, taker_fee, maker_fee)

    def _finish(self, incoming: Incoming, events: list[EngineEvent], plan: _Plan | None = None) -> list[EngineEvent]:
        """What becomes of the rest: filled, expired, or onto the book."""
        order, time_in_force = incoming.order, incoming.time_in_force
        if plan is not None and plan.self_trade:
            events.append(Closed(order.account, order.order_id, CloseStatus.EXPIRED, Reason.SELF_TRADE))
        elif order.remaining_lots == 0:
            if plan is not None and plan.steps[-1][0] == _DECREMENT:
                events.append(Closed(order.account, order.order_id, CloseStatus.EXPIRED, Reason.SELF_TRADE))
            else:
                events.append(Closed(order.account, order.order_id, _FILLED))
        elif time_in_force is _GTC or time_in_force is _GTD:
            self.book.add(order)
            events.append(Rested(order.account, order.order_id, order.remaining_lots))
        elif incoming.by_budget and order.filled_lots and plan is not None and plan.spent:
            events.append(Closed(order.account, order.order_id, _FILLED))
        else:
            events.append(Closed(order.account, order.order_id, CloseStatus.EXPIRED, Reason.TIME_IN_FORCE))
        return events
