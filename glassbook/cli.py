"""The `glassbook` command. Each family of commands has a module of its own, which adds itself to `app` here."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from glassbook import (
    cli_canary,
    cli_cluster,
    cli_init,
    cli_load,
    cli_market,
    cli_operator,
    cli_query,
    cli_report,
    cli_tamper,
    cli_topic,
    cli_trading,
    cli_verify,
)
from glassbook.errors import GlassbookError

app_of_commands = typer.Typer(
    name="glassbook",
    help="An exchange you can see through: start it, trade on it, read its log.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for family in (
    cli_cluster, cli_topic, cli_trading, cli_operator, cli_market, cli_report, cli_init, cli_query, cli_canary,
    cli_verify, cli_tamper, cli_load,
):  # fmt: skip
    family.add_to(app_of_commands)


def app() -> None:
    """The entry point: a GlassbookError is one line and exit code 1, never a traceback."""
    try:
        app_of_commands()
    except GlassbookError as error:
        Console(stderr=True, soft_wrap=True).print(f"[red]error:[/red] {escape(str(error))}", highlight=False)
        sys.exit(1)
