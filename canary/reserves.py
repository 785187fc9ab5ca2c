"""What an order must hold in reserve, and what a fill moves. From docs/matching-rules.md, "Settlement"."""

from canary.account_book import Draft, Held
from canary.market_terms import MarketTerms
from canary.numbers import fee_of
from schemas.commands import Side
from schemas.journal import OrderFilled
from schemas.records import Filled


def asset_of(order: Held, terms: MarketTerms) -> str:
    return terms.quote if order.is_buy else terms.base


def needed(order: Held, terms: MarketTerms) -> int:
    """The most that the order's rest can still cost, whatever becomes of the amends under way."""
    if order.is_buy and order.price is None:
        return order.reserved
    assert order.total is not None
    limits = [(order.price or 0, order.total), *order.pending.values()]
    if not order.is_buy:
        return max(0, max(total for _, total in limits) - order.filled) * terms.lot
    # Lot by lot from the first that is not filled: each costs the dearest price among the limits that reach it.
    cost, reached = 0, order.filled
    for price, total in sorted(limits, reverse=True):
        if total > reached:
            cost += price * (total - reached)
            reached = total
    notional = cost * terms.unit
    return notional + fee_of(notional, order.fee_ppm)


def adjust(draft: Draft, order: Held, terms: MarketTerms) -> None:
    """Takes from free, or gives back, until the order holds just what it must."""
    wanted = needed(order, terms)
    draft.reserve(asset_of(order, terms), wanted - order.reserved)
    order.reserved = wanted


def settle(draft: Draft, order: Held, terms: MarketTerms, fill: Filled) -> None:
    """One side of a trade: against the market's clearing book, and the fee to `fees`."""
    notional, base = fill.price_ticks * fill.quantity_lots * terms.unit, fill.quantity_lots * terms.lot
    fee, clearing = fill.fee_minor, f"clearing:{terms.symbol}"
    order.filled += fill.quantity_lots
    if order.is_buy:
        paid = notional + fee if fee > 0 else notional
        draft.reserved(terms.quote, -paid)
        order.reserved -= paid
        draft.other(clearing, terms.quote, notional)
        draft.other(clearing, terms.base, -base)
        draft.free(terms.base, base)
        draft.free(terms.quote, -fee if fee < 0 else 0)
    else:
        draft.reserved(terms.base, -base)
        order.reserved -= base
        draft.other(clearing, terms.base, base)
        draft.other(clearing, terms.quote, -notional)
        draft.free(terms.quote, notional - fee)
    draft.other("fees", terms.quote, fee)
    adjust(draft, order, terms)
    draft.events.append(
        OrderFilled(
            fill.order_id, terms.symbol, Side.BUY if order.is_buy else Side.SELL, fill.role,
            terms.price_text(fill.price_ticks), terms.quantity_text(fill.quantity_lots), terms.quote_text(notional),
            terms.quote_text(fee), terms.quote, fill.trade_id, fill.trade_sequence,
        )
    )  # fmt: skip
