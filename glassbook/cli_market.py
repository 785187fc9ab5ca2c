"""`glassbook halt`, `resume`, `bust` and `halter`: what the operator does with a market that trades."""

import re
from typing import Annotated

import typer

from glassbook.errors import GlassbookError
from glassbook.market_control import MarketControl
from glassbook.operator_log import OperatorLog
from glassbook.settings import read_settings
from schemas.records import Trade
from schemas.refusal import Refused
from schemas.signing import check_key

HALT_HELP = """Halt a market: it takes no orders and no amends until it is resumed; orders can be cancelled, and expire.

Examples:

    glassbook halt AMZN-USD --reason "prices look wrong"
"""
RESUME_HELP = """Let a halted market go on, whoever halted it. Only the operator can.

Examples:

    glassbook resume AMZN-USD --reason "looked into, nothing wrong"
"""
BUST_HELP = """Take a trade back on both accounts, by its id.

Both get back what they gave, fees too. What the other side has withdrawn, spent or reserved since, the exchange bears,
on the book `losses`. The trade's record stays where it is; a `trade_busted` record is published behind it.

Examples:

    glassbook bust 1-501-0 --reason "a wrong price"

    glassbook bust 1-501-0 --reason "a wrong price" --yes
"""
HALTER_HELP = """Say which key, besides the operator's, may halt markets (and do nothing else), or change it.

A new exchange's is that of the canary in its data folder.

Examples:

    glassbook halter

    glassbook halter --authorise ed25519:0EgzRnL2OW0GvZ2YR2h0O9vHzqg3k9Kp0Vf3rJcS5hU

    glassbook halter --withdraw
"""
MAX_REASON = 128
_PRINTABLE = re.compile(r"[!-~ ]{1,128}")
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def add_to(app: typer.Typer) -> None:
    app.command("halt", help=HALT_HELP)(halt)
    app.command("resume", help=RESUME_HELP)(resume)
    app.command("bust", help=BUST_HELP)(bust)
    app.command("halter", help=HALTER_HELP)(halter)


SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL", help="The market.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for everybody to read: up to 128 characters.")]


def halt(
    symbol: SymbolArgument,
    reason: ReasonOption,
    halt_id: Annotated[
        str | None, typer.Option("--id", help="An id of your own: the same one halts once.", show_default="by the time")
    ] = None,
) -> None:
    _check_reason(reason)
    if halt_id is not None and not _ID.fullmatch(halt_id):
        raise GlassbookError(f"{halt_id!r} is no id: 1 to 64 of A-Z a-z 0-9 . _ : -")
    typer.echo(f"{symbol}: halted ({_control().halt(symbol, reason, halt_id)})")


def resume(symbol: SymbolArgument, reason: ReasonOption) -> None:
    _check_reason(reason)
    for ended in _control().resume(symbol, reason):
        typer.echo(f"{symbol}: {ended.halt_id} is over ({ended.reason})")


def bust(
    trade_id: Annotated[str, typer.Argument(metavar="TRADE", help="The trade's id.")],
    reason: ReasonOption,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    _check_reason(reason)
    control = _control()
    trade = control.find_trade(trade_id)
    typer.echo(_in_words(trade))
    if not yes:
        typer.confirm("Take it back on both accounts?", abort=True)
    control.bust(trade, reason)
    typer.echo(f"{trade_id}: busted")


def halter(
    authorise: Annotated[
        str | None, typer.Option(metavar="KEY", help="Let this public key halt, and no other.")
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Let no key but the operator's halt.")] = False,
) -> None:
    if authorise is not None and withdraw:
        raise GlassbookError("give --authorise or --withdraw, not both")
    if authorise is not None:
        try:
            check_key(authorise)
        except Refused as refused:
            raise GlassbookError(f"{authorise[:100]!r} is no public key: {refused.detail or refused.reason}") from None
    control = _control()
    if authorise is not None or withdraw:
        revision = control.authorise(authorise)
        typer.echo(f"revision {revision}: {authorise or 'only the operator'} may halt")
        return
    known = control.listed.authorised()
    typer.echo("only the operator" if known is None or known.halter_key is None else known.halter_key)


def _control() -> MarketControl:
    settings = read_settings()
    return MarketControl(settings.data_dir, OperatorLog(settings.bootstrap_servers))


def _check_reason(reason: str) -> None:
    if not _PRINTABLE.fullmatch(reason):
        raise GlassbookError(f"a reason has 1 to {MAX_REASON} printable ASCII characters")


def _in_words(trade: Trade) -> str:
    taker = "bought" if trade.aggressor_side == "BUY" else "sold"
    return (
        f"{trade.symbol} trade {trade.sequence} ({trade.trade_id}): {trade.taker_account} {taker} {trade.quantity} at"
        f" {trade.price} ({trade.quote_quantity} {trade.fee_asset}) with {trade.maker_account}"
    )
