"""The history port by hand: what a sink has taken from an exchange in memory, and the topics to be read back.

`sink` takes what stands on the topics now; between two calls it is as far behind as one likes. Nothing here shares code
with the SQL, and little with the gateway.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from producers.candle_chain import CandleAsk
from producers.history_answers import AccountTrade
from producers.history_store import BookSum, Cursor, JournalAsk, StoredLine, StoreUnavailable, Table, TradeBounds
from producers.recent_alerts import AlertAsk, key_of
from producers.stretches import PlacedRecord, check_length
from schemas.alerts import Alert
from schemas.candles import Candle, FormingCandle, Interval
from schemas.codec import candles_decoder, ledger_decoder, trades_decoder
from schemas.documents import CandleAnswer, TradeAnswer
from schemas.journal import AccountEvent, CommandRefused, LedgerEntry, OrderFilled, OrderOpened
from schemas.records import Trade
from schemas.topics import ALERTS, CANDLES, LEDGER, TRADES
from sinks.ledger_rows import postings as rows_of_postings
from tests.exchange import Exchange

DECODERS: dict[str, Any] = {
    TRADES: trades_decoder(),
    CANDLES: candles_decoder(),
    LEDGER: ledger_decoder(),
    ALERTS: msgspec.json.Decoder(Alert),
}
TOPIC_OF = {
    Table.ALERTS: ALERTS,
    Table.CANDLES: CANDLES,
    Table.FORMING_CANDLES: CANDLES,
    Table.ORDER_EVENTS: LEDGER,
    Table.POSTINGS: LEDGER,
}


class MemoryStore:
    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.problem: str | None = None
        self.asked: list[str] = []
        self.positions: dict[tuple[str, int], int] = {}
        self.kept_from_ms = 0  # older rows have expired

    def sink(self, *topics: str) -> None:
        for topic, partition in list(self.exchange.cluster.records):
            if topic in (topics or DECODERS):
                self.positions[topic, partition] = len(self.exchange.cluster.records[topic, partition])

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        if self.problem is not None:
            raise StoreUnavailable(self.problem)

    def _records(self, topic: str) -> Iterator[tuple[int, Any]]:
        for (name, partition), end in sorted(self.positions.items()):
            if name == topic:
                records = self.exchange.cluster.records[topic, partition][:end]
                for offset, record in enumerate(records):
                    yield offset, DECODERS[topic].decode(record.value)

    # --- candles

    def _closed(self, symbol: str, interval: Interval) -> list[CandleAnswer]:
        found = {}
        for _, record in self._records(CANDLES):
            if type(record) is Candle and (record.symbol, record.interval) == (symbol, interval):
                found[record.open_time_ms] = convert(record, CandleAnswer)
        return [found[time_ms] for time_ms in sorted(found) if time_ms >= self.kept_from_ms]

    async def candles(self, ask: CandleAsk) -> list[CandleAnswer]:
        self._asked("candles")
        kept = self._closed(ask.symbol, ask.interval)
        if ask.first_ms is not None:
            before = [candle for candle in kept if candle.open_time_ms < ask.first_ms][-1:]
            return (before + [candle for candle in kept if candle.open_time_ms >= ask.first_ms])[: ask.limit + 2]
        end_ms = ask.end_ms
        asked = [candle for candle in kept if end_ms is None or candle.open_time_ms < end_ms][-ask.limit :]
        return asked + [candle for candle in kept if end_ms is not None and candle.open_time_ms >= end_ms][:1]

    async def forming(self, symbol: str, interval: Interval) -> CandleAnswer | None:
        self._asked("forming")
        last = None
        for _, record in self._records(CANDLES):
            if type(record) is FormingCandle and (record.symbol, record.interval) == (symbol, interval):
                last = convert(record, CandleAnswer)
        return last

    async def position(self, table: Table, partition: int, wanted: int) -> int:
        self._asked("position")
        return self.positions.get((TOPIC_OF[table], partition), 0)

    # --- trades

    def _trades(self, symbol: str) -> list[tuple[int, Trade]]:
        found: dict[int, tuple[int, Trade]] = {}
        for offset, record in self._records(TRADES):
            if isinstance(record, Trade) and record.symbol == symbol and record.time_ms >= self.kept_from_ms:
                found.setdefault(record.sequence, (offset, record))
        return list(found.values())

    async def trades(self, symbol: str, first: int, last: int) -> list[TradeAnswer]:
        self._asked("trades")
        return [convert(trade, TradeAnswer) for _, trade in self._trades(symbol) if first <= trade.sequence <= last]

    async def trade_before(self, symbol: str, time_ms: int) -> int:
        self._asked("trade_before")
        return max((trade.sequence for _, trade in self._trades(symbol) if trade.time_ms < time_ms), default=0)

    async def trade_bounds(self, symbol: str) -> TradeBounds:
        self._asked("trade_bounds")
        kept = self._trades(symbol)
        if not kept:
            return TradeBounds()
        return TradeBounds(kept[0][1].sequence, kept[-1][1].sequence, kept[-1][0] + 1)

    # --- orders

    def _entries(self, account: str) -> list[LedgerEntry]:
        found: dict[int, LedgerEntry] = {}
        for _, record in self._records(LEDGER):
            if isinstance(record, LedgerEntry) and record.account == account:
                found.setdefault(record.sequence, record)
        return list(found.values())

    async def order_events(self, account: str, order_id: str) -> list[tuple[int, AccountEvent]]:
        self._asked("order_events")
        return [
            (entry.time_ms, event)
            for entry in self._entries(account)
            for event in entry.events
            if getattr(event, "order_id", None) == order_id or getattr(event, "command_id", None) == order_id
            if type(event).__name__.startswith("Order") or isinstance(event, CommandRefused)
        ]

    async def order_named(self, account: str, client_order_id: str) -> str | None:
        self._asked("order_named")
        for entry in reversed(self._entries(account)):
            for event in entry.events:
                if getattr(event, "client_order_id", None) == client_order_id:
                    return event.order_id if isinstance(event, OrderOpened) else str(event.command_id)  # type: ignore[union-attr]
        return None

    # --- alerts

    async def alerts(self, ask: AlertAsk) -> list[Alert]:
        self._asked("alerts")
        kept = {key_of(alert): alert for _, alert in self._records(ALERTS) if ask.wants(alert)}
        found = [kept[key] for key in sorted(kept)]
        return found[: ask.limit + 1] if ask.ascending else found[-ask.limit - 1 :]

    # --- an account's journal

    async def account_trades(self, ask: JournalAsk, below: int) -> list[AccountTrade]:
        self._asked("account_trades")
        found = []
        for entry in self._entries(ask.account):
            for index, event in enumerate(entry.events):
                if isinstance(event, OrderFilled) and ask.only in (None, event.symbol):
                    fields = msgspec.structs.asdict(event) | {"time_ms": entry.time_ms}
                    cursor = Cursor(entry.sequence, index)
                    if is_asked_for(cursor, entry.time_ms, ask, below):
                        found.append(AccountTrade(cursor=cursor.text, **fields))
        return found[: ask.limit + 1] if ask.ascending else found[-ask.limit - 1 :]

    async def lines(self, ask: JournalAsk, below: int) -> list[StoredLine]:
        self._asked("lines")
        found = [
            line
            for line in self._lines(ask.account)
            if ask.only in (None, line.asset) and is_asked_for(line.cursor, line.time_ms, ask, below)
        ]
        return found[: ask.limit + 1] if ask.ascending else found[-ask.limit - 1 :]

    async def sums(self, account: str, after: Cursor, below: int) -> list[BookSum]:
        self._asked("sums")
        sums: dict[tuple[str, str], Decimal] = {}
        for line in self._lines(account):
            if line.cursor > after and line.entry_sequence < below:
                key = (line.book, line.asset)
                sums[key] = sums.get(key, Decimal(0)) + Decimal(line.amount)
        return [BookSum(book, asset, f"{amount:f}") for (book, asset), amount in sums.items()]

    def _lines(self, account: str) -> list[StoredLine]:
        entries = self._entries(account)
        if not (posted := [entry for entry in entries if entry.postings]):
            return []
        columns = rows_of_postings(posted, [0] * len(posted))
        found = []
        for _, sequence, line, time_ms, book, asset, amount, cause, reference, _ in zip(*columns, strict=True):
            if re.fullmatch(f"(free|reserved):{account}", book):
                found.append(
                    StoredLine(
                        entry_sequence=sequence, line=line, time_ms=time_ms, book=book.partition(":")[0], asset=asset,
                        amount=amount, cause=cause, reference=reference,
                    )
                )  # fmt: skip
        return found


class MemoryStretches:
    """Stretches of the exchange's topics."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.read_records = 0

    async def read(self, topic: str, partition: int, start: int, end: int, needle: bytes) -> list[PlacedRecord]:
        if start >= end:
            return []
        check_length(topic, partition, start, end)
        self.read_records += end - start
        values = self.exchange.cluster.values(topic, partition)[start:end]
        return [PlacedRecord(start + i, value) for i, value in enumerate(values) if needle in value]


def convert(record: Any, kind: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(record), type=kind)


def is_asked_for(cursor: Cursor, time_ms: int, ask: JournalAsk, below: int) -> bool:
    return (
        cursor.sequence < below
        and (ask.after is None or cursor > ask.after)
        and (ask.before is None or cursor < ask.before)
        and (ask.first_ms is None or time_ms >= ask.first_ms)
        and (ask.end_ms is None or time_ms < ask.end_ms)
    )
