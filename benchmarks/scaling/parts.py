"""The three measurements. Each puts what it finds into `Found` as it comes: what ends early has lost nothing."""

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path

from msgspec import Struct

from benchmarks.engine import EngineBook, collect_as_a_stage, compare, filled, operation_times_us, operations_per_s
from benchmarks.local_broker import local_system
from benchmarks.machine import percentile
from benchmarks.scaling.driver import LEAD_S, Driver, Say
from benchmarks.scaling.found import Found, Layout, Level, Part, Sized
from benchmarks.scaling.ladder import LAYOUT_PERCENTS, PERCENTS, climb, not_kept_up, not_sustained
from glassbook.listing_generate import PARTITIONS, generate
from glassbook.settings import Settings
from simulator.load.doors import DoorName
from simulator.load.mix import BROKERS, SYMBOLS

WARM_UP_PERCENT = 50.0  # or the highest that is asked for, if that is less
LAYOUT_DOOR = DoorName.BATCH
# The limits per client are not what is measured.
NO_LIMIT = 1_000_000


class Options(Struct, frozen=True, kw_only=True):
    seconds: int = 30  # of each level
    warm_up_s: int = 60  # of each system
    seed: int = 1
    doors: Sequence[DoorName] = tuple(DoorName)
    percents: Sequence[float] = ()  # none: those of ladder.py
    beyond: bool = False  # past what isn't sustained, as long as it is done
    partitions: Sequence[int] = (1, 4, 8, 32)
    gateway_processes: Sequence[int] = (1, 2)
    symbols: int = SYMBOLS
    brokers: int = BROKERS
    sizes: Sequence[int] = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
    engine_s: float = 5.0  # of each size

    @property
    def lead_s(self) -> int:
        return min(LEAD_S, self.warm_up_s)


def cost(options: Options, found: Found, say: Say) -> None:
    with own_system(options.symbols, PARTITIONS) as settings:
        cost_of(settings, options, found, say)


def cost_of(settings: Settings, options: Options, found: Found, say: Say) -> None:
    """Each door's levels in turn, all on this system."""
    driver = Driver(settings, options.seed, options.symbols, options.brokers, say)
    percents = options.percents or PERCENTS
    _warm_up(driver, options.doors[0], percents, options)
    ends = not_kept_up if options.beyond else not_sustained
    for door in options.doors:
        climb(percents, _once(driver, door, options, found.cost.append), ends)


def partitions(options: Options, found: Found, say: Say) -> None:
    """For each layout the most orders/s that have their answers in time, by batches, on a system of its own."""
    percents = options.percents or LAYOUT_PERCENTS
    for count, processes in product(options.partitions, options.gateway_processes):
        layout = Layout(partitions=count, gateway_processes=processes)
        say(f"partitions of orders and of accounts: {count} each; gateway processes: {processes}")
        changes = {"order_partitions": count, "account_partitions": count, "gateway_processes": processes}
        with own_system(options.symbols, count, **changes) as settings:
            driver = Driver(settings, options.seed, options.symbols, options.brokers, say)
            found.layouts.append(layout)
            _warm_up(driver, LAYOUT_DOOR, percents, options)
            climb(percents, _once(driver, LAYOUT_DOOR, options, layout.levels.append), not_kept_up)


def _warm_up(driver: Driver, door: DoorName, percents: Sequence[float], options: Options) -> None:
    driver.warm_up(door, min(WARM_UP_PERCENT, max(percents)), options.warm_up_s)


def _once(driver: Driver, door: DoorName, options: Options, keep: Callable[[Level], None]) -> Callable[[float], Level]:
    return partial(driver.level, door, seconds=options.seconds, lead_s=options.lead_s, keep=keep)


@contextmanager
def own_system(symbols: int, partitions: int, **changes: object) -> Iterator[Settings]:
    """All stages, and the load's markets on so many partitions: they are listed from the start, since the load spreads
    those that it has to list itself over PARTITIONS."""
    with tempfile.TemporaryDirectory(prefix="glassbook-scaling-") as folder:
        listing = Path(folder) / "listing.toml"
        listing.write_text(generate(symbols, min(partitions, symbols)))
        limits = {"rate_per_account": NO_LIMIT, "rate_per_address": NO_LIMIT}
        with local_system(None, listing=listing, **limits, **changes) as settings:
            yield settings


def engine(options: Options, found: Found, say: Say) -> None:
    """As `python -m benchmarks engine` measures it."""
    collect_as_a_stage()
    compare(options.seed)
    for size in options.sizes:
        sized = of_size(size, options.engine_s, options.seed)
        found.sizes.append(sized)
        gc.collect()  # the book, whose orders know their neighbours
        say(
            f"{size:>9,} resting: {sized.operations_per_s:10,.0f} operations/s, one p50 {sized.p50_us:.1f} us,"
            f" p99 {sized.p99_us:.1f} us"
        )


def of_size(resting_orders: int, seconds: float, seed: int) -> Sized:
    book, flow = filled(EngineBook(), resting_orders, seed)
    per_s = operations_per_s(book, flow, seconds / 2)
    times_us = sorted(operation_times_us(book, flow, seconds / 2))
    levels = sum(1 for is_buy in (True, False) for _ in book.engine.book.side(is_buy))
    return Sized(
        resting_orders=resting_orders, price_levels=levels, operations_per_s=round(per_s),
        us_per_operation=round(1e6 / per_s, 3), p50_us=round(percentile(times_us, 0.5), 3),
        p99_us=round(percentile(times_us, 0.99), 3),
    )  # fmt: skip


PARTS: dict[Part, Callable[[Options, Found, Say], None]] = {
    Part.COST: cost, Part.PARTITIONS: partitions, Part.ENGINE: engine,
}  # fmt: skip
