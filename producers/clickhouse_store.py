"""The history port on ClickHouse."""

from typing import Any

from msgspec import Struct

from producers import clickhouse_sql as sql
from producers.candle_chain import CandleAsk
from producers.clickhouse_queries import Queries
from producers.history_answers import AccountTrade
from producers.history_store import (
    MAX_ORDER_EVENTS,
    MAX_SEQUENCE,
    MAX_TIME_MS,
    BookSum,
    Cursor,
    JournalAsk,
    StoredLine,
    Table,
    TradeBounds,
)
from producers.order_event_rows import OrderEventRow, journal_event
from producers.recent_alerts import AlertAsk, AlertKey
from schemas.alerts import Alert
from schemas.candles import Interval
from schemas.documents import CandleAnswer, TradeAnswer
from schemas.journal import AccountEvent


class _Number(Struct):
    number: int


class _OrderId(Struct):
    order_id: str


class ClickHouseStore:
    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    @property
    def problem(self) -> str | None:
        return self._queries.problem

    # --- candles

    async def candles(self, ask: CandleAsk) -> list[CandleAnswer]:
        market = {"symbol": ask.symbol, "interval": ask.interval.value}
        rows = self._queries.rows
        if ask.first_ms is not None:
            return await rows(sql.CANDLES_FROM, CandleAnswer, **market, first_ms=ask.first_ms, limit=ask.limit + 2)
        end_ms = MAX_TIME_MS if ask.end_ms is None else ask.end_ms
        found = await rows(sql.CANDLES_BEFORE, CandleAnswer, **market, end_ms=end_ms, limit=ask.limit)
        found.reverse()
        if ask.end_ms is not None:
            found += await rows(sql.CANDLE_BEHIND, CandleAnswer, **market, end_ms=end_ms)
        return found

    async def forming(self, symbol: str, interval: Interval) -> CandleAnswer | None:
        found = await self._queries.rows(sql.FORMING, CandleAnswer, symbol=symbol, interval=interval.value)
        return found[0] if found else None

    async def position(self, table: Table, partition: int, wanted: int) -> int:
        near = max(wanted - 1, 0)
        position = max(
            await self._number(sql.POSITIONS[table], partition=partition, from_offset=near),
            await self._number(sql.READ_POSITION, partition=partition, table=table.value),
        )
        if position >= wanted or not near:
            return position
        return max(position, await self._number(sql.POSITIONS[table], partition=partition, from_offset=0))

    # --- trades

    async def trades(self, symbol: str, first: int, last: int) -> list[TradeAnswer]:
        return await self._queries.rows(sql.TRADES, TradeAnswer, symbol=symbol, first=first, last=last)

    async def trade_before(self, symbol: str, time_ms: int) -> int:
        return await self._number(sql.TRADE_BEFORE, symbol=symbol, time_ms=time_ms)

    async def trade_bounds(self, symbol: str) -> TradeBounds:
        found = await self._queries.rows(sql.TRADE_BOUNDS, TradeBounds, symbol=symbol)
        return found[0] if found else TradeBounds()

    # --- orders

    async def order_events(self, account: str, order_id: str) -> list[tuple[int, AccountEvent]]:
        rows = await self._queries.rows(
            sql.ORDER_EVENTS, OrderEventRow, account=account, order_id=order_id, limit=MAX_ORDER_EVENTS
        )
        told = [(row.time_ms, journal_event(row)) for row in rows]
        return [(time_ms, event) for time_ms, event in told if event is not None]

    async def order_named(self, account: str, client_order_id: str) -> str | None:
        named = {"account": account, "client_order_id": client_order_id}
        found = await self._queries.rows(sql.ORDER_NAMED, _OrderId, **named)
        return found[0].order_id if found else None

    # --- an account's journal

    async def account_trades(self, ask: JournalAsk, below: int) -> list[AccountTrade]:
        found = await self._queries.rows(sql.ACCOUNT_TRADES[ask.ascending], AccountTrade, **_parameters(ask, below))
        return found if ask.ascending else found[::-1]

    async def lines(self, ask: JournalAsk, below: int) -> list[StoredLine]:
        found = await self._queries.rows(sql.LINES[ask.ascending], StoredLine, **_parameters(ask, below))
        return found if ask.ascending else found[::-1]

    async def sums(self, account: str, after: Cursor, below: int) -> list[BookSum]:
        return await self._queries.rows(
            sql.SUMS, BookSum, account=account, after_sequence=after.sequence, after_part=after.part, below=below
        )

    # --- alerts

    async def alerts(self, ask: AlertAsk) -> list[Alert]:
        after = ask.after or AlertKey(-1, "")
        last = AlertKey(MAX_TIME_MS, "")
        before, up_to = ask.before or last, ask.up_to or last
        found = await self._queries.rows(
            sql.ALERTS[ask.ascending], Alert, after_ms=after.time_ms, after_id=after.alert_id,
            before_ms=before.time_ms, before_id=before.alert_id, up_to_ms=up_to.time_ms, up_to_id=up_to.alert_id,
            first_ms=ask.first_ms or 0, end_ms=MAX_TIME_MS if ask.end_ms is None else ask.end_ms,
            symbol=ask.symbol or "", severity=ask.severity or "", limit=ask.limit + 1,
        )  # fmt: skip
        return found if ask.ascending else found[::-1]

    async def _number(self, text: str, **parameters: Any) -> int:
        """The one number that a query gives; 0 without any row."""
        found = await self._queries.rows(text, _Number, **parameters)
        return found[0].number if found else 0


def _parameters(ask: JournalAsk, below: int) -> dict[str, Any]:
    after, before = ask.after or Cursor(0, 0), ask.before or Cursor(MAX_SEQUENCE, 0)
    return {
        "account": ask.account,
        "below": below,
        "after_sequence": after.sequence,
        "after_part": after.part,
        "before_sequence": before.sequence,
        "before_part": before.part,
        "first_ms": ask.first_ms or 0,
        "end_ms": MAX_TIME_MS if ask.end_ms is None else ask.end_ms,
        "only": ask.only or "",
        "limit": ask.limit + 1,
    }
