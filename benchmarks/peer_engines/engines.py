"""What a matching engine is here, and ours: `run` carries steps out, `take_fills` says what was filled.

An adapter does in `run` only what a user of the engine must do: make its order, hand it over, take its answer. What
it was told is put into one form in `take_fills`, which isn't timed.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, NamedTuple

from benchmarks.engine import GTC, MAKER_FEE_PPM, NOTIONAL_UNIT, SYMBOL, TAKER_FEE_PPM
from benchmarks.peer_engines.workload import Fill, Step, Submit
from matcher.book import Order, Resting
from matcher.engine import Engine as MatcherEngine
from matcher.engine import Incoming, Match


class BookState(NamedTuple):
    """Best bid and ask, each (ticks, lots), None on an empty side; and how many orders rest."""

    bid: tuple[int, int] | None
    ask: tuple[int, int] | None
    orders: int


class Engine(ABC):
    distribution = ""  # on PyPI
    tells_fills = True

    def __init__(self) -> None:
        self.told: list[Any] = []  # what it has said of fills, in its own words

    @abstractmethod
    def run(self, steps: Iterable[Step]) -> None: ...

    def take_fills(self) -> list[Fill]:
        """Those since it was last asked, in their order."""
        told, self.told = self.told, []
        return self.fills(told)

    def fills(self, told: list[Any]) -> list[Fill]:
        raise NotImplementedError

    def book(self) -> BookState:
        raise NotImplementedError


class Glassbook(Engine):
    """With the events, and the levels that changed, as in the matcher."""

    distribution = "glassbook"

    def __init__(self) -> None:
        super().__init__()
        self._resting = Resting()
        self._engine = MatcherEngine(NOTIONAL_UNIT, self._resting)
        self._entered = 0

    def run(self, steps: Iterable[Step]) -> None:
        orders, submit, cancel = self._resting.orders, self._engine.submit, self._engine.cancel
        take_changes, tell, entered = self._engine.book.take_changes, self.told.append, self._entered
        for step in steps:
            if step.__class__ is Submit:
                entered += 1
                _, order_id, is_buy, price, lots = step
                order = Order(order_id, order_id, SYMBOL, is_buy, price, lots, MAKER_FEE_PPM, TAKER_FEE_PPM,
                              entered=entered)  # fmt: skip
                tell(submit(Incoming(order, price, GTC)))
            else:
                cancel(orders[step.order_id], "0-0")
            take_changes()
        self._entered = entered

    def fills(self, told: list[Any]) -> list[Fill]:
        matches = (event for events in told for event in events if isinstance(event, Match))
        return [Fill(_number(one.maker.order_id), _number(one.taker.order_id), one.price_ticks, one.quantity_lots)
                for one in matches]  # fmt: skip

    def book(self) -> BookState:
        best = [side.best for side in (self._engine.book.bids, self._engine.book.asks)]
        bid, ask = (None if level is None else (level.price_ticks, level.total_lots) for level in best)
        return BookState(bid, ask, len(self._resting.orders))


def _number(order_id: str) -> int:
    return int(order_id.partition("-")[2])
