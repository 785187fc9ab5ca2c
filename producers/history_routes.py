"""What was: candles and trades for anybody, an account's trades and statement for its owner. As JSON or CSV."""

import re

from starlette.requests import Request

from producers.account_history import account_trades as read_account_trades
from producers.account_history import statement as read_statement
from producers.account_routes import MAX_SEQUENCE, signed_reader
from producers.candle_chain import CandleAsk
from producers.candle_pages import candles as read_candles
from producers.csv_answers import csv_of
from producers.gateway import Gateway
from producers.health import Part
from producers.history_answers import AccountTrade, StatementLine
from producers.history_store import Cursor, JournalAsk
from producers.public_routes import market_of
from producers.trade_pages import TradeAsk
from producers.trade_pages import trades as read_trades
from producers.web import Answer, query, time_range, wants_csv, whole_number
from schemas.candles import Interval
from schemas.documents import CandleAnswer, TradeAnswer
from schemas.reasons import Reason
from schemas.refusal import Refused

DEFAULT_CANDLES = 500
DEFAULT_ROWS = 200
MAX_ROWS = 1000
CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,9})", re.ASCII)
NAME = re.compile(r"[A-Z0-9.-]{1,32}", re.ASCII)


async def candles(gateway: Gateway, request: Request) -> Answer:
    params = query(request, "interval", "from", "to", "limit", "fill", "format")
    interval = _interval(params.get("interval"))
    first_ms, end_ms = time_range(params)
    limit = whole_number(params, "limit", DEFAULT_CANDLES, 1, MAX_ROWS)
    filled = _flag(params.get("fill"), "fill")
    as_csv = wants_csv(request, params)
    symbol, listed = market_of(gateway, request.path_params["symbol"])
    gateway.health.check_read(Part.CANDLES, gateway.now())
    ask = CandleAsk(symbol=symbol, interval=interval, first_ms=first_ms, end_ms=end_ms, limit=limit)
    found = await read_candles(gateway, ask, listed.terms.partition, filled=filled)
    return Answer(200, csv_of(found, CandleAnswer, found.candles) if as_csv else found)


async def trades(gateway: Gateway, request: Request) -> Answer:
    params = query(request, "after", "before", "from", "to", "limit", "format")
    after, before = (_sequence(params.get(name), name) for name in ("after", "before"))
    _not_both(after, before)
    first_ms, end_ms = time_range(params)
    limit = whole_number(params, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
    as_csv = wants_csv(request, params)
    symbol, listed = market_of(gateway, request.path_params["symbol"])
    ask = TradeAsk(symbol=symbol, after=after, before=before, first_ms=first_ms, end_ms=end_ms, limit=limit)
    found = await read_trades(gateway, ask, listed.terms.partition)
    return Answer(200, csv_of(found, TradeAnswer, found.trades) if as_csv else found)


async def account_trades(gateway: Gateway, request: Request) -> Answer:
    ask, as_csv = await _journal_ask(gateway, request, "symbol")
    found = await read_account_trades(gateway, ask)
    body = csv_of(found, AccountTrade, found.trades) if as_csv else found
    return Answer(200, body, gateway.position_of(ask.account))


async def statement(gateway: Gateway, request: Request) -> Answer:
    ask, as_csv = await _journal_ask(gateway, request, "asset")
    found = await read_statement(gateway, ask)
    body = csv_of(found, StatementLine, found.lines) if as_csv else found
    return Answer(200, body, gateway.position_of(ask.account))


async def _journal_ask(gateway: Gateway, request: Request, only: str) -> tuple[JournalAsk, bool]:
    """What is asked for, whether as CSV; `only` is the name of the parameter that narrows it down."""
    params = query(request, "after", "before", "from", "to", "limit", "format", only)
    after, before = (_cursor(params.get(name), name) for name in ("after", "before"))
    _not_both(after, before)
    first_ms, end_ms = time_range(params)
    limit = whole_number(params, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
    as_csv = wants_csv(request, params)
    name = params.get(only)
    if name is not None and NAME.fullmatch(name) is None:
        raise Refused(Reason.BAD_PARAMETER, f"{only} is no name such as BTC")
    account = await signed_reader(gateway, request)
    ask = JournalAsk(
        account=account, after=after, before=before, first_ms=first_ms, end_ms=end_ms, only=name, limit=limit
    )
    return ask, as_csv


def _interval(text: str | None) -> Interval:
    if text is None:
        raise Refused(Reason.BAD_PARAMETER, f"give interval, one of {', '.join(Interval)}")
    try:
        return Interval(text)
    except ValueError:
        raise Refused(Reason.UNKNOWN_INTERVAL, f"{text[:20]!r} is none of {', '.join(Interval)}") from None


def _flag(text: str | None, name: str) -> bool:
    if text not in (None, "true", "false"):
        raise Refused(Reason.BAD_PARAMETER, f"{name} is true or false")
    return text == "true"


def _sequence(text: str | None, name: str) -> int | None:
    return None if text is None else whole_number({name: text}, name, 0, 0, MAX_SEQUENCE)


def _cursor(text: str | None, name: str) -> Cursor | None:
    if text is None:
        return None
    found = CURSOR.fullmatch(text)
    if found is None:
        raise Refused(Reason.BAD_PARAMETER, f"{name} is a cursor such as 12-0; begin with 0-0")
    return Cursor(int(found[1]), int(found[2]))


def _not_both(after: object, before: object) -> None:
    if after is not None and before is not None:
        raise Refused(Reason.BAD_RANGE, "after goes on behind a place, before leads up to one: give one of them")
