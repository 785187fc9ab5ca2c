"""What anybody may ask: markets, books, prices, quotes, the time, and how the gateway is."""

from msgspec import Struct
from starlette.requests import Request

from producers.answers import AliveAnswer, BookAnswer, MarketAnswer, MarketsAnswer, PriceAnswer, ReadyAnswer, TimeAnswer
from producers.books import quote_market_order
from producers.gateway import Gateway
from producers.health import Part
from producers.intake import take_struct
from producers.problems import problem
from producers.view import Listed
from producers.web import Answer, query, read_body, whole_number
from schemas.commands import Side
from schemas.market import MarketState
from schemas.reasons import Reason
from schemas.refusal import Refused

DEFAULT_LEVELS = 20
MAX_LEVELS = 1000
AVERAGE_DECIMALS = 4  # beyond the tick's


class QuoteRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A market order's size: a quantity of base, or the most to spend (for a sell: to get) of quote."""

    symbol: str
    side: Side
    quantity: str | None = None
    max_quote: str | None = None


async def markets(gateway: Gateway, request: Request) -> Answer:
    query(request)
    gateway.health.check_read(Part.LEDGER, gateway.now())
    found = [_market_answer(gateway, listed) for listed in gateway.view.markets().values()]
    return Answer(200, MarketsAnswer(gateway.facts.exchange, found))


def _market_answer(gateway: Gateway, listed: Listed) -> MarketAnswer:
    state, halts = listed.terms.state, gateway.view.standing_halts(listed.terms.symbol)
    if halts and state in (MarketState.OPEN, MarketState.CANCEL_ONLY):
        state = MarketState.HALTED
    return MarketAnswer(listed.revision, listed.terms.market, state, halts)


async def book(gateway: Gateway, request: Request) -> Answer:
    levels = whole_number(query(request, "levels"), "levels", DEFAULT_LEVELS, 1, MAX_LEVELS)
    symbol, _ = market_of(gateway, request.path_params["symbol"])
    found = gateway.market.book(symbol)
    bids, asks = found.texts(Side.BUY, levels), found.texts(Side.SELL, levels)
    return Answer(200, BookAnswer(symbol, found.sequence, found.time_ms, bids, asks))


async def price(gateway: Gateway, request: Request) -> Answer:
    query(request)
    symbol, listed = market_of(gateway, request.path_params["symbol"])
    prices = gateway.market.price(symbol)
    decimals = min(listed.terms.price_decimals + AVERAGE_DECIMALS, 18)
    average = prices.average(gateway.market.time_ms, decimals)
    return Answer(200, PriceAnswer(symbol, prices.last, average, prices.sequence, prices.time_ms))


async def quote(gateway: Gateway, request: Request) -> Answer:
    query(request)
    wanted = take_struct(await read_body(request), QuoteRequest)
    symbol, listed = market_of(gateway, wanted.symbol)
    terms = listed.terms
    if wanted.quantity is None and wanted.max_quote is None:
        raise Refused(Reason.MISSING_FIELD, "give quantity, max_quote or both")
    lots = terms.quantity_lots(wanted.quantity) if wanted.quantity is not None else None
    budget = terms.quote_minor(wanted.max_quote) if wanted.max_quote is not None else None
    return Answer(200, quote_market_order(gateway.market.book(symbol), terms, wanted.side, lots, budget))


async def time(gateway: Gateway, request: Request) -> Answer:
    query(request)
    log_time_ms = max((part.time_ms for part in gateway.view.partitions.values()), default=0)
    return Answer(200, TimeAnswer(gateway.now_ms(), max(log_time_ms, gateway.market.time_ms)))


async def healthz(gateway: Gateway, request: Request) -> Answer:
    return Answer(200, AliveAnswer(True))


async def readyz(gateway: Gateway, request: Request) -> Answer:
    missing = gateway.health.missing(gateway.now())
    if missing:
        document = problem(Reason.NOT_READY, "; ".join(missing), request.scope["path"], missing=missing)
        return Answer(document.status, document)
    positions = {f"ledger-{p}": part.edge_sequence for p, part in sorted(gateway.view.partitions.items())}
    degraded = gateway.health.degraded(gateway.now())
    if gateway.store.problem is not None:
        degraded.append(gateway.store.problem)
    return Answer(200, ReadyAnswer(True, positions, degraded))


def market_of(gateway: Gateway, symbol: str) -> tuple[str, Listed]:
    gateway.health.check_read(Part.MARKET, gateway.now())
    listed = gateway.view.market(symbol)
    if listed is None:
        raise Refused(Reason.UNKNOWN_SYMBOL, symbol[:40])
    return symbol, listed
