"""The ticker's past: closed candles of a minute, from ClickHouse. Asked after a start, and again until it fits."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import Any, Protocol

import msgspec
import structlog

from feeds.market import Market
from feeds.markets import Markets
from feeds.ticker import DECIMALS, MINUTE_MS, WINDOW_MS, Minute
from schemas.decimals import parse_decimal

logger = structlog.get_logger()
RETRY_S = 5.0
LONGEST_RETRY_S = 300.0
QUERY_S = 30.0
MARKETS_AT_ONCE = 16

# The newest candle comes in any case: it tells whether ClickHouse has all of a market that nobody traded lately.
# Decimals as plain text: ClickHouse's own has no exponent, and no digit is lost on the way.
CANDLES = """
SELECT toUnixTimestamp64Milli(open_time) AS open_time_ms, toString(open) AS open, toString(high) AS high,
    toString(low) AS low, toString(close) AS close, toString(volume) AS volume, toString(quote_volume) AS quote_volume,
    first_sequence, last_sequence, symbol
FROM candles FINAL
WHERE symbol IN {symbols:Array(String)} AND interval = '1m' AND (
    open_time >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    OR (symbol, open_time) IN (
        SELECT symbol, max(open_time) FROM candles WHERE symbol IN {symbols:Array(String)} AND interval = '1m'
        GROUP BY symbol
    )
)
"""


class Client(Protocol):
    """The part of clickhouse-connect's asynchronous client that is used here."""

    async def raw_query(
        self, query: str, parameters: dict[str, Any] | None = None, *, fmt: str | None = None
    ) -> bytes: ...

    async def close(self) -> None: ...


Connect = Callable[[], Awaitable[Client]]


class _Row(msgspec.Struct):
    open_time_ms: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str
    first_sequence: int
    last_sequence: int
    symbol: str


_rows = msgspec.json.Decoder(_Row, strict=False)


def minutes_of(data: bytes) -> dict[str, list[Minute]]:
    """By symbol, from rows of JSONEachRow."""
    found: dict[str, list[Minute]] = {}
    for row in _rows.decode_lines(data):
        minute = Minute(
            row.open_time_ms, _units(row.open), _units(row.high), _units(row.low), _units(row.close),
            _units(row.volume), _units(row.quote_volume), row.first_sequence, row.last_sequence,
        )  # fmt: skip
        found.setdefault(row.symbol, []).append(minute)
    return found


def _units(text: str) -> int:
    return parse_decimal(text, DECIMALS)


async def read_past(
    markets: Markets, connect: Connect, is_ready: Callable[[], bool], now_ms: Callable[[], int]
) -> None:
    """Until cancelled: asks for as long as there is a market whose last day isn't known, ever more seldom."""
    retry_s = RETRY_S
    while True:
        unknown = [market for market in markets.by_symbol.values() if not market.ticker.is_whole]
        if unknown and is_ready():
            try:
                await merge_past(unknown, connect, now_ms())
            except Exception as error:  # whatever the driver raises: without the past the streams go on
                logger.info("the tickers' past is not known yet", why=str(error)[:200] or type(error).__name__)
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)
        elif not unknown:
            retry_s = RETRY_S
        await asyncio.sleep(retry_s)


async def merge_past(markets: Sequence[Market], connect: Connect, now_ms: int) -> None:
    """A few markets at a time: a day of hundreds at once would stop the event loop for seconds, and each query costs
    ClickHouse some milliseconds."""
    # The driver's import takes half a second, in which the event loop must go on.
    await asyncio.to_thread(import_module, "clickhouse_connect.driver.asyncclient")
    since_ms = now_ms - now_ms % MINUTE_MS - WINDOW_MS
    client = await connect()
    try:
        for start in range(0, len(markets), MARKETS_AT_ONCE):
            asked = markets[start : start + MARKETS_AT_ONCE]
            async with asyncio.timeout(QUERY_S):
                parameters = {"symbols": [market.symbol for market in asked], "since_ms": since_ms}
                data = await client.raw_query(CANDLES, parameters, fmt="JSONEachRow")
            minutes = await asyncio.to_thread(minutes_of, data)
            for market in asked:
                market.ticker.merge(minutes.get(market.symbol, []), since_ms)
    finally:
        await client.close()
