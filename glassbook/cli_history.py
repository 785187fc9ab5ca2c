"""`glassbook candles`, `trades`, `fills` and `statement`: what was, on the terminal or as CSV."""

import csv
import itertools
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer
from msgspec import Struct
from rich.table import Table

from glassbook.client import calls, history, pages
from glassbook.client.calls import Call
from glassbook.client.pages import Pages
from glassbook.client.rest import Client
from glassbook.errors import GlassbookError
from glassbook.key_folder import DEFAULT_NAME
from glassbook.tables import print_table
from glassbook.trading_session import session
from schemas.candles import Interval

CANDLES_HELP = """Show a market's candles: the newest ones, or those of a time. The last one may still be forming.

Examples:

    glassbook candles AMZN-USD

    glassbook candles AMZN-USD --interval 1h --from 2026-01-31 --to 2026-02-01 --fill

    glassbook candles AMZN-USD --interval 1d --csv candles.csv
"""
TRADES_HELP = """Show a market's trades: the newest ones, or those of a time.

Examples:

    glassbook trades AMZN-USD

    glassbook trades AMZN-USD --from 2026-01-31T09:30 --to 2026-01-31T09:35 -n 500

    glassbook trades AMZN-USD --csv trades.csv
"""
FILLS_HELP = """Show your own trades, those of closed orders too, with role and fee.

Examples:

    glassbook fills

    glassbook fills --symbol AMZN-USD --csv fills.csv
"""
STATEMENT_HELP = """Show every movement on your account, with the balance behind it and what it was for.

Examples:

    glassbook statement

    glassbook statement --asset USD --from 2026-01-01 --to 2026-02-01

    glassbook statement --csv january.csv --from 2026-01-01 --to 2026-02-01
"""
MOST_ON_A_PAGE = 1000
SHOWN = 20
PageT = TypeVar("PageT")
ItemT = TypeVar("ItemT")

SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL", help="AMZN-USD, BTC-USDT...")]
KeyOption = Annotated[str, typer.Option("--key", envvar="GLASSBOOK_KEY", help="Your key, by its name.")]
FromOption = Annotated[str | None, typer.Option("--from", metavar="TIME", help="From this time on (UTC).")]
ToOption = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Before this time.")]
CsvOption = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write all of it there as CSV.")]
CountOption = Annotated[
    int | None, typer.Option("-n", min=1, help="So many: the first from --from on, else the newest. [default: 20]")
]


def add_to(app: typer.Typer) -> None:
    app.command("candles", help=CANDLES_HELP)(candles)
    app.command("trades", help=TRADES_HELP)(trades)
    app.command("fills", help=FILLS_HELP)(fills)
    app.command("statement", help=STATEMENT_HELP)(statement)


def candles(
    symbol: SymbolArgument,
    interval: Annotated[Interval, typer.Option(help="How long a candle is.")] = Interval.M1,
    start: FromOption = None,
    end: ToOption = None,
    count: CountOption = None,
    fill: Annotated[bool, typer.Option("--fill", help="Show those without a trade too.")] = False,
    file: CsvOption = None,
) -> None:
    begin, until = moment(start), moment(end)
    with session(DEFAULT_NAME) as at:
        every = pages.candles(symbol, interval, begin or 0, until, fill)
        newest = partial(calls.candles, symbol, interval, end=until, fill=fill)
        found = read(at.client, every, None if begin is not None else newest, count, file)
        if file is not None:
            return write_csv(file, history.Candle, found)
        rows = [
            (when(one.open_time_ms), one.open, one.high, one.low, one.close, one.volume, str(one.trades),
             "" if one.closed else "forming")
            for one in found
        ]  # fmt: skip
    show(("opens", "open", "high", "low", "close", "volume", "trades", ""), rows, "no candles")


