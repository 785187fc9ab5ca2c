"""A gateway over an exchange in memory: its real routes and views, the real ledger and matcher, no broker.

Hand-written fakes stand for the log's two directions: `MemoryCommands` takes commands, `MemoryPast` reads back. Time is
the exchange's own, so that nothing here depends on a clock.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx
import msgspec
from msgspec import Raw

from producers.account_stream import Listeners
from producers.app import build_app
from producers.books import MarketData
from producers.executions import Page, RecentEntries
from producers.gateway import Gateway, GatewayLimits, Place
from producers.health import Health, Part
from producers.history import FoundOrder, replay
from producers.intake import Batch
from producers.limits import Rates
from producers.orders import Order, order_of_command
from producers.projections import AlertsProjection, CandlesProjection, LedgerProjection, MarketProjection
from producers.reads import read_message
from producers.recent_alerts import RecentAlerts
from producers.recent_market import RecentCandles, RecentTrades
from producers.stored_past import StoredPast
from producers.view import Bounds, View
from producers.waiting import Waiting
from schemas.codec import decode_accounts, ledger_decoder
from schemas.commands import Command, NewOrder, decode_command, encode_command
from schemas.journal import LedgerEntry
from schemas.market import Market, Terms
from schemas.records import SignedCommand, Submitted
from schemas.refusal import Refused
from schemas.signing import BATCH_PREFIX, encode_bytes, merkle_tree
from stage.followed import Projection
from stage.snapshots import newest_snapshots
from tests.exchange import EXCHANGE, Exchange, Signer
from tests.unit.memory_history import MemoryStore, MemoryStretches

ResultT = TypeVar("ResultT")
RATES = Rates(account=100_000, address=100_000)


class MemoryCommands:
    """Where the gateway's commands go. `stage` says how far they get before anything answers."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.acknowledges = True
        self.settles = True
        self.unavailable: Refused | None = None
        self.after_append: Any = lambda: None
        self.appended = 0

    async def append(self, partition: int, key: bytes, value: bytes) -> "asyncio.Future[Place | None]":
        if self.unavailable is not None:
            raise self.unavailable
        offset = self.exchange.cluster.append("accounts", partition, key, value)
        self.appended += 1
        place: asyncio.Future[Place | None] = asyncio.get_running_loop().create_future()
        if self.acknowledges:
            place.set_result(Place(partition, offset))
        if self.settles:
            self.after_append()
        return place


