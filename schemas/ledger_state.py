"""The ledger's state of one partition, as it stands in a snapshot. Gateways restore their view from it.

Amounts are minor units, prices ticks, quantities lots. Lists keep the order in which the log made them.
"""

from msgspec import Struct

from schemas.commands import Genesis, NewOrder, Side
from schemas.halts import HaltState
from schemas.market import Market
from schemas.reasons import Reason
from schemas.records import CloseStatus, SignedCommand


class Outcome(Struct, array_like=True, gc=False):
    """What became of an order that closed."""

    status: CloseStatus
    cause: Reason | None
    filled_lots: int
    filled_quote_minor: int


class RecentCommand(Struct, array_like=True):
    """One of the last 1,024 commands of an account."""

    digest: str  # the first 16 bytes of SHA-256 over the command's bytes, base64url
    offset: int  # in `accounts`, where it stood first: the command's id
    reason: Reason | None  # why it was refused, if it was
    client_order_id: str | None  # of a new order
    outcome: Outcome | None = None


class OpenOrder(Struct):
    """An order that the matcher has or is about to get."""

    offset: int  # in `accounts`: the order's id
    order: NewOrder
    price_ticks: int | None
    quantity_lots: int | None  # the total; smaller after an amend or a decrement
    filled_lots: int
    filled_quote_minor: int
    reserved_minor: int
    fee_ppm: int  # the higher of maker's and taker's, and at least 0
    rested: bool
    pending: dict[str, tuple[int, int]]  # amends on their way: command id -> price, total quantity

    @property
    def is_buy(self) -> bool:
        return self.order.side is Side.BUY


class Balance(Struct, array_like=True):
    free: int
    reserved: int


class PendingWithdrawal(Struct, array_like=True):
    asset: str
    amount_minor: int
    destination: str


class Mandate(Struct, frozen=True):
    """To cancel all open orders of an account at log time `due_ms`, with the bytes that its owner signed."""

    due_ms: int
    offset: int  # in `accounts`, of the command that armed it: its id
    signed: SignedCommand


class AccountState(Struct):
    account: str
    root_key: str
    sequence: int  # of its last entry on `ledger`
    highest_nonce: int
    seen_nonces: str  # hex bitmap: bit i is highest_nonce - i
    trade_keys: dict[str, int]  # key -> valid_until_ms
    balances: dict[str, Balance]
    orders: list[OpenOrder]
    recent: list[RecentCommand]
    transfers: list[str]
    withdrawals: dict[str, PendingWithdrawal]
    mandate: Mandate | None = None


class ListedMarket(Struct):
    revision: int
    market: Market


class Halter(Struct, frozen=True):
    """The key that besides the operator's may halt markets; revision 0 is before any was named."""

    revision: int = 0
    key: str | None = None


class LedgerState(Struct):
    genesis: Genesis | None
    markets: list[ListedMarket]
    accounts: list[AccountState]
    books: dict[str, dict[str, int]]  # clearing, fees, world and losses: book -> asset -> minor units
    halter: Halter = Halter()
    halts: list[HaltState] = []
    busted: dict[str, list[str]] = {}  # of each market, the ids of the trades taken back
