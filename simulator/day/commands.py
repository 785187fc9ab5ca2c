"""`python -m simulator day write` and `day replay`."""

import json as to_json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from glassbook.cluster import STAGES, Cluster
from glassbook.settings import Settings, read_settings
from simulator.day.flow import ORDERS_OF_A_DAY, day_rows
from simulator.day.replay import FOLLOWED, Replayed, play
from simulator.day.report import Figures, figures_of
from simulator.day.rows import about_day, write_day
from simulator.load.mix import BROKERS, SYMBOLS
from simulator.load.prepare import prepare
from simulator.load.watch import Sample
from simulator.own_system import own_settings

app = typer.Typer(no_args_is_help=True, help="A whole day of B3's traffic, written and replayed.")
console = Console(stderr=True)
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


@app.command()
def write(
    file: Annotated[Path, typer.Argument(help="A Parquet file; about 11 bytes a command.")],
    orders: Annotated[int, typer.Option(min=1, help="New orders; a day has 20,000,000.")] = ORDERS_OF_A_DAY,
    seed: Annotated[int, typer.Option(help="The same seed gives the same day.")] = 1,
    symbols: Annotated[int, typer.Option(min=1, max=9_999, help="Markets.")] = SYMBOLS,
    brokers: Annotated[int, typer.Option(min=1, max=10_000, help="Accounts.")] = BROKERS,
) -> None:
    """Write a day, or the first part of one, deterministic from a seed.

    Example:

      python -m simulator day write day.parquet --orders 2000000
    """
    with Progress(*COLUMNS, console=console) as progress:
        bar = progress.add_task("commands", total=None)
        for written in write_day(file, day_rows(seed, orders, symbols, brokers), seed, orders, symbols, brokers):
            progress.update(bar, completed=written)
    day = about_day(file)
    print(f"{file}: {day.orders:,} orders and {day.rows - day.orders:,} cancels, {file.stat().st_size / 1e6:.0f} MB")


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Written by `day write`.", exists=True, dir_okay=False)],
    orders: Annotated[int | None, typer.Option(min=1, help="Only so many of the day's orders.")] = None,
    running: Annotated[bool, typer.Option("--running", help="On the exchange that runs, not one of its own.")] = False,
    core: Annotated[bool, typer.Option("--core", help="Its own exchange is ledger, matcher and canary alone.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The figures as one line.")] = False,
) -> None:
    """Play a day's file onto the log in signed batches, as fast as the exchange takes it.

    Example:

      python -m simulator day replay day.parquet --orders 100000
    """
    day = about_day(file)
    with _exchange(running, core) as (settings, cluster), Progress(*COLUMNS, console=console) as progress:
        bar = progress.add_task("orders", total=min(orders or day.orders, day.orders))

        def show(replayed: Replayed, sample: Sample | None) -> None:
            behind = ", ".join(f"{stage} {sample.lag.get(stage, 0):,}" for stage in FOLLOWED) if sample else ""
            progress.update(bar, completed=replayed.orders, description=f"orders (behind: {behind})")

        prepared = prepare(settings, f"day{int(time.time()):x}", day.seed, day.symbols, day.brokers)
        if core and cluster is not None:
            cluster.supervisor.stop_group("gateway")  # it was there to open the brokers' accounts
        replayed = play(settings, file, prepared, orders, show)
    figures = figures_of(replayed)
    if json:
        print(to_json.dumps(msgspec.to_builtins(figures)))
    else:
        _say(figures)


@contextmanager
def _exchange(running: bool, core: bool) -> Iterator[tuple[Settings, Cluster | None]]:
    """What is played on, and the cluster where it is an own one."""
    if running:
        yield read_settings(), None
        return
    needed = (*FOLLOWED, "clock", "producers")
    stages = tuple(stage for stage in STAGES if stage.name in needed) if core else None
    with TemporaryDirectory(prefix="glassbook-day-") as folder:
        cluster = Cluster(own_settings(Path(folder)), 1, stages)
        cluster.start()
        try:
            yield cluster.settings, cluster
        finally:
            cluster.stop()


def _say(figures: Figures) -> None:
    print(
        f"{figures.orders:,} orders and {figures.cancels:,} cancels in {figures.seconds:,.0f} s:"
        f" {figures.orders_per_s:,} orders/s, {figures.commands_per_s:,} commands/s; {figures.trades:,} trades"
    )
    print(f"processor time of a command: {figures.cpu_ms_per_command} ms")
    for name, each_us in sorted(figures.cpu_us_per_command.items(), key=lambda item: -item[1]):
        memory = " ".join(f"{megabytes:,}" for megabytes in figures.memory_mb.get(name, []))
        print(f"  {name:12} {each_us:6,} us   memory by quarter {memory} MB")
