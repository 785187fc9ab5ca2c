"""A gateway on the real log: its parts built, and its readers run for as long as it serves."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from fastapi import FastAPI
from msgspec import Struct

from producers.account_stream import AccountStreams, Listeners
from producers.admission import TICK_S
from producers.app import build_app
from producers.books import MarketData
from producers.clickhouse_queries import Connect, Queries
from producers.clickhouse_store import ClickHouseStore
from producers.command_log import CommandLog
from producers.executions import RecentEntries
from producers.gateway import Gateway, GatewayLimits, OperatorKey
from producers.health import Health, Part
from producers.history import History
from producers.monitor import Monitor, watch_disk
from producers.projections import AlertsProjection, CandlesProjection, LedgerProjection, MarketProjection
from producers.recent_alerts import RecentAlerts
from producers.recent_market import RecentCandles, RecentTrades
from producers.stored_past import StoredPast
from producers.stretches import Stretches
from producers.view import View
from producers.waiting import Waiting
from stage.followed import Projection
from stage.follower import Follower, host_time_ms
from stage.log_reader import PROMPT, Patience, gathering

logger = structlog.get_logger()
ASK_STORE_S = 5.0


class Place(Struct, frozen=True):
    """Where the log is, whose disk must keep some room, and how to reach ClickHouse."""

    bootstrap_servers: str
    data_dir: Path
    disk_reserve_mb: int
    clickhouse: Connect
    operator: OperatorKey | None = None


class Runtime:
    """Nothing is connected before `running`."""

    def __init__(self, place: Place, limits: GatewayLimits) -> None:
        self._place = place
        servers = place.bootstrap_servers
        view, market, entries, waiting = View(), MarketData(), RecentEntries(), Waiting()
        trades, candles, alerts = RecentTrades(), RecentCandles(), RecentAlerts()
        self._health, self._log, self._history = Health(), CommandLog(servers, self._heard), History(servers)
        self._stretches, self._queries = Stretches(servers), Queries(place.clickhouse, time.monotonic)
        store, listeners = ClickHouseStore(self._queries), Listeners(view)
        self.gateway = Gateway(
            log=self._log, past=self._history, stored_past=StoredPast(store, self._history), store=store,
            stretches=self._stretches, view=view, market=market, trades=trades, candles=candles, alerts=alerts,
            entries=entries, waiting=waiting, health=self._health, limits=limits, now_ms=host_time_ms,
            now=time.monotonic, operator=place.operator,
        )  # fmt: skip
        self.accounts = AccountStreams(self.gateway, listeners)
        self._followers = {
            Part.LEDGER: self._follower(
                Part.LEDGER, LedgerProjection(view, entries, waiting, self._health, listeners), PROMPT
            ),
            Part.MARKET: self._follower(Part.MARKET, MarketProjection(market, trades), gathering(50)),
            Part.CANDLES: self._follower(Part.CANDLES, CandlesProjection(candles), gathering(100)),
            Part.ALERTS: self._follower(Part.ALERTS, AlertsProjection(alerts), PROMPT),
        }

    def _follower(self, part: Part, projection: Projection, patience: Patience) -> Follower:
        servers, freshness = self._place.bootstrap_servers, self._health.parts[part]
        return Follower(servers, projection, freshness, host_time_ms, heard=self._heard, patience=lambda: patience)

    def _heard(self) -> None:
        self._health.answered_at = time.monotonic()

    async def _tick(self) -> None:
        """Until cancelled: the admission of requests goes by how late this is."""
        while True:
            self.gateway.admission.ticked(time.monotonic())
            await asyncio.sleep(TICK_S)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The readers, for as long as requests are served."""
        place, followers = self._place, self._followers
        monitor = Monitor(place.bootstrap_servers, self._health, self._log, followers, time.monotonic)
        runs = [self._tick(), self._log.run(), monitor.run(), *(follower.run() for follower in followers.values())]
        runs.append(self._queries.watch(ASK_STORE_S))
        runs.append(watch_disk(place.data_dir, place.disk_reserve_mb, self._health))
        tasks = [asyncio.create_task(run) for run in runs]
        for task in tasks:
            task.add_done_callback(_must_not_end)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=10)
            for closing in (self._history, self._stretches, self._queries):
                await closing.close()

    def app(self) -> FastAPI:
        """The gateway by itself."""

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with self.running():
                yield

        return build_app(self.gateway, lifespan)


def _must_not_end(task: "asyncio.Task[None]") -> None:
    """A reader that ends by itself leaves a gateway that knows nothing: the process ends, and starts again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("a part of the gateway failed", part=task.get_coro().__qualname__, exc_info=error)  # type: ignore[union-attr]
        os.kill(os.getpid(), signal.SIGTERM)