def trades(
    symbol: SymbolArgument,
    start: FromOption = None,
    end: ToOption = None,
    count: CountOption = None,
    file: CsvOption = None,
) -> None:
    begin, until = moment(start), moment(end)
    with session(DEFAULT_NAME) as at:
        newest = partial(calls.trades, symbol, end=until)
        every = pages.trades(symbol, start=begin, end=until)
        found = read(at.client, every, None if begin is not None else newest, count, file)
        if file is not None:
            return write_csv(file, history.Trade, found)
        rows = [
            (str(one.sequence), when(one.time_ms), one.price, one.quantity, one.aggressor_side, one.trade_id)
            for one in found
        ]
    show(("sequence", "time", "price", "quantity", "taker", "trade"), rows, "no trades")


def fills(
    symbol: Annotated[str | None, typer.Option(help="Only this market's.")] = None,
    start: FromOption = None,
    end: ToOption = None,
    count: CountOption = None,
    file: CsvOption = None,
    key: KeyOption = DEFAULT_NAME,
) -> None:
    begin, until = moment(start), moment(end)
    with session(key) as at:
        account = at.account()
        newest = partial(account.trades, symbol, end=until)
        every = pages.account_trades(account, symbol, start=begin, end=until)
        found = read(at.client, every, None if begin is not None else newest, count, file)
        if file is not None:
            return write_csv(file, history.AccountTrade, found)
        rows = [
            (when(one.time_ms), one.symbol, one.side, one.price, one.quantity, one.role, f"{one.fee} {one.fee_asset}",
             one.order_id)
            for one in found
        ]  # fmt: skip
    show(("time", "market", "side", "price", "quantity", "role", "fee", "order"), rows, "no trades")


def statement(
    asset: Annotated[str | None, typer.Option(help="Only this asset's.")] = None,
    start: FromOption = None,
    end: ToOption = None,
    count: CountOption = None,
    file: CsvOption = None,
    key: KeyOption = DEFAULT_NAME,
) -> None:
    begin, until = moment(start), moment(end)
    with session(key) as at:
        account = at.account()
        newest = partial(account.statement, asset, end=until)
        every = pages.statement(account, asset, start=begin, end=until)
        found = read(at.client, every, None if begin is not None else newest, count, file)
        if file is not None:
            return write_csv(file, history.StatementLine, found)
        rows = [
            (when(one.time_ms), one.book, one.asset, one.amount, one.balance, one.cause, one.reference) for one in found
        ]
    show(("time", "book", "asset", "amount", "balance", "cause", "about"), rows, "nothing yet")


# --- what they share


def moment(text: str | None) -> int | None:
    """Milliseconds since 1970, a date, or a date and time; UTC where it doesn't say otherwise."""
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) > 8:
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise GlassbookError(f"{text!r} is no time such as 2026-01-31 or 2026-01-31T09:30") from None
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def read(
    client: Client,
    every: Pages[PageT, ItemT],
    newest: Callable[..., Call[PageT]] | None,
    count: int | None,
    file: Path | None,
) -> Iterable[ItemT]:
    """The newest on one page, unless a beginning was given or all of it is to be written."""
    if newest is not None and file is None:
        if count is not None and count > MOST_ON_A_PAGE:
            raise GlassbookError(f"at most {MOST_ON_A_PAGE} of the newest: give --from, or --csv for all")
        return every.items(client.send(newest(limit=count or SHOWN)))
    walked = client.walk(every)
    return walked if count is None and file is not None else itertools.islice(walked, count or SHOWN)


def write_csv(file: Path, kind: type[Struct], rows: Iterable[Struct]) -> None:
    """Row by row, as they come; under its name once it is whole."""
    names = [field.name for field in msgspec.structs.fields(kind)]
    draft = file.with_name(f"{file.name}.part")
    count = 0
    try:
        with draft.open("w", newline="") as output:
            writer = csv.writer(output)
            writer.writerow(names)
            for row in rows:
                writer.writerow(getattr(row, name) for name in names)
                count += 1
        draft.replace(file)
    except OSError as error:
        raise GlassbookError(f"{file} can't be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
    typer.echo(f"{count} rows in {file}")


def show(columns: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> None:
    if not rows:
        typer.echo(nothing)
        return
    table = Table(header_style="bold")
    for name in columns:
        numeric = name in ("open", "high", "low", "close", "volume", "trades", "price", "quantity", "amount", "balance")
        table.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*row)
    print_table(table)


def when(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
