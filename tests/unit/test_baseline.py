"""The single-process baseline: its book fills as the matcher's engine does, its money adds up, over a restart too."""

import asyncio
from collections.abc import Iterator
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from benchmarks.baselines.book import Book, Order
from benchmarks.baselines.documents import order_document
from benchmarks.baselines.exchange import FEES, Exchange
from benchmarks.baselines.single_process import LISTING, build_app
from benchmarks.baselines.store import Store, rows_of
from benchmarks.engine import EngineBook
from benchmarks.lost_by_kill import is_older
from benchmarks.order_flow import Cancel, OrderFlow
from glassbook.client import calls
from glassbook.client.calls import Account, Call, Operator
from glassbook.client.keys import Key
from glassbook.client.signer import Signer
from glassbook.listing import read_listing
from matcher.engine import Match
from schemas.commands import CancelOrder, Command, Deposit, NewOrder, OrderType, Side, TimeInForce
from schemas.market import Terms
from schemas.reasons import Reason
from schemas.refusal import Refused
from simulator.load.plan import Acknowledged
from tests.exchange import market

NOW_MS = 1_000_000


def limit(number: int, is_buy: bool, price_ticks: int, lots: int, account: str = "") -> Order:
    return Order(
        number=number, account=account or str(number), is_buy=is_buy, price_ticks=price_ticks, remaining_lots=lots
    )


# --- the book


def test_the_best_price_comes_first_then_the_oldest_order_at_the_makers_price():
    book = Book()
    for number, price in ((1, 101), (2, 100), (3, 100)):
        book.add(limit(number, False, price, 5))
    taker = limit(4, True, 101, 12)
    matches, own = book.match(taker)
    assert [(one.maker.number, one.price_ticks, one.lots) for one in matches] == [(2, 100, 5), (3, 100, 5), (1, 101, 2)]
    assert (own, taker.remaining_lots, book.levels(False, 9)) == (False, 0, [(101, 3)])


def test_a_taker_ends_where_it_meets_its_own_account():
    book = Book()
    book.add(limit(1, False, 100, 5))
    book.add(limit(2, False, 101, 5, account="me"))
    matches, own = book.match(limit(3, True, 102, 20, account="me"))
    assert ([one.maker.number for one in matches], own) == ([1], True)


def test_whether_an_order_fills_whole_changes_nothing():
    book = Book()
    book.add(limit(1, True, 100, 5))
    book.add(limit(2, True, 99, 5))
    assert book.fills_whole(limit(3, False, 99, 10))
    assert not book.fills_whole(limit(3, False, 99, 11))
    assert not book.fills_whole(limit(3, False, 100, 6))
    assert not book.fills_whole(limit(3, False, 99, 6, account="2"))
    assert book.levels(True, 9) == [(100, 5), (99, 5)]


def test_a_random_flow_fills_as_in_the_matchers_engine():
    engine, book, numbers = EngineBook(), Book(), count(1)
    orders: dict[str, Order] = {}
    flow, fills = OrderFlow(engine, 1_000, seed=7), 0
    for operation in chain.from_iterable(chain(flow.filling_runs(), islice(flow.runs(), 60))):
        events = engine.run([operation])
        expected = [
            (one.maker.order_id, one.price_ticks, one.quantity_lots) for one in events if isinstance(one, Match)
        ]
        found = []
        if isinstance(operation, Cancel):
            if (order := orders.pop(operation.order_id, None)) is not None:
                book.remove(order)
        else:
            order = limit(next(numbers), operation.is_buy, operation.price_ticks, operation.lots, operation.account)
            order.client_order_id = operation.order_id
            matches, own = book.match(order)
            found = [(one.maker.client_order_id, one.price_ticks, one.lots) for one in matches]
            for one in matches:
                if not one.maker.remaining_lots:
                    del orders[one.maker.client_order_id]
            if order.remaining_lots and not own:
                book.add(order)
                orders[operation.order_id] = order
        assert found == expected
        fills += len(found)
    assert fills > 1_000
    assert orders.keys() == engine.resting.orders.keys()
    for is_buy in (True, False):
        assert book.best_ticks(is_buy) == engine.best_ticks(is_buy)
        assert all(lots == sum(order.remaining_lots for order in book.side(is_buy)[price].orders.values())
                   for price, lots in book.levels(is_buy, 10_000))  # fmt: skip


