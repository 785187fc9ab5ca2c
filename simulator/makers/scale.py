"""What is usual in a market: its reference price, the size of an order, what a market maker holds of it.

All of it follows from the market's terms and, where it has traded, its last price. Pure.
"""

from decimal import Decimal
from fractions import Fraction
from math import isqrt

from schemas.market import Terms

# What people know these markets at; any other is taken at its last price, or in the middle of its band.
KNOWN_PRICES = {
    "AAPL": "228.50", "AMZN": "223.81", "GOOG": "178.35", "INTC": "31.22", "MSFT": "424.10", "TATA": "985.40",
    "RELIANCE": "2890.00", "PETR4": "38.40", "VALE3": "61.70", "BTC": "50000", "ETH": "2600",
}  # fmt: skip
ORDER_NOTIONAL = 5_000  # of the quote asset, where the market's own limits allow it
ORDERS_HELD = 100  # a balanced market maker holds so many orders' worth of each asset


class Scale:
    """A market's terms and what is usual under them. `terms` may be replaced by a later revision's."""

    def __init__(self, terms: Terms, last_price: str | None = None) -> None:
        self.terms = terms
        self.reference_ticks = _reference_ticks(terms, last_price)
        unit = terms.notional_unit * self.reference_ticks  # quote minor units a lot
        wanted: int = max(ORDER_NOTIONAL * 10**terms.market.quote_decimals, 5 * terms.min_notional_minor)
        self.order_lots = min(max(-(-wanted // unit), 2 * terms.min_lots), max(terms.max_lots // 4, 1))
        self.held_lots = ORDERS_HELD * self.order_lots

    @property
    def held_base_minor(self) -> int:
        return self.held_lots * self.terms.lot_minor

    @property
    def held_quote_minor(self) -> int:
        return self.terms.notional_minor(self.reference_ticks, self.held_lots)

    def allowed_lots(self, lots: int, price_ticks: int) -> int:
        """The quantity nearest to this one that the market takes at this price."""
        for_notional = -(-self.terms.min_notional_minor // (price_ticks * self.terms.notional_unit))
        return min(max(lots, self.terms.min_lots, for_notional), self.terms.max_lots)

    def within_band(self, price_ticks: int) -> bool:
        return self.terms.low_ticks <= price_ticks <= self.terms.high_ticks


def _reference_ticks(terms: Terms, last_price: str | None) -> int:
    known = KNOWN_PRICES.get(terms.base, last_price)
    ticks = isqrt(terms.low_ticks * terms.high_ticks) if known is None else ticks_near(terms, known)
    return min(max(ticks, terms.low_ticks), terms.high_ticks)


def ticks_near(terms: Terms, price: str) -> int:
    """A price that may be off the grid, in ticks."""
    units: int = 10**terms.price_decimals
    return round(Fraction(Decimal(price)) * units / terms.tick_units)
