"""`glassbook query`: SQL over the exchange's history, as anybody may ask it. It can't write."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from glassbook.clickhouse import Access, access
from glassbook.errors import GlassbookError
from glassbook.report_questions import defaults
from glassbook.settings import read_settings
from glassbook.tables import print_table

TABLE = "table"
# Names, types, then a row a line, every value as text.
ROWS = "JSONCompactStringsEachRowWithNamesAndTypes"
MOST_ROWS = 1_000
HELD_BACK = 1 << 16  # of what comes: an error's text is shorter
STDIN = "-"
HELP = """Ask ClickHouse, and print a table.

Examples:

    glassbook query "SELECT symbol, count() AS trades, sum(quote_quantity) AS traded FROM trades GROUP BY symbol"

    glassbook query --format CSVWithNames "SELECT * FROM candles WHERE interval = '1m'" > candles.csv

    glassbook query --param symbol=BTC-USDT "SELECT max(price) FROM trades WHERE symbol = {symbol:String}"

    glassbook query - --param symbol=BTC-USDT < deploy/queries/vwap.sql

A parameter that isn't given has the default that the SQL's leading comment says: -- :symbol = ''

It asks the embedded ClickHouse of the exchange, or the server that CLICKHOUSE_URL names. Quote the SQL in single quotes
if your shell would make something of it.
"""
_ERROR = re.compile(r"Code: (\d+)\. DB::Exception: (.*?)\s*\(([A-Z0-9_]+)\)\s*(?:\(version .*|\Z)", re.DOTALL)
_RIGHT = re.compile(r"(Nullable\(|LowCardinality\()*(U?Int|Float|Decimal)")


def add_to(app: typer.Typer) -> None:
    app.command("query", help=HELP)(query)


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="The statement; - reads it from standard input.")],
    form: Annotated[
        str, typer.Option("--format", "-f", help="Any format of ClickHouse: CSVWithNames, JSON, Vertical, Parquet...")
    ] = TABLE,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="For {NAME:Type} in the statement.")
    ] = None,
) -> None:
    text = sys.stdin.read() if sql == STDIN else sql
    if not text.strip():
        raise GlassbookError('there is nothing to ask: glassbook query "SELECT ..."')
    values = defaults(text)
    for item in param or ():
        name, equals, value = item.partition("=")
        if not name or not equals:
            raise GlassbookError(f"--param {item} is not NAME=VALUE")
        values[name] = value
    parameters = {"default_format": ROWS if form == TABLE else form}
    for name, value in values.items():
        parameters[f"param_{name}"] = value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    place = access(read_settings())
    try:
        _ask(place, text, parameters)
    except httpx.TransportError as error:
        raise GlassbookError(_away(place, error)) from error


def _ask(place: Access, text: str, parameters: dict[str, str]) -> None:
    with (
        place.http(timeout=httpx.Timeout(10, read=None)) as http,
        http.stream("POST", "/", params=parameters, content=text.encode()) as answer,
    ):
        if answer.is_error or "x-clickhouse-exception-code" in answer.headers:
            raise GlassbookError(error_line(answer.read().decode(errors="replace")))
        if answer.headers.get("x-clickhouse-format") == ROWS:
            _print_table(_lines(_complete(answer)))
            return
        for chunk in _complete(answer):
            sys.stdout.buffer.write(chunk)
        sys.stdout.flush()


def _complete(answer: httpx.Response) -> Iterator[bytes]:
    """What came, in pieces. After an error behind rows that were sent already, the server cuts the connection."""
    mark = b"\r\n__exception__\r\n" + answer.headers.get("x-clickhouse-exception-tag", "").encode()
    held = b""
    try:
        for chunk in answer.iter_bytes():
            held += chunk
            yield held[:-HELD_BACK]
            held = held[-HELD_BACK:]
        yield held
    except httpx.RemoteProtocolError as error:
        rows, _, text = held.partition(mark)
        yield rows
        sys.stdout.flush()
        raise GlassbookError(f"the answer is not complete: {error_line(text.decode(errors='replace'))}") from error


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")


def _print_table(lines: Iterator[str]) -> None:
    names, types = json.loads(next(lines, "[]")), json.loads(next(lines, "[]"))
    table = Table(box=None, header_style="bold")
    for name, kind in zip(names, types, strict=True):
        # Names and values are anybody's text: none of it is markup.
        table.add_column(Text(name), justify="right" if _RIGHT.match(kind) else "left")
    shown = 0
    for line in lines:
        if shown == MOST_ROWS:
            break
        table.add_row(*(Text("NULL", style="dim") if value is None else Text(value) for value in json.loads(line)))
        shown += 1
    print_table(table)
    more = f"the first {shown} rows; --format gives all" if shown == MOST_ROWS else f"{shown} row{'s' * (shown != 1)}"
    Console(stderr=True, highlight=False).print(f"[dim]{more}[/dim]")


def error_line(text: str) -> str:
    """ClickHouse's error in one line: code, name, message."""
    found = _ERROR.search(text.partition("\n__exception__")[0])
    if found is None:
        return " ".join(text.split())[:500] or "ClickHouse gave no reason"
    return f"{found[1]} {found[3]}: {' '.join(found[2].split())[:500]}"


def _away(place: Access, error: httpx.TransportError) -> str:
    cure = (
        "start the exchange with 'glassbook up', or set CLICKHOUSE_URL"
        if place.embedded
        else "look at that server, or at CLICKHOUSE_URL"
    )
    return f"ClickHouse doesn't answer on {place.address} ({error}): {cure}"
