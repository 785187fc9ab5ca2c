"""Instruments: a market's terms as they stand on the log, and the integer arithmetic that follows from them.

`Market` is the wire form, in decimal strings. `Terms` is its integer form: prices in ticks, quantities in lots, money
in minor units of its asset. tick × lot is a whole number of quote minor units, so every notional is exact.

Fixed for the life of a market: symbol, assets and their decimals, tick, lot, partition. The rest may change by a later
revision.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schemas.decimals import MAX_INTEGER, DecimalError, TooManyDecimals, format_decimal, parse_decimal
from schemas.reasons import Reason
from schemas.refusal import Refused

FEE_DECIMALS = 6
PPM = 1_000_000
MAX_FEE_PPM = 100_000

Symbol = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9.-]{0,31}\Z")]
Asset = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9.]{0,15}\Z")]
Decimals = Annotated[int, Meta(ge=0, le=18)]
Number = Annotated[str, Meta(max_length=64)]


class MarketState(StrEnum):
    OPEN = "OPEN"
    CANCEL_ONLY = "CANCEL_ONLY"  # cancels, and amends to less; nothing new
    HALTED = "HALTED"  # cancels only; resting orders stay and may expire
    DELISTED = "DELISTED"  # resting orders have expired; nothing is taken


class Market(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One market as listed. Numbers are decimal strings; `partition` is that of `orders`, `trades` and `depth`."""

    symbol: Symbol
    base: Asset
    quote: Asset
    base_decimals: Decimals
    quote_decimals: Decimals
    tick: Number  # in quote
    lot: Number  # in base
    min_quantity: Number  # in base
    max_quantity: Number  # in base
    min_notional: Number  # in quote
    price_low: Number  # the band's ends, both allowed
    price_high: Number
    maker_fee: Number  # a part of the notional, such as "0.0002"; a leading minus is a rebate
    taker_fee: Number
    partition: Annotated[int, Meta(ge=0, le=100_000)]
    state: MarketState


FIXED_FIELDS = ("symbol", "base", "quote", "base_decimals", "quote_decimals", "tick", "lot", "partition")


class Priced(Struct, frozen=True, gc=False):
    """An order's numbers in integers. What its kind of order doesn't have is None."""

    price_ticks: int | None
    quantity_lots: int | None
    max_quote_minor: int | None


