"""What an order must say to make sense in a market, whoever asks: the gateway, the ledger or the matcher."""

from schemas.commands import (
    MAX_MANDATE_MS,
    MIN_MANDATE_MS,
    AmendOrder,
    CancelAllAfter,
    NewOrder,
    OrderType,
    SelfTrade,
    Side,
    TimeInForce,
)
from schemas.halts import NO_HALTS, Halts
from schemas.market import MarketState, Priced, Terms
from schemas.reasons import Reason
from schemas.refusal import Refused

_RESTING = (TimeInForce.GTC, TimeInForce.GTD)
_IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


def price_new_order(order: NewOrder, terms: Terms, halts: Halts = NO_HALTS) -> Priced:
    """The order's numbers in integers, or `Refused` with the first rule that it breaks. Says nothing about funds."""
    check_combination(order)
    if terms.state is not MarketState.OPEN:
        raise Refused(Reason.MARKET_NOT_OPEN, f"{terms.symbol} is {terms.state}")
    halts.check()
    price = terms.price_ticks(order.price) if order.price is not None else None
    quantity = terms.quantity_lots(order.quantity) if order.quantity is not None else None
    if price is not None and quantity is not None:
        terms.check_notional(price, quantity)
    max_quote = None
    if order.max_quote is not None:
        max_quote = terms.quote_minor(order.max_quote)
        if max_quote < terms.min_notional_minor:
            minimum = f"{terms.market.min_notional} {terms.quote}"
            raise Refused(Reason.BELOW_MIN_NOTIONAL, f"max_quote is below the minimum of {minimum}")
    return Priced(price, quantity, max_quote)


def check_combination(order: NewOrder) -> None:
    """Refuses fields that contradict each other; knows no market."""
    limit = order.type is OrderType.LIMIT
    if limit and (order.price is None or order.quantity is None):
        raise Refused(Reason.MISSING_FIELD, "a limit order has price and quantity")
    if limit and order.max_quote is not None:
        raise Refused(Reason.BAD_COMBINATION, "a limit order has no max_quote")
    if not limit:
        if order.price is not None:
            raise Refused(Reason.BAD_COMBINATION, "a market order has no price")
        if order.time_in_force not in _IMMEDIATE:
            raise Refused(Reason.BAD_COMBINATION, "a market order never rests: IOC or FOK")
        if order.side is Side.BUY and order.max_quote is None:
            raise Refused(Reason.MISSING_FIELD, "a market buy says the most it may spend in max_quote")
        if order.side is Side.SELL and order.quantity is None:
            raise Refused(Reason.MISSING_FIELD, "a market sell says the most it may sell in quantity")
    if order.quantity is None and order.self_trade is SelfTrade.DECREMENT:
        raise Refused(Reason.BAD_COMBINATION, "DECREMENT needs a quantity to take from")
    if (order.time_in_force is TimeInForce.GTD) != (order.valid_until_ms is not None):
        raise Refused(Reason.BAD_COMBINATION, "valid_until_ms goes with GTD, and GTD with it")
    if order.post_only and order.time_in_force not in _RESTING:
        raise Refused(Reason.BAD_COMBINATION, "post_only goes with GTC or GTD")


def check_timeout(command: CancelAllAfter) -> None:
    """0 ends a mandate; what arms one is neither so short that no owner can renew it, nor for ever."""
    if command.timeout_ms != 0 and not MIN_MANDATE_MS <= command.timeout_ms <= MAX_MANDATE_MS:
        raise Refused(Reason.BAD_TIMEOUT, f"{command.timeout_ms} ms")


def price_amend(amend: AmendOrder, current_price_ticks: int, terms: Terms, halts: Halts = NO_HALTS) -> tuple[int, int]:
    """(price in ticks, new total quantity in lots) of an amend; `Refused` where the market's terms forbid it."""
    if terms.state not in (MarketState.OPEN, MarketState.CANCEL_ONLY):
        raise Refused(Reason.MARKET_NOT_OPEN, f"{terms.symbol} is {terms.state}")
    halts.check()
    price = terms.price_ticks(amend.price) if amend.price is not None else current_price_ticks
    quantity = terms.quantity_lots(amend.quantity)
    terms.check_notional(price, quantity)
    return price, quantity
