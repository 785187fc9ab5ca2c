"""Listing files: every problem at once with its line, and what changes against the log."""

import pytest

from glassbook.listing import (
    BadListing,
    Listing,
    changes,
    order_partitions,
    parse_listing,
    read_listing,
)
from glassbook.listing_generate import generate
from glassbook.settings import DEFAULT_LISTING
from schemas.ledger_state import ListedMarket
from schemas.market import Terms

GOOD = """\
[exchange]
domain = "here"
open_registration = true
max_open_orders = 10

[assets]
USD = 2
A = 0
B = 0

[[markets]]
symbol = "A-USD"
base = "A"
quote = "USD"
tick = "0.01"
lot = "1"
min_quantity = "1"
max_quantity = "100"
min_notional = "1"
price_low = "0.01"
price_high = "10"
maker_fee = "0"
taker_fee = "0.001"
partition = 0
state = "OPEN"
"""
SECOND = GOOD[GOOD.index("[[markets]]") :].replace("A-USD", "B-USD").replace('"A"', '"B"')
TWO = GOOD + "\n" + SECOND.replace("partition = 0", "partition = 1")


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(BadListing) as bad:
        parse_listing(text)
    assert str(bad.value).count("\n") == len(bad.value.problems) - 1
    return [(line, reason) for line, reason in bad.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("[assets]", "[assets", 6, "not TOML"),
        ('tick = "0.01"', "tick = ", 15, "not TOML"),
        ("[assets]", "bogus = 1\n[assets]", 6, "unknown field 'bogus'"),
        ("[exchange]", "[markte]\n[exchange]", 1, "unknown table 'markte'"),
        ('domain = "here"', 'domain = "he re"', 2, "domain: Expected `str` matching regex"),
        ("open_registration = true", 'open_registration = "yes"', 3, "open_registration: Expected `bool`, got `str`"),
        ("max_open_orders = 10", "max_open_orders = 0", 4, "max_open_orders: Expected `int` >= 1"),
        ("max_open_orders = 10\n", "", 1, "'max_open_orders' is missing"),
        ("USD = 2", "USD = 19", 7, "USD: Expected `int` <= 18"),
        ("B = 0", "b = 0", 9, "asset 'b': Expected `str`"),
        ('tick = "0.01"', "tick = 0.01", 15, 'tick: Expected `str`, got `float`; write numbers with decimals'),
        ('tick = "0.01"', 'tick = "0.1.2"', 15, "A-USD: tick: '0.1.2' is not a plain decimal"),
        ('tick = "0.01"', 'tick = "0.001"', 15, "A-USD: tick: tick times lot is no whole number of USD minor units"),
        ('quote = "USD"', 'quote = "EUR"', 14, "quote: asset EUR has no decimals under [assets]"),
        ('lot = "1"\n', "", 11, "'lot' is missing"),
        ('lot = "1"', 'lot = "1"\nlots = "1"', 17, "unknown field 'lots'"),
        ('lot = "1"', 'lot = "1"\nbase_decimals = 0', 17, "unknown field 'base_decimals': decimals stand once"),
        ('min_quantity = "1"', 'min_quantity = "200"', 18, "A-USD: max_quantity: is below min_quantity"),
        ('price_low = "0.01"', 'price_low = "11"', 21, "A-USD: price_high: is below price_low"),
        ('taker_fee = "0.001"', 'taker_fee = "0.2"', 23, "A-USD: taker_fee: must lie between 0 and 0.1"),
        ("partition = 0", "partition = -1", 24, "partition: Expected `int` >= 0"),
        ("partition = 0", 'partition = "0"', 24, "partition: Expected `int`, got `str`"),
        ('state = "OPEN"', 'state = "OPENED"', 25, "state: Invalid enum value 'OPENED'"),
        ('symbol = "A-USD"', 'symbol = "a-usd"', 12, "symbol: Expected `str` matching regex"),
    ],
)  # fmt: skip
def test_one_thing_wrong(old, new, line, said):
    assert old in GOOD
    found = problems(GOOD.replace(old, new, 1))
    assert [at for at, _ in found] == [line]
    assert said in found[0][1]


def test_all_things_wrong_are_told_at_once():
    text = TWO.replace('tick = "0.01"', "tick = 0.01").replace("USD = 2", "USD = -2").replace("B-USD", "A-USD")
    assert [line for line, _ in problems(text)] == [7, 15, 28, 31]


