"""How a market maker quotes: from what it sees, what it sends. Pure.

Several levels on each side of a centre, which is the fair price moved against what is held too much: who holds too
much of the base asset quotes lower, buys less and sells more. Orders that rest are matched with wanted levels from the
best on, and amended where they lie too far from it; placed is only what is missing, cancelled only what is too much.

Invariants: bids lie below asks, and below what others ask; every price is on the grid and within the band; there are
never more orders than levels; what is quoted is covered by what is held. What moves away from the spread is sent before
what moves into it, so that no order of one's own is in the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import ceil, floor
from random import Random
from typing import NamedTuple

from schemas.commands import Side
from simulator.makers.scale import Scale

BASIS_POINT = 0.0001
FULL = 0.8  # held so much too much of an asset, as a part of what is usual: no more of it is bought
TOLERANCE = 0.5  # an order may lie this part of its distance from the centre away from its level
COVERED = 0.9  # of what is held may be quoted: amends under way reserve for both prices
SMALLEST, LARGEST = 0.5, 2.0  # what rests, as a part of what is wanted


@dataclass(frozen=True)
class Style:
    """A market maker's habits. Distances are in basis points of the price."""

    half_spread_bp: float
    step_bp: float
    levels: int
    skew_bp: float  # how far the centre moves when an asset is at its fullest
    size: float  # of the best level's order, as a part of the market's usual size
    growth: float = 0.5  # each further level is larger by this part of the best one


STYLES = (Style(2.5, 2.0, 5, 6.0, 0.6), Style(4.0, 4.0, 4, 8.0, 1.0))


class Quote(NamedTuple):
    """An order of the maker's own that rests."""

    order_id: str
    side: Side
    price_ticks: int
    quantity_lots: int  # the total, with what is filled
    filled_lots: int

    @property
    def remaining_lots(self) -> int:
        return self.quantity_lots - self.filled_lots


class View(NamedTuple):
    """What a market maker sees when it decides."""

    fair_ticks: float
    base_lots: int  # all that it has, reserved or not
    quote_minor: int
    quotes: Sequence[Quote]
    others_bid_ticks: int | None = None  # the best of everybody else
    others_ask_ticks: int | None = None


class Place(NamedTuple):
    side: Side
    price_ticks: int
    quantity_lots: int


class Amend(NamedTuple):
    order_id: str
    side: Side
    price_ticks: int
    quantity_lots: int  # the new total


class Cancel(NamedTuple):
    order_id: str


class Level(NamedTuple):
    price_ticks: int
    quantity_lots: int
    tolerance_ticks: int


Action = Place | Amend | Cancel


def requote(view: View, scale: Scale, style: Style, chance: Random) -> list[Action]:
    """What to send, in order. Nothing where all rests as it should."""
    cancels: list[Action] = []
    retreats: list[Action] = []
    advances: list[Action] = []
    places: list[Action] = []
    for side in Side:
        resting = sorted((quote for quote in view.quotes if quote.side is side), key=_from_the_best)
        for level, quote in zip_longest(wanted(side, view, scale, style), resting):
            if level is None:
                cancels.append(Cancel(quote.order_id))
            elif quote is None:
                places.append(Place(side, level.price_ticks, _varied(level, scale, chance)))
            else:
                match _corrected(quote, level, scale, chance):
                    case Cancel() as cancel:
                        cancels.append(cancel)
                    case Amend() as amend:
                        away = (amend.price_ticks < quote.price_ticks) == (side is Side.BUY)
                        (retreats if away else advances).append(amend)
    return cancels + retreats + advances + places


def wanted(side: Side, view: View, scale: Scale, style: Style) -> list[Level]:
    """A side's levels, best first; fewer where the band, the inventory or the funds end them."""
    excess = inventory(view.base_lots, scale)
    if (excess if side is Side.BUY else -excess) >= FULL:
        return []
    centre = view.fair_ticks * (1 - excess * style.skew_bp * BASIS_POINT)
    half = max(1.0, view.fair_ticks * style.half_spread_bp * BASIS_POINT)
    step = max(1.0, view.fair_ticks * style.step_bp * BASIS_POINT)
    budget = COVERED * (view.quote_minor if side is Side.BUY else view.base_lots)
    levels: list[Level] = []
    for number in range(style.levels):
        distance = half + number * step
        price = _price(side, centre, distance, view)
        if not scale.within_band(price):
            break
        lots = scale.allowed_lots(int(scale.order_lots * style.size * (1 + style.growth * number)), price)
        # An order that varies, or was not amended yet, may be as much as LARGEST times its level.
        budget -= LARGEST * (scale.terms.notional_minor(price, lots) if side is Side.BUY else lots)
        if budget < 0:
            break
        levels.append(Level(price, lots, int(TOLERANCE * distance)))
    return levels


def inventory(base_lots: int, scale: Scale) -> float:
    """How much too much of the base asset is held, from -1 (none is left) to 1 (twice what is usual, or more)."""
    return min(max(base_lots / scale.held_lots - 1, -1.0), 1.0)


def _price(side: Side, centre: float, distance: float, view: View) -> int:
    """A level's price in ticks, short of what others ask or bid: a quote never takes."""
    if side is Side.BUY:
        price = floor(centre - distance)
        return price if view.others_ask_ticks is None else min(price, view.others_ask_ticks - 1)
    price = ceil(centre + distance)
    return price if view.others_bid_ticks is None else max(price, view.others_bid_ticks + 1)


def _from_the_best(quote: Quote) -> tuple[int, str]:
    return (-quote.price_ticks if quote.side is Side.BUY else quote.price_ticks), quote.order_id


def _varied(level: Level, scale: Scale, chance: Random) -> int:
    return scale.allowed_lots(int(level.quantity_lots * chance.uniform(0.7, 1.3)), level.price_ticks)


def _corrected(quote: Quote, level: Level, scale: Scale, chance: Random) -> Amend | Cancel | None:
    """What brings a resting order back to its level, if anything must."""
    near = abs(quote.price_ticks - level.price_ticks) <= level.tolerance_ticks
    fits = SMALLEST * level.quantity_lots <= quote.remaining_lots <= LARGEST * level.quantity_lots
    if near and fits:
        return None
    price = quote.price_ticks if near else level.price_ticks
    total = quote.quantity_lots if fits else quote.filled_lots + _varied(level, scale, chance)
    # An order that was filled and amended often has grown; one that has no room left makes way for a new one.
    return Amend(quote.order_id, quote.side, price, total) if total <= scale.terms.max_lots else Cancel(quote.order_id)
