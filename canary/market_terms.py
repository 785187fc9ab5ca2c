"""A market's numbers, and what an order must say to fit them.

Prices are ticks, quantities lots, money minor units. All are whole: a listing for which they would not be is refused.
"""

from msgspec import Struct

from canary.numbers import LARGEST, MILLION, NotPlain, TooFine, digits_behind_dot, signed_units_of, text_of, units_of
from canary.refusal import Refusal
from schemas.commands import AmendOrder, NewOrder, OrderType, PublishedTrade, SelfTrade, Side, TimeInForce
from schemas.market import Market, MarketState
from schemas.reasons import Reason

HIGHEST_FEE_PPM = 100_000
MOST_BUSTS = 65_536  # of a market
REMEMBERED_TEXTS = 16_384
# By their own names: looking a member up in its enumeration costs more than a comparison.
LIMIT, GTC, GTD, OPEN = OrderType.LIMIT, TimeInForce.GTC, TimeInForce.GTD, MarketState.OPEN
FIXED = ("symbol", "base", "quote", "base_decimals", "quote_decimals", "tick", "lot", "partition")


class Wanted(Struct, frozen=True, gc=False):
    """An order's numbers. None is what its kind doesn't have."""

    price: int | None
    lots: int | None
    most_quote: int | None


class MarketTerms:
    """Everything that is computed from a listing, once."""

    __slots__ = (
        "market", "symbol", "base", "quote", "partition", "state", "base_decimals", "quote_decimals",
        "price_decimals", "tick", "lot", "unit", "fewest", "most", "least_notional", "lowest", "highest",
        "maker_ppm", "taker_ppm", "_prices", "_quantities",
    )  # fmt: skip

    def __init__(self, market: Market) -> None:
        """Raises `Refusal(BAD_LISTING)` where the terms contradict each other."""
        self.market = market
        self.symbol, self.base, self.quote = market.symbol, market.base, market.quote
        self.partition, self.state = market.partition, market.state
        self.base_decimals, self.quote_decimals = market.base_decimals, market.quote_decimals
        self.price_decimals = digits_behind_dot(market.tick)
        self._prices: dict[str, int] = {}  # texts that were read before: prices and quantities come again and again
        self._quantities: dict[str, int] = {}
        try:
            self._read(market)
        except ValueError:  # NotPlain and TooFine
            raise Refusal(Reason.BAD_LISTING) from None

    def _read(self, market: Market) -> None:
        base, price = self.base_decimals, self.price_decimals
        self.tick, self.lot = units_of(market.tick, price), units_of(market.lot, base)
        lowest, highest = units_of(market.price_low, price), units_of(market.price_high, price)
        fewest, most = units_of(market.min_quantity, base), units_of(market.max_quantity, base)
        self.least_notional = units_of(market.min_notional, self.quote_decimals)
        self.maker_ppm, self.taker_ppm = signed_units_of(market.maker_fee, 6), signed_units_of(market.taker_fee, 6)
        # A tick times a lot, in quote minor units: × 10^quote / 10^(price + base).
        unit: int
        unit, rest = divmod(self.tick * self.lot * 10**self.quote_decimals, 10 ** (price + base))
        holds = (
            self.base != self.quote
            and self.tick > 0 and self.lot > 0 and lowest > 0 and fewest > 0
            and lowest <= highest <= LARGEST and fewest <= most <= LARGEST
            and lowest % self.tick == 0 and highest % self.tick == 0
            and fewest % self.lot == 0 and most % self.lot == 0
            and rest == 0
            and 0 <= self.taker_ppm <= HIGHEST_FEE_PPM
            and -self.taker_ppm <= self.maker_ppm <= HIGHEST_FEE_PPM
        )  # fmt: skip
        if not holds:
            raise Refusal(Reason.BAD_LISTING)
        self.unit = unit
        self.lowest, self.highest = lowest // self.tick, highest // self.tick
        self.fewest, self.most = fewest // self.lot, most // self.lot

    # --- numbers to texts

    def price_text(self, ticks: int) -> str:
        return text_of(ticks * self.tick, self.price_decimals)

    def quantity_text(self, lots: int) -> str:
        return text_of(lots * self.lot, self.base_decimals)

    def base_text(self, minor: int) -> str:
        return text_of(minor, self.base_decimals)

    def quote_text(self, minor: int) -> str:
        return text_of(minor, self.quote_decimals)

    # --- texts to numbers

    def price_of(self, text: str) -> int:
        known = self._prices.get(text)
        if known is not None:
            return known
        ticks = self._on_grid(text, self.price_decimals, self.tick, Reason.OFF_TICK)
        if not self.lowest <= ticks <= self.highest:
            raise Refusal(Reason.OUTSIDE_PRICE_BAND)
        return _remembered(self._prices, text, ticks)

    def lots_of(self, text: str) -> int:
        known = self._quantities.get(text)
        if known is not None:
            return known
        lots = self._on_grid(text, self.base_decimals, self.lot, Reason.OFF_LOT)
        if lots < self.fewest:
            raise Refusal(Reason.BELOW_MIN_QUANTITY)
        if lots > self.most:
            raise Refusal(Reason.ABOVE_MAX_QUANTITY)
        return _remembered(self._quantities, text, lots)

    @staticmethod
    def _on_grid(text: str, decimals: int, step: int, off_grid: Reason) -> int:
        count, rest = divmod(positive_units(text, decimals, off_grid), step)
        if rest:
            raise Refusal(off_grid)
        if count > LARGEST:
            raise Refusal(Reason.TOO_LARGE)
        return count

    def check_notional(self, ticks: int, lots: int) -> None:
        notional = ticks * lots * self.unit
        if notional < self.least_notional:
            raise Refusal(Reason.BELOW_MIN_NOTIONAL)
        if notional + notional * HIGHEST_FEE_PPM // MILLION > LARGEST or lots * self.lot > LARGEST:
            raise Refusal(Reason.NOTIONAL_OVERFLOW)

    # --- orders

    def read_order(self, order: NewOrder, is_halted: bool) -> Wanted:
        """The order's numbers; `Refusal` with the first rule that it breaks."""
        check_fields(order)
        if self.state is not OPEN:
            raise Refusal(Reason.MARKET_NOT_OPEN)
        if is_halted:
            raise Refusal(Reason.MARKET_HALTED)
        price = None if order.price is None else self.price_of(order.price)
        lots = None if order.quantity is None else self.lots_of(order.quantity)
        if price is not None and lots is not None:
            self.check_notional(price, lots)
        most_quote = None if order.max_quote is None else amount_of(order.max_quote, self.quote_decimals)
        if most_quote is not None and most_quote < self.least_notional:
            raise Refusal(Reason.BELOW_MIN_NOTIONAL)
        return Wanted(price, lots, most_quote)

    def read_amend(self, amend: AmendOrder, present_price: int, is_halted: bool) -> tuple[int, int]:
        """(price, new total) that an amend asks for."""
        if self.state not in (MarketState.OPEN, MarketState.CANCEL_ONLY):
            raise Refusal(Reason.MARKET_NOT_OPEN)
        if is_halted:
            raise Refusal(Reason.MARKET_HALTED)
        price = present_price if amend.price is None else self.price_of(amend.price)
        lots = self.lots_of(amend.quantity)
        self.check_notional(price, lots)
        return price, lots


