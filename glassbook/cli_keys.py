"""`glassbook keys`: a person's keys, kept in files of their own. Making one needs no running exchange."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from glassbook.client.keys import Key, KeyKind
from glassbook.errors import GlassbookError
from glassbook.key_folder import DEFAULT_NAME, own_keys
from glassbook.trading_session import session
from schemas.records import Delegation

DAY_MS = 24 * 60 * 60 * 1000
NEW_HELP = """Make a key, and print the account that it owns.

With --trades-for it is a trade key: it may place, amend and cancel orders for another key's account, but move no money.

Examples:

    glassbook keys new

    glassbook keys new browser --kind p256

    glassbook keys new bot --trades-for default --days 30
"""
LIST_HELP = """List your keys and their accounts.

Example:

    glassbook keys list
"""
SHOW_HELP = """Show a key's account and public key. The private key stays in its file.

Example:

    glassbook keys show default
"""
REVOKE_HELP = """End a trade key for good: it can sign nothing more.

Example:

    glassbook keys revoke bot
"""

NameArgument = Annotated[str, typer.Argument(metavar="NAME")]


def add_to(app: typer.Typer) -> None:
    keys = typer.Typer(help="Your keys: who you are on the exchange.", no_args_is_help=True)
    keys.command("new", help=NEW_HELP)(new)
    keys.command("list", help=LIST_HELP)(list_keys)
    keys.command("show", help=SHOW_HELP)(show)
    keys.command("revoke", help=REVOKE_HELP)(revoke)
    app.add_typer(keys, name="keys")


def new(
    name: NameArgument = DEFAULT_NAME,
    kind: Annotated[KeyKind, typer.Option(help="p256 for browsers without Ed25519.")] = "ed25519",
    trades_for: Annotated[
        str | None, typer.Option(metavar="ROOT", help="Make a trade key for this key's account.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long a trade key may trade.")] = 365,
) -> None:
    folder = own_keys()
    if folder.path(name).exists():
        raise GlassbookError(f"there is a key {name} already: choose another name")
    key = Key.new(kind)
    delegation = _delegated(key, trades_for, days) if trades_for else None
    path = folder.save(name, key, delegation)
    typer.echo(f"account     {folder.load(name).account}")
    typer.echo(f"public key  {key.public}")
    typer.echo(f"kept in     {path}")


def _delegated(key: Key, root_name: str, days: int) -> Delegation:
    with session(root_name) as at:
        root = at.account()
        if root.signer.delegation is not None:
            raise GlassbookError(f"{root_name} is a trade key itself: only a root key can let another key trade")
        delegation = root.signer.delegate(key.public, time.time_ns() // 1_000_000 + days * DAY_MS)
        at.client.send(root.register_key(delegation))
        return delegation


def list_keys() -> None:
    folder = own_keys()
    table = Table("name", "account", "kind", "trades for", header_style="bold")
    for name in folder.names():
        found = folder.load(name)
        table.add_row(
            name, found.account, found.public.partition(":")[0], "another key" if found.delegation else "itself"
        )
    if table.row_count:
        Console().print(table)
    else:
        typer.echo(f"no keys in {folder.root}: make one with `glassbook keys new`")


def show(name: NameArgument = DEFAULT_NAME) -> None:
    found = own_keys().load(name)
    typer.echo(f"account     {found.account}")
    typer.echo(f"public key  {found.public}")
    if found.delegation is not None:
        typer.echo(f"trades for  {found.delegation.key}")
    typer.echo(f"kept in     {own_keys().path(name)}")


def revoke(name: NameArgument) -> None:
    found = own_keys().load(name)
    if found.delegation is None:
        raise GlassbookError(f"{name} is a root key: only trade keys can be revoked")
    with session(name) as at:
        at.client.send(at.account().revoke_key(found.public))
    typer.echo(f"{name} is revoked: its file {own_keys().path(name)} is of no more use")
