"""The commands of somebody who trades: accounts, money, orders, and what came of them."""

import typer

from glassbook import cli_history, cli_keys, cli_money, cli_orders, cli_replay


def add_to(app: typer.Typer) -> None:
    cli_keys.add_to(app)
    cli_money.add_to(app)
    cli_orders.add_to(app)
    cli_history.add_to(app)
    cli_replay.add_to(app)
