"""The ledger's journal as columns: what happened to orders, postings line by line, markets as listed. Pure."""

from collections.abc import Sequence
from typing import Any

from schemas.entry_summary import cause_of, reference_of
from schemas.journal import (
    AccountEvent,
    CommandRefused,
    LedgerEntry,
    MarketListed,
    OrderAmended,
    OrderClosed,
    OrderDecremented,
    OrderFilled,
    OrderOpened,
    OrderRested,
)

Columns = list[list[Any]]
OF_ORDERS = (
    OrderOpened, OrderRested, OrderFilled, OrderDecremented, OrderAmended, OrderClosed, CommandRefused
)  # fmt: skip
# Every partition of `ledger` has all listings; one says them for all.
LISTING_PARTITION = 0

# What an event says besides its account, its name and its place, in the order of the columns.
_SAID = (
    "order_id", "symbol", "client_order_id", "side", "type", "time_in_force", "post_only", "price", "quantity",
    "max_quote", "quote_quantity", "fee", "fee_asset", "role", "trade_id", "trade_sequence", "valid_until_ms", "status",
    "reason", "detail", "command_id", "stage",
)  # fmt: skip
_UNSAID: dict[str, Any] = {"post_only": False, "trade_sequence": 0} | dict.fromkeys(
    ("price", "quantity", "max_quote", "quote_quantity", "fee", "valid_until_ms")
)


# --- what happened to orders


def has_order_events(record: Any, partition: int) -> bool:
    return type(record) is LedgerEntry and any(isinstance(event, OF_ORDERS) for event in record.events)


def entry_fact(entry: LedgerEntry) -> tuple[str, int, str]:
    """An account that isn't registered has no entries of its own; its refusals are told apart by their commands."""
    command = "" if entry.sequence else next((e.command_id for e in entry.events if isinstance(e, CommandRefused)), "")
    return entry.account, entry.sequence, command


def order_events(records: Sequence[LedgerEntry], offsets: Sequence[int]) -> Columns:
    rows: list[tuple[Any, ...]] = []
    for entry, offset in zip(records, offsets, strict=True):
        for index, event in enumerate(entry.events):
            if isinstance(event, OF_ORDERS):
                order_id, *said = _said(event)
                name = event.__struct_config__.tag
                rows.append((entry.account, order_id, name, entry.time_ms, *said, entry.sequence, index, offset))
    return [list(column) for column in zip(*rows, strict=True)]


def _said(event: AccountEvent) -> list[Any]:
    said = [getattr(event, name, _UNSAID.get(name, "")) for name in _SAID]
    match event:
        case OrderRested():
            said[_QUANTITY] = event.remaining
        case OrderClosed():
            said[_REASON] = event.cause or ""
        case CommandRefused():
            # Only a new order's refusal has a client order id: it is that order, under the id that it would have had.
            said[_ORDER_ID] = event.command_id if event.client_order_id else event.order_id or ""
            said[_CLIENT_ORDER_ID] = event.client_order_id or ""
    said[_COMMAND_ID] = said[_COMMAND_ID] or ""
    return said


_ORDER_ID, _CLIENT_ORDER_ID, _QUANTITY, _REASON, _COMMAND_ID = (
    _SAID.index(name) for name in ("order_id", "client_order_id", "quantity", "reason", "command_id")
)


# --- postings


def has_postings(record: Any, partition: int) -> bool:
    return type(record) is LedgerEntry and bool(record.postings)


def posted_fact(entry: LedgerEntry) -> tuple[str, int]:
    return entry.account, entry.sequence


def postings(records: Sequence[LedgerEntry], offsets: Sequence[int]) -> Columns:
    rows: list[tuple[Any, ...]] = []
    for entry, offset in zip(records, offsets, strict=True):
        cause, reference = cause_of(entry.events), reference_of(entry.events)
        rows += [
            (entry.account, entry.sequence, line, entry.time_ms, p.book, p.asset, p.amount, cause, reference, offset)
            for line, p in enumerate(entry.postings)
        ]
    return [list(column) for column in zip(*rows, strict=True)]


# --- markets


def is_listing(record: Any, partition: int) -> bool:
    return type(record) is MarketListed and partition == LISTING_PARTITION


def listing_fact(listed: MarketListed) -> tuple[str, int]:
    return listed.market.symbol, listed.revision


_TERMS = (
    "base", "quote", "base_decimals", "quote_decimals", "tick", "lot", "min_quantity", "max_quantity", "min_notional",
    "price_low", "price_high", "maker_fee", "taker_fee", "partition", "state",
)  # fmt: skip


def markets(records: Sequence[MarketListed], offsets: Sequence[int]) -> Columns:
    terms = [[getattr(listed.market, name) for listed in records] for name in _TERMS]
    return [
        [listed.market.symbol for listed in records],
        [listed.revision for listed in records],
        [listed.time_ms for listed in records],
        *terms,
        list(offsets),
    ]
