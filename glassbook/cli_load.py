"""`glassbook load`: a stock exchange's traffic on a running system, and whether it was sustained."""

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table

from glassbook.errors import GlassbookError
from glassbook.settings import read_settings

if TYPE_CHECKING:
    from simulator.load.result import Result

NOT_SUSTAINED = 1
HELP = """Send B3's traffic to the running exchange, signed, by its real doors, and say whether it was sustained.

100% is 700 new orders, 251 cancels and 370 reads a second, on 450 markets by 100 brokers. They are sent when they are
due, however slow the answers are. Sustained is a load of which every request was answered, with p99 below 100 ms for
orders, cancels and reads each, after which no stage is behind for more than 5 s, nothing that was acknowledged is
missing on the log, and the canary says nothing. The exit code is 0 if it was sustained, else 1.

It lists the markets that are missing, and opens and funds brokers of its own: so it is run where the operator's key is.

Examples:

    glassbook load

    glassbook load --percent 250 --door ws --seconds 60

    glassbook load --find --door batch
"""


def add_to(app: typer.Typer) -> None:
    app.command("load", help=HELP)(load)


def load(
    percent: Annotated[float, typer.Option(min=0.1, max=100_000, help="Of B3's; with --find, where to begin.")] = 100,
    seconds: Annotated[int, typer.Option(min=1, max=86_400, help="How long it is measured.")] = 60,
    door: Annotated[str, typer.Option(help="rest, batch (REST, up to 20 signed at once) or ws (WebSocket).")] = "rest",
    warm_up: Annotated[int, typer.Option(min=0, max=3_600, help="Seconds of the same before, which don't count.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of what is sent, by whom and when.")] = 1,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="That send. [default: as many as it takes]", show_default=False)
    ] = None,
    symbols: Annotated[int, typer.Option(min=1, max=9_999, help="Markets.")] = 450,
    brokers: Annotated[int, typer.Option(min=1, max=10_000, help="Accounts.")] = 100,
    find: Annotated[bool, typer.Option("--find", help="Search the highest percentage that is sustained.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")] = False,
    report: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write it, as HTML; the figures go beside it, as .json.")
    ] = Path("glassbook-load.html"),
) -> None:
    # Plotly, uvloop and the rest take a second to import: not for every other command.
    from simulator.load.attempts import Attempts
    from simulator.load.doors import DoorName
    from simulator.load.result import Wanted

    if door not in list(DoorName):
        raise GlassbookError(f"there is no door {door!r}: the doors are {', '.join(DoorName)}")
    wanted = Wanted(door=DoorName(door), percent=percent, seconds=seconds, warm_up_s=warm_up, processes=processes)
    console, settings = Console(stderr=True, highlight=False, soft_wrap=True), read_settings()
    attempts = Attempts(settings, console)
    try:
        prepared = attempts.prepare(secrets.token_hex(4), seed, symbols, brokers)
        result = attempts.find(prepared, wanted) if find else attempts.once(prepared, wanted)
    except (KafkaException, TimeoutError) as error:
        raise GlassbookError(f"Kafka on {settings.bootstrap_servers} does not answer: {error}") from error
    _tell(result, report, console, json)
    if not result.verdict.sustained:
        sys.exit(NOT_SUSTAINED)


def _tell(result: "Result", report: Path, console: Console, json: bool) -> None:
    from simulator.load.measuring import machine
    from simulator.load.page import tables, write_pages
    from simulator.load.told import document, summary

    whole = document(result, machine())
    page, figures = write_pages(report, whole)
    if json:
        typer.echo(msgspec.json.encode(summary(result)).decode())
        return
    for table in tables(whole):
        shown = Table(*table.columns, title=table.title, title_justify="left", box=None, header_style="bold")
        for column in shown.columns[1:]:
            column.justify = "right"
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    for line in (whole["verdict"], *whole["remarks"], f"{page}, and the figures in {figures}"):
        console.print(line, markup=False)