# --- the exchange

MARKET = market()
names = count(1)


def command(account: str, side: str, quantity: str, price: str | None = None, **more: Any) -> NewOrder:
    return NewOrder(
        exchange="x", account=account, nonce=1, time_ms=1, deadline_ms=2, client_order_id=f"c{next(names)}",
        symbol=MARKET.symbol, side=Side(side), type=OrderType.LIMIT if price else OrderType.MARKET,
        time_in_force=more.pop("force", TimeInForce.GTC if price else TimeInForce.IOC), price=price,
        quantity=quantity, **more,
    )  # fmt: skip


def cancel(account: str, order: Order) -> CancelOrder:
    return CancelOrder(exchange="x", account=account, nonce=1, time_ms=1, deadline_ms=2, order_id=f"0-{order.number}")


@pytest.fixture
def exchange() -> Exchange:
    found = Exchange([MARKET], max_open_orders=3)
    for account in ("a" * 40, "b" * 40):
        found.register(account)
        for asset in (MARKET.base, MARKET.quote):
            found.deposit(
                Deposit(exchange="x", account=account, asset=asset, amount="1000", transfer_id=asset, time_ms=1)
            )
    return found


A, B = "a" * 40, "b" * 40


def wealth(exchange: Exchange) -> dict[str, int]:
    total: dict[str, int] = {}
    for account in exchange.accounts.values():
        for asset, balance in account.balances.items():
            assert balance.free >= 0 and balance.reserved >= 0
            total[asset] = total.get(asset, 0) + balance.free + balance.reserved
    return total


def test_fills_settle_with_fees_and_nothing_is_made_or_lost(exchange: Exchange):
    before = wealth(exchange)
    resting = exchange.place(command(A, "BUY", "10", "20.00"), NOW_MS)
    assert exchange.accounts[A].balance(MARKET.quote).reserved == resting.reserved_minor > 0
    taker = exchange.place(command(B, "SELL", "4", "19.00"), NOW_MS)
    assert (taker.status, resting.status, resting.filled_lots) == ("FILLED", "OPEN", taker.filled_lots)
    exchange.place(command(B, "SELL", "2"), NOW_MS)
    exchange.place(command(A, "BUY", "3", None, max_quote="100"), NOW_MS)
    exchange.cancel(cancel(A, resting), NOW_MS)
    assert wealth(exchange) == before
    assert exchange.accounts[FEES].balance(MARKET.quote).free > 0
    assert all(not balance.reserved for account in exchange.accounts.values() for balance in account.balances.values())


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (command(A, "BUY", "1000", "20.00"), Reason.INSUFFICIENT_FUNDS),
        (command(A, "SELL", "1001", "20.00"), Reason.INSUFFICIENT_FUNDS),
        (command("c" * 40, "BUY", "1", "20.00"), Reason.UNKNOWN_ACCOUNT),
        (command(A, "BUY", "1", "20.001"), Reason.OFF_TICK),
        (command(A, "SELL", "1", None, max_quote="5"), Reason.BAD_COMBINATION),
        (command(A, "BUY", "1", "20.00", force=TimeInForce.GTD, valid_until_ms=NOW_MS), Reason.ALREADY_EXPIRED),
    ],
)
def test_what_is_refused_changes_nothing(exchange: Exchange, wanted: NewOrder, reason: Reason):
    before = wealth(exchange)
    with pytest.raises(Refused) as refused:
        exchange.place(wanted, NOW_MS)
    assert refused.value.reason is reason
    assert (wealth(exchange), exchange.orders) == (before, {})


