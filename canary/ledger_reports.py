"""The matcher's reports, followed by the ledger event by event."""

from typing import TYPE_CHECKING, Any

from canary.account_book import Draft, Held
from canary.market_terms import MarketTerms
from canary.reserves import adjust, asset_of, settle
from schemas.journal import CommandRefused, OrderAmended, OrderClosed, OrderDecremented, OrderRested
from schemas.records import Amended, Closed, Declined, Decremented, ExecutionReport, Filled, Rested

if TYPE_CHECKING:
    from canary.ledger_decision import Decision


class Impossible(Exception):
    """A report that no ledger can follow."""


def follow(decision: "Decision", report: ExecutionReport) -> None:
    """Settles what the matcher reports, event by event, unless it is a repeat; `Impossible` where it can't."""
    if not decision.step.takes(report.source.partition, report.edge_sequence):
        return
    for event in report.events:
        _follow(decision, event)


def _follow(decision: "Decision", event: Any) -> None:
    book = decision.find_account(event.account)
    if book is None:
        if not isinstance(event, Declined):
            raise Impossible(f"a report of {event.account}, which is not here")
        decision.refuse(event.account, event.reason, event.command_id)
        return
    draft = decision.draft_of(book)
    order = draft.order(_offset_of(event.order_id)) if event.order_id else None
    if isinstance(event, Declined):
        _declined(decision, draft, order, event)
        return
    if order is None:
        raise Impossible(f"a report of order {event.order_id}, which is not open")
    terms = decision.known.markets[order.symbol]
    match event:
        case Filled():
            settle(draft, order, terms, event)
        case Rested():
            draft.events.append(OrderRested(event.order_id, terms.quantity_text(event.remaining_lots)))
        case Decremented():
            if order.total is not None:
                order.total -= event.quantity_lots
            adjust(draft, order, terms)
            draft.events.append(OrderDecremented(event.order_id, terms.quantity_text(event.quantity_lots)))
        case Amended():
            _amended(decision, draft, order, terms, event)
        case Closed():
            draft.reserve(asset_of(order, terms), -order.reserved)
            draft.orders[order.offset] = None
            draft.events.append(OrderClosed(event.order_id, event.status, event.cause, event.command_id))
    if order.total is not None and order.filled > order.total:
        raise Impossible(f"order {event.order_id} filled beyond its quantity")


def _amended(decision: "Decision", draft: Draft, order: Held, terms: MarketTerms, event: Amended) -> None:
    order.pending = {name: wish for name, wish in order.pending.items() if name != event.command_id}
    order.price, order.total = event.price_ticks, event.quantity_lots
    adjust(draft, order, terms)
    price, quantity = terms.price_text(event.price_ticks), terms.quantity_text(event.quantity_lots)
    draft.events.append(OrderAmended(event.order_id, event.command_id, price, quantity))


def _declined(decision: "Decision", draft: Draft, order: Held | None, event: Declined) -> None:
    """An amend that came to nothing asks for no reserve any more."""
    if order is not None and event.command_id in order.pending:
        order.pending = {name: wish for name, wish in order.pending.items() if name != event.command_id}
        adjust(draft, order, decision.known.markets[order.symbol])
    draft.events.append(CommandRefused(event.command_id, event.reason, event.detail, "matcher", event.order_id))


def _offset_of(order_id: str) -> int:
    number = order_id.partition("-")[2]
    if not number.isdecimal():
        raise Impossible(f"a report of order {order_id!r}, which is no order's id")
    return int(number)
