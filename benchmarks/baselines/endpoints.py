"""The baseline's endpoints: requests into calls of the exchange, and its answers into documents.

Paths, bodies and answers are those of Glassbook's gateway. Routes are Starlette's and JSON is msgspec's; pydantic takes
no part.
"""

import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.baselines import documents
from benchmarks.baselines.book import Order
from benchmarks.baselines.exchange import Exchange
from benchmarks.baselines.state import ListedMarket
from glassbook.client import answers
from producers.problems import PROBLEM_JSON, problem
from schemas.commands import CancelAll, CancelOrder, Deposit, NewOrder, RegisterAccount
from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.signing import account_of

MAX_BODY_BYTES = 1 << 20
MAX_BATCH = 1_024
MAX_PAGE = 1_000
MAX_DIGITS = 18
_API = "/api/v1"


class Sent(Struct):
    """A command as the gateway takes it. Key and signature aren't looked at."""

    command: NewOrder | CancelOrder | CancelAll | RegisterAccount | Deposit


class SentBatch(Struct):
    commands: list[NewOrder | CancelOrder]


_sent = msgspec.json.Decoder(Sent)
_batch = msgspec.json.Decoder(SentBatch)
_encode = msgspec.json.Encoder().encode
Handler = Callable[[Request], Awaitable[Any]]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Service:
    """The endpoints, over one exchange."""

    def __init__(self, exchange: Exchange, domain: str) -> None:
        self.exchange = exchange
        self._domain = domain
        self._since_ms = now_ms()
        self._others = count(1)  # commands that are no orders

    def routes(self) -> list[Route]:
        handlers: list[tuple[str, str, Handler]] = [
            ("POST", f"{_API}/accounts", self.command),
            ("POST", f"{_API}/deposits", self.command),
            ("POST", f"{_API}/orders", self.command),
            ("POST", f"{_API}/orders/batch", self.batch),
            ("POST", f"{_API}/orders/{{order_id}}/cancel", self.command),
            ("DELETE", f"{_API}/orders", self.command),
            ("GET", f"{_API}/orders", self.open_orders),
            ("GET", f"{_API}/orders/by-client-id/{{client_order_id}}", self.order_by_client_id),
            ("GET", f"{_API}/orders/{{order_id}}", self.order_by_id),
            ("GET", f"{_API}/balances", self.balances),
            ("GET", f"{_API}/markets", self.markets),
            ("GET", f"{_API}/markets/{{symbol}}/book", self.book),
            ("GET", f"{_API}/markets/{{symbol}}/depth", self.depth),
            ("GET", f"{_API}/markets/{{symbol}}/trades", self.trades),
            ("GET", f"{_API}/markets/{{symbol}}/ticker", self.ticker),
            ("GET", f"{_API}/time", self.time),
            ("GET", "/readyz", self.ready),
        ]
        return [Route(path, _answered(handler), methods=[method]) for method, path, handler in handlers]

    # --- commands

    async def command(self, request: Request) -> Any:
        return self._carry_out(_decoded(_sent, await _body(request)).command)

    async def batch(self, request: Request) -> answers.Batch:
        commands = _decoded(_batch, await _body(request)).commands
        if not 1 <= len(commands) <= MAX_BATCH:
            raise Refused(Reason.BAD_PARAMETER, f"a batch has 1 to {MAX_BATCH} commands")
        return answers.Batch([self._result(command) for command in commands])

    def _result(self, command: NewOrder | CancelOrder) -> Any:
        """A result of a batch: documents go into it as they are."""
        try:
            return _Result(200, self._carry_out(command))
        except Refused as refused:
            found = problem(refused.reason, refused.detail)
            return _Result(found.status, found)

    def _carry_out(self, command: Any) -> Any:
        exchange = self.exchange
        match command:
            case NewOrder():
                order = exchange.place(command, now_ms())
                return self._document(order, f"0-{order.number}")
            case CancelOrder():
                return self._document(exchange.cancel(command, now_ms()), f"1-{next(self._others)}")
            case CancelAll():
                ended = exchange.cancel_all(command.account, command.symbol, now_ms())
                return answers.CancelledAll(
                    f"1-{next(self._others)}", [answers.OrderBrief(f"0-{one.number}", one.status) for one in ended]
                )
            case RegisterAccount():
                account = account_of(command.root_key)
                exchange.register(account)
                return answers.Done(f"1-{next(self._others)}", account)
            case Deposit():
                exchange.deposit(command)
                return answers.Done(f"1-{next(self._others)}", command.account)

    def _document(self, order: Order, command_id: str | None = None) -> answers.Order:
        return documents.order_document(order, self.exchange.markets[order.symbol].terms, command_id=command_id)

    # --- an account's reads

    async def order_by_id(self, request: Request) -> answers.Order:
        number = _number(request.path_params["order_id"].partition("-")[2])
        order = self.exchange.orders.get(number) if number is not None else None
        if order is None or order.account != _reader(request):
            raise Refused(Reason.UNKNOWN_ORDER)
        return self._document(order)

    async def order_by_client_id(self, request: Request) -> answers.Order:
        account = self.exchange.account(_reader(request))
        order = account.by_client_id.get(request.path_params["client_order_id"])
        if order is None:
            raise Refused(Reason.UNKNOWN_ORDER)
        return self._document(order)

    async def open_orders(self, request: Request) -> answers.OpenOrders:
        account, query = self.exchange.account(_reader(request)), request.query_params
        after = _number(query.get("after", "0-0").partition("-")[2])
        if after is None:
            raise Refused(Reason.BAD_PARAMETER, "after is an order id")
        return documents.open_orders_document(
            self.exchange, account, query.get("symbol"), after, _limit(request, "limit", 200)
        )

    async def balances(self, request: Request) -> answers.Balances:
        name = _reader(request)
        return documents.balances_document(self.exchange, name, self.exchange.account(name))

    # --- anybody's reads

    async def markets(self, request: Request) -> answers.Markets:
        return documents.markets_document(self.exchange, self._domain)

    async def book(self, request: Request) -> answers.Book:
        return documents.book_document(self._market(request), _limit(request, "levels", 20), now_ms())

    async def depth(self, request: Request) -> answers.Depth:
        return documents.depth_document(self._market(request), _limit(request, "limit", 100), now_ms())

    async def trades(self, request: Request) -> Any:
        return documents.trades_document(self._market(request), _limit(request, "limit", 100))

    async def ticker(self, request: Request) -> answers.Ticker:
        return documents.ticker_document(self._market(request), now_ms(), self._since_ms)

    async def time(self, request: Request) -> answers.ServerTime:
        return answers.ServerTime(now_ms(), now_ms())

    async def ready(self, request: Request) -> dict[str, bool]:
        return {"ready": True}

    def _market(self, request: Request) -> ListedMarket:
        return self.exchange.market(request.path_params["symbol"])


class _Result(Struct):
    status: int
    answer: Any


async def _body(request: Request) -> bytes:
    announced = request.headers.get("content-length", "")
    if not announced.isdigit() or int(announced) > MAX_BODY_BYTES:
        raise Refused(Reason.BODY_TOO_LARGE)
    return await request.body()


def _decoded(decoder: Any, body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Refused(Reason.WRONG_TYPE, str(error)) from None
    except msgspec.DecodeError as error:
        raise Refused(Reason.NOT_JSON, str(error)) from None


def _reader(request: Request) -> str:
    return request.headers.get("glassbook-account", "")


def _limit(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    number = _number(text)
    if number is None or not 1 <= number <= MAX_PAGE:
        raise Refused(Reason.BAD_PARAMETER, f"{name} is a whole number from 1 to {MAX_PAGE}")
    return number


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None


def _answered(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            return Response(_encode(await handler(request)), 200, media_type="application/json")
        except Refused as refused:
            found = problem(refused.reason, refused.detail)
            return Response(_encode(found), found.status, media_type=PROBLEM_JSON)

    return serve