def test_an_account_has_a_most_of_open_orders_and_ids_are_its_own_once(exchange: Exchange):
    first = command(A, "BUY", "1", "10.00")
    exchange.place(first, NOW_MS)
    with pytest.raises(Refused, match="DUPLICATE_CLIENT_ORDER_ID"):
        exchange.place(first, NOW_MS)
    for _ in range(2):
        exchange.place(command(A, "BUY", "1", "10.00"), NOW_MS)
    with pytest.raises(Refused, match="TOO_MANY_OPEN_ORDERS"):
        exchange.place(command(A, "BUY", "1", "10.00"), NOW_MS)
    with pytest.raises(Refused, match="UNKNOWN_ORDER"):
        exchange.cancel(cancel(B, exchange.orders[1]), NOW_MS)


def test_orders_expire_at_their_time_and_by_their_force(exchange: Exchange):
    timed = exchange.place(command(A, "BUY", "1", "10.00", force=TimeInForce.GTD, valid_until_ms=NOW_MS + 5), NOW_MS)
    exchange.expire(NOW_MS + 4)
    assert timed.status == "OPEN"
    exchange.expire(NOW_MS + 5)
    assert (timed.status, timed.cause) == ("EXPIRED", Reason.VALID_UNTIL)
    for force in (TimeInForce.IOC, TimeInForce.FOK):
        assert exchange.place(command(A, "BUY", "1", "10.00", force=force), NOW_MS).status == "EXPIRED"
    exchange.place(command(B, "SELL", "1", "11.00"), NOW_MS)
    assert exchange.place(command(A, "BUY", "1", "11.00", post_only=True), NOW_MS).cause == Reason.WOULD_TAKE


# --- its storage


def restored(path: Path) -> Exchange:
    found, store = Exchange([MARKET], max_open_orders=3), Store(path)
    store.load(found)
    store.start()
    store.close()
    return found


def test_a_restart_goes_on_from_the_last_flush_and_what_came_later_is_gone(exchange: Exchange, tmp_path: Path):
    store = Store(tmp_path / "e.sqlite")
    store.start()
    first = exchange.place(command(A, "BUY", "10", "20.00"), NOW_MS)
    exchange.place(command(B, "SELL", "4", "20.00"), NOW_MS)
    store.put(rows_of(exchange.take_changes()))
    kept = wealth(exchange)
    lost = exchange.place(command(A, "BUY", "1", "19.00"), NOW_MS)
    store.close()
    again = restored(tmp_path / "e.sqlite")
    assert wealth(again) == kept
    assert lost.number not in again.orders
    assert again.orders[first.number] == first
    assert again.markets[MARKET.symbol].book.levels(True, 9) == [(first.price_ticks, first.remaining_lots)]
    assert again.markets[MARKET.symbol].trades == exchange.markets[MARKET.symbol].trades
    assert again.place(command(B, "SELL", "6", "20.00"), NOW_MS).status == "FILLED"


@pytest.mark.parametrize(
    ("status", "filled", "said_status", "said_filled", "older"),
    [
        ("OPEN", "4", "OPEN", "4", False),
        ("FILLED", "10", "OPEN", "4.0", False),
        ("CANCELLED", "4", "CANCELLED", "4", False),
        ("OPEN", "3", "OPEN", "4", True),
        ("OPEN", "4", "CANCELLED", "4", True),
        ("OPEN", "10", "FILLED", "10", True),
    ],
)
def test_an_order_is_older_than_was_said_where_less_has_happened_to_it(
    exchange: Exchange, status: str, filled: str, said_status: str, said_filled: str, older: bool
):
    placed = exchange.place(command(A, "BUY", "10", "20.00"), NOW_MS)
    found = structs.replace(order_document(placed, Terms(MARKET)), status=status, filled=filled)
    said = Acknowledged("0-1", b"", True, "", "0-1", said_status, said_filled, A)
    assert is_older(found, said) is older


