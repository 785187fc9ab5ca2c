"""The pure engine with its events: operations a second, how long one takes, and what a resting order weighs.

An operation is one order or one cancel, with all that the matcher's core has the engine do for it: the order object,
the events, and the levels that changed.
"""

import gc
import time
import tracemalloc
from itertools import chain, islice
from typing import Any

from benchmarks.machine import Report, percentile, percentiles
from benchmarks.naive_book import NaiveBook, NaiveFill
from benchmarks.order_flow import MIX, Book, Cancel, Operation, OrderFlow
from matcher.book import Order, Resting
from matcher.engine import Engine, EngineEvent, Incoming, Match
from schemas.commands import TimeInForce

RESTING_ORDERS = 50_000
SIZES = (1_000, 10_000, 100_000, 1_000_000)
SYMBOL = "ABC-USD"
NOTIONAL_UNIT = 1
MAKER_FEE_PPM, TAKER_FEE_PPM = 100, 300
COMPARED_RUNS = 20
GTC = TimeInForce.GTC  # the matcher has it from the command


class EngineBook:
    """The matcher's engine, driven by a flow."""

    def __init__(self) -> None:
        self.resting = Resting()
        self.engine = Engine(NOTIONAL_UNIT, self.resting)
        self.entered = 0

    def best_ticks(self, is_buy: bool) -> int | None:
        best = self.engine.book.side(is_buy).best
        return best.price_ticks if best is not None else None

    def rests(self, order_id: str) -> bool:
        return order_id in self.resting.orders

    def resting_orders(self) -> int:
        return len(self.resting.orders)

    def run(self, operations: list[Operation]) -> list[EngineEvent]:
        """Returns the last operation's events."""
        orders, submit, cancel = self.resting.orders, self.engine.submit, self.engine.cancel
        take_changes, entered = self.engine.book.take_changes, self.entered
        events: list[EngineEvent] = []
        for operation in operations:
            if operation.__class__ is Cancel:
                order = orders.get(operation.order_id)
                events = cancel(order, "0-0") if order is not None else []
            else:
                entered += 1
                order_id, account, is_buy, price, lots = operation  # type: ignore[misc]
                order = Order(order_id, account, SYMBOL, is_buy, price, lots, MAKER_FEE_PPM, TAKER_FEE_PPM,
                              entered=entered)  # fmt: skip
                events = submit(Incoming(order, price, GTC))
            take_changes()
        self.entered = entered
        return events


def run(seconds: float, seed: int, as_json: bool) -> None:
    report = Report("engine", seed, as_json)
    report.say(f"mix      {MIX}")
    collect_as_a_stage()
    compare(seed)
    book, flow = filled(EngineBook(), RESTING_ORDERS, seed)
    rate = operations_per_s(book, flow, seconds * 0.3)
    baseline_book, baseline_flow = filled(NaiveBook(), RESTING_ORDERS, seed)
    baseline = operations_per_s(baseline_book, baseline_flow, seconds * 0.1)
    report.say(f"{RESTING_ORDERS:>9,} resting: {rate:10,.0f} operations/s, naive book {baseline:,.0f}/s")
    del baseline_book, baseline_flow
    times = operation_times_us(book, flow, seconds * 0.2)
    report.say(f"one operation: {percentiles(times, 'us')}")
    times.sort()
    for size in () if as_json else SIZES:
        sized, sized_flow = filled(EngineBook(), size, seed)
        report.say(f"{size:>9,} resting: {operations_per_s(sized, sized_flow, seconds * 0.1):10,.0f} operations/s")
        del sized, sized_flow
        gc.collect()
    weight = bytes_per_resting_order(seed)
    report.end(
        {
            "operations_per_s": rate,
            "baseline_operations_per_s": baseline,
            "p50_us": percentile(times, 0.5),
            "p99_us": percentile(times, 0.99),
            "bytes_per_resting_order": weight,
        }
    )


def collect_as_a_stage() -> None:
    """As in a running stage: what is there at the start is left out of the collector's rounds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def filled(book: Any, resting_orders: int, seed: int) -> tuple[Any, OrderFlow]:
    flow = OrderFlow(book, resting_orders, seed)
    for operations in flow.filling_runs():
        book.run(operations)
    return book, flow


def operations_per_s(book: Book, flow: OrderFlow, seconds: float) -> float:
    """Over at least `seconds` of the book's own time; making the operations is not counted."""
    spent, done = 0, 0
    clock = time.perf_counter_ns
    for operations in flow.runs():
        begun = clock()
        book.run(operations)
        spent += clock() - begun
        done += len(operations)
        if spent >= seconds * 1e9:
            break
    return done * 1e9 / spent


def operation_times_us(book: EngineBook, flow: OrderFlow, seconds: float) -> list[float]:
    """One operation at a time, each with about 0.05 us of the clock's own."""
    times: list[float] = []
    clock, run_one = time.perf_counter_ns, book.run
    end = clock() + int(seconds * 1e9)
    for operations in flow.runs():
        for operation in operations:
            one = [operation]
            begun = clock()
            run_one(one)
            times.append((clock() - begun) / 1000)
        if clock() > end:
            break
    return times


def bytes_per_resting_order(seed: int) -> float:
    """Of the memory that Python gives out: an order with its id, and its part of levels and indexes."""
    recorded = EngineBook()
    runs: list[list[Operation]] = []
    for operations in OrderFlow(recorded, RESTING_ORDERS, seed).filling_runs():
        recorded.run(operations)
        runs.append(operations)
    book = EngineBook()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for operations in runs:
        # The id is the order's own string, as when it comes from the log.
        book.run([operation._replace(order_id="0-" + operation.order_id[2:]) for operation in operations])
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / book.resting_orders()


def compare(seed: int) -> None:
    """Asserts that engine and naive book fill alike: a figure for something else would be worth nothing."""
    naive, engine = NaiveBook(), EngineBook()
    flow = OrderFlow(naive, 2_000, seed)
    for operations in chain(flow.filling_runs(), islice(flow.runs(), COMPARED_RUNS)):
        events = [event for operation in operations for event in engine.run([operation])]
        naive.run(operations)
        fills = [
            NaiveFill(event.maker.order_id, event.taker.order_id, event.price_ticks, event.quantity_lots)
            for event in events
            if isinstance(event, Match)
        ]
        assert fills == naive.fills, "engine and naive book differ"
