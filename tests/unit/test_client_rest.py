"""The client against a gateway written by hand, and its answers against those that the gateway makes."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, get_type_hints

import httpx
import msgspec
import pytest

from feeds.openapi import describe as market_data
from glassbook.client import answers, calls, history, pages
from glassbook.client.calls import Account, Operator
from glassbook.client.rest import AsyncClient, Client, Refusal, Unreachable
from glassbook.client.signer import Signer
from glassbook.client.vectors.material import EXCHANGE, KEYS, TIME_MS
from producers import answers as made
from producers import books, history_answers, orders, problems
from producers.app import ROUTES
from schemas import documents
from schemas.authority import open_signed
from schemas.records import MerklePath, SignedCommand
from schemas.signing import check_signature, encode_bytes, merkle_tree

ORDER = {
    "order_id": "1-2", "client_order_id": "a", "account": "b", "symbol": "AMZN-USD", "side": "BUY", "type": "LIMIT",
    "time_in_force": "GTC", "status": "OPEN", "filled": "0", "filled_quote": "0", "created_ms": 1, "updated_ms": 2,
    "a_field_of_tomorrow": [1],
}  # fmt: skip


class Gateway:
    """Answers what it was told to, and keeps what it was asked."""

    def __init__(self, status: int = 200, body: Any = None, headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, ORDER if body is None else body, headers or {}
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(self.status, json=self.body, headers=self.headers)

    def client(self) -> Client:
        return Client("http://gateway", httpx.MockTransport(self))

    @property
    def target(self) -> str:
        return self.asked[-1].url.raw_path.decode()


@pytest.fixture
def me():
    return Account(Signer(KEYS["alice"], EXCHANGE, clock=lambda: TIME_MS))


def every_call(me: Account) -> list[calls.Call[Any]]:
    operator, signer = Operator(KEYS["operator"], EXCHANGE), me.signer
    order = signer.limit_order("AMZN-USD", "BUY", 1, "2", client_order_id="a/b?")
    return [
        calls.server_time(),
        calls.markets(),
        calls.book("AMZN-USD", 5),
        calls.price("AMZN-USD"),
        calls.depth("AMZN-USD", 5),
        calls.ticker("AMZN-USD"),
        calls.tickers(),
        calls.proof("AMZN-USD", 7),
        calls.demonstration(),
        calls.quote_order("AMZN-USD", "BUY", max_quote="100"),
        me.register(),
        me.play_money("AMZN-USD"),
        me.place(order, wait="log", timeout_ms=100),
        me.test(order),
        me.batch([order]),
        me.cancel(signer.cancel_order(order_id="1-2")),
        me.amend(signer.amend_order(3, client_order_id="mine")),
        me.cancel_all("AMZN-USD"),
        me.cancel_all_after(15_000),
        me.register_key(signer.delegate(KEYS["alice-trade"].public, TIME_MS)),
        me.revoke_key(KEYS["alice-trade"].public),
        me.withdraw("USD", "1", "home"),
        me.order("1-2"),
        me.order_by_client_id("mine"),
        me.open_orders("AMZN-USD", after="1-2", limit=10),
        me.executions(after=5, limit=10),
        me.balances(),
        calls.candles("AMZN-USD", "1m", 5, datetime(2026, 1, 31, tzinfo=UTC), limit=10, fill=True),
        calls.trades("AMZN-USD", after=5, limit=10),
        calls.alerts(after="0-0", symbol="AMZN-USD", severity="WRONG", limit=10),
        me.trades("AMZN-USD", before="5-0"),
        me.statement("USD", after="0-0", start=1, end=2, limit=10),
        operator.register(KEYS["bob"].public),
        operator.deposit(KEYS["bob"].account, "USD", "5"),
        operator.settle_withdrawal(KEYS["bob"].account, "1-2", paid=True),
    ]


def test_every_call_is_one_that_the_gateway_has(me):
    routes = {(route.method, route.path) for route in ROUTES}
    routes |= {("GET", path) for path in market_data()["paths"]}

    def matches(call: calls.Call[Any], method: str, path: str) -> bool:
        mine, theirs = call.target.partition("?")[0].split("/"), path.split("/")
        same = [b.startswith("{") or a == b for a, b in zip(mine, theirs, strict=False)]
        return call.method == method and len(mine) == len(theirs) and all(same)

    called = set()
    for call in every_call(me):
        found = {route for route in routes if matches(call, *route)}
        assert found, f"{call.method} {call.target}"
        called |= found
    # What is left are other spellings of the same.
    others = {path for method, path in routes - called if path.startswith("/api")}
    assert others <= {"/api/v1/keys/revoke", "/api/v1/orders/cancel", "/api/v1/orders/{order_id}",
                      "/api/v1/orders/{order_id}/amend"}  # fmt: skip


def test_commands_are_signed_and_reads_too(me):
    gateway = Gateway()
    client = gateway.client()
    client.send(me.place(me.signer.limit_order("AMZN-USD", "BUY", 1, "2"), wait="log"))
    assert gateway.target == "/api/v1/orders?wait=log"
    assert open_signed(msgspec.json.decode(gateway.asked[-1].content, type=SignedCommand)).key == KEYS["alice"].public
    client.send(me.order("1-2"))
    headers = gateway.asked[-1].headers
    message = f"glassbook read v1\n{EXCHANGE}\nGET\n/api/v1/orders/1-2\n{me.id}\n{TIME_MS}"
    check_signature(headers["Glassbook-Key"], headers["Glassbook-Signature"], message.encode())


def test_a_batch_opens_as_the_stages_open_it(me):
    gateway = Gateway(body={"results": []})
    orders_ = [me.signer.limit_order("AMZN-USD", "BUY", number, "2") for number in (1, 2, 3)]
    gateway.client().send(me.batch(orders_))
    body = json.loads(gateway.asked[-1].content)
    leaves = [bytes(raw) for raw in me.signer.sign_batch(orders_).commands]
    _, paths = merkle_tree(leaves)
    for index, leaf in enumerate(leaves):
        path = MerklePath(index, 3, [encode_bytes(item) for item in paths[index]])
        assert open_signed(SignedCommand(msgspec.Raw(leaf), body["key"], body["signature"], path=path)).raw == leaf


def test_an_order_and_a_receipt(me):
    order = me.signer.limit_order("AMZN-USD", "BUY", 1, "2")
    found = Gateway().client().send(me.place(order))
    assert isinstance(found, answers.Order)
    assert (found.order_id, found.is_open) == ("1-2", True)
    receipt = Gateway(202, {"outcome": "UNKNOWN", "order_id": "1-2"}).client().send(me.place(order))
    assert isinstance(receipt, answers.Receipt)
    assert receipt.order_id == "1-2"


@pytest.mark.parametrize(
    ("status", "body", "headers", "said", "retry"),
    [
        (409, {"code": "NONCE_REUSED", "title": "Used.", "detail": "7"}, {}, "NONCE_REUSED: Used. (7)", None),
        (429, {"code": "RATE_LIMITED", "title": "Wait."}, {"Retry-After": "2"}, "RATE_LIMITED: Wait.", 2.0),
        (502, "Bad Gateway", {}, '0: "Bad Gateway"', None),
    ],
)  # fmt: skip
def test_refusals(me, status, body, headers, said, retry):
    with pytest.raises(Refusal) as refused:
        Gateway(status, body, headers).client().send(me.balances())
    assert (str(refused.value).replace("502", "0"), refused.value.retry_after_s) == (said, retry)


def test_no_answer_is_one_line(me):
    def dead(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(Unreachable, match=r"no answer from the gateway on http://gateway \(refused\)"):
        Client("http://gateway", httpx.MockTransport(dead)).send(me.balances())


def test_reads_ask_for_at_least_what_was_answered_before(me):
    gateway = Gateway(headers={"Glassbook-Position": "2-17"})
    client = gateway.client()
    client.send(me.place(me.signer.limit_order("AMZN-USD", "BUY", 1, "2")))
    client.send(me.order("1-2"))
    assert gateway.asked[-1].headers["Glassbook-Read-After"] == "2-17"
    bob = Account(Signer(KEYS["bob"], EXCHANGE))
    client.send(bob.order("1-2"))
    assert "Glassbook-Read-After" not in gateway.asked[-1].headers


def test_the_same_calls_for_asyncio(me):
    gateway = Gateway(body={"exchange": EXCHANGE, "markets": []})

    async def ask() -> tuple[str, Any]:
        async with AsyncClient("http://gateway", httpx.MockTransport(gateway)) as client:
            exchange = await client.exchange()
            gateway.status, gateway.body = 404, {"code": "UNKNOWN_ORDER"}
            with pytest.raises(Refusal) as refused:
                await client.send(me.order("1-2"))
            return exchange, refused.value.code

    assert asyncio.run(ask()) == (EXCHANGE, "UNKNOWN_ORDER")


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (answers.Order, made.OrderAnswer),
        (answers.Fill, orders.Fill),
        (answers.Receipt, made.Receipt),
        (answers.OrderBrief, made.OrderBrief),
        (answers.CancelledAll, made.CancelAllAnswer),
        (answers.Done, made.CommandAnswer),
        (answers.BatchResult, made.BatchResult),
        (answers.Batch, made.BatchAnswer),
        (answers.Tested, made.AcceptanceAnswer),
        (answers.OpenOrders, made.OpenOrdersAnswer),
        (answers.Execution, made.Execution),
        (answers.Executions, made.ExecutionsAnswer),
        (answers.WaitingWithdrawal, made.WithdrawalWaiting),
        (answers.Balances, made.BalancesAnswer),
        (answers.ListedMarket, made.MarketAnswer),
        (answers.Markets, made.MarketsAnswer),
        (answers.Book, made.BookAnswer),
        (answers.Quote, books.Quote),
        (answers.Price, made.PriceAnswer),
        (answers.ServerTime, made.TimeAnswer),
        (history.Candle, documents.CandleAnswer),
        (history.Candles, history_answers.CandlesAnswer),
        (history.Trade, documents.TradeAnswer),
        (history.Trades, history_answers.TradesAnswer),
        (history.AccountTrade, history_answers.AccountTrade),
        (history.AccountTrades, history_answers.AccountTradesAnswer),
        (history.StatementLine, history_answers.StatementLine),
        (history.Statement, history_answers.StatementAnswer),
    ],
)
def test_what_the_gateway_makes_is_what_the_client_reads(mine, theirs):
    """The client knows every field, and demands none that the gateway may leave out."""
    read = {field.name: field for field in msgspec.structs.fields(mine)}
    written = {field.name: field for field in msgspec.structs.fields(theirs)}
    assert read.keys() == written.keys()
    omits = theirs.__struct_config__.omit_defaults
    for name, field in written.items():
        if omits and not field.required:
            assert not read[name].required, name
        text = str(get_type_hints(mine)[name])
        if "None" in str(get_type_hints(theirs)[name]):
            assert "None" in text, name


# --- page by page


class Market:
    """Answers with pages of three trades out of `count`."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.raw_path.decode())
        after = int(request.url.params["after"])
        page = list(range(after + 1, min(after + 3, self.count) + 1))
        trade = dict.fromkeys((field.name for field in msgspec.structs.fields(history.Trade)), "") | {"time_ms": 1}
        more = bool(page) and page[-1] < self.count
        body = {"symbol": "A-B", "trades": [trade | {"sequence": one} for one in page], "more": more, "expired": False}
        return httpx.Response(200, json=body)


