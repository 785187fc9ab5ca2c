"""Every record on every topic: JSON objects, `record` first.

A derived record says where it comes from: `edge_sequence`, contiguous over all that one input partition caused on one
output partition, and `source`, the input record's place. Records between our own stages carry integers (ticks, lots,
minor units); records on public topics carry decimal strings.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Raw, Struct

from schemas.commands import PublishedTrade, Side
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
    """On `accounts`: what a gateway took in. On `orders`: only genesis and the operator's commands about markets."""

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
    """On `orders`, and since engine version 3 on `accounts`, once a second on each partition: time went by. Its only
    content is its log time."""


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


class BustReport(Derived, frozen=True, tag_field="record", tag="bust_report", kw_only=True):
    """On `accounts`: the matcher took this trade back. `signed` is the operator's `bust_trade`, for the ledger to check
    and to reverse the legs that this partition's accounts have in it."""

    symbol: str
    time_ms: int
    signed: SignedCommand


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

    def published(self) -> PublishedTrade:
        """The part of it that says what was traded, which a bust names."""
        return PublishedTrade(**{name: getattr(self, name) for name in PublishedTrade.__struct_fields__})


class TradesTick(Derived, frozen=True, tag_field="record", tag="tick", kw_only=True):
    """On `trades`: no trade until now."""

    time_ms: int


class TradeBusted(Derived, frozen=True, tag_field="record", tag="trade_busted", kw_only=True):
    """On `trades`: the operator took a trade back. It has no sequence of its own: `trade` has that of the trade, whose
    record stays where it is. `time_ms` is the log time of the bust."""

    symbol: str
    time_ms: int
    reason: str
    trade: PublishedTrade


class Depth(Derived, frozen=True, tag_field="record", tag="depth", kw_only=True):
    """On `depth`: new totals of the levels that one input changed, as (price, quantity); quantity 0 is a level gone."""

    symbol: str
    sequence: int  # contiguous per symbol, from 1
    time_ms: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


# --- what could not be read


class DeadLetter(Derived, frozen=True, tag_field="record", tag="dead_letter", kw_only=True):
    """On `dead-letters`: an input record that `stage` could not read, as base64url, cut at 64 KiB."""

    stage: str
    topic: str
    reason: Reason
    detail: str
    value: str


# --- what stands on a topic

FirstAccountsRecord = Submitted | ExecutionReport
SecondAccountsRecord = Submitted | ExecutionReport | BustReport
AccountsRecord = Submitted | ExecutionReport | BustReport | Tick
OrdersRecord = Funded | Tick | Submitted
TradesRecord = Trade | TradesTick | TradeBusted
