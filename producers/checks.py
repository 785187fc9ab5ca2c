"""What the gateway checks of a command before it sends it. Pure.

Only what the ledger would refuse as well, judged by the command and the market's terms alone. Nonces, funds, limits
and orders are the ledger's to judge: between looking here and the log's word, they may change. A command that may be a
repeat of an accepted one always goes through, so that its owner gets the original's result.
"""

from msgspec import Struct

from producers.intake import Submission, check_window, has_expired
from producers.view import AccountView, ExchangeFacts, View
from schemas.commands import (
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Deposit,
    NewOrder,
    OrderType,
    RegisterAccount,
    RevokeKey,
    SettleWithdrawal,
    Side,
)
from schemas.decimals import format_decimal, parse_decimal
from schemas.market import Terms
from schemas.order_rules import check_combination, check_timeout, price_new_order
from schemas.reasons import Reason
from schemas.refusal import Refused

# With the disk nearly full these still go through: they end what is there, or take no room to speak of.
ENDING = (CancelOrder, CancelAll, CancelAllAfter, AmendOrder, RevokeKey, SettleWithdrawal)


def check_command(submission: Submission, view: View, facts: ExchangeFacts, partition: int, now_ms: int) -> None:
    """Refuses what the ledger would refuse for certain."""
    command = submission.command
    check_window(command, now_ms)
    match command:
        case NewOrder():
            account = view.accounts.get(submission.account)
            if account is None or command.client_order_id not in account.client_ids:
                _check_new_order(command, view, partition, now_ms)
        case CancelOrder() | AmendOrder():
            if (command.order_id is None) == (command.client_order_id is None):
                raise Refused(Reason.BAD_COMBINATION, "name the order by order_id or by client_order_id")
        case CancelAllAfter():
            check_timeout(command)
        case RegisterAccount():
            _check_registration(submission, command, facts)
        case Deposit() | SettleWithdrawal():
            if submission.key != facts.operator_key:
                raise Refused(Reason.NOT_OPERATOR)


def _check_new_order(order: NewOrder, view: View, partition: int, now_ms: int) -> None:
    check_combination(order)
    if has_expired(order, now_ms):
        raise Refused(Reason.TOO_OLD, f"{now_ms - order.deadline_ms} ms after the deadline")
    if order.valid_until_ms is not None and order.valid_until_ms <= now_ms:
        raise Refused(Reason.ALREADY_EXPIRED)
    price_new_order(order, _terms(view, partition, order.symbol), view.halts(partition, order.symbol))


def _check_registration(submission: Submission, command: RegisterAccount, facts: ExchangeFacts) -> None:
    if submission.key == facts.operator_key:
        return
    if submission.key != command.root_key:
        raise Refused(Reason.NOT_OPERATOR, "signed by neither the operator nor the root key")
    if not facts.open_registration:
        raise Refused(Reason.REGISTRATION_CLOSED)


def _terms(view: View, partition: int, symbol: str) -> Terms:
    terms = view.terms(partition, symbol)
    if terms is None:
        raise Refused(Reason.UNKNOWN_SYMBOL, symbol)
    return terms


# --- the same and funds, for an order that is only tried


class Reserve(Struct, frozen=True):
    asset: str
    amount: str
    free: str


def check_trial(order: NewOrder, view: View, facts: ExchangeFacts, partition: int, now_ms: int) -> Reserve:
    """All that can be seen of a new order, funds and limits included; returns what it would reserve."""
    check_window(order, now_ms)
    _check_new_order(order, view, partition, now_ms)
    account = _account(view, order.account)
    if order.client_order_id in account.client_ids:
        raise Refused(Reason.DUPLICATE_CLIENT_ORDER_ID)
    if len(account.open_orders) >= facts.max_open_orders:
        raise Refused(Reason.TOO_MANY_OPEN_ORDERS, f"the limit is {facts.max_open_orders}")
    terms = _terms(view, partition, order.symbol)
    asset, decimals, amount = reserve_of(order, terms)
    free = account.balances.get(asset, ("0", "0"))[0]
    if parse_decimal(free, decimals) < amount:
        raise Refused(Reason.INSUFFICIENT_FUNDS, f"{format_decimal(amount, decimals)} {asset} needed, {free} free")
    return Reserve(asset, format_decimal(amount, decimals), free)


def reserve_of(order: NewOrder, terms: Terms) -> tuple[str, int, int]:
    """(asset, its decimals, minor units) that the ledger would reserve for a new order."""
    priced = price_new_order(order, terms)
    market = terms.market
    if order.side is Side.SELL:
        assert priced.quantity_lots is not None
        return terms.base, market.base_decimals, priced.quantity_lots * terms.lot_minor
    if order.type is OrderType.MARKET:
        assert priced.max_quote_minor is not None
        return terms.quote, market.quote_decimals, priced.max_quote_minor
    assert priced.price_ticks is not None and priced.quantity_lots is not None
    fee_ppm = max(terms.maker_fee_ppm, terms.taker_fee_ppm, 0)
    amount = terms.buy_reserve_minor(priced.price_ticks, priced.quantity_lots, fee_ppm)
    return terms.quote, market.quote_decimals, amount


def _account(view: View, account: str) -> AccountView:
    known = view.accounts.get(account)
    if known is None:
        raise Refused(Reason.UNKNOWN_ACCOUNT)
    return known