class Terms:
    """A market's terms in integers. Raises `Refused(BAD_LISTING)` where they contradict each other."""

    __slots__ = (
        "market", "symbol", "base", "quote", "partition", "state", "price_decimals", "tick_units", "lot_minor",
        "notional_unit", "min_lots", "max_lots", "min_notional_minor", "low_ticks", "high_ticks", "maker_fee_ppm",
        "taker_fee_ppm",
    )  # fmt: skip

    def __init__(self, market: Market) -> None:
        self.market = market
        self.symbol, self.base, self.quote = market.symbol, market.base, market.quote
        self.partition, self.state = market.partition, market.state
        problems = terms_problems(market)
        if problems:
            raise Refused(Reason.BAD_LISTING, "; ".join(f"{field}: {why}" for field, why in problems))
        self.price_decimals = decimals_of(market.tick)
        self.tick_units = parse_decimal(market.tick, self.price_decimals)
        self.lot_minor = parse_decimal(market.lot, market.base_decimals)
        exponent = market.quote_decimals - self.price_decimals - market.base_decimals
        product = self.tick_units * self.lot_minor
        scale: int = 10 ** abs(exponent)
        self.notional_unit = product * scale if exponent >= 0 else product // scale
        self.min_lots = parse_decimal(market.min_quantity, market.base_decimals) // self.lot_minor
        self.max_lots = parse_decimal(market.max_quantity, market.base_decimals) // self.lot_minor
        self.min_notional_minor = parse_decimal(market.min_notional, market.quote_decimals)
        self.low_ticks = parse_decimal(market.price_low, self.price_decimals) // self.tick_units
        self.high_ticks = parse_decimal(market.price_high, self.price_decimals) // self.tick_units
        self.maker_fee_ppm = parse_fee(market.maker_fee)
        self.taker_fee_ppm = parse_fee(market.taker_fee)

    # --- money

    def notional_minor(self, price_ticks: int, quantity_lots: int) -> int:
        """Price × quantity in minor units of the quote asset; exact."""
        return price_ticks * quantity_lots * self.notional_unit

    def buy_reserve_minor(self, price_ticks: int, quantity_lots: int, fee_ppm: int) -> int:
        """What a buy at this limit can cost at most: its notional and the higher of its fees.

        Fees round down, so the fees of parts never exceed the fee of the whole.
        """
        notional = price_ticks * quantity_lots * self.notional_unit
        return notional + (notional * fee_ppm // PPM if fee_ppm > 0 else 0)

    # --- what an order says, in integers

    def price_ticks(self, text: str) -> int:
        units = _units(text, self.price_decimals, "price", Reason.OFF_TICK, self.market.tick)
        ticks, rest = divmod(units, self.tick_units)
        if rest:
            raise Refused(Reason.OFF_TICK, f"price {text} is no multiple of the tick {self.market.tick}")
        if ticks > MAX_INTEGER:
            raise Refused(Reason.TOO_LARGE, "price is above 2^63 - 1 ticks")
        if not self.low_ticks <= ticks <= self.high_ticks:
            band = f"{self.market.price_low} to {self.market.price_high}"
            raise Refused(Reason.OUTSIDE_PRICE_BAND, f"price {text} lies outside {band}")
        return ticks

    def quantity_lots(self, text: str) -> int:
        minor = _units(text, self.market.base_decimals, "quantity", Reason.OFF_LOT, self.market.lot)
        lots, rest = divmod(minor, self.lot_minor)
        if rest:
            raise Refused(Reason.OFF_LOT, f"quantity {text} is no multiple of the lot {self.market.lot}")
        if lots > MAX_INTEGER:
            raise Refused(Reason.TOO_LARGE, "quantity is above 2^63 - 1 lots")
        if lots < self.min_lots:
            raise Refused(Reason.BELOW_MIN_QUANTITY, f"the minimum is {self.market.min_quantity}")
        if lots > self.max_lots:
            raise Refused(Reason.ABOVE_MAX_QUANTITY, f"the maximum is {self.market.max_quantity}")
        return lots

    def quote_minor(self, text: str) -> int:
        return parse_amount(text, self.market.quote_decimals, "max_quote")

    def check_notional(self, price_ticks: int, quantity_lots: int) -> None:
        """Refuses a limit order whose notional is too small, or with its fee too large for an integer."""
        notional = price_ticks * quantity_lots * self.notional_unit
        if notional < self.min_notional_minor:
            raise Refused(Reason.BELOW_MIN_NOTIONAL, f"the minimum is {self.market.min_notional} {self.quote}")
        if notional + notional * MAX_FEE_PPM // PPM > MAX_INTEGER or quantity_lots * self.lot_minor > MAX_INTEGER:
            raise Refused(Reason.NOTIONAL_OVERFLOW, "price times quantity is too large")

    # --- and back

    def price_text(self, price_ticks: int) -> str:
        return format_decimal(price_ticks * self.tick_units, self.price_decimals)

    def quantity_text(self, quantity_lots: int) -> str:
        return format_decimal(quantity_lots * self.lot_minor, self.market.base_decimals)

    def quote_text(self, minor: int) -> str:
        return format_decimal(minor, self.market.quote_decimals)

    def base_text(self, minor: int) -> str:
        return format_decimal(minor, self.market.base_decimals)


def fee_minor(notional_minor: int, fee_ppm: int) -> int:
    """The fee on a fill in quote minor units, rounded towards zero; negative for a rebate."""
    if fee_ppm >= 0:
        return notional_minor * fee_ppm // PPM
    return -(notional_minor * -fee_ppm // PPM)


def parse_amount(text: str, decimals: int, field: str = "amount") -> int:
    """An amount of an asset in minor units; `Refused` unless it is positive and fits."""
    minor = _units(text, decimals, field, Reason.BAD_DECIMAL, f"{decimals} decimals")
    if minor > MAX_INTEGER:
        raise Refused(Reason.TOO_LARGE, f"{field} is above 2^63 - 1 minor units")
    return minor


def _units(text: str, decimals: int, field: str, off_grid: Reason, grid: str) -> int:
    """A positive plain decimal in units of 10**-decimals."""
    try:
        units = parse_decimal(text, decimals)
    except TooManyDecimals:
        raise Refused(off_grid, f"{field} {text} is finer than {grid}") from None
    except DecimalError as error:
        if text[:1] == "-" and text[1:].replace(".", "", 1).isdecimal():
            raise Refused(Reason.NOT_POSITIVE, f"{field} is negative") from None
        raise Refused(Reason.BAD_DECIMAL, f"{field}: {error}") from None
    if not units:
        raise Refused(Reason.NOT_POSITIVE, f"{field} is zero")
    return units


def parse_fee(text: str) -> int:
    """A fee rate such as "0.001" or "-0.0001" in parts per million."""
    return -parse_decimal(text[1:], FEE_DECIMALS) if text.startswith("-") else parse_decimal(text, FEE_DECIMALS)


def decimals_of(text: str) -> int:
    return len(text.partition(".")[2].rstrip("0"))


def terms_problems(market: Market) -> list[tuple[str, str]]:
    """Every contradiction in a market's terms as (field, what is wrong); empty where it can be listed."""
    problems: list[tuple[str, str]] = []
    numbers: dict[str, int] = {}

    def number(field: str, decimals: int) -> None:
        try:
            numbers[field] = parse_decimal(getattr(market, field), decimals)
        except DecimalError as error:
            problems.append((field, str(error)))

    price_decimals = min(decimals_of(market.tick), 18)
    for field in ("tick", "price_low", "price_high"):
        number(field, price_decimals)
    for field in ("lot", "min_quantity", "max_quantity"):
        number(field, market.base_decimals)
    number("min_notional", market.quote_decimals)
    fees: dict[str, int] = {}
    for field in ("maker_fee", "taker_fee"):
        try:
            fees[field] = parse_fee(getattr(market, field))
        except DecimalError as error:
            problems.append((field, str(error)))

    if market.base == market.quote:
        problems.append(("quote", "base and quote are the same asset"))
    for field in ("tick", "lot", "price_low", "min_quantity"):
        if numbers.get(field) == 0:
            problems.append((field, "must be above zero"))
    tick, lot = numbers.get("tick"), numbers.get("lot")
    if tick and lot:
        problems += _grid_problems(market, numbers, tick, lot, price_decimals)
    if numbers.get("price_low", 0) > numbers.get("price_high", MAX_INTEGER):
        problems.append(("price_high", "is below price_low"))
    if numbers.get("min_quantity", 0) > numbers.get("max_quantity", MAX_INTEGER):
        problems.append(("max_quantity", "is below min_quantity"))
    if numbers.get("max_quantity", 0) > MAX_INTEGER:
        problems.append(("max_quantity", "is above 2^63 - 1 minor units"))
    if numbers.get("price_high", 0) > MAX_INTEGER:
        problems.append(("price_high", "is too large"))
    if not -MAX_FEE_PPM <= fees.get("maker_fee", 0) <= MAX_FEE_PPM:
        problems.append(("maker_fee", "must lie between -0.1 and 0.1"))
    if not 0 <= fees.get("taker_fee", 0) <= MAX_FEE_PPM:
        problems.append(("taker_fee", "must lie between 0 and 0.1"))
    if fees.get("maker_fee", 0) < 0 and -fees["maker_fee"] > fees.get("taker_fee", 0):
        problems.append(("maker_fee", "the rebate is above the taker's fee"))
    return problems


def _grid_problems(
    market: Market, numbers: dict[str, int], tick: int, lot: int, price_decimals: int
) -> list[tuple[str, str]]:
    problems = []
    for field in ("price_low", "price_high"):
        if numbers.get(field, 0) % tick:
            problems.append((field, f"is no multiple of the tick {market.tick}"))
    for field in ("min_quantity", "max_quantity"):
        if numbers.get(field, 0) % lot:
            problems.append((field, f"is no multiple of the lot {market.lot}"))
    exponent = market.quote_decimals - price_decimals - market.base_decimals
    if exponent < 0 and tick * lot % 10**-exponent:
        problems.append(("tick", f"tick times lot is no whole number of {market.quote} minor units"))
    return problems
