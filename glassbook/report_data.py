"""What a report shows, read from ClickHouse by somebody who may only read: candles, volumes and the ten answers.

Everything is limited: a report is a page for a person, and its size must not follow the exchange's.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from glassbook.clickhouse import Access
from glassbook.errors import GlassbookError
from glassbook.report_questions import Question
from schemas.candles import Interval

CHARTED_SYMBOLS = 4  # the busiest, where none is asked for
CANDLES = 400  # in one chart
VOLUMES = 20  # markets in a chart of volumes
TABLE_ROWS = 100
MOST_ROWS = 10_000  # markets

Rows = Sequence[Sequence[Any]]

_SYMBOLS = """
SELECT symbol, any(fee_asset) AS quote_asset, count() AS trades, sum(quote_quantity) AS quote_volume,
    min(time) AS first_trade, max(time) AS last_trade
FROM trades FINAL
GROUP BY symbol
ORDER BY trades DESC, symbol
"""
_CANDLES = """
SELECT open_time, open, high, low, close, volume
FROM candles FINAL
WHERE symbol = {symbol:String} AND interval = {interval:String}
ORDER BY open_time DESC
LIMIT {limit:UInt32}
"""
_HAS_TABLES = "EXISTS TABLE trades"
_IS_LISTED = "SELECT count() > 0 FROM markets WHERE symbol = {symbol:String}"


class Traded(NamedTuple):
    """One market's trading, all of it."""

    symbol: str
    quote_asset: str
    trades: int
    quote_volume: Decimal
    first_trade: datetime
    last_trade: datetime


class Candles(NamedTuple):
    """The newest candles of a market, oldest first."""

    symbol: str
    interval: Interval
    rows: Rows  # open_time, open, high, low, close, volume
    more: bool  # there are older ones


class Answer(NamedTuple):
    question: Question
    parameters: Mapping[str, str]
    columns: Sequence[str] = ()
    rows: Rows = ()
    more: bool = False  # there are more rows than these
    error: str = ""


class ReportData(NamedTuple):
    symbol: str  # the market that was asked for, or empty
    traded: Sequence[Traded]
    candles: Sequence[Candles]
    answers: Sequence[Answer]


def read_report(client: Client, questions: Sequence[Question], symbol: str = "") -> ReportData:
    """Raises GlassbookError for a market that isn't there, or where ClickHouse doesn't answer."""
    if not _rows(client, _HAS_TABLES)[0][0]:  # no sink has run yet
        if symbol:
            raise _unknown(symbol, [])
        return ReportData("", [], [], [Answer(question, question.values({})) for question in questions])
    traded = [Traded(*row) for row in _rows(client, _SYMBOLS)]
    shown = [market for market in traded if symbol in ("", market.symbol)]
    if symbol and not shown and not _rows(client, _IS_LISTED, symbol=symbol)[0][0]:
        raise _unknown(symbol, traded)
    candles = [_candles(client, market) for market in shown[:CHARTED_SYMBOLS]]
    given = {"symbol": symbol} if symbol else {}
    return ReportData(symbol, traded, candles, [_answer(client, question, given) for question in questions])


def interval_for(market: Traded) -> Interval:
    """The finest in which the market's whole history fits into one chart, else the longest."""
    lasted_ms = (market.last_trade - market.first_trade).total_seconds() * 1000
    fitting = (interval for interval in Interval if lasted_ms / interval.milliseconds < CANDLES)
    return next(fitting, Interval.D1)


def _candles(client: Client, market: Traded) -> Candles:
    interval = interval_for(market)
    found = _rows(client, _CANDLES, symbol=market.symbol, interval=str(interval), limit=CANDLES + 1)
    return Candles(market.symbol, interval, found[:CANDLES][::-1], len(found) > CANDLES)


def _answer(client: Client, question: Question, given: Mapping[str, str]) -> Answer:
    """One question that can't be answered leaves the others standing, and says why in its place."""
    parameters = question.values(given)
    try:
        columns, rows = _query(client, question.sql, parameters, TABLE_ROWS + 1)
    except Error as error:
        return Answer(question, parameters, error=words_of(error))
    return Answer(question, parameters, columns, rows[:TABLE_ROWS], len(rows) > TABLE_ROWS)


def _unknown(symbol: str, traded: Sequence[Traded]) -> GlassbookError:
    known = ", ".join(sorted(market.symbol for market in traded)[:20]) or "none yet"
    return GlassbookError(f"there is no market {symbol} in the history; traded were: {known}")


def _rows(client: Client, sql: str, **parameters: Any) -> Rows:
    try:
        return _query(client, sql, parameters, MOST_ROWS)[1]
    except Error as error:
        raise GlassbookError(f"ClickHouse says: {words_of(error)}") from error


def _query(client: Client, sql: str, parameters: Mapping[str, Any], limit: int) -> tuple[Sequence[str], Rows]:
    """Columns and the first rows."""
    rows: list[Sequence[Any]] = []
    try:
        with client.query_row_block_stream(sql, parameters=dict(parameters)) as blocks:
            columns = blocks.source.column_names
            for block in blocks:
                rows += block[: limit - len(rows)]
                if len(rows) == limit:
                    break
    except Error as error:
        if error.code is None:
            raise GlassbookError(f"ClickHouse doesn't answer: {words_of(error)}") from error
        raise
    return columns, rows


def words_of(error: Exception) -> str:
    """What the server said, without what the client and the server put around it."""
    text = str(error).strip()
    said = text.partition("DB::Exception: ")[2] or text
    return said.partition(" (version ")[0].splitlines()[0][:300]


def client_of(place: Access) -> Client:
    """Raises GlassbookError where nobody answers."""
    try:
        return place.client()
    except Error as error:
        if error.code is None:
            raise GlassbookError(
                f"no ClickHouse answers on {place.address}: start the exchange with 'make up', or set CLICKHOUSE_URL"
            ) from error
        raise GlassbookError(f"ClickHouse on {place.address} says: {words_of(error)}") from error
