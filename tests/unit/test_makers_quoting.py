"""What a market maker sends, given what it sees."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.commands import Side
from schemas.market import Terms
from simulator.makers.quoting import FULL, STYLES, Action, Amend, Cancel, Place, Quote, Style, View, requote, wanted
from simulator.makers.scale import KNOWN_PRICES, Scale, ticks_near
from tests.exchange import market

TERMS = Terms(market(price_low="50", price_high="150", min_notional="10", max_quantity="100000"))
SCALE = Scale(TERMS, "100")
FAIR = 10_000.0
STYLE = STYLES[0]


def seen(quotes: list[Quote] | None = None, fair: float = FAIR, base_share: float = 1.0, **others: int) -> View:
    base_lots = int(base_share * SCALE.held_lots)
    return View(fair, base_lots, SCALE.held_quote_minor, quotes or [], **others)


def carried_out(actions: list[Action], quotes: list[Quote]) -> list[Quote]:
    """What rests when all was done."""
    resting = {quote.order_id: quote for quote in quotes}
    for number, action in enumerate(actions):
        match action:
            case Place(side, price, lots):
                resting[f"new-{len(quotes)}-{number}"] = Quote(f"new-{len(quotes)}-{number}", side, price, lots, 0)
            case Amend(order_id, _, price, lots):
                resting[order_id] = resting[order_id]._replace(price_ticks=price, quantity_lots=lots)
            case Cancel(order_id):
                del resting[order_id]
    return list(resting.values())


def quoted(**view: object) -> list[Quote]:
    return carried_out(requote(seen(**view), SCALE, STYLE, Random(1)), [])  # type: ignore[arg-type]


def best(quotes: list[Quote], side: Side) -> int:
    prices = [quote.price_ticks for quote in quotes if quote.side is side]
    return max(prices) if side is Side.BUY else min(prices)


def test_an_empty_book_gets_all_levels_of_both_sides_around_the_fair_price():
    quotes = quoted()
    assert len(quotes) == 2 * STYLE.levels
    assert best(quotes, Side.BUY) < FAIR < best(quotes, Side.SELL)
    assert len({quote.price_ticks for quote in quotes}) == len(quotes)


def test_nothing_is_sent_where_all_rests_as_it_should():
    quotes = quoted()
    assert requote(seen(quotes), SCALE, STYLE, Random(2)) == []
    # A small move is within every level's tolerance.
    assert requote(seen(quotes, FAIR + 0.4), SCALE, STYLE, Random(2)) == []


@pytest.mark.parametrize("move", [-80, 80])
def test_a_moved_price_is_followed_by_amends_alone_and_what_retreats_goes_first(move: int):
    quotes = quoted()
    actions = requote(seen(quotes, FAIR + move), SCALE, STYLE, Random(2))
    amends = [action for action in actions if isinstance(action, Amend)]
    assert amends == actions and len(amends) == 2 * STYLE.levels
    first = Side.SELL if move > 0 else Side.BUY
    assert [amend.side for amend in amends] == [first] * STYLE.levels + [first.opposite] * STYLE.levels
    for done in range(len(actions) + 1):
        resting = carried_out(actions[:done], quotes)
        assert best(resting, Side.BUY) < best(resting, Side.SELL), "no order of its own is ever in the way"


def test_what_was_filled_is_brought_back_by_an_amend_of_the_total():
    quotes = quoted()
    filled = quotes[0]._replace(filled_lots=quotes[0].quantity_lots - 1)
    (amend,) = requote(seen([filled, *quotes[1:]]), SCALE, STYLE, Random(2))
    assert isinstance(amend, Amend) and amend.order_id == filled.order_id
    assert amend.price_ticks == filled.price_ticks and amend.quantity_lots > filled.quantity_lots


def test_an_order_without_room_left_to_grow_makes_way():
    quotes = quoted()
    grown = quotes[0]._replace(quantity_lots=TERMS.max_lots, filled_lots=TERMS.max_lots - 1)
    assert requote(seen([grown, *quotes[1:]]), SCALE, STYLE, Random(2)) == [Cancel(grown.order_id)]


def test_a_missing_order_is_placed_and_a_surplus_one_cancelled():
    quotes = quoted()
    bids = [quote for quote in quotes if quote.side is Side.BUY]
    (place,) = requote(seen(quotes[:-1]), SCALE, STYLE, Random(2))
    assert isinstance(place, Place) and place.side is quotes[-1].side
    further = bids[-1]._replace(order_id="further", price_ticks=bids[-1].price_ticks - 50)
    assert requote(seen([*quotes, further]), SCALE, STYLE, Random(2)) == [Cancel("further")]


def test_who_holds_too_much_quotes_lower_and_in_the_end_one_side_only():
    centres = []
    for share in (0.4, 0.7, 1.0, 1.3, 1.6):
        quotes = quoted(base_share=share)
        centres.append(best(quotes, Side.BUY) + best(quotes, Side.SELL))
    assert centres == sorted(centres, reverse=True) and centres[0] > centres[-1]
    assert {quote.side for quote in quoted(base_share=1 + FULL)} == {Side.SELL}
    assert {quote.side for quote in quoted(base_share=1 - FULL)} == {Side.BUY}


def test_a_quote_never_takes_what_others_have_in_the_book():
    quotes = quoted(others_ask_ticks=9_980, others_bid_ticks=9_975)
    assert best(quotes, Side.BUY) < 9_980 and best(quotes, Side.SELL) > 9_975


def test_without_funds_nothing_is_quoted():
    assert requote(View(FAIR, 0, 0, []), SCALE, STYLE, Random(1)) == []
    assert wanted(Side.BUY, View(FAIR, SCALE.held_lots, 1_000, []), SCALE, STYLE) == []


def test_the_same_seed_sends_the_same():
    assert requote(seen(), SCALE, STYLE, Random(7)) == requote(seen(), SCALE, STYLE, Random(7))
    assert requote(seen(), SCALE, STYLE, Random(7)) != requote(seen(), SCALE, STYLE, Random(8))


resting_quotes = st.lists(
    st.builds(
        lambda side, away, lots, filled: (side, 10_000 + (-away if side is Side.BUY else away), lots, filled),
        st.sampled_from(Side), st.integers(1, 300), st.integers(2, 400), st.integers(0, 1),
    ),
    max_size=14,
)  # fmt: skip


@given(
    resting=resting_quotes,
    fair=st.floats(5_001, 14_999),
    share=st.floats(0, 3),
    quote_minor=st.integers(0, 2 * SCALE.held_quote_minor),
    style=st.sampled_from(STYLES),
    seed=st.integers(0, 1000),
)
def test_whatever_rests_what_follows_is_allowed_covered_and_bounded(
    resting: list[tuple[Side, int, int, int]], fair: float, share: float, quote_minor: int, style: Style, seed: int
):
    quotes = [Quote(str(number), *one) for number, one in enumerate(resting)]
    view = View(fair, int(share * SCALE.held_lots), quote_minor, quotes)
    actions = requote(view, SCALE, style, Random(seed))
    for action in actions:
        if not isinstance(action, Cancel):
            price, lots = TERMS.price_text(action.price_ticks), TERMS.quantity_text(action.quantity_lots)
            TERMS.check_notional(TERMS.price_ticks(price), TERMS.quantity_lots(lots))
    after = carried_out(actions, quotes)
    for side in Side:
        own = [quote for quote in after if quote.side is side]
        assert len(own) <= style.levels
        if side is Side.BUY:
            assert sum(TERMS.notional_minor(q.price_ticks, q.remaining_lots) for q in own) <= 1.1 * quote_minor
        else:
            assert sum(quote.remaining_lots for quote in own) <= view.base_lots
    assert len(after) < 2 or not {q.side for q in after} >= set(Side) or best(after, Side.BUY) < best(after, Side.SELL)


@pytest.mark.parametrize(
    ("terms", "last", "price"),
    [
        (dict(symbol="BTC-USD"), "77", KNOWN_PRICES["BTC"]),
        (dict(), "123.456", "123.46"),
        (dict(price_low="1", price_high="100"), None, "10"),
        (dict(price_low="90", price_high="110"), "500", "110"),
    ],
)
def test_the_reference_price_is_known_or_the_last_one_or_the_middle_of_the_band(
    terms: dict[str, str], last: str | None, price: str
):
    scale = Scale(Terms(market(**terms)), last)  # type: ignore[arg-type]
    assert scale.reference_ticks == ticks_near(scale.terms, price)


@pytest.mark.parametrize(
    "limits",
    [
        dict(),
        dict(min_quantity="5000", max_quantity="6000"),
        dict(min_notional="1000000"),
        dict(max_quantity="1"),
        dict(price_low="99.99", price_high="100.01"),
    ],
)
def test_sizes_keep_to_the_limits_of_a_market(limits: dict[str, str]):
    scale = Scale(Terms(market(**limits)), "100")  # type: ignore[arg-type]
    view = View(float(scale.reference_ticks), scale.held_lots, scale.held_quote_minor, [])
    for action in requote(view, scale, STYLE, Random(3)):
        assert isinstance(action, Place)
        scale.terms.quantity_lots(scale.terms.quantity_text(action.quantity_lots))
        scale.terms.check_notional(action.price_ticks, action.quantity_lots)
        scale.terms.price_ticks(scale.terms.price_text(action.price_ticks))
