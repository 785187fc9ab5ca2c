"""The `glassbook` command. Each family of commands has a module of its own, which adds itself to `app` here."""

import sys
from importlib.util import find_spec

import typer
from rich.console import Console
from rich.markup import escape

from glassbook import cli_cluster, cli_topic
from glassbook.errors import GlassbookError

app_of_commands = typer.Typer(
    name="glassbook",
    help="An exchange you can see through: start it, trade on it, read its log.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli_cluster.add_to(app_of_commands)
cli_topic.add_to(app_of_commands)
# Families written beside this one; each offers add_to(app).
for family in (
    "glassbook.cli_trading",
    "glassbook.cli_operator",
    "glassbook.cli_market",
    "glassbook.cli_report",
    "glassbook.cli_init",
    "glassbook.cli_query",
    "glassbook.cli_canary",
    "glassbook.cli_verify",
    "glassbook.cli_tamper",
    "glassbook.cli_load",
):
    if find_spec(family):
        __import__(family)
        sys.modules[family].add_to(app_of_commands)


def app() -> None:
    """The entry point: a GlassbookError is one line and exit code 1, never a traceback."""
    try:
        app_of_commands()
    except GlassbookError as error:
        Console(stderr=True, soft_wrap=True).print(f"[red]error:[/red] {escape(str(error))}", highlight=False)
        sys.exit(1)
