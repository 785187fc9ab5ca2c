"""`python -m simulator day write` and `day replay`."""

import json as to_json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from glassbook.cluster import STAGES, Cluster
from glassbook.data_folder import DataFolder
from glassbook.settings import Settings, read_settings
from glassbook.supervision import Supervisor
from simulator.day.flow import ORDERS_OF_A_DAY, day_rows
from simulator.day.kept import Kept
from simulator.day.replay import FOLLOWED, Replayed, first_orders, play
from simulator.day.report import Figures, figures_of
from simulator.day.rows import Day, about_day, read_day, write_day
from simulator.load.mix import BROKERS, SYMBOLS
from simulator.load.prepare import Prepared, prepare, prepare_markets
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
    minutes: Annotated[float | None, typer.Option(min=0, help="Send for so long at most.")] = None,
    running: Annotated[bool, typer.Option("--running", help="On the exchange that runs, not one of its own.")] = False,
    core: Annotated[bool, typer.Option("--core", help="Its own exchange is ledger, matcher and canary alone.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Keep its own exchange there, and go on where the last replay there ended."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The figures as one line.")] = False,
) -> None:
    """Play a day's file onto the log in signed batches, as fast as the exchange takes it.

    Example:

      python -m simulator day replay day.parquet --orders 100000
    """
    if running and (core or folder):
        raise typer.BadParameter("--core and --folder are about an exchange of its own, --running about another")
    day = about_day(file)
    with _exchange(running, core, folder) as settings, Progress(*COLUMNS, console=console) as progress:
        kept, prepared = _prepared(settings, day, folder)
        if core:
            # It was there to open the brokers' accounts.
            Supervisor(DataFolder(settings.data_dir)).stop_group("gateway")
        bar, before = progress.add_task("orders", total=min(orders or day.orders, day.orders)), kept.rows

        def show(replayed: Replayed, sample: Sample | None) -> None:
            behind = ", ".join(f"{stage} {sample.lag.get(stage, 0):,}" for stage in FOLLOWED) if sample else ""
            progress.update(bar, completed=replayed.orders, description=f"orders (behind: {behind})")
            kept.come_to(before + replayed.commands, folder)

        rows = first_orders(islice(read_day(file), before, None), orders)
        replayed = play(settings, prepared, rows, minutes * 60 if minutes else inf, show)
        figures = figures_of(replayed)
        kept.parts.append(figures)
        kept.come_to(before + replayed.commands, folder)
    if json:
        print(to_json.dumps(msgspec.to_builtins(figures)))
    else:
        _say(figures)


def _prepared(settings: Settings, day: Day, folder: Path | None) -> tuple[Kept, Prepared]:
    """Markets and brokers: new ones, or those of the parts that were played before."""
    kept = Kept.read(folder) if folder is not None else None
    if kept is not None:
        return kept, prepare_markets(settings, kept.run, day.seed, day.symbols, day.brokers)
    kept = Kept(f"day{int(time.time()):x}")
    return kept, prepare(settings, kept.run, day.seed, day.symbols, day.brokers)


@contextmanager
def _exchange(running: bool, core: bool, folder: Path | None) -> Iterator[Settings]:
    if running:
        yield read_settings()
        return
    needed = (*FOLLOWED, "clock", "producers")
    stages = tuple(stage for stage in STAGES if stage.name in needed) if core else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="glassbook-day-") if folder is None else nullcontext(folder) as place:
        cluster = Cluster(own_settings(Path(place)), 1, stages)
        cluster.start()
        try:
            yield cluster.settings
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
