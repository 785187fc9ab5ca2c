"""`glassbook account`, `deposit`, `withdraw` and `balances`."""

from typing import Annotated

import typer
from rich.table import Table

from glassbook.client import answers
from glassbook.errors import GlassbookError
from glassbook.key_folder import DEFAULT_NAME, own_keys
from glassbook.operator import OperatorFolder
from glassbook.settings import read_settings
from glassbook.tables import print_table
from glassbook.trading_session import session

REGISTER_HELP = """Open an account for a key.

Signed by the operator where its key is in the data folder, else by the key itself, which an exchange may not take.

Examples:

    glassbook account register

    glassbook account register --key bob
"""
DEPOSIT_HELP = """Book money or shares onto an account. For the operator: its key is in the data folder.

The same transfer id is booked once, however often it is sent.

Examples:

    glassbook deposit USD 10000

    glassbook deposit AMZN 50 --key bob

    glassbook deposit USD 99.50 --account 1f0c...e2 --transfer-id wire-4711
"""
WITHDRAW_HELP = """Take money or shares off an account: reserved at once, gone when the operator settles it.

Example:

    glassbook withdraw USD 250 --to "IBAN DE89 3704 0044 0532 0130 00"
"""
SETTLE_HELP = """Say that a withdrawal was paid out, or give it back. For the operator.

Examples:

    glassbook settle 2-1041

    glassbook settle 2-1041 --give-back --key bob
"""
BALANCES_HELP = """Show what an account has: free, and reserved for its open orders and withdrawals.

Example:

    glassbook balances --key bob
"""

KeyOption = Annotated[str, typer.Option("--key", envvar="GLASSBOOK_KEY", help="Your key, by its name.")]


def add_to(app: typer.Typer) -> None:
    account = typer.Typer(help="Your account.", no_args_is_help=True)
    account.command("register", help=REGISTER_HELP)(register)
    account.callback()(lambda: None)  # with a single command, typer would leave out its name
    app.add_typer(account, name="account")
    app.command("deposit", help=DEPOSIT_HELP)(deposit)
    app.command("withdraw", help=WITHDRAW_HELP)(withdraw)
    app.command("settle", help=SETTLE_HELP)(settle)
    app.command("balances", help=BALANCES_HELP)(balances)


def register(key: KeyOption = DEFAULT_NAME) -> None:
    with session(key) as at:
        account = at.account()
        if account.signer.delegation is not None:
            raise GlassbookError(f"{key} is a trade key: its account is its root key's")
        by_operator = OperatorFolder(read_settings().data_dir).key_file.exists()
        call = at.operator().register(account.signer.key.public) if by_operator else account.register()
        _say_done(at.client.send(call), f"account {account.id} is open")


def deposit(
    asset: Annotated[str, typer.Argument(help="USD, AMZN, BTC...")],
    amount: Annotated[str, typer.Argument(help="A plain decimal such as 99.50")],
    key: KeyOption = DEFAULT_NAME,
    account: Annotated[str | None, typer.Option(help="The account, where it isn't the key's.")] = None,
    transfer_id: Annotated[str | None, typer.Option(help="Which transfer this is. [default: a new one]")] = None,
) -> None:
    with session(key) as at:
        owner = account or own_keys().load(key).account
        done = at.client.send(at.operator().deposit(owner, asset, amount, transfer_id))
        _say_done(done, f"{amount} {asset} deposited")


def withdraw(
    asset: Annotated[str, typer.Argument(help="USD, AMZN, BTC...")],
    amount: Annotated[str, typer.Argument(help="A plain decimal such as 250")],
    to: Annotated[str, typer.Option(help="Where it goes: an IBAN, an address.")],
    key: KeyOption = DEFAULT_NAME,
) -> None:
    with session(key) as at:
        done = at.client.send(at.account().withdraw(asset, amount, to))
        _say_done(done, f"{amount} {asset} reserved, withdrawal {done.command_id}: the operator settles it")


def settle(
    withdrawal_id: Annotated[str, typer.Argument(help="As `glassbook balances` shows it.")],
    key: KeyOption = DEFAULT_NAME,
    account: Annotated[str | None, typer.Option(help="The account, where it isn't the key's.")] = None,
    give_back: Annotated[bool, typer.Option("--give-back", help="It wasn't paid: back to the free balance.")] = False,
) -> None:
    with session(key) as at:
        owner = account or own_keys().load(key).account
        done = at.client.send(at.operator().settle_withdrawal(owner, withdrawal_id, paid=not give_back))
        _say_done(done, f"withdrawal {withdrawal_id} {'given back' if give_back else 'paid'}")


def balances(key: KeyOption = DEFAULT_NAME) -> None:
    with session(key) as at:
        found = at.client.send(at.account().balances())
    if found.balances:
        print_table(balance_table(found.balances))
    else:
        typer.echo("nothing yet: `glassbook deposit` books something")
    if found.withdrawals:
        waiting = Table("withdrawal", "asset", "amount", "to", title="waiting for settlement", header_style="bold")
        for one in found.withdrawals:
            waiting.add_row(one.withdrawal_id, one.asset, one.amount, one.destination)
        print_table(waiting)


def balance_table(found: list[answers.Balance]) -> Table:
    table = Table(header_style="bold")
    table.add_column("asset")
    table.add_column("free", justify="right")
    table.add_column("reserved", justify="right")
    for balance in found:
        table.add_row(balance.asset, balance.free, balance.reserved)
    return table


def _say_done(done: answers.Done | answers.Receipt, text: str) -> None:
    if isinstance(done, answers.Receipt):
        typer.echo(f"sent, but no outcome yet (command {done.command_id}): see `glassbook executions`")
        raise typer.Exit(1)
    typer.echo(text if done.original_id is None else f"{text} before, by command {done.original_id}")
    for balance in done.balances or []:
        typer.echo(f"{balance.asset}: {balance.free} free, {balance.reserved} reserved")
