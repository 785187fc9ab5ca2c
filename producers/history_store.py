"""What the gateway asks of ClickHouse: a port, so that everything else knows neither SQL nor a client.

A table or database that isn't there yet is an empty one. `StoreUnavailable` says that there is no answer now. Rows are
as far along as the sink is: `position` and `trade_bounds` say how far, and whoever asks holds that against memory.
"""

from enum import StrEnum
from typing import NamedTuple, Protocol

from msgspec import Struct

from producers.candle_chain import CandleAsk
from producers.history_answers import AccountTrade
from producers.recent_alerts import AlertAsk
from schemas.alerts import Alert
from schemas.candles import Interval
from schemas.documents import CandleAnswer, TradeAnswer
from schemas.journal import AccountEvent

MAX_SEQUENCE = 2**63 - 1
MAX_TIME_MS = 7_258_118_400_000  # the year 2200; what a DateTime64 of milliseconds holds for certain
MAX_ORDER_EVENTS = 20_000


class StoreUnavailable(Exception):
    """ClickHouse does not answer, or isn't asked for now because it didn't."""


class Table(StrEnum):
    """Where it matters how far the sink is."""

    ALERTS = "alerts"
    CANDLES = "candles"
    FORMING_CANDLES = "forming_candles"
    ORDER_EVENTS = "order_events"
    POSTINGS = "postings"


class TradeBounds(Struct, frozen=True):
    """The oldest and the newest of a market's trades, and the offset behind the newest. All 0 without any."""

    oldest: int = 0
    newest: int = 0
    next_offset: int = 0


class Cursor(NamedTuple):
    """A place in an account's journal: its entry, and the event or line within it."""

    sequence: int
    part: int

    @property
    def text(self) -> str:
        return f"{self.sequence}-{self.part}"


class JournalAsk(Struct, frozen=True, kw_only=True):
    """What lies behind `after` and before `before`, from `first_ms` on and before `end_ms`: the first `limit` of it if
    `ascending`, else the last. `only` is a symbol or an asset."""

    account: str
    after: Cursor | None
    before: Cursor | None
    first_ms: int | None
    end_ms: int | None
    only: str | None
    limit: int

    @property
    def ascending(self) -> bool:
        return self.before is None and (self.after is not None or self.first_ms is not None)


class StoredLine(Struct, frozen=True, gc=False, kw_only=True):
    """A posting onto one of the account's own books, without its balance."""

    entry_sequence: int
    line: int
    time_ms: int
    book: str  # free or reserved
    asset: str
    amount: str
    cause: str
    reference: str

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.entry_sequence, self.line)


class BookSum(Struct, frozen=True, gc=False):
    book: str
    asset: str
    amount: str


class HistoryStore(Protocol):
    @property
    def problem(self) -> str | None:
        """Why it can't be asked now; None if it can."""
        ...

    async def candles(self, ask: CandleAsk) -> list[CandleAnswer]:
        """Closed ones: those asked for, the one in front of them where `first_ms` is given, and one behind them."""
        ...

    async def forming(self, symbol: str, interval: Interval) -> CandleAnswer | None:
        """The newest known state of the market's forming candle."""
        ...

    async def position(self, table: Table, partition: int, wanted: int) -> int:
        """The offset below which all that the topic's partition says is in this table. Quick if it is `wanted` or
        above."""
        ...

    async def trades(self, symbol: str, first: int, last: int) -> list[TradeAnswer]:
        """By their sequences, both included, in order, each once."""
        ...

    async def trade_before(self, symbol: str, time_ms: int) -> int:
        """The sequence of the last trade before this time; 0 if there is none."""
        ...

    async def trade_bounds(self, symbol: str) -> TradeBounds: ...

    async def order_events(self, account: str, order_id: str) -> list[tuple[int, AccountEvent]]:
        """What the journal says about an order, with its log times, in order; at most `MAX_ORDER_EVENTS`."""
        ...

    async def order_named(self, account: str, client_order_id: str) -> str | None:
        """The newest order that was given this client order id."""
        ...

    async def account_trades(self, ask: JournalAsk, below: int) -> list[AccountTrade]:
        """As asked for, in the journal's order, out of the account's entries below this sequence; one more than
        `limit` if there are so many."""
        ...

    async def lines(self, ask: JournalAsk, below: int) -> list[StoredLine]:
        """The same of postings."""
        ...

    async def alerts(self, ask: AlertAsk) -> list[Alert]:
        """As asked for, in order; one more than `limit` if there are so many."""
        ...

    async def sums(self, account: str, after: Cursor, below: int) -> list[BookSum]:
        """What the postings behind a cursor and below an entry come to, by book and asset."""
        ...
