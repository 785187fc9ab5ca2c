"""All parts of a gateway, put together for its handlers. Knows nothing of HTTP."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

from msgspec import Struct

from producers.admission import Admission
from producers.books import MarketData
from producers.executions import Page, RecentEntries
from producers.health import Health
from producers.history import FoundOrder
from producers.history_store import HistoryStore
from producers.limits import Limiter, Rates
from producers.orders import Order
from producers.recent_alerts import RecentAlerts
from producers.recent_market import RecentCandles, RecentTrades
from producers.stretches import PlacedRecord
from producers.view import ExchangeFacts, View
from producers.waiting import Waiting
from schemas.market import Terms
from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.signing import account_partition

MAX_SENT = 50_000


class Place(NamedTuple):
    """Where a command stands on `accounts`. Its id, and a new order's, follows from it."""

    partition: int
    offset: int

    @property
    def command_id(self) -> str:
        return f"{self.partition}-{self.offset}"


class Log(Protocol):
    """Takes commands. See `command_log.py`."""

    async def append(self, partition: int, key: bytes, value: bytes) -> "asyncio.Future[Place | None]":
        """Hands a command over; `Refused` means that it was not sent. The future says where it stands, or None where
        the log can't say whether it has it."""
        ...


class Past(Protocol):
    """What has left memory. See `history.py`, and `stored_past.py` for the one that asks ClickHouse first."""

    async def command(self, partition: int, offset: int) -> FoundOrder | None: ...
    async def partial(self, account: str, order_id: str, found: FoundOrder, terms: Terms | None) -> Order | None:
        """The order with those of its events that are known without reading the journal; None where none are."""
        ...

    async def order(
        self, partition: int, offset: int, found: FoundOrder, terms: Terms | None, position: int
    ) -> Order: ...
    async def page(self, partition: int, account: str, after: int, limit: int, position: int) -> Page: ...


class StretchReader(Protocol):
    """Reads a bounded stretch of a topic back. See `stretches.py`."""

    async def read(self, topic: str, partition: int, start: int, end: int, needle: bytes) -> list[PlacedRecord]: ...


class OperatorKey(Protocol):
    """Signs as the operator. A gateway has it on a local system alone, for demonstration accounts."""

    @property
    def public(self) -> str: ...
    def sign(self, message: bytes) -> str: ...


class GatewayLimits(Struct, frozen=True, kw_only=True):
    """What one gateway process allows and keeps."""

    rates: Rates = Rates()
    default_timeout_ms: int = 5_000
    max_timeout_ms: int = 30_000
    in_flight: int = 1_000  # commands and reads that wait for their answers


class Gateway:
    def __init__(
        self,
        *,
        log: Log,
        past: Past,
        stored_past: Past,
        store: HistoryStore,
        stretches: StretchReader,
        view: View,
        market: MarketData,
        trades: RecentTrades,
        candles: RecentCandles,
        alerts: RecentAlerts,
        entries: RecentEntries,
        waiting: Waiting,
        health: Health,
        limits: GatewayLimits,
        now_ms: Callable[[], int],
        now: Callable[[], float],
        operator: OperatorKey | None = None,
    ) -> None:
        """`past` is what commands rest on: the log alone. `stored_past` and `store` are for reads. `now_ms` is the
        host's clock, `now` a monotonic one in seconds."""
        self.log = log
        self.past = past
        self.stored_past = stored_past
        self.store = store
        self.stretches = stretches
        self.view = view
        self.market = market
        self.trades = trades
        self.candles = candles
        self.alerts = alerts
        self.entries = entries
        self.waiting = waiting
        self.health = health
        self.limits = limits
        self.limiter = Limiter(limits.rates)
        self.admission = Admission(limits.in_flight)
        self.now_ms = now_ms
        self.now = now
        self.operator = operator
        self._sent: OrderedDict[tuple[str, str], str] = OrderedDict()

    @property
    def facts(self) -> ExchangeFacts:
        """What genesis said; `Refused(NOT_READY)` before it has been read."""
        if self.view.facts is None:
            raise Refused(Reason.NOT_READY, "no genesis record read")
        return self.view.facts

    def partition_of(self, account: str) -> int:
        return account_partition(account, self.facts.account_partitions)

    def position_of(self, account: str) -> str:
        """How far this gateway has read the account's journal; what `Glassbook-Read-After` takes."""
        partition = self.partition_of(account)
        return f"{partition}-{self.view.partition(partition).edge_sequence}"

    # --- client order ids of orders that the journal doesn't name yet

    def remember_sent(self, account: str, client_order_id: str, order_id: str) -> None:
        self._sent[account, client_order_id] = order_id
        if len(self._sent) > MAX_SENT:
            self._sent.popitem(last=False)

    def order_id_of(self, account: str, client_order_id: str) -> str | None:
        """The order that has this client order id: as the journal says, else the last one sent through here."""
        known = self.view.accounts.get(account)
        order_id = known.client_ids.get(client_order_id) if known is not None else None
        return order_id or self._sent.get((account, client_order_id))
