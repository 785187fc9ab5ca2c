"""The book that one writes first, as a baseline: a side is one sorted list of its orders, searched for a cancel.

Same rules for the flow of `order_flow.py` and as many facts told as the engine's events, so that the two can be
compared fill by fill.
"""

from bisect import insort
from typing import NamedTuple

from benchmarks.order_flow import Cancel, Operation, Place


class NaiveFill(NamedTuple):
    maker_order_id: str
    taker_order_id: str
    price_ticks: int
    lots: int


class NaiveOrder:
    def __init__(self, place: Place, entered: int) -> None:
        self.place = place
        self.left = place.lots
        # The best order has the least rank: lowest ask, highest bid, then the oldest.
        self.rank = (-place.price_ticks if place.is_buy else place.price_ticks, entered)


class NaiveBook:
    """`fills` are those of the last run."""

    def __init__(self) -> None:
        self._sides: dict[bool, list[NaiveOrder]] = {True: [], False: []}
        self._ids: dict[str, bool] = {}  # order id -> is buy
        self._entered = 0
        self.fills: list[NaiveFill] = []

    def best_ticks(self, is_buy: bool) -> int | None:
        side = self._sides[is_buy]
        return side[0].place.price_ticks if side else None

    def rests(self, order_id: str) -> bool:
        return order_id in self._ids

    def resting_orders(self) -> int:
        return len(self._ids)

    def run(self, operations: list[Operation]) -> None:
        self.fills = []
        for operation in operations:
            if isinstance(operation, Cancel):
                self._cancel(operation.order_id)
            else:
                self._submit(operation)

    def _submit(self, place: Place) -> None:
        self._entered += 1
        order = NaiveOrder(place, self._entered)
        opposite = self._sides[not place.is_buy]
        while order.left and opposite:
            maker = opposite[0]
            price = maker.place.price_ticks
            if price > place.price_ticks if place.is_buy else price < place.price_ticks:
                break
            if maker.place.account == place.account:
                return  # the taker expires
            lots = min(order.left, maker.left)
            order.left -= lots
            maker.left -= lots
            self.fills.append(NaiveFill(maker.place.order_id, place.order_id, price, lots))
            if not maker.left:
                opposite.pop(0)
                del self._ids[maker.place.order_id]
        if order.left:
            insort(self._sides[place.is_buy], order, key=lambda resting: resting.rank)
            self._ids[place.order_id] = place.is_buy

    def _cancel(self, order_id: str) -> None:
        is_buy = self._ids.pop(order_id, None)
        if is_buy is None:
            return
        side = self._sides[is_buy]
        del side[next(at for at, order in enumerate(side) if order.place.order_id == order_id)]
