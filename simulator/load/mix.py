"""B3's traffic in figures: what is asked for how often, at 100% of it. Pure."""

from collections.abc import Mapping
from enum import StrEnum

ORDERS_PER_S = 700.0
SYMBOLS = 450
BROKERS = 100


class Kind(StrEnum):
    ORDER = "order"
    CANCEL = "cancel"
    READ = "read"


SHARES: Mapping[Kind, int] = {Kind.ORDER: 53, Kind.CANCEL: 19, Kind.READ: 28}


class Read(StrEnum):
    """What is read; the first three are an account's own, and signed."""

    OWN_ORDER = "own order"
    OPEN_ORDERS = "open orders"
    BALANCES = "balances"
    DEPTH = "depth"
    TICKER = "ticker"
    TRADES = "trades"


READ_SHARES: Mapping[Read, int] = {
    Read.OWN_ORDER: 25,
    Read.OPEN_ORDERS: 10,
    Read.BALANCES: 10,
    Read.DEPTH: 25,
    Read.TICKER: 15,
    Read.TRADES: 15,
}


def rates_per_s(percent: float) -> dict[Kind, float]:
    """Requests a second of each kind: at 100%, 700 new orders, 251 cancels and 370 reads."""
    one_share = ORDERS_PER_S * percent / 100 / SHARES[Kind.ORDER]
    return {kind: share * one_share for kind, share in SHARES.items()}