def could_be(trade: PublishedTrade, terms: MarketTerms) -> bool:
    """Whether the trade's numbers are those of some trade of this market."""
    try:
        ticks, off_tick = divmod(units_of(trade.price, terms.price_decimals), terms.tick)
        lots, off_lot = divmod(units_of(trade.quantity, terms.base_decimals), terms.lot)
        notional = units_of(trade.quote_quantity, terms.quote_decimals)
        fees = [abs(signed_units_of(fee, terms.quote_decimals)) for fee in (trade.taker_fee, trade.maker_fee)]
    except (NotPlain, TooFine):
        return False
    return (
        not off_tick and not off_lot and lots > 0 and notional == ticks * lots * terms.unit
        and trade.fee_asset == terms.quote and max(fees) * MILLION <= notional * HIGHEST_FEE_PPM
    )  # fmt: skip


def _remembered(known: dict[str, int], text: str, number: int) -> int:
    if len(known) >= REMEMBERED_TEXTS:
        known.clear()
    known[text] = number
    return number


def check_fields(order: NewOrder) -> None:
    """Which fields go together, whatever the market."""
    if order.type is LIMIT:
        if order.price is None or order.quantity is None:
            raise Refusal(Reason.MISSING_FIELD)
        if order.max_quote is not None:
            raise Refusal(Reason.BAD_COMBINATION)
    else:
        if order.price is not None or order.time_in_force in (GTC, GTD):
            raise Refusal(Reason.BAD_COMBINATION)
        if (order.max_quote if order.side is Side.BUY else order.quantity) is None:
            raise Refusal(Reason.MISSING_FIELD)
    force = order.time_in_force
    if order.quantity is None and order.self_trade is SelfTrade.DECREMENT:
        raise Refusal(Reason.BAD_COMBINATION)
    if (force is GTD) != (order.valid_until_ms is not None):
        raise Refusal(Reason.BAD_COMBINATION)
    if order.post_only and force is not GTC and force is not GTD:
        raise Refusal(Reason.BAD_COMBINATION)


def amount_of(text: str, decimals: int) -> int:
    """A positive amount of an asset in minor units."""
    minor = positive_units(text, decimals, Reason.BAD_DECIMAL)
    if minor > LARGEST:
        raise Refusal(Reason.TOO_LARGE)
    return minor


def positive_units(text: str, decimals: int, too_fine: Reason) -> int:
    try:
        units = units_of(text, decimals)
    except TooFine:
        raise Refusal(too_fine) from None
    except NotPlain:
        negative = text[:1] == "-" and text[1:].replace(".", "", 1).isdecimal()
        raise Refusal(Reason.NOT_POSITIVE if negative else Reason.BAD_DECIMAL) from None
    if units == 0:
        raise Refusal(Reason.NOT_POSITIVE)
    return units