# --- over HTTP


class Http:
    """The whole application in this process, its flushing thread too."""

    def __init__(self, runner: asyncio.Runner, client: httpx.AsyncClient) -> None:
        self._runner, self._client = runner, client

    def request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, content=body, headers=headers))


@pytest.fixture
def http(tmp_path: Path) -> Iterator[Http]:
    app = build_app(read_listing(LISTING), tmp_path)
    lifespan = app.router.lifespan_context(app)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://baseline")
    with asyncio.Runner() as runner:
        runner.run(lifespan.__aenter__())
        yield Http(runner, client)
        runner.run(client.aclose())
        runner.run(lifespan.__aexit__(None, None, None))


def send(http: Http, call: Call[Any]) -> Any:
    response = http.request(call.method, call.target, call.body, call.all_headers())
    assert response.status_code == 200, response.text
    return call.read(response.status_code, response.content)


def test_the_gateways_client_drives_it(http: Http):
    listed = send(http, calls.markets())
    operator, symbol = Operator(Key.new(), listed.exchange), listed.markets[0].market.symbol
    me, other = (Account(Signer(Key.new(), listed.exchange)) for _ in range(2))
    terms = listed.markets[0].market
    for account in (me, other):
        send(http, operator.register(account.signer.key.public))
        for asset in (terms.base, terms.quote):
            send(http, operator.deposit(account.id, asset, "100000", asset))
    order = send(http, me.place(me.signer.limit_order(symbol, "BUY", 10, "100.50")))
    taken = send(http, other.place(other.signer.limit_order(symbol, "SELL", 4, "100")))
    assert (order.status, taken.status, taken.average_price) == ("OPEN", "FILLED", "100.5")
    assert send(http, me.order(order.order_id)).filled == "4"
    assert [one.order_id for one in send(http, me.open_orders(symbol)).orders] == [order.order_id]
    assert send(http, calls.depth(symbol, 5)).bids == [("100.5", "6")]
    assert send(http, calls.trades(symbol)).trades[0].taker_order_id == taken.order_id
    assert send(http, calls.ticker(symbol)).last == "100.5"
    assert send(http, me.balances()).balances[0].free == "100004"
    batch: list[Command] = [me.signer.limit_order(symbol, "BUY", 1, "90"), me.signer.cancel_order(order.order_id),
             me.signer.cancel_order(order.order_id)]  # fmt: skip
    assert [one.status for one in send(http, me.batch(batch)).results] == [200, 200, 409]
    assert len(send(http, me.cancel_all()).orders) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/api/v1/orders", b"{", 400, "NOT_JSON"),
        ("POST", "/api/v1/orders", b'{"command": {"command": "new_order"}}', 422, "WRONG_TYPE"),
        ("POST", "/api/v1/orders/batch", b'{"commands": []}', 400, "BAD_PARAMETER"),
        ("POST", "/api/v1/orders", b" " * (1 << 20) + b" ", 413, "BODY_TOO_LARGE"),
        ("GET", "/api/v1/markets/NONE/depth", None, 404, "UNKNOWN_SYMBOL"),
        ("GET", "/api/v1/markets/AAPL-USD/depth?limit=0", None, 400, "BAD_PARAMETER"),
        ("GET", "/api/v1/orders?after=x", None, 404, "UNKNOWN_ACCOUNT"),
        ("GET", "/api/v1/balances", None, 404, "UNKNOWN_ACCOUNT"),
        ("GET", "/api/v1/orders/0-x", None, 404, "UNKNOWN_ORDER"),
        ("GET", f"/api/v1/orders/0-{'9' * 5_000}", None, 404, "UNKNOWN_ORDER"),
    ],
)
def test_bad_input_is_refused_with_its_reason(
    http: Http, method: str, path: str, body: bytes | None, status: int, code: str
):
    response = http.request(method, path, body, {})
    assert (response.status_code, response.json()["code"]) == (status, code)
