"""`glassbook tamper`: writes a forged record into the log of one's own system, so that one can watch it be found."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from glassbook.errors import GlassbookError
from glassbook.settings import read_settings
from glassbook.tables import print_table

HELP = """Play a manipulation against the system of your own data folder: write a forged record into its log.

Only against a local system: brokers on this machine, and those of the data folder. The log keeps every record for ever,
so this exchange's history is never exact again; take a data folder of its own (GLASSBOOK_DATA_DIR) for it. Then let
`glassbook verify` or `glassbook canary watch` find it.

Examples:

    glassbook tamper --list

    glassbook tamper altered-price

    glassbook tamper invented-fill --symbol BTC-USDT --yes
"""


def add_to(app: typer.Typer) -> None:
    app.command("tamper", help=HELP)(tamper)


def tamper(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Which: see --list.", show_default=False)] = "",
    symbol: Annotated[str, typer.Option(help="In this market. [default: where was traded last]")] = "",
    list_all: Annotated[bool, typer.Option("--list", help="Show what there is, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    from glassbook.tamper import manipulation_of

    if list_all:
        _list()
        return
    if not kind:
        raise GlassbookError("which manipulation? See `glassbook tamper --list`")
    manipulation = manipulation_of(kind)
    # Kafka's client takes a while to import: not for the list.
    from glassbook.tamper_local import Forger, check_local

    settings = read_settings()
    check_local(settings)
    forger = Forger(settings, manipulation, symbol)
    forgery = forger.forged()
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    topic, partition = forgery.place
    console.print(f"[bold red]TAMPERING[/bold red] with the local exchange in {settings.data_dir}")
    console.print(f"  writes onto {topic}-{partition}: {manipulation.what}")
    console.print(f"  made from {topic}-{partition} offset {forgery.model.offset}")
    console.print(f"  effect: {manipulation.effect}")
    _ask(yes)
    forgery, offset = forger.write()
    typer.echo(f"{topic} {partition} {offset}  {forgery.value.decode()}")
    said = manipulation.kind.value if manipulation.kind else "nothing: it is refused, and no stage did anything wrong"
    console.print(f"[bold red]WRITTEN[/bold red] at offset {offset}. The canary should say {said}")


def _ask(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise GlassbookError("nothing was written: say --yes where nobody can be asked")
    if not typer.confirm("This exchange's history will never be exact again. Go on?"):
        raise GlassbookError("nothing was written")


def _list() -> None:
    from glassbook.tamper import MANIPULATIONS

    table = Table("manipulation", "topic", "writes", "effect on the system", "the canary says")
    for one in MANIPULATIONS.values():
        table.add_row(one.name, one.topic, one.what, one.effect, one.kind.value if one.kind else "(refused)")
    print_table(table)