@pytest.mark.parametrize("count, asked", [(0, 1), (3, 1), (4, 2), (7, 3)])
def test_all_pages_are_walked_in_order(count, asked):
    market = Market(count)
    client = Client("http://gateway", httpx.MockTransport(market))
    assert [trade.sequence for trade in client.walk(pages.trades("A-B"))] == list(range(1, count + 1))
    assert len(market.asked) == asked
    assert market.asked[0] == "/api/v1/markets/A-B/trades?after=0&limit=1000"

    async def walk() -> list[int]:
        async with AsyncClient("http://gateway", httpx.MockTransport(Market(count))) as other:
            return [trade.sequence async for trade in other.walk(pages.trades("A-B"))]

    assert asyncio.run(walk()) == list(range(1, count + 1))


def test_what_is_asked_for_the_next_page(me):
    fields = {field.name: 0 for field in msgspec.structs.fields(history.Candle)}
    candle = history.Candle(**(fields | {"open_time_ms": 60_000}))  # type: ignore[arg-type]
    walked = pages.candles("A-B", "1m", start=5, end=10**9, fill=True)
    assert walked.first.target == "/api/v1/markets/A-B/candles?interval=1m&from=5&to=1000000000&limit=1000&fill=true"
    following = walked.next(history.Candles("A-B", "1m", [candle], True, False, 9))
    assert following is not None
    assert "from=60001&to=1000000000" in following.target
    assert walked.next(history.Candles("A-B", "1m", [candle], False, False, 9)) is None
    assert walked.next(history.Candles("A-B", "1m", [], True, False, 9)) is None
    statement = pages.statement(me, "USD", start=datetime(2026, 1, 31, tzinfo=UTC))
    assert statement.first.target == (
        "/api/v1/account/statement?from=1769817600000&asset=USD&after=0-0&limit=1000"
    )  # fmt: skip
    assert statement.first.reader is me.signer
    with pytest.raises(ValueError, match="has no time zone"):
        pages.account_trades(me, start=datetime(2026, 1, 31))


def test_the_problem_is_the_gateways():
    assert {field.name for field in msgspec.structs.fields(answers.Problem)} <= {
        field.name for field in msgspec.structs.fields(problems.Problem)
    }
