"""What a trading command works with: the gateway, a person's key and, on the operator's machine, the operator's key."""

from collections.abc import Iterator
from contextlib import contextmanager

from glassbook.client import calls
from glassbook.client.calls import Account, Operator
from glassbook.client.rest import Client, Refusal
from glassbook.client.signer import DEFAULT_WINDOW_MS, Signer
from glassbook.errors import GlassbookError
from glassbook.key_folder import own_keys
from glassbook.operator import OperatorFolder
from glassbook.settings import read_settings
from schemas.market import Market

# What helps, where the reason alone doesn't say it.
CURES = {
    "UNKNOWN_ACCOUNT": "Register it with `glassbook account register`.",
    "INSUFFICIENT_FUNDS": "See `glassbook balances`, and `glassbook deposit` for more.",
    "UNKNOWN_SYMBOL": "See `glassbook listing show` for the markets.",
    "MARKET_NOT_OPEN": "See `glassbook listing show` for its state.",
    "MARKET_HALTED": "Orders can be cancelled meanwhile.",
    "UNKNOWN_ORDER": "See `glassbook orders` for those that are open.",
    "REGISTRATION_CLOSED": "Run it where the operator's key is.",
    "TOO_NEW": "Set this machine's clock.",
    "TOO_OLD": "Set this machine's clock, or try again.",
    "NOT_OPERATOR": "The operator key in this data folder isn't that exchange's.",
    "KEY_REVOKED": "Make a new trade key with `glassbook keys new NAME --trades-for ROOT`.",
    "DELEGATION_EXPIRED": "Make a new trade key with `glassbook keys new NAME --trades-for ROOT`.",
    "ROOT_KEY_REQUIRED": "Give the root key with --key.",
    "NO_LIQUIDITY": "See `glassbook book`.",
    "STORAGE_FULL": "Make room on its disk.",
    "NOT_READY": "Try again in a moment.",
    "HISTORY_UNAVAILABLE": "See `glassbook status` for ClickHouse and the sinks, or ask for what is newer.",
}


class Session:
    """One command's connection to the gateway."""

    def __init__(self, client: Client, key_name: str) -> None:
        self.client, self._key_name = client, key_name
        self._markets = client.send(calls.markets())
        self.exchange = self._markets.exchange

    def account(self, window_ms: int = DEFAULT_WINDOW_MS) -> Account:
        """The account of the person's key; a trade key's is the one that it trades for. Its commands are good for
        `window_ms`."""
        found = own_keys().load(self._key_name)
        return Account(Signer(found.open(), self.exchange, found.delegation, window_ms=window_ms))

    def operator(self) -> Operator:
        return Operator(OperatorFolder(read_settings().data_dir).key(), self.exchange)

    def market(self, symbol: str) -> Market:
        found = {listed.market.symbol: listed.market for listed in self._markets.markets}
        if symbol not in found:
            raise GlassbookError(
                f"UNKNOWN_SYMBOL: there is no market {symbol}: there are {', '.join(sorted(found)[:20])}"
            )
        return found[symbol]


@contextmanager
def session(key_name: str) -> Iterator[Session]:
    """Refusals leave it as one line with reason code and cure."""
    try:
        with Client(read_settings().gateway_url) as client:
            yield Session(client, key_name)
    except Refusal as refusal:
        cure = CURES.get(refusal.code)
        raise GlassbookError(f"{refusal} {cure}" if cure else str(refusal)) from None
