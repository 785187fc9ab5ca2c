"""A row of `order_events` as the journal's event that it was made of. Pure.

So an order is put together from ClickHouse by the very code that does it from the log.
"""

from msgspec import Struct

from schemas.commands import Side
from schemas.journal import (
    AccountEvent,
    CommandRefused,
    OrderAmended,
    OrderClosed,
    OrderDecremented,
    OrderFilled,
    OrderRested,
)
from schemas.reasons import Reason
from schemas.records import CloseStatus, Role


class OrderEventRow(Struct, frozen=True, gc=False, kw_only=True):
    """What an event of its kind doesn't have is empty, or null if it is a number."""

    time_ms: int
    event: str
    order_id: str
    symbol: str
    side: str
    price: str | None
    quantity: str | None
    quote_quantity: str | None
    fee: str | None
    fee_asset: str
    role: str
    trade_id: str
    trade_sequence: int
    status: str
    reason: str
    detail: str
    command_id: str
    refused_by: str


def journal_event(row: OrderEventRow) -> AccountEvent | None:
    """None for an event that changes nothing of the order as its owner signed it."""
    order_id, quantity, price = row.order_id, row.quantity or "0", row.price or "0"
    reason = Reason(row.reason) if row.reason else None
    match row.event:
        case "order_rested":
            return OrderRested(order_id, quantity)
        case "order_filled":
            return OrderFilled(
                order_id, row.symbol, Side(row.side), Role(row.role), price, quantity, row.quote_quantity or "0",
                row.fee or "0", row.fee_asset, row.trade_id, row.trade_sequence,
            )  # fmt: skip
        case "order_decremented":
            return OrderDecremented(order_id, quantity)
        case "order_amended":
            return OrderAmended(order_id, row.command_id, price, quantity)
        case "order_closed":
            return OrderClosed(order_id, CloseStatus(row.status), reason, row.command_id or None)
        case "command_refused" if reason is not None:
            return CommandRefused(row.command_id, reason, row.detail, row.refused_by)
        case _:
            return None
