"""`glassbook report`: the exchange's history on one page, charts and answers, for a browser and without a network."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from glassbook.clickhouse import access
from glassbook.settings import read_settings

HELP = """Draw candles and volumes, and answer ten questions about the exchange's history, in one HTML file.

It reads ClickHouse, as anybody may. The questions are the SQL files in `deploy/queries`.

Examples:

    glassbook report

    glassbook report --symbol BTC-USDT --out btc.html
"""


def add_to(app: typer.Typer) -> None:
    app.command("report", help=HELP)(report)


def report(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it.")] = Path("glassbook-report.html"),
    symbol: Annotated[str, typer.Option(help="Only this market. [default: all]", show_default=False)] = "",
) -> None:
    # Plotly and clickhouse-connect take a second to import: not for every other command.
    from glassbook.report import render, write_report
    from glassbook.report_data import client_of, read_report
    from glassbook.report_questions import questions

    # What it logs of an error is said by that error too.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    client = client_of(access(read_settings()))
    data = read_report(client, questions(), symbol)
    size = write_report(out, render(data, datetime.now(UTC)))
    typer.echo(f"{out.absolute()}: {size / 1e6:.1f} MB, {sum(market.trades for market in data.traded)} trades in all")
    failed = [answer for answer in data.answers if answer.error]
    for answer in failed:
        typer.echo(f"no answer to {answer.question.name}: {answer.error}", err=True)
    if failed:
        raise typer.Exit(1)
