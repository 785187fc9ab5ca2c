"""What the matcher's reports do to an account: fills settled, reservations followed and released.

A fill's leg is settled against the symbol's clearing book in the account's own partition, so that every entry sums to
zero by itself and the clearing books net to zero over all partitions. After each event an open order's reservation is
what its rest, at its limit and with the higher of its fees, can still cost; what is beyond that is free at once.
"""

from ledger.account import LedgerBroken
from ledger.journal import FEES, Entry
from schemas.journal import OrderAmended, OrderClosed, OrderDecremented, OrderFilled, OrderRested
from schemas.ledger_state import OpenOrder, Outcome
from schemas.market import Terms, fee_minor
from schemas.records import Amended, Closed, Declined, Decremented, Filled, Rested


def reserve_needed(order: OpenOrder, terms: Terms) -> int:
    """What the order must hold: the most that its rest can still cost, whatever becomes of the amends under way.

    Some lots may fill before an amend and some behind it, so each counts at the dearest price under which it can fill.
    """
    if order.price_ticks is None and order.is_buy:
        return order.reserved_minor  # a market buy holds what is left of the most it may spend
    assert order.quantity_lots is not None
    wanted = [(order.price_ticks or 0, order.quantity_lots), *order.pending.values()]
    if not order.is_buy:
        return max(0, max(total for _, total in wanted) - order.filled_lots) * terms.lot_minor
    notional, counted = 0, order.filled_lots
    for price, total in sorted(wanted, reverse=True):
        if total > counted:
            notional += terms.notional_minor(price, total - counted)
            counted = total
    return notional + fee_minor(notional, order.fee_ppm)


def reserve_asset(order: OpenOrder, terms: Terms) -> str:
    return terms.quote if order.is_buy else terms.base


def adjust_reserve(entry: Entry, order: OpenOrder, terms: Terms) -> None:
    """Moves between free and reserved until the order holds just what it must."""
    needed = reserve_needed(order, terms)
    entry.reserve(reserve_asset(order, terms), needed - order.reserved_minor)
    order.reserved_minor = needed


def settle_fill(entry: Entry, order: OpenOrder, terms: Terms, fill: Filled) -> None:
    """Both legs of the account's side, its fee, and the price improvement."""
    notional = terms.notional_minor(fill.price_ticks, fill.quantity_lots)
    base = fill.quantity_lots * terms.lot_minor
    clearing = f"clearing:{terms.symbol}"
    order.filled_lots += fill.quantity_lots
    order.filled_quote_minor += notional
    if order.quantity_lots is not None and order.filled_lots > order.quantity_lots:
        raise LedgerBroken(f"order {fill.order_id} is filled beyond its quantity")
    if order.is_buy:
        paid = notional + max(fill.fee_minor, 0)
        entry.reserved(terms.quote, -paid)
        order.reserved_minor -= paid
        entry.book(clearing, terms.quote, notional)
        entry.book(clearing, terms.base, -base)
        entry.free(terms.base, base)
        entry.free(terms.quote, max(-fill.fee_minor, 0))
    else:
        entry.reserved(terms.base, -base)
        order.reserved_minor -= base
        entry.book(clearing, terms.base, base)
        entry.book(clearing, terms.quote, -notional)
        entry.free(terms.quote, notional - fill.fee_minor)
    entry.book(FEES, terms.quote, fill.fee_minor)
    adjust_reserve(entry, order, terms)
    entry.events.append(
        OrderFilled(
            fill.order_id, terms.symbol, order.order.side, fill.role, terms.price_text(fill.price_ticks),
            terms.quantity_text(fill.quantity_lots), terms.quote_text(notional), terms.quote_text(fill.fee_minor),
            terms.quote, fill.trade_id, fill.trade_sequence,
        )
    )  # fmt: skip


def follow_rested(entry: Entry, order: OpenOrder, terms: Terms, rested: Rested) -> None:
    order.rested = True
    entry.events.append(OrderRested(rested.order_id, terms.quantity_text(rested.remaining_lots)))


def follow_decrement(entry: Entry, order: OpenOrder, terms: Terms, decrement: Decremented) -> None:
    if order.quantity_lots is not None:
        order.quantity_lots -= decrement.quantity_lots
    adjust_reserve(entry, order, terms)
    entry.events.append(OrderDecremented(decrement.order_id, terms.quantity_text(decrement.quantity_lots)))


def follow_amend(entry: Entry, order: OpenOrder, terms: Terms, amended: Amended) -> None:
    order.pending.pop(amended.command_id, None)
    order.price_ticks, order.quantity_lots = amended.price_ticks, amended.quantity_lots
    adjust_reserve(entry, order, terms)
    entry.events.append(
        OrderAmended(
            amended.order_id, amended.command_id, terms.price_text(amended.price_ticks),
            terms.quantity_text(amended.quantity_lots),
        )
    )  # fmt: skip


def follow_declined_amend(entry: Entry, order: OpenOrder, terms: Terms, declined: Declined) -> None:
    if order.pending.pop(declined.command_id, None) is not None:
        adjust_reserve(entry, order, terms)


def close(entry: Entry, order: OpenOrder, terms: Terms, closed: Closed) -> None:
    """Releases what the order still holds, and forgets it."""
    entry.reserve(reserve_asset(order, terms), -order.reserved_minor)
    order.reserved_minor = 0
    account = entry.account
    account.close_order(order.offset)
    recent = account.recent_at(order.offset)
    if recent is not None:
        recent.outcome = Outcome(closed.status, closed.cause, order.filled_lots, order.filled_quote_minor)
    entry.events.append(OrderClosed(closed.order_id, closed.status, closed.cause, closed.command_id))