class MemoryPast:
    """The whole log, read from its beginning."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.unavailable: Refused | None = None
        self.orders_read = 0

    async def command(self, partition: int, offset: int) -> FoundOrder | None:
        records = self.exchange.cluster.records["accounts", partition]
        record = decode_accounts(records[offset].value) if offset < len(records) else None
        if not isinstance(record, Submitted):
            return None
        command = decode_command(bytes(record.signed.command))
        return FoundOrder(command, records[offset].log_time_ms) if isinstance(command, NewOrder) else None

    async def order(self, partition: int, offset: int, found: FoundOrder, terms: Terms | None, position: int) -> Order:
        if self.unavailable is not None:
            raise self.unavailable
        self.orders_read += 1
        order = order_of_command(f"{partition}-{offset}", found.command, terms, found.time_ms)
        for record in self.exchange.read("ledger", partition, ledger_decoder()):
            if record.edge_sequence <= position:
                replay(order, record)
        return order

    async def partial(self, account: str, order_id: str, found: FoundOrder, terms: Terms | None) -> Order | None:
        return None

    async def page(self, partition: int, account: str, after: int, limit: int, position: int) -> Page:
        values, last = [], after
        for record in self.exchange.read("ledger", partition, ledger_decoder()):
            if after < record.edge_sequence <= position:
                last = record.edge_sequence
                if isinstance(record, LedgerEntry) and record.account == account:
                    values.append(msgspec.json.encode(record))
                    if len(values) == limit:
                        break
        return Page(values, last, last < position)


class GatewayWorld:
    """An exchange, one gateway on it, and requests to that gateway."""

    def __init__(
        self,
        markets: list[Market] | None = None,
        exchange: Exchange | None = None,
        rates: Rates = RATES,
        bounds: Bounds | None = None,
        max_entries: int = 1000,
        max_trades: int = 1000,
        max_candles: int = 1000,
        max_alerts: int = 1000,
        restored: bool = False,
        **genesis: Any,
    ) -> None:
        self.exchange = exchange or Exchange(markets, **genesis)
        self.seconds = 0.0
        self.health = Health()
        self.view, self.market, self.waiting = View(bounds), MarketData(), Waiting()
        self.entries = RecentEntries(max_entries)
        self.trades, self.candles = RecentTrades(max_trades), RecentCandles(max_candles)
        self.alerts = RecentAlerts(max_alerts)
        self.log, self.past = MemoryCommands(self.exchange), MemoryPast(self.exchange)
        self.store, self.stretches = MemoryStore(self.exchange), MemoryStretches(self.exchange)
        self.log.after_append = self.settle
        self.gateway = Gateway(
            log=self.log, past=self.past, stored_past=StoredPast(self.store, self.past), store=self.store,
            stretches=self.stretches, view=self.view, market=self.market, trades=self.trades, candles=self.candles,
            alerts=self.alerts, entries=self.entries, waiting=self.waiting, health=self.health,
            limits=GatewayLimits(rates=rates), now_ms=lambda: self.exchange.cluster.now_ms, now=lambda: self.seconds,
        )  # fmt: skip
        self.app = build_app(self.gateway)
        self.listeners = Listeners(self.view)
        self.projections: list[tuple[Projection, int]] = [
            (
                LedgerProjection(self.view, self.entries, self.waiting, self.health, self.listeners),
                self.exchange.account_partitions,
            ),
            (MarketProjection(self.market, self.trades), self.exchange.order_partitions),
            (CandlesProjection(self.candles), self.exchange.order_partitions),
            (AlertsProjection(self.alerts), self.exchange.order_partitions),
        ]
        self.positions: dict[tuple[str, int], int] = {}
        if restored:
            self._restore()
        self.be_healthy()
        self.pump()

    def be_healthy(self) -> None:
        self.health.producer_open, self.health.answered_at = True, self.seconds
        for part in Part:
            self.health.parts[part].fresh_at = self.seconds

    # --- the log's way to the gateway

    def settle(self) -> None:
        """The stages do what there is to do, and the gateway reads it."""
        self.exchange.run()
        self.pump()

    def pump(self) -> None:
        for projection, partitions in self.projections:
            for topic in projection.topics:
                for partition in range(partitions):
                    values = self.exchange.cluster.values(topic, partition)
                    for offset in range(self.positions.get((topic, partition), 0), len(values)):
                        projection.apply(topic, partition, offset, values[offset])
                    self.positions[topic, partition] = len(values)

    def _restore(self) -> None:
        """From the stages' snapshots, as a gateway that was started now."""
        records = [
            (record.key, record.value)
            for (topic, _), stored in sorted(self.exchange.cluster.records.items())
            if topic == "snapshots"
            for record in stored
        ]
        for projection, partitions in self.projections:
            places = {(topic, p): 0 for topic in projection.topics for p in range(partitions)}
            if projection.stage is None:
                places = {place: self._since(place, projection.since_ms[place[0]]) for place in places}
            else:
                snapshots = newest_snapshots(records, projection.stage)
                for partition in range(partitions):
                    places |= projection.restore(partition, snapshots.get(partition))
            self.positions |= places
            projection.restored(places, self.exchange.cluster.now_ms)

    def _since(self, place: tuple[str, int], since_ms: int) -> int:
        """The first offset of the last so many milliseconds."""
        first_ms = self.exchange.cluster.now_ms - since_ms
        records = self.exchange.cluster.records[place]
        return next((i for i, record in enumerate(records) if record.log_time_ms >= first_ms), len(records))

    # --- requests

    async def ask(self, method: str, target: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, target, **request)

    def request(self, method: str, target: str, **request: Any) -> httpx.Response:
        return run(self.ask(method, target, **request))

    def send(self, method: str, target: str, body: bytes | dict[str, Any] | SignedCommand | Batch) -> httpx.Response:
        """A body as JSON."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self.request(method, target, content=content, headers={"content-type": "application/json"})

    def submit(self, signer: Signer, method: str, target: str, command: Command) -> httpx.Response:
        return self.send(method, target, signer.sign(command))

    def place(self, signer: Signer, side: str, quantity: str | None, price: str | None, **more: Any) -> httpx.Response:
        return self.submit(signer, "POST", "/api/v1/orders", self.exchange.order(signer, side, quantity, price, **more))

    def read(self, signer: Signer, target: str, **headers: str) -> httpx.Response:
        return self.request("GET", target, headers=self.read_headers(signer, target) | headers)

    def read_headers(self, signer: Signer, target: str, account: str | None = None) -> dict[str, str]:
        account, time_ms = account or signer.account, str(self.exchange.cluster.now_ms)
        signature = encode_bytes(signer._key.sign(read_message(EXCHANGE, target, account, time_ms)).signature)
        return {
            "Glassbook-Account": account,
            "Glassbook-Key": signer.key,
            "Glassbook-Time": time_ms,
            "Glassbook-Signature": signature,
        }

    def batch(self, signer: Signer, commands: list[Command]) -> Batch:
        leaves = [encode_command(command) for command in commands]
        root, _ = merkle_tree(leaves)
        signature = encode_bytes(signer._key.sign(BATCH_PREFIX + root).signature)
        return Batch([Raw(leaf) for leaf in leaves], signer.key, signature)


def run(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    return asyncio.run(coroutine)
