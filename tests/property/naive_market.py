"""The matching rules as one would write them on paper: one plain list of orders, sorted anew each time it is looked at.

Written from docs/matching-rules.md, not from the engine, with arithmetic of its own. Slow on purpose.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from fractions import Fraction

Event = tuple[object, ...]


@dataclass
class NaiveOrder:
    name: str
    account: str
    buys: bool
    price: int
    left: int
    place: int  # when it took its place
    mode: str
    post_only: bool
    until: int | None
    maker_ppm: int
    taker_ppm: int
    filled: int = 0


@dataclass
class NaiveMarket:
    unit: int  # quote minor units of one tick times one lot
    orders: list[NaiveOrder] = field(default_factory=list)

    def opposite(self, order: NaiveOrder) -> list[NaiveOrder]:
        others = [other for other in self.orders if other.buys != order.buys]
        return sorted(others, key=lambda other: (-other.price if other.buys else other.price, other.place))

    def may_trade(self, order: NaiveOrder, limit: int | None, other: NaiveOrder) -> bool:
        if limit is None:
            return True
        return limit >= other.price if order.buys else limit <= other.price

    # --- what comes in

    def submit(
        self, order: NaiveOrder, limit: int | None, force: str, budget: int | None, no_quantity: bool
    ) -> list[Event]:
        if order.post_only and any(self.may_trade(order, limit, other) for other in self.opposite(order)):
            return [("closed", order.name, "REJECTED", "WOULD_TAKE")]
        before = deepcopy(self.orders)
        events, ended, spent = self.match(order, limit, budget)
        if force == "FOK":
            filled_whole = spent if no_quantity else order.left == 0
            if ended or not filled_whole or any(event[0] == "decremented" for event in events):
                self.orders = before
                return [("closed", order.name, "EXPIRED", "TIME_IN_FORCE")]
        if ended:
            events.append(("closed", order.name, "EXPIRED", "SELF_TRADE"))
        elif order.left == 0:
            by_trade = events[-1][0] == "fill" or events[-1][:3] == ("closed", events[-1][1], "FILLED")
            why = ("FILLED", None) if by_trade else ("EXPIRED", "SELF_TRADE")
            events.append(("closed", order.name, *why))
        elif force in ("GTC", "GTD"):
            self.orders.append(order)
            events.append(("rested", order.name, order.left))
        elif no_quantity and spent and order.filled:
            events.append(("closed", order.name, "FILLED", None))
        else:
            events.append(("closed", order.name, "EXPIRED", "TIME_IN_FORCE"))
        return events

    def match(self, order: NaiveOrder, limit: int | None, budget: int | None) -> tuple[list[Event], bool, bool]:
        """(events, whether self-trade prevention ended the order, whether the budget is used up)"""
        events: list[Event] = []
        while order.left:
            against = [other for other in self.opposite(order) if self.may_trade(order, limit, other)]
            if not against:
                return events, False, budget == 0
            other = against[0]
            if budget is not None and self.cost(order, other.price, 1) > budget:
                return events, False, True
            if other.account == order.account and order.mode != "DECREMENT":
                if order.mode in ("EXPIRE_MAKER", "EXPIRE_BOTH"):
                    self.orders.remove(other)
                    events.append(("closed", other.name, "EXPIRED", "SELF_TRADE"))
                if order.mode != "EXPIRE_MAKER":
                    return events, True, False
                continue
            lots = min(order.left, other.left)
            if other.account == order.account:
                events += [("decremented", other.name, lots), ("decremented", order.name, lots)]
            else:
                while budget is not None and self.cost(order, other.price, lots) > budget:
                    lots -= 1
                budget = None if budget is None else budget - self.cost(order, other.price, lots)
                order.filled += lots
                other.filled += lots
                fees = self.fee(other.price, lots, order.taker_ppm), self.fee(other.price, lots, other.maker_ppm)
                events.append(("fill", order.name, other.name, other.price, lots, *fees))
            order.left -= lots
            other.left -= lots
            if other.left == 0:
                self.orders.remove(other)
                why = ("EXPIRED", "SELF_TRADE") if other.account == order.account else ("FILLED", None)
                events.append(("closed", other.name, *why))
        return events, False, False

    def cancel(self, name: str) -> list[Event]:
        for order in self.orders:
            if order.name == name:
                self.orders.remove(order)
                return [("closed", name, "CANCELLED", None)]
        return []

    def amend(self, name: str, price: int, total: int, place: int) -> list[Event]:
        order = next((order for order in self.orders if order.name == name), None)
        if order is None:
            return []
        rest = total - order.filled
        if rest <= 0:
            return [("declined", name, "AMEND_BELOW_FILLED")]
        if price == order.price and rest <= order.left:
            order.left = rest
            return [("amended", name, price, total)]
        if order.post_only and any(self.may_trade(order, price, other) for other in self.opposite(order)):
            return [("declined", name, "WOULD_TAKE")]
        self.orders.remove(order)
        order.price, order.left, order.place = price, rest, place
        return [("amended", name, price, total), *self.submit(order, price, "GTC", None, False)]

    # --- money and depth

    def cost(self, order: NaiveOrder, price: int, lots: int) -> int:
        """What `max_quote` pays for: notional and fee of a buy, proceeds of a sell."""
        return price * lots * self.unit + (self.fee(price, lots, order.taker_ppm) if order.buys else 0)

    def fee(self, price: int, lots: int, ppm: int) -> int:
        return int(Fraction(price * lots * self.unit * ppm, 1_000_000))  # int() rounds towards zero

    def depth(self, buys: bool) -> list[tuple[int, int]]:
        prices = sorted({order.price for order in self.orders if order.buys == buys}, reverse=buys)
        return [(p, sum(o.left for o in self.orders if o.buys == buys and o.price == p)) for p in prices]
