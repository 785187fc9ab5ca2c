"""What an account's owner can ask of the ledger, one function a command. Each may refuse; none has an effect before
its last check has passed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.account import MAX_PENDING_AMENDS, MAX_TRADE_KEYS, MAX_WITHDRAWALS, Account
from ledger.journal import Entry
from ledger.settlement import adjust_reserve, reserve_asset, reserve_needed
from schemas.commands import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    DelegateKey,
    NewOrder,
    OrderType,
    RevokeKey,
    Withdraw,
)
from schemas.decimals import format_decimal
from schemas.journal import CommandPassed, KeyDelegated, KeyRevoked, OrderOpened, WithdrawalOpened
from schemas.ledger_state import OpenOrder, PendingWithdrawal
from schemas.market import MarketState, Priced, Terms, parse_amount
from schemas.order_rules import price_amend, price_new_order
from schemas.reasons import Reason
from schemas.records import Funded, SignedCommand
from schemas.refusal import Refused
from schemas.signing import account_of, check_key
from schemas.topics import ORDERS
from stage.partition import Step

if TYPE_CHECKING:
    from ledger.core import LedgerCore


class CommandContext(NamedTuple):
    """A command on its way: whose it is, where its effects are written down, and what to pass on."""

    ledger: "LedgerCore"
    step: Step
    signed: SignedCommand
    account: Account
    entry: Entry
    command_id: str

    def terms(self, symbol: str) -> Terms:
        terms = self.ledger.markets.get(symbol)
        if terms is None:
            raise Refused(Reason.UNKNOWN_SYMBOL, symbol)
        return terms

    def pass_on(self, partition: int, order_ids: list[str], maker_fee_ppm: int = 0, taker_fee_ppm: int = 0) -> None:
        """Sends the command to the matcher, with the client's bytes and signature as they came."""
        self.step.emit(
            ORDERS, partition, self.account.account.encode(), Funded, command_id=self.command_id, signed=self.signed,
            order_ids=order_ids, maker_fee_ppm=maker_fee_ppm, taker_fee_ppm=taker_fee_ppm,
        )  # fmt: skip


# --- orders


def new_order(context: CommandContext, command: NewOrder) -> None:
    """Reserves the most that the order can cost, and passes it on."""
    terms = context.terms(command.symbol)
    priced = price_new_order(command, terms, context.ledger.halts[terms.symbol])
    account, entry = context.account, context.entry
    if command.valid_until_ms is not None and command.valid_until_ms <= context.step.time_ms:
        raise Refused(Reason.ALREADY_EXPIRED)
    genesis = context.ledger.genesis
    assert genesis is not None
    if len(account.orders) >= genesis.max_open_orders:
        raise Refused(Reason.TOO_MANY_OPEN_ORDERS, f"the limit is {genesis.max_open_orders}")
    order = _order(context.step.offset, command, priced, terms)
    market_buy = command.type is OrderType.MARKET and order.is_buy
    needed = priced.max_quote_minor if market_buy else reserve_needed(order, terms)
    assert needed is not None
    asset = reserve_asset(order, terms)
    account.check_free(asset, needed)
    entry.reserve(asset, needed)
    order.reserved_minor = needed
    account.open_order(order.offset, order)
    entry.events.append(_opened(context.command_id, command, priced, terms))
    context.pass_on(terms.partition, [], terms.maker_fee_ppm, terms.taker_fee_ppm)


def _order(offset: int, command: NewOrder, priced: Priced, terms: Terms) -> OpenOrder:
    fee_ppm = max(terms.maker_fee_ppm, terms.taker_fee_ppm, 0)
    return OpenOrder(
        offset, command, priced.price_ticks, priced.quantity_lots, 0, 0, 0, fee_ppm, rested=False, pending={}
    )  # fmt: skip


def _opened(command_id: str, command: NewOrder, priced: Priced, terms: Terms) -> OrderOpened:
    price, quantity, max_quote = priced.price_ticks, priced.quantity_lots, priced.max_quote_minor
    return OrderOpened(
        command_id, command.client_order_id, command.symbol, command.side, command.type, command.time_in_force,
        None if price is None else terms.price_text(price),
        None if quantity is None else terms.quantity_text(quantity),
        None if max_quote is None else terms.quote_text(max_quote),
        command.valid_until_ms, command.post_only,
    )  # fmt: skip


def cancel_order(context: CommandContext, command: CancelOrder) -> None:
    order = _find(context, command.order_id, command.client_order_id)
    context.entry.events.append(CommandPassed(context.command_id, pass_on_cancels(context, [order])))


def cancel_all(context: CommandContext, command: CancelAll) -> None:
    """One record for each partition of `orders` on which the account has orders; it names them."""
    if command.symbol is not None:
        context.terms(command.symbol)
    orders = [o for o in context.account.orders.values() if command.symbol in (None, o.order.symbol)]
    context.entry.events.append(CommandPassed(context.command_id, pass_on_cancels(context, orders)))


def pass_on_cancels(context: CommandContext, orders: list[OpenOrder]) -> list[str]:
    """Sends the command to each partition on which one of these orders is; returns their ids as they were sent."""
    by_partition: dict[int, list[str]] = {}
    for order in orders:
        partition = context.terms(order.order.symbol).partition
        by_partition.setdefault(partition, []).append(f"{context.step.partition}-{order.offset}")
    for partition, order_ids in by_partition.items():
        context.pass_on(partition, order_ids)
    return [order_id for order_ids in by_partition.values() for order_id in order_ids]


