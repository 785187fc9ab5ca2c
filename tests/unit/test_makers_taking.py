"""The takers' flow and the fair price: random, but from a seed, and as they should be on the whole."""

from itertools import pairwise
from math import log, sqrt
from random import Random
from statistics import fmean, pstdev, pvariance

import pytest

from schemas.commands import Side
from schemas.market import Terms
from simulator.makers.fair_price import DRAWN_BACK_S, VOLATILITY, FairPrice
from simulator.makers.scale import Scale
from simulator.makers.taking import FURTHEST_BP, LARGEST_SIZE, Arrivals, Take, TakerFlow
from tests.exchange import market

TERMS = Terms(market(min_notional="10"))
SCALE = Scale(TERMS, "100")
FAIR = 10_000.0


def counts(rate_per_s: float, seed: int, seconds: int, window_s: int) -> list[int]:
    """Arrivals in each window."""
    arrivals, now, found = Arrivals(rate_per_s, Random(seed)), 0.0, [0] * (seconds // window_s)
    while (now := now + arrivals.next_s()) < seconds:
        found[int(now) // window_s] += 1
    return found


@pytest.mark.parametrize("rate_per_s", [0.02, 0.4, 1.0])
def test_arrivals_keep_their_rate_and_come_in_bursts(rate_per_s: float):
    window_s = int(4 / rate_per_s)
    found = counts(rate_per_s, 1, 4_000 * window_s, window_s)
    assert fmean(found) / window_s == pytest.approx(rate_per_s, rel=0.1)
    # A Poisson process would have a ratio of 1; this one's is 1 / (1 - 0.6)^2 over long windows.
    assert pvariance(found) / fmean(found) > 2


def test_no_burst_is_longer_than_what_the_exchange_is_to_carry():
    assert max(counts(1.0, 2, 200_000, 1)) < 25


def takes(seed: int, count: int, base_share: float = 1.0, waited_s: float = 10.0) -> list[Take]:
    flow, base_lots = TakerFlow(Random(seed)), int(base_share * SCALE.held_lots)
    found = [flow.next(waited_s, FAIR, base_lots, SCALE.held_quote_minor, SCALE) for _ in range(count)]
    return [take for take in found if take is not None]


def test_an_order_is_allowed_and_bounded_near_the_fair_price():
    for take in takes(1, 2_000):
        price, lots = TERMS.price_text(take.limit_ticks), TERMS.quantity_text(take.quantity_lots)
        TERMS.check_notional(TERMS.price_ticks(price), TERMS.quantity_lots(lots))
        assert 0 < (take.limit_ticks - FAIR) * (1 if take.side is Side.BUY else -1) <= FAIR * FURTHEST_BP / 10_000 + 1
        assert take.quantity_lots <= LARGEST_SIZE * SCALE.order_lots


def test_sizes_have_a_heavy_tail():
    sizes = sorted(take.quantity_lots for take in takes(1, 5_000))
    median, high = sizes[len(sizes) // 2], sizes[len(sizes) * 99 // 100]
    assert high > 10 * median and fmean(sizes) > 1.4 * median


@pytest.mark.parametrize(("base_share", "low", "high"), [(0.2, 0.72, 1.0), (1.0, 0.45, 0.55), (1.8, 0.0, 0.28)])
def test_who_has_little_of_the_base_asset_buys(base_share: float, low: float, high: float):
    sides = [take.side for take in takes(3, 3_000, base_share)]
    assert low <= sides.count(Side.BUY) / len(sides) <= high


def test_a_burst_mostly_goes_one_way():
    sides = [take.side for take in takes(4, 3_000, waited_s=0.1)]
    same = sum(one is other for one, other in pairwise(sides)) / len(sides)
    assert same > 0.85


def test_who_has_nothing_takes_nothing():
    flow = TakerFlow(Random(1))
    assert all(flow.next(10, FAIR, 0, 0, SCALE) is None for _ in range(20))


def test_the_same_seed_takes_the_same():
    assert takes(5, 50) == takes(5, 50) != takes(6, 50)
    assert counts(0.5, 5, 1_000, 10) == counts(0.5, 5, 1_000, 10)


def walk(seed: int, steps: int, seconds: float, last: int | None = None) -> list[float]:
    price = FairPrice(10_000, last, Random(seed))
    return [price.pass_time(seconds) for _ in range(steps)]


def test_the_fair_price_moves_and_is_drawn_back():
    prices = walk(1, 20_000, 60.0)
    apart = [log(price / 10_000) for price in prices]
    assert pstdev(apart) == pytest.approx(VOLATILITY * sqrt(DRAWN_BACK_S / 2), rel=0.1)
    assert abs(fmean(apart)) < 0.0005
    # The spread of a step doesn't depend on how the time is cut.
    once = pstdev(walk(seed, 1, 100.0)[-1] for seed in range(2_000))
    often = pstdev(walk(seed, 20, 5.0)[-1] for seed in range(2_000))
    assert once == pytest.approx(often, rel=0.1)


def test_the_fair_price_begins_at_the_last_one_unless_that_is_far_off():
    assert FairPrice(10_000, 10_100, Random(1)).ticks == pytest.approx(10_100)
    assert FairPrice(10_000, 1, Random(1)).ticks == FairPrice(10_000, None, Random(1)).ticks == 10_000
    assert walk(1, 100, 1.0) == walk(1, 100, 1.0) != walk(2, 100, 1.0)
