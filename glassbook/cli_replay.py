"""`glassbook replay`: a recorded flow of orders through the whole system, and what came of it."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from glassbook.client import answers, calls
from glassbook.client.keys import Key, save_key
from glassbook.errors import GlassbookError
from glassbook.key_folder import own_keys
from glassbook.order_file import Fill, first_difference, read_fills, read_orders, write_fills
from glassbook.replay import Replay, Report, assign
from glassbook.trading_session import session

HELP = """Send a file of orders through the gateway, signed, one after another, and report what came of it.

The file is a CSV with the columns time, action, order_id, side, type, price_e4 and qty: action is NEW or CANCEL, type
is LIMIT (rests) or IOC (never rests), price_e4 is the price times 10,000. It is checked whole before anything is sent.
The orders are spread over accounts of their own, opened and funded with the operator's key, buyers and sellers apart,
so that nobody trades with themselves. What rests in the end stays in the book; the keys are kept to cancel it with.

Examples:

    glassbook replay amzn_orders.csv --symbol AMZN-USD

    glassbook replay amzn_orders.csv --symbol AMZN-USD --expect amzn_fills.csv

    glassbook replay amzn_orders.csv --symbol AMZN-USD --accounts 20 --fills fills.csv
"""


def add_to(app: typer.Typer) -> None:
    app.command("replay", help=HELP)(replay)


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The orders, as CSV.")],
    symbol: Annotated[str, typer.Option(help="The market that they go to.")],
    accounts: Annotated[int | None, typer.Option(min=2, max=1000, help="How many. [default: as needed]")] = None,
    fills: Annotated[Path | None, typer.Option(metavar="OUT", help="Write the fills to this CSV.")] = None,
    expect: Annotated[Path | None, typer.Option(metavar="FILE", help="Compare the fills with this CSV.")] = None,
) -> None:
    inputs = read_orders(file)
    expected = read_fills(expect) if expect else None
    traders, senders = assign(inputs, accounts)
    console = Console(stderr=True)
    with session("") as at:
        market = at.market(symbol)
        if expected is not None and _is_occupied(at.client.send(calls.book(symbol, 1))):
            raise GlassbookError(
                f"the book of {symbol} isn't empty, so the fills would differ, and nothing was sent: take another"
                " market, or a new GLASSBOOK_DATA_DIR"
            )
        keys = _new_keys(len(traders), console)
        run = Replay(at.client, at.exchange, market, inputs, keys, senders)
        with console.status(f"opening and funding {len(keys)} accounts"):
            run.fund(at.operator(), traders, market)
        began = time.monotonic()
        with _progress(console) as progress:
            for _ in progress.track(run.run(), total=len(inputs), description="orders"):
                pass
        elapsed_s = time.monotonic() - began
        found = run.collect_fills()
    Console().print(_table(run.report, elapsed_s))
    if fills is not None:
        write_fills(fills, found)
        typer.echo(f"fills written to {fills}")
    if expected is not None:
        _compare(expected, found)


def _is_occupied(book: answers.Book) -> bool:
    return bool(book.bids or book.asks)


def _new_keys(count: int, console: Console) -> list[Key]:
    """Fresh keys, kept beside one's own so that what rests in the end can be cancelled."""
    keys = [Key.new() for _ in range(count)]
    folder = own_keys().root / "replays" / time.strftime("%Y%m%d-%H%M%S")
    for number, key in enumerate(keys, 1):
        save_key(folder / f"{number}.json", key)
    console.print(f"keys of the {count} accounts: {folder}", highlight=False)
    return keys


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


def _table(report: Report, elapsed_s: float) -> Table:
    table = Table("", "", title="replay", show_header=False)
    sent = report.orders + report.cancels
    table.add_row("orders", str(report.orders))
    table.add_row("cancels", f"{report.cancels}, {report.cancels_too_late} of orders already gone")
    table.add_row("fills", str(len(report.fills)))
    refusals = ", ".join(f"{count} {code}" for code, count in report.refusals.most_common())
    table.add_row("refused", refusals or "0")
    percentiles = "  ".join(f"p{percent:g} {report.percentile_ms(percent):.1f}" for percent in (50, 90, 99, 100))
    table.add_row("latency, ms", percentiles)
    table.add_row("time", f"{elapsed_s:.1f} s, {sent / elapsed_s:.0f} a second")
    return table


def _compare(expected: list[Fill], found: list[Fill]) -> None:
    difference = first_difference(expected, found)
    if difference:
        typer.echo(f"NOT as expected: {difference}", err=True)
        raise typer.Exit(1)
    typer.echo(f"all {len(expected)} fills as expected")
