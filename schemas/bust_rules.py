"""What a trade must say to be one of a market's, whoever asks before it is taken back: the matcher or the ledger."""

from schemas.commands import PublishedTrade
from schemas.decimals import DecimalError, parse_decimal
from schemas.market import MAX_FEE_PPM, PPM, Terms
from schemas.reasons import Reason
from schemas.refusal import Refused

MAX_BUSTS = 65_536  # of one market, over its life


def check_numbers(trade: PublishedTrade, terms: Terms) -> None:
    """`Refused` with TRADE_DIFFERS unless price, quantity, notional and fees fit each other and the market."""
    market = terms.market
    try:
        price, off_tick = divmod(parse_decimal(trade.price, terms.price_decimals), terms.tick_units)
        lots, off_lot = divmod(parse_decimal(trade.quantity, market.base_decimals), terms.lot_minor)
        notional = parse_decimal(trade.quote_quantity, market.quote_decimals)
        fees = [parse_decimal(fee.removeprefix("-"), market.quote_decimals)
                for fee in (trade.taker_fee, trade.maker_fee)]  # fmt: skip
    except DecimalError as error:
        raise Refused(Reason.TRADE_DIFFERS, str(error)) from None
    fits = not off_tick and not off_lot and lots and notional == terms.notional_minor(price, lots)
    if not fits or trade.fee_asset != terms.quote or max(fees) * PPM > notional * MAX_FEE_PPM:
        raise Refused(Reason.TRADE_DIFFERS, trade.trade_id)
