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

from producers.app import build_app
from producers.books import MarketData
from producers.clickhouse_queries import Connect, Queries
from producers.clickhouse_store import ClickHouseStore
from producers.command_log import CommandLog
from producers.executions import RecentEntries
from producers.follower import Follower
from producers.gateway import Gateway, GatewayLimits
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

logger = structlog.get_logger()
ASK_STORE_S = 5.0


class Place(Struct, frozen=True):
    """Where the log is, whose disk must keep some room, and how to reach ClickHouse."""

    bootstrap_servers: str
    data_dir: Path
    disk_reserve_mb: int
    clickhouse: Connect


def host_time_ms() -> int:
    return time.time_ns() // 1_000_000


def build(place: Place, limits: GatewayLimits) -> FastAPI:
    """The app; its lifespan runs the readers. Nothing is connected before it starts."""
    health, view, market, entries, waiting = Health(), View(), MarketData(), RecentEntries(), Waiting()
    trades, candles, alerts = RecentTrades(), RecentCandles(), RecentAlerts()
    servers = place.bootstrap_servers
    log, history, stretches = CommandLog(servers), History(servers), Stretches(servers)
    queries = Queries(place.clickhouse, time.monotonic)
    store = ClickHouseStore(queries)
    gateway = Gateway(
        log=log, past=history, stored_past=StoredPast(store, history), store=store, stretches=stretches, view=view,
        market=market, trades=trades, candles=candles, alerts=alerts, entries=entries, waiting=waiting, health=health,
        limits=limits, now_ms=host_time_ms, now=time.monotonic,
    )  # fmt: skip
    followers = {
        Part.LEDGER: Follower(
            servers, LedgerProjection(view, entries, waiting, health), health.parts[Part.LEDGER], host_time_ms,
            fetch_max_wait_ms=500,
        ),
        # Up to 50 ms late, so that a busy market costs a fetch for many records and not for each.
        Part.MARKET: Follower(
            servers, MarketProjection(market, trades), health.parts[Part.MARKET], host_time_ms,
            fetch_min_bytes=64 * 1024, fetch_max_wait_ms=50,
        ),
        Part.CANDLES: Follower(
            servers, CandlesProjection(candles), health.parts[Part.CANDLES], host_time_ms,
            fetch_min_bytes=64 * 1024, fetch_max_wait_ms=100,
        ),
        Part.ALERTS: Follower(
            servers, AlertsProjection(alerts), health.parts[Part.ALERTS], host_time_ms, fetch_max_wait_ms=500
        ),
    }  # fmt: skip
    monitor = Monitor(servers, health, log, followers, time.monotonic)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runs = [log.run(), monitor.run(), *(follower.run() for follower in followers.values())]
        runs.append(queries.watch(ASK_STORE_S))
        runs.append(watch_disk(place.data_dir, place.disk_reserve_mb, health))
        tasks = [asyncio.create_task(run) for run in runs]
        for task in tasks:
            task.add_done_callback(_must_not_end)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=10)
            for closing in (history, stretches, queries):
                await closing.close()

    return build_app(gateway, lifespan)


def _must_not_end(task: "asyncio.Task[None]") -> None:
    """A reader that ends by itself leaves a gateway that knows nothing: the process ends, and starts again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("a part of the gateway failed", part=task.get_coro().__qualname__, exc_info=error)  # type: ignore[union-attr]
        os.kill(os.getpid(), signal.SIGTERM)
