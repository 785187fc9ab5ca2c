"""Every record on every topic: JSON objects, `record` first.

A derived record says where it comes from: `edge_sequence`, contiguous over all that one input partition caused on one
output partition, and `source`, the input record's place. Records between our own stages carry integers (ticks, lots,
minor units); records on public topics carry decimal strings.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Raw, Struct

from schemas.commands import Side
from schemas.market import Market
from schemas.reasons import Reason

# --- where a record comes from


class Source(Struct, frozen=True, gc=False):
    """The input record that caused this one, and the running SHA-256 over the input up to it, base64url."""

    partition: int
    offset: int
    index: int  # among the records that this input caused on this output partition
    digest: str


class Derived(Struct, frozen=True, kw_only=True):
    """What a stage wrote because of one input record. The same input gives the same bytes."""

    edge_sequence: int
    source: Source


# --- signed commands, as they travel


class Delegation(Struct, frozen=True, forbid_unknown_fields=True):
    """The root key's signed `delegate_key` command, carried with each command that a trade key signs."""

    command: Raw
    key: str
    signature: str


class MerklePath(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a command stands in the batch over whose root the signature was made."""

    index: int
    size: int
    hashes: Annotated[list[str], Meta(max_length=10)]  # base64url, from the sibling up


class SignedCommand(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A command's canonical bytes and who signed them. The bytes travel unchanged from client to canary."""

    command: Raw
    key: str
    signature: str
    delegation: Delegation | None = None
    path: MerklePath | None = None


class Submitted(Struct, frozen=True, tag_field="record", tag="submitted"):
    """On `accounts`: what a gateway took in. On `orders`: only the operator's listing changes and genesis."""

    signed: SignedCommand


# --- orders


class Funded(Derived, frozen=True, tag_field="record", tag="funded", kw_only=True):
    """On `orders`: a command that the ledger let through, with the client's signed bytes.

    `command_id` is the command's place in `accounts`, and a new order's id. `order_ids` are the orders that a cancel or
    amend means. The fees are those that the order was funded for.
    """

    command_id: str
    signed: SignedCommand
    order_ids: list[str] = []
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0


class Tick(Struct, frozen=True, tag_field="record", tag="tick"):
    """On `orders`, once a second on each partition: time went by. Its only content is its log time."""


# --- execution reports: matcher -> accounts


class Role(StrEnum):
    MAKER = "MAKER"
    TAKER = "TAKER"


class CloseStatus(StrEnum):
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"  # by its owner
    EXPIRED = "EXPIRED"  # by its time in force, self-trade prevention or the market's end
    REJECTED = "REJECTED"  # never on the book, never filled


class Rested(Struct, frozen=True, gc=False, tag_field="event", tag="rested"):
    """The rest of an order stands on the book."""

    account: str
    order_id: str
    remaining_lots: int


class Filled(Struct, frozen=True, gc=False, tag_field="event", tag="filled"):
    """One order's side of a trade."""

    account: str
    order_id: str
    role: Role
    price_ticks: int
    quantity_lots: int
    fee_minor: int  # of the quote asset; negative for a rebate
    trade_id: str
    trade_sequence: int


class Decremented(Struct, frozen=True, gc=False, tag_field="event", tag="decremented"):
    """Self-trade prevention took this much off the order, without a trade."""

    account: str
    order_id: str
    quantity_lots: int


class Amended(Struct, frozen=True, gc=False, tag_field="event", tag="amended"):
    """The order has this price and total quantity now; `command_id` is the amend's."""

    account: str
    order_id: str
    command_id: str
    price_ticks: int
    quantity_lots: int


class Closed(Struct, frozen=True, gc=False, tag_field="event", tag="closed"):
    """The order is gone; its unused reservation is free again. `command_id` is the cancel's, where one caused it."""

    account: str
    order_id: str
    status: CloseStatus
    cause: Reason | None = None
    command_id: str | None = None


class Declined(Struct, frozen=True, gc=False, tag_field="event", tag="declined"):
    """The matcher refused a cancel or amend, or a record that no owner signed; the order, if any, is as it was."""

    account: str
    command_id: str
    reason: Reason
    detail: str = ""
    order_id: str | None = None


OrderEvent = Rested | Filled | Decremented | Amended | Closed | Declined


class ExecutionReport(Derived, frozen=True, tag_field="record", tag="execution_report", kw_only=True):
    """On `accounts`: what one input of the matcher did to the accounts of this partition, in order."""

    symbol: str
    time_ms: int
    events: list[OrderEvent]


# --- public market data


class Trade(Derived, frozen=True, tag_field="record", tag="trade", kw_only=True):
    """On `trades`: one fill. `time_ms` is the log time of the order that caused it."""

    symbol: str
    sequence: int  # contiguous per symbol, from 1
    trade_id: str
    time_ms: int
    price: str
    quantity: str
    quote_quantity: str
    aggressor_side: Side
    taker_order_id: str
    taker_account: str
    taker_fee: str
    maker_order_id: str
    maker_account: str
    maker_fee: str
    fee_asset: str


class TradesTick(Derived, frozen=True, tag_field="record", tag="tick", kw_only=True):
    """On `trades`: no trade until now."""

    time_ms: int


class Depth(Derived, frozen=True, tag_field="record", tag="depth", kw_only=True):
    """On `depth`: new totals of the levels that one input changed, as (price, quantity); quantity 0 is a level gone."""

    symbol: str
    sequence: int  # contiguous per symbol, from 1
    time_ms: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


# --- the ledger's journal


class Posting(Struct, frozen=True, gc=False):
    """One line of a double entry: `amount` of `asset` onto `book`.

    Books: `free:ACCOUNT`, `reserved:ACCOUNT`, `pending:ACCOUNT` (withdrawals under way), `clearing:SYMBOL`, `fees`,
    `world` (what came in by deposits and left by withdrawals).
    """

    book: str
    asset: str
    amount: str


class BalanceAfter(Struct, frozen=True, gc=False):
    """An account's balance in one asset after this entry."""

    asset: str
    free: str
    reserved: str


class OrderOpened(Struct, frozen=True, gc=False, tag_field="event", tag="order_opened", omit_defaults=True):
    """Funded and on its way to the matcher."""

    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    type: str
    time_in_force: str
    price: str | None = None
    quantity: str | None = None
    max_quote: str | None = None
    valid_until_ms: int | None = None
    post_only: bool = False


class OrderRested(Struct, frozen=True, gc=False, tag_field="event", tag="order_rested"):
    order_id: str
    remaining: str


class OrderFilled(Struct, frozen=True, gc=False, tag_field="event", tag="order_filled"):
    order_id: str
    symbol: str
    side: Side
    role: Role
    price: str
    quantity: str
    quote_quantity: str
    fee: str
    fee_asset: str
    trade_id: str
    trade_sequence: int


class OrderDecremented(Struct, frozen=True, gc=False, tag_field="event", tag="order_decremented"):
    order_id: str
    quantity: str


class OrderAmended(Struct, frozen=True, gc=False, tag_field="event", tag="order_amended"):
    order_id: str
    command_id: str
    price: str
    quantity: str


class OrderClosed(Struct, frozen=True, gc=False, tag_field="event", tag="order_closed"):
    order_id: str
    status: CloseStatus
    cause: Reason | None = None
    command_id: str | None = None


class CommandPassed(Struct, frozen=True, gc=False, tag_field="event", tag="command_passed"):
    """A cancel or amend went on to the matcher, for these orders. A cancel of no orders is done with this."""

    command_id: str
    order_ids: list[str]


class CommandRefused(Struct, frozen=True, gc=False, tag_field="event", tag="command_refused", omit_defaults=True):
    """Nothing happened, for this reason. `stage` says who refused; `order_id` names the order it was about, and
    `client_order_id` is a new order's own, where the refusal used it up."""

    command_id: str
    reason: Reason
    detail: str = ""
    stage: str = "ledger"
    order_id: str | None = None
    client_order_id: str | None = None


class CommandRepeated(Struct, frozen=True, gc=False, tag_field="event", tag="command_repeated"):
    """The same bytes came before: what `original_id` gave is the result."""

    command_id: str
    original_id: str
    reason: Reason | None = None  # why the original was refused, if it was


class AccountRegistered(Struct, frozen=True, gc=False, tag_field="event", tag="account_registered"):
    command_id: str
    root_key: str


class KeyDelegated(Struct, frozen=True, gc=False, tag_field="event", tag="key_delegated"):
    command_id: str
    trade_key: str
    valid_until_ms: int


class KeyRevoked(Struct, frozen=True, gc=False, tag_field="event", tag="key_revoked"):
    command_id: str
    trade_key: str


class Deposited(Struct, frozen=True, gc=False, tag_field="event", tag="deposited"):
    command_id: str
    asset: str
    amount: str
    transfer_id: str


class WithdrawalOpened(Struct, frozen=True, gc=False, tag_field="event", tag="withdrawal_opened"):
    withdrawal_id: str
    asset: str
    amount: str
    destination: str


class WithdrawalClosed(Struct, frozen=True, gc=False, tag_field="event", tag="withdrawal_closed"):
    withdrawal_id: str
    command_id: str
    asset: str
    amount: str
    paid: bool


AccountEvent = (
    OrderOpened
    | OrderRested
    | OrderFilled
    | OrderDecremented
    | OrderAmended
    | OrderClosed
    | CommandPassed
    | CommandRefused
    | CommandRepeated
    | AccountRegistered
    | KeyDelegated
    | KeyRevoked
    | Deposited
    | WithdrawalOpened
    | WithdrawalClosed
)


class LedgerEntry(Derived, frozen=True, tag_field="record", tag="entry", kw_only=True):
    """On `ledger`: what one input did to one account. Postings sum to zero per asset; `sequence` is contiguous per
    account. An account that isn't registered can only be refused, with sequence 0."""

    account: str
    sequence: int
    time_ms: int
    events: list[AccountEvent]
    postings: list[Posting] = []
    balances: list[BalanceAfter] = []


class MarketListed(Derived, frozen=True, tag_field="record", tag="market_listed", kw_only=True):
    """On `ledger`, on each partition: the market has these terms from here on."""

    revision: int
    time_ms: int
    market: Market


class ExchangeStarted(Derived, frozen=True, tag_field="record", tag="exchange_started", kw_only=True):
    """On `ledger`, first on each partition: what genesis said."""

    exchange: str
    operator_key: str
    engine_version: int
    account_partitions: int
    max_open_orders: int
    open_registration: bool
    time_ms: int


class OperatorRefused(Derived, frozen=True, tag_field="record", tag="operator_refused", kw_only=True):
    """On `ledger`: a genesis or listing record that was refused; nothing changed."""

    command_id: str
    time_ms: int
    reason: Reason
    detail: str


# --- what could not be read


class DeadLetter(Derived, frozen=True, tag_field="record", tag="dead_letter", kw_only=True):
    """On `dead-letters`: an input record that `stage` could not read, as base64url, cut at 64 KiB."""

    stage: str
    topic: str
    reason: Reason
    detail: str
    value: str


# --- what stands on a topic

AccountsRecord = Submitted | ExecutionReport
OrdersRecord = Funded | Tick | Submitted
TradesRecord = Trade | TradesTick
LedgerRecord = LedgerEntry | MarketListed | ExchangeStarted | OperatorRefused
