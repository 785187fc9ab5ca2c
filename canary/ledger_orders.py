"""New orders, cancels and amends, as the ledger judges what they ask for. From docs/matching-rules.md, "The ledger"."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from canary.account_book import Draft, Held, Mandate
from canary.market_terms import MarketTerms, Wanted
from canary.refusal import Refusal
from canary.reserves import adjust, asset_of, needed
from schemas.commands import AmendOrder, CancelAll, CancelOrder, NewOrder, OrderType, Side
from schemas.journal import CommandPassed, OrderOpened
from schemas.market import MarketState
from schemas.reasons import Reason

if TYPE_CHECKING:
    from canary.ledger_decision import Decision

MOST_AMENDS = 8


def new_order(decision: "Decision", draft: Draft, command: NewOrder) -> None:
    terms, genesis = decision.terms(command.symbol), decision.known.genesis
    assert genesis is not None
    wanted = terms.read_order(command, decision.is_halted(command.symbol))
    if command.valid_until_ms is not None and command.valid_until_ms <= decision.step.time_ms:
        raise Refusal(Reason.ALREADY_EXPIRED)
    if len(draft.book.orders) >= genesis.max_open_orders:
        raise Refusal(Reason.TOO_MANY_OPEN_ORDERS)
    dearer = max(terms.maker_ppm, terms.taker_ppm, 0)
    order = Held(
        decision.step.offset, command.client_order_id, command.symbol, command.side is Side.BUY, wanted.price,
        wanted.lots, 0, 0, dearer, {},
    )  # fmt: skip
    if command.type is OrderType.MARKET and order.is_buy:
        assert wanted.most_quote is not None
        order.reserved = wanted.most_quote
    else:
        order.reserved = needed(order, terms)
    asset = asset_of(order, terms)
    draft.check_free(asset, order.reserved)
    draft.reserve(asset, order.reserved)
    draft.orders[order.offset] = order
    draft.events.append(_opened(decision, command, wanted, terms))
    decision.pass_on(terms.partition, [], terms.maker_ppm, terms.taker_ppm)


def _opened(decision: "Decision", command: NewOrder, wanted: Wanted, terms: MarketTerms) -> OrderOpened:
    return OrderOpened(
        decision.command_id, command.client_order_id, command.symbol, command.side, command.type,
        command.time_in_force,
        None if wanted.price is None else terms.price_text(wanted.price),
        None if wanted.lots is None else terms.quantity_text(wanted.lots),
        None if wanted.most_quote is None else terms.quote_text(wanted.most_quote),
        command.valid_until_ms, command.post_only,
    )  # fmt: skip


def cancel_order(decision: "Decision", draft: Draft, command: CancelOrder) -> None:
    order = draft.book.find(command.order_id, command.client_order_id, decision.step.partition)
    draft.events.append(CommandPassed(decision.command_id, pass_cancels(decision, [order])))


def cancel_all(decision: "Decision", draft: Draft, command: CancelAll) -> None:
    if command.symbol is not None:
        decision.terms(command.symbol)
    orders = [o for o in draft.book.orders.values() if command.symbol is None or o.symbol == command.symbol]
    draft.events.append(CommandPassed(decision.command_id, pass_cancels(decision, orders)))


def pass_cancels(decision: "Decision", orders: list[Held], mandate: Mandate | None = None) -> list[str]:
    """One record for each partition of `orders`, naming the orders there in the order in which they came; all names."""
    named: dict[int, list[str]] = {}
    for order in orders:
        partition = decision.terms(order.symbol).partition
        named.setdefault(partition, []).append(f"{decision.step.partition}-{order.offset}")
    for partition, order_ids in named.items():
        decision.pass_on(partition, order_ids, mandate=mandate)
    return [order_id for order_ids in named.values() for order_id in order_ids]


def amend_order(decision: "Decision", draft: Draft, command: AmendOrder) -> None:
    found = draft.book.find(command.order_id, command.client_order_id, decision.step.partition)
    if found.price is None or found.total is None:
        raise Refusal(Reason.NOT_AMENDABLE)
    terms = decision.terms(found.symbol)
    dearest = max(found.price, *(price for price, _ in found.pending.values()), 0)
    price, total = terms.read_amend(command, dearest, decision.is_halted(found.symbol))
    if total <= found.filled:
        raise Refusal(Reason.AMEND_BELOW_FILLED)
    elsewhere = command.price is not None and price != found.price
    if terms.state is not MarketState.OPEN and (elsewhere or total > found.total):
        raise Refusal(Reason.MARKET_NOT_OPEN)
    if len(found.pending) >= MOST_AMENDS:
        raise Refusal(Reason.TOO_MANY_PENDING_AMENDS)
    order = replace(found)
    order.pending = found.pending | {decision.command_id: (price, total)}
    draft.check_free(asset_of(order, terms), needed(order, terms) - order.reserved)
    draft.orders[order.offset] = order
    adjust(draft, order, terms)
    order_id = f"{decision.step.partition}-{order.offset}"
    decision.pass_on(terms.partition, [order_id])
    draft.events.append(CommandPassed(decision.command_id, [order_id]))