def amend_order(context: CommandContext, command: AmendOrder) -> None:
    """Reserves what the amended order may cost more; what it costs less is free once the matcher has amended it."""
    order = _find(context, command.order_id, command.client_order_id)
    if order.price_ticks is None:
        raise Refused(Reason.NOT_AMENDABLE)
    terms = context.terms(order.order.symbol)
    # An amend without a price keeps the one that the order has when it gets there: that of any amend before it.
    dearest = max(order.price_ticks, *(price for price, _ in order.pending.values()), 0)
    price, total = price_amend(command, dearest, terms, context.ledger.halts[terms.symbol])
    if total <= order.filled_lots:
        raise Refused(Reason.AMEND_BELOW_FILLED, f"{terms.quantity_text(order.filled_lots)} is filled")
    repriced = command.price is not None and price != order.price_ticks
    if terms.state is not MarketState.OPEN and (repriced or total > (order.quantity_lots or 0)):
        raise Refused(Reason.MARKET_NOT_OPEN, f"{terms.symbol} is {terms.state}: only to less")
    if len(order.pending) >= MAX_PENDING_AMENDS:
        raise Refused(Reason.TOO_MANY_PENDING_AMENDS)
    order.pending[context.command_id] = (price, total)
    try:
        asset = reserve_asset(order, terms)
        context.account.check_free(asset, reserve_needed(order, terms) - order.reserved_minor)
    except Refused:
        del order.pending[context.command_id]
        raise
    adjust_reserve(context.entry, order, terms)
    order_id = f"{context.step.partition}-{order.offset}"
    context.pass_on(terms.partition, [order_id])
    context.entry.events.append(CommandPassed(context.command_id, [order_id]))


def _find(context: CommandContext, order_id: str | None, client_order_id: str | None) -> OpenOrder:
    """The account's open order that a cancel or amend names."""
    if (order_id is None) == (client_order_id is None):
        raise Refused(Reason.BAD_COMBINATION, "name the order by order_id or by client_order_id")
    account = context.account
    offset: int | None
    if order_id is not None:
        partition, _, text = order_id.partition("-")
        offset = int(text) if int(partition) == context.step.partition else None
    else:
        assert client_order_id is not None
        offset = account.offset_of(client_order_id)
    order = account.orders.get(offset) if offset is not None else None
    if order is not None:
        return order
    recent = account.recent_at(offset) if offset is not None else None
    if recent is not None and recent.client_order_id is not None and recent.reason is None:
        raise Refused(Reason.ORDER_CLOSED, recent.outcome.status if recent.outcome is not None else "")
    raise Refused(Reason.UNKNOWN_ORDER, order_id or client_order_id or "")


# --- keys


def delegate_key(context: CommandContext, command: DelegateKey) -> None:
    account = context.account
    check_key(command.trade_key)
    if account_of(command.trade_key) == account.account:
        raise Refused(Reason.BAD_COMBINATION, "the root key needs no delegation")
    if command.valid_until_ms <= context.step.time_ms:
        raise Refused(Reason.DELEGATION_EXPIRED)
    live = {key: until for key, until in account.trade_keys.items() if until > context.step.time_ms}
    if len(live) >= MAX_TRADE_KEYS and command.trade_key not in live:
        raise Refused(Reason.TOO_MANY_KEYS, f"the limit is {MAX_TRADE_KEYS}")
    account.trade_keys = live | {command.trade_key: command.valid_until_ms}
    context.entry.events.append(KeyDelegated(context.command_id, command.trade_key, command.valid_until_ms))


def revoke_key(context: CommandContext, command: RevokeKey) -> None:
    signer = context.signed.key
    if account_of(signer) != context.account.account and signer != command.trade_key:
        raise Refused(Reason.ROOT_KEY_REQUIRED, "a trade key can revoke itself only")
    if context.account.trade_keys.pop(command.trade_key, None) is None:
        raise Refused(Reason.UNKNOWN_KEY)
    context.entry.events.append(KeyRevoked(context.command_id, command.trade_key))


# --- withdrawals


def withdraw(context: CommandContext, command: Withdraw) -> None:
    """Reserves the amount; the operator settles it."""
    decimals = context.ledger.decimals.get(command.asset)
    if decimals is None:
        raise Refused(Reason.UNKNOWN_ASSET, command.asset)
    account = context.account
    amount = parse_amount(command.amount, decimals)
    if len(account.withdrawals) >= MAX_WITHDRAWALS:
        raise Refused(Reason.TOO_MANY_WITHDRAWALS, f"the limit is {MAX_WITHDRAWALS}")
    account.check_free(command.asset, amount)
    context.entry.reserve(command.asset, amount)
    account.withdrawals[context.command_id] = PendingWithdrawal(command.asset, amount, command.destination)
    context.entry.events.append(
        WithdrawalOpened(context.command_id, command.asset, format_decimal(amount, decimals), command.destination)
    )


COMMAND_HANDLERS: dict[type, Callable[[CommandContext, Any], None]] = {
    NewOrder: new_order,
    CancelOrder: cancel_order,
    CancelAll: cancel_all,
    AmendOrder: amend_order,
    DelegateKey: delegate_key,
    RevokeKey: revoke_key,
    Withdraw: withdraw,
}
