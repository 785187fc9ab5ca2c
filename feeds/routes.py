"""Market data over REST, from the same state as the streams: a sequence means the same book in both."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from feeds.desk import Desk
from feeds.messages import TickerMessage, encode
from feeds.stream import Kind
from schemas.documents import TradeAnswer
from schemas.reasons import TEXTS, Reason
from schemas.refusal import Refused

DEFAULT_LEVELS = 100
MAX_LEVELS = 5_000
DEFAULT_TRADES = 100
PROBLEM_JSON = "application/problem+json"
_STATUS = {
    Reason.BAD_PARAMETER: HTTPStatus.BAD_REQUEST,
    Reason.UNKNOWN_SYMBOL: HTTPStatus.NOT_FOUND,
    Reason.NOT_READY: HTTPStatus.SERVICE_UNAVAILABLE,
}


class TickersAnswer(Struct, frozen=True):
    """Of every market, by symbol."""

    tickers: list[TickerMessage]


class RecentTradesAnswer(Struct, frozen=True):
    """The newest trades that this process has at hand, oldest first."""

    symbol: str
    trades: list[TradeAnswer]


class AliveAnswer(Struct, frozen=True):
    alive: bool


class ReadyAnswer(Struct, frozen=True):
    ready: bool
    connections: int


class ProblemAnswer(Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem document."""

    type: str
    title: str
    status: int
    code: Reason
    detail: str
    instance: str
    missing: list[str] | None = None


def market_routes(desk: Desk) -> list[Route]:
    """What is served wherever streams are."""

    async def depth(request: Request) -> Any:
        limit = _limit(request, DEFAULT_LEVELS, MAX_LEVELS)
        desk.ready.check(Kind.DEPTH)
        return desk.market(request.path_params["symbol"]).depth_snapshot(limit)

    async def ticker(request: Request) -> Any:
        desk.ready.check(Kind.TICKER)
        return desk.market(request.path_params["symbol"]).ticker_message()

    async def tickers(request: Request) -> Any:
        desk.ready.check(Kind.TICKER)
        markets = desk.markets.by_symbol
        return TickersAnswer([markets[symbol].ticker_message() for symbol in sorted(markets)])

    return [
        _route("/api/v1/markets/{symbol}/depth", depth),
        _route("/api/v1/markets/{symbol}/ticker", ticker),
        _route("/api/v1/tickers", tickers),
    ]


def own_routes(desk: Desk, missing: Callable[[], list[str]]) -> list[Route]:
    """What the order gateway serves in full where there is one."""

    async def trades(request: Request) -> Any:
        limit = _limit(request, DEFAULT_TRADES, 1000)
        desk.ready.check(Kind.TRADES)
        market = desk.market(request.path_params["symbol"])
        return RecentTradesAnswer(market.symbol, list(market.trades)[-limit:])

    async def healthz(request: Request) -> Any:
        return AliveAnswer(True)

    async def readyz(request: Request) -> Any:
        if found := missing():
            return _problem(Refused(Reason.NOT_READY, "; ".join(found)), request, found)
        return ReadyAnswer(True, len(desk.connections))

    return [_route("/api/v1/markets/{symbol}/trades", trades), _route("/healthz", healthz), _route("/readyz", readyz)]


def _route(path: str, handler: Callable[[Request], Awaitable[Any]]) -> Route:
    async def serve(request: Request) -> Response:
        try:
            answer = await handler(request)
        except Refused as refused:
            answer = _problem(refused, request)
        if isinstance(answer, ProblemAnswer):
            headers = {"retry-after": "1"} if answer.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
            return Response(encode(answer), answer.status, headers, PROBLEM_JSON)
        return Response(encode(answer), media_type="application/json")

    return Route(path, serve, methods=["GET"], include_in_schema=False)


def _problem(refused: Refused, request: Request, missing: list[str] | None = None) -> ProblemAnswer:
    reason, path = refused.reason, request.scope["path"]
    return ProblemAnswer(f"/refusals#{reason}", TEXTS[reason], _STATUS[reason], reason, refused.detail, path, missing)


def _limit(request: Request, default: int, most: int) -> int:
    text = request.query_params.get("limit")
    if set(request.query_params) - {"limit"}:
        raise Refused(Reason.BAD_PARAMETER, "the only query parameter is limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most):
        raise Refused(Reason.BAD_PARAMETER, f"limit is a whole number from 1 to {most}")
    return int(text)
