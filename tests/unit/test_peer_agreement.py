"""Engines are compared by their fills first: one that fills otherwise is found, and where."""

from collections.abc import Iterable

import pytest

from benchmarks.baselines.book import Book, Order
from benchmarks.peer_engines.agreement import first_difference
from benchmarks.peer_engines.engines import BookState, Engine, Glassbook
from benchmarks.peer_engines.workload import Fill, Step, Submit, Withdraw, Workload, record


@pytest.fixture(scope="module")
def workload() -> Workload:
    return record(resting_orders=300, operations=3_000, seed=3)


class BaselineBook(Engine):
    """The baseline's book, as an engine that may be wrong in one thing."""

    def __init__(self, wrong: str = "") -> None:
        super().__init__()
        self._book, self._wrong, self._fills = Book(), wrong, 0
        self._orders: dict[int, Order] = {}

    def run(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if isinstance(step, Withdraw):
                self._book.remove(self._orders[step.number])
            else:
                self._submit(step)

    def _submit(self, step: Submit) -> None:
        order = Order(
            number=step.number, account=step.order_id, is_buy=step.is_buy, price_ticks=step.price_ticks,
            remaining_lots=step.lots,
        )  # fmt: skip
        self._orders[step.number] = order
        for maker, price, lots in self._book.match(order)[0]:
            self._fills += 1
            late = self._fills > 50
            at = step.price_ticks if self._wrong == "price" and late else price
            self.told.append(Fill(maker.number, step.number, at, lots))
        if self._wrong == "last" and self._fills > 50:
            self.told = self.told[:-1]
        if order.remaining_lots:
            self._book.add(order)

    def fills(self, told: list[Fill]) -> list[Fill]:
        return told

    def book(self) -> BookState:
        best = (self._book.levels(is_buy, 1) for is_buy in (True, False))
        bid, ask = (levels[0] if levels else None for levels in best)
        resting = sum(len(level.orders) for side in (self._book.bids, self._book.asks) for level in side.values())
        return BookState(bid, ask, resting - (self._wrong == "count" and self._fills > 50))


class SilentBook(BaselineBook):
    tells_fills = False


def steps(workload: Workload) -> list[Step]:
    return [*workload.filling, *workload.measured]


def test_the_workload_is_the_same_for_the_same_seed_and_cancels_only_what_rests(workload: Workload):
    assert record(300, 3_000, 3) == workload
    assert record(300, 3_000, 4) != workload
    numbers = [step.number for step in steps(workload) if isinstance(step, Submit)]
    assert numbers == list(range(1, len(numbers) + 1))
    cancelled = [step.number for step in workload.measured if isinstance(step, Withdraw)]
    assert len(cancelled) > 300 and len(set(cancelled)) == len(cancelled)


def test_an_engine_that_fills_alike_agrees(workload: Workload):
    assert first_difference(Glassbook(), BaselineBook(), steps(workload)) is None
    assert first_difference(Glassbook(), SilentBook(), steps(workload)) is None


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        (BaselineBook("price"), "expected Fill(maker="),
        (BaselineBook("last"), "is none, expected Fill("),
        (SilentBook("count"), "the book is BookState("),
    ],
)
def test_an_engine_that_fills_otherwise_is_found_with_its_first_difference(
    workload: Workload, engine: BaselineBook, says: str
):
    found = first_difference(Glassbook(), engine, steps(workload))
    assert found is not None and says in found.what
    assert found.operation > len(workload.filling)


def test_an_engine_that_raises_differs_there(workload: Workload):
    class Broken(BaselineBook):
        def run(self, steps: Iterable[Step]) -> None:
            if any(isinstance(step, Withdraw) for step in steps):
                raise KeyError("no such order")
            super().run(steps)

    found = first_difference(Glassbook(), Broken(), steps(workload))
    assert found is not None and found.what.endswith("raised KeyError: 'no such order'")
