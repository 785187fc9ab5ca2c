"""One workload for all engines: a recorded flow of limit orders and cancels on one book.

It is that of `order_flow.py`, recorded against our engine. Each order has an account of its own, since most engines
know none; cancels of what doesn't rest any more are left out, since some take them for an error. Orders are numbered
from 1 in the order in which they come.
"""

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.engine import EngineBook
from benchmarks.order_flow import Cancel, Operation, OrderFlow


class Submit(NamedTuple):
    number: int
    order_id: str  # the same, for engines that are told an id in text
    is_buy: bool
    price_ticks: int
    lots: int


class Withdraw(NamedTuple):
    number: int
    order_id: str


Step = Submit | Withdraw


class Fill(NamedTuple):
    maker: int
    taker: int
    price_ticks: int
    lots: int


class Workload(NamedTuple):
    filling: list[Step]  # until as many rest as wanted
    measured: list[Step]


def record(resting_orders: int, operations: int, seed: int) -> Workload:
    """At least so many operations, with about so many orders resting."""
    recorder = _Recorder()
    flow = OrderFlow(recorder, resting_orders, seed)
    for run in flow.filling_runs():
        recorder.run(run)
    filling, recorder.steps = recorder.steps, []
    runs = flow.runs()
    while len(recorder.steps) < operations:
        recorder.run(next(runs))
    return Workload(filling, recorder.steps)


class _Recorder(EngineBook):
    """Our engine, with what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []

    def run(self, operations: Iterable[Operation]) -> list[object]:  # type: ignore[override]
        for operation in operations:
            number = int(operation.order_id.partition("-")[2])
            if isinstance(operation, Cancel):
                if not self.rests(operation.order_id):
                    continue
                self.steps.append(Withdraw(number, operation.order_id))
                super().run([operation])
            else:
                _, _, is_buy, price_ticks, lots = operation
                self.steps.append(Submit(number, operation.order_id, is_buy, price_ticks, lots))
                super().run([operation._replace(account=operation.order_id)])
        return []
