"""Books, prices and quotes as the gateway shows them."""

import msgspec
import pytest

from producers.books import Book, Prices, quote_market_order
from schemas.commands import Side
from schemas.market import Terms
from schemas.reasons import Reason
from schemas.records import Depth, Source, Trade
from schemas.refusal import Refused
from stage.followed import Gap
from tests.exchange import market
from tests.unit.gateway_world import GatewayWorld

SOURCE = Source(0, 0, 0, "")
TERMS = Terms(market(taker_fee="0.001"))


def depth(sequence: int, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> Depth:
    return Depth(
        edge_sequence=sequence, source=SOURCE, symbol="ABC-USD", sequence=sequence, time_ms=sequence, bids=bids,
        asks=asks,
    )  # fmt: skip


def trade(sequence: int, time_ms: int, price: str, quantity: str, quote: str) -> Trade:
    return Trade(
        edge_sequence=sequence, source=SOURCE, symbol="ABC-USD", sequence=sequence, trade_id=f"0-{sequence}-0",
        time_ms=time_ms, price=price, quantity=quantity, quote_quantity=quote, aggressor_side=Side.BUY,
        taker_order_id="0-1", taker_account="", taker_fee="0", maker_order_id="0-2", maker_account="", maker_fee="0",
        fee_asset="USD",
    )  # fmt: skip


def full_book() -> Book:
    book = Book()
    book.apply(depth(1, [("9.5", "10"), ("9.4", "20")], [("9.6", "10"), ("9.7", "30")]))
    return book


def test_a_book_follows_its_differences():
    book = full_book()
    book.apply(depth(2, [("9.5", "0"), ("9.45", "5")], []))
    assert book.texts(Side.BUY, 10) == [("9.45", "5"), ("9.4", "20")]
    assert book.texts(Side.SELL, 1) == [("9.6", "10")]


def test_a_repeat_changes_nothing_and_a_gap_is_said():
    book = full_book()
    book.apply(depth(1, [("9.5", "99")], []))
    assert book.texts(Side.BUY, 1) == [("9.5", "10")]
    with pytest.raises(Gap):
        book.apply(depth(3, [], []))


@pytest.mark.parametrize(
    "side, quantity, max_quote, expected",
    [
        (Side.BUY, "10", None, ("10", "96", "9.6", "9.6", "0.096")),
        (Side.BUY, "20", None, ("20", "193", "9.65", "9.7", "0.193")),
        (Side.SELL, "30", None, ("30", "283", "9.4333333333", "9.4", "0.283")),
        (Side.BUY, None, "150", ("15", "144.5", "9.6333333333", "9.7", "0.1445")),
        (Side.BUY, "12", "150", ("12", "115.4", "9.6166666667", "9.7", "0.1154")),
        (Side.SELL, None, "96", ("10", "95", "9.5", "9.5", "0.095")),
    ],
)
def test_quotes_walk_the_book(side, quantity, max_quote, expected):
    lots = TERMS.quantity_lots(quantity) if quantity else None
    budget = TERMS.quote_minor(max_quote) if max_quote else None
    quote = quote_market_order(full_book(), TERMS, side, lots, budget)
    got = (quote.quantity, quote.quote_quantity, quote.average_price, quote.worst_price, quote.fee)
    assert got == expected


BEYOND = [(Side.BUY, 41, None), (Side.SELL, 31, None), (Side.BUY, None, 10**9), (Side.BUY, None, 90_000)]


@pytest.mark.parametrize("side, quantity, max_quote", BEYOND)
def test_a_quote_beyond_the_book_is_refused(side, quantity, max_quote):
    with pytest.raises(Refused) as refused:
        quote_market_order(full_book(), TERMS, side, quantity, max_quote)
    assert refused.value.reason is Reason.NO_LIQUIDITY


def test_the_average_is_of_five_minutes_by_volume_else_the_last_price():
    prices = Prices()
    assert prices.average(0, 6) is None
    prices.apply(trade(1, 1_000, "10", "1", "10"))
    prices.apply(trade(2, 100_000, "20", "3", "60"))
    assert (prices.last, prices.average(100_000, 6)) == ("20", "17.5")
    assert prices.average(301_000, 6) == "20"
    prices.apply(trade(3, 301_000, "30", "3", "90"))
    assert prices.average(301_000, 6) == "25"
    assert prices.average(10**9, 6) == "30"
    prices.apply(trade(2, 100_000, "20", "3", "60"))
    assert prices.last == "30"


def test_over_http():
    world = GatewayWorld()
    maker, taker = (world.exchange.open_account(USD="100000", ABC="1000") for _ in range(2))
    world.pump()
    for price in ("9.60", "9.70"):
        world.place(maker, "SELL", "10", price)
    book = world.request("GET", "/api/v1/markets/ABC-USD/book?levels=1").json()
    assert (book["bids"], book["asks"]) == ([], [["9.6", "10"]])
    body = {"symbol": "ABC-USD", "side": "BUY", "quantity": "15"}
    quote = world.send("POST", "/api/v1/orders/quote", body).json()
    bought = world.place(taker, "BUY", "15", None, max_quote="1000").json()
    assert (quote["quantity"], quote["average_price"], quote["fee"]) == ("15", bought["average_price"], bought["fee"])
    price = world.request("GET", "/api/v1/markets/ABC-USD/price").json()
    assert (price["last"], price["average"]) == ("9.7", "9.633333")
    listed = world.request("GET", "/api/v1/markets").json()
    assert [one["market"]["symbol"] for one in listed["markets"]] == ["ABC-USD"]
    assert world.request("GET", "/api/v1/time").json()["time_ms"] == world.exchange.cluster.now_ms
    assert world.request("GET", "/readyz").json()["ready"] is True


@pytest.mark.parametrize(
    "body, code",
    [
        ({"symbol": "ABC-USD", "side": "BUY"}, "MISSING_FIELD"),
        ({"symbol": "ABC-USD", "quantity": "1"}, "MISSING_FIELD"),
        ({"symbol": "ABC-USD", "side": "BUY", "quantity": "1", "price": "1"}, "UNKNOWN_FIELD"),
        ({"symbol": "ABC-USD", "side": "HOLD", "quantity": "1"}, "WRONG_TYPE"),
        ({"symbol": "NONE", "side": "BUY", "quantity": "1"}, "UNKNOWN_SYMBOL"),
        ({"symbol": "ABC-USD", "side": "BUY", "quantity": "0"}, "NOT_POSITIVE"),
        ({"symbol": "ABC-USD", "side": "BUY", "quantity": "1"}, "NO_LIQUIDITY"),
        (b'{"symbol":"ABC-USD","side":"BUY","quantity":1.5}', "WRONG_TYPE"),
        (b"[]", "NOT_JSON"),
    ],
)
def test_quotes_that_make_no_sense(body, code):
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    assert GatewayWorld().send("POST", "/api/v1/orders/quote", content).json()["code"] == code