@pytest.mark.parametrize("text", ["", "[exchange]\n", "markets = 5\n", "markets = [5]\n[assets]\nA=1\n"])
def test_what_is_no_listing_at_all(text):
    assert any("is missing" in reason for _, reason in problems(text))


def test_inline_tables_have_their_lines_too():
    text = generate(3)
    assert len(parse_listing(text).markets) == 3
    broken = text.replace('symbol = "S002-BRL"', 'symbol = "S001-BRL"')
    assert problems(broken) == [(4, "S001-BRL stands twice, first on line 3")]
    assert problems(text.replace("BRL = 2", "BRL = 99"))[0][0] == text.splitlines().index("BRL = 2") + 1


# --- the shipped ones


def test_the_default_listing():
    listing = read_listing(DEFAULT_LISTING)
    assert {market.quote for market in listing.markets} == {"USD", "INR", "BRL", "USDT"}
    assert [market.partition for market in listing.markets] == list(range(len(listing.markets)))
    amazon = Terms(next(market for market in listing.markets if market.symbol == "AMZN-USD"))
    assert (amazon.price_ticks("223.81"), amazon.quantity_lots("21")) == (22381, 21)


def test_the_generated_listing_is_what_is_generated():
    path = DEFAULT_LISTING.with_name("listing-450.toml")
    assert path.read_text() == generate()
    assert len(read_listing(path).markets) == 450


@pytest.mark.parametrize(("asked", "partitions"), [(None, 32), (450, 450), (7, 7)])
def test_layouts(asked, partitions):
    listing = parse_listing(generate(450, asked))
    assert order_partitions(listing) == partitions
    assert {market.partition for market in listing.markets} == set(range(partitions))


# --- against the log


def listed(listing: Listing, revision: int = 1) -> dict[str, ListedMarket]:
    return {market.symbol: ListedMarket(revision, market) for market in listing.markets}


def test_new_changed_and_unchanged_markets():
    log = listed(parse_listing(GOOD), revision=4)
    assert changes(parse_listing(GOOD), log, 1) == []
    now = parse_listing(TWO.replace('state = "OPEN"', 'state = "HALTED"', 1))
    assert [(change.revision, change.market.symbol) for change in changes(now, log, 1)] == [(5, "A-USD"), (1, "B-USD")]
    assert changes(parse_listing(GOOD), listed(parse_listing(TWO)), 2) == []  # what the file doesn't name stays


@pytest.mark.parametrize(
    ("old", "new", "partitions", "line", "said"),
    [
        ('tick = "0.01"', 'tick = "0.02"', 2, 15, "A-USD: tick is 0.01 on the log and can't become 0.02"),
        ('lot = "1"', 'lot = "2"', 2, 16, "A-USD: lot is 1 on the log and can't become 2"),
        ("partition = 0", "partition = 1", 2, 24, "A-USD: partition is 0 on the log and can't become 1"),
        ("USD = 2", "USD = 3", 2, 14, "A-USD: quote_decimals is 2 on the log and can't become 3"),
        ("partition = 1", "partition = 2", 2, 40, "the highest that makes sense is 1"),
    ],
)
def test_what_must_not_change(old, new, partitions, line, said):
    text = TWO.replace(old, new, 1)
    if old == 'lot = "1"':  # so that the file has no problem of its own
        text = text.replace('min_quantity = "1"', 'min_quantity = "2"', 1)
    if old == 'tick = "0.01"':
        text = text.replace('price_low = "0.01"', 'price_low = "0.02"', 1)
    with pytest.raises(BadListing) as bad:
        changes(parse_listing(text), listed(parse_listing(GOOD)), partitions)
    assert (line, said) in [(at, reason[-len(said) :]) for at, reason in bad.value.problems]


def test_another_market_cannot_bring_other_decimals_of_an_asset():
    log = listed(parse_listing(GOOD))
    text = TWO[: TWO.index("[[markets]]")].replace("USD = 2", "USD = 4") + TWO[TWO.rindex("[[markets]]") :]
    with pytest.raises(BadListing, match="USD has 2 decimals on the log and can't get 4"):
        changes(parse_listing(text), log, 2)
