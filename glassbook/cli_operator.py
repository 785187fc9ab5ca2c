"""`glassbook listing`: what the operator does with the markets of an exchange."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from glassbook import listing_generate
from glassbook.errors import GlassbookError
from glassbook.listing import BadListing, Listing, read_listing
from glassbook.operator import OperatorFolder, apply_listing, existing_genesis, genesis_of, read_listed
from glassbook.operator_log import OperatorLog
from glassbook.settings import DEFAULT_LISTING, read_settings
from schemas.ledger_state import ListedMarket

CHECK_HELP = """Say everything that is wrong with a listing file, each with its line. Needs no running exchange.

Example:

    glassbook listing check deploy/listing.toml
"""
APPLY_HELP = """Bring a running exchange's markets to what a listing file says.

The file is checked whole first; nothing is written if anything is wrong. New markets are added, changed ones get
their next revision, and markets that the file doesn't name stay as they are.

Examples:

    glassbook listing apply deploy/listing.toml

    glassbook listing apply deploy/listing-450.toml
"""
SHOW_HELP = """Show the markets as they stand on the log, or all terms of one.

Examples:

    glassbook listing show

    glassbook listing show AMZN-USD
"""
GENERATE_HELP = """Print a listing of many made-up markets, for load.

Examples:

    glassbook listing generate > deploy/listing-450.toml

    glassbook listing generate --markets 450 --partitions 450 > a-partition-each.toml
"""


def add_to(app: typer.Typer) -> None:
    listing = typer.Typer(help="The exchange's markets.", no_args_is_help=True)
    listing.command("check", help=CHECK_HELP)(check)
    listing.command("apply", help=APPLY_HELP)(apply)
    listing.command("show", help=SHOW_HELP)(show)
    listing.command("generate", help=GENERATE_HELP)(generate)
    app.add_typer(listing, name="listing")


FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A listing in TOML.", show_default="deploy/listing.toml")
]


def check(file: FileArgument = DEFAULT_LISTING) -> None:
    listing = _read(file)
    typer.echo(f"{file}: {len(listing.markets)} markets, nothing wrong")


def apply(file: FileArgument = DEFAULT_LISTING) -> None:
    listing = _read(file)
    settings = read_settings()
    try:
        written = apply_listing(listing, OperatorFolder(settings.data_dir), OperatorLog(settings.bootstrap_servers))
    except BadListing as error:
        raise _told(error) from None
    for revision, market in written:
        typer.echo(f"{market.symbol}: revision {revision}, {market.state}")
    typer.echo(f"{len(written)} of {len(listing.markets)} markets written, the others are as the file says")


def show(symbol: Annotated[str | None, typer.Argument(help="Only this market.")] = None) -> None:
    settings = read_settings()
    folder, log = OperatorFolder(settings.data_dir), OperatorLog(settings.bootstrap_servers)
    genesis = genesis_of(existing_genesis(log, folder.key()))
    markets = [known for name, known in sorted(read_listed(folder, log, genesis).items()) if symbol in (None, name)]
    if symbol and not markets:
        raise GlassbookError(f"no market {symbol} is listed: see `glassbook listing show`")
    Console().print(_one(markets[0]) if symbol else _table(genesis.exchange, markets))


def generate(
    markets: Annotated[int, typer.Option(help="How many markets.")] = listing_generate.SYMBOLS,
    partitions: Annotated[
        int | None, typer.Option(help="On how many partitions.", show_default=str(listing_generate.PARTITIONS))
    ] = None,
) -> None:
    typer.echo(listing_generate.generate(markets, partitions), nl=False)


def _read(file: Path) -> Listing:
    try:
        return read_listing(file)
    except BadListing as error:
        raise _told(error) from None


def _told(error: BadListing) -> typer.Exit:
    """Shows a line for each problem, plainly: they are for editors to jump to."""
    typer.echo(str(error), err=True)
    typer.echo(f"{len(error.problems)} problems, nothing written", err=True)
    return typer.Exit(1)


def _table(exchange: str, markets: list[ListedMarket]) -> Table:
    table = Table(title=f"markets of {exchange}", header_style="bold")
    for name in ("symbol", "state", "revision", "tick", "lot", "fees", "partition"):
        table.add_column(name, justify="left" if name in ("symbol", "state") else "right")
    for known in markets:
        market = known.market
        fees = f"{market.maker_fee} / {market.taker_fee}"
        row = (market.symbol, market.state, str(known.revision), market.tick, market.lot, fees, str(market.partition))
        table.add_row(*row)
    return table


def _one(known: ListedMarket) -> Table:
    """All terms of one market."""
    table = Table("", "", show_header=False)
    for name, value in {"revision": known.revision, **msgspec.structs.asdict(known.market)}.items():
        table.add_row(name, str(value))
    return table
