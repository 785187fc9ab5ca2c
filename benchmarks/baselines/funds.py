"""How much of an asset an order of the baseline can still cost. Whole numbers of minor units."""

from benchmarks.baselines.book import Order
from schemas.market import PPM, Terms, fee_minor


def reserve_needed(terms: Terms, order: Order) -> int:
    """What the rest of an order can still cost."""
    if not order.is_buy:
        return order.remaining_lots * terms.lot_minor
    assert order.price_ticks is not None
    highest_ppm = max(terms.maker_fee_ppm, terms.taker_fee_ppm)
    return terms.buy_reserve_minor(order.price_ticks, order.remaining_lots, highest_ppm)


class Purse:
    """What a market buy can still pay for, fees included."""

    def __init__(self, terms: Terms, order: Order) -> None:
        self._terms, self._left = terms, order.reserved_minor

    def __call__(self, price_ticks: int, lots: int) -> int:
        terms = self._terms
        unit = price_ticks * terms.notional_unit
        affordable = min(lots, self._left * PPM // (unit * (PPM + terms.taker_fee_ppm)))
        self._left -= unit * affordable + fee_minor(unit * affordable, terms.taker_fee_ppm)
        return affordable
