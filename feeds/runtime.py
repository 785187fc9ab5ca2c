"""A process of streams on the real log: its parts built, and its readers run for as long as it serves."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from msgspec import Struct
from starlette.routing import Route

from feeds.canary_watch import watch_canary
from feeds.connection import STATE
from feeds.desk import Desk
from feeds.limits import Limits
from feeds.markets import Markets
from feeds.past import Connect, read_past
from feeds.ports import Accounts, Methods
from feeds.projections import AlertsProjection, CandlesProjection, ListingsProjection, MarketProjection
from feeds.readiness import Part, Readiness
from feeds.routes import market_routes, own_routes
from stage.followed import Projection
from stage.follower import Follower, host_time_ms
from stage.log_reader import PROMPT, Patience, gathering

logger = structlog.get_logger()
LOOK_S = 1.0


class Place(Struct, frozen=True):
    """Where the log is, how to reach ClickHouse, and by which consumer group the canary commits."""

    bootstrap_servers: str
    clickhouse: Connect
    canary_group: str


class Feeds:
    """Nothing is connected before `running`."""

    def __init__(
        self, place: Place, limits: Limits, methods: Methods | None = None, accounts: Accounts | None = None
    ) -> None:
        self._place = place
        self._readiness = Readiness(time.monotonic)
        self._markets, alerts = Markets(), AlertsProjection()
        self.desk = Desk(
            limits=limits, markets=self._markets, alerts=alerts, ready=self._readiness, methods=methods or {},
            accounts=accounts, now_ms=host_time_ms,
        )  # fmt: skip
        self._followers = {
            Part.LISTINGS: self._follower(
                Part.LISTINGS, ListingsProjection(self._markets), lambda: gathering(100), only=0
            ),
            Part.MARKET: self._follower(Part.MARKET, MarketProjection(self._markets, self._resync), self._patience),
            Part.CANDLES: self._follower(Part.CANDLES, CandlesProjection(self._markets), lambda: gathering(100)),
            Part.ALERTS: self._follower(Part.ALERTS, alerts, lambda: PROMPT),
        }

    def _follower(
        self, part: Part, projection: Projection, patience: Callable[[], Patience], only: int | None = None
    ) -> Follower:
        servers, freshness = self._place.bootstrap_servers, self._readiness.parts[part]
        return Follower(servers, projection, freshness, host_time_ms, only, patience=patience)

    def _patience(self) -> Patience:
        """Each record as it comes where somebody is told of each; else together, for frames and for who asks."""
        return PROMPT if self.desk.tells_at_once else gathering(50)

    def _resync(self) -> None:
        """Books are read anew, and their readers have missed something: they come back to new snapshots."""
        self.desk.send_away(1012, "resync")

    def routes(self, alone: bool) -> list[Route]:
        """`alone`: no order gateway serves the rest."""
        routes = market_routes(self.desk)
        return routes + own_routes(self.desk, self._readiness.missing) if alone else routes

    @asynccontextmanager
    async def running(self) -> AsyncIterator[dict[str, Any]]:
        """Gives what the app's state must have for `Connection` to find the desk."""
        servers = self._place.bootstrap_servers
        runs = [follower.run() for follower in self._followers.values()]
        runs.append(self._readiness.watch(servers, self._followers))
        runs.append(watch_canary(servers, self._place.canary_group, self.desk.canary_judged, host_time_ms))
        runs.append(read_past(self._markets, self._place.clickhouse, self._is_ready, host_time_ms))
        runs += [self._frames(), self._looks()]
        tasks = [asyncio.create_task(run) for run in runs]
        for task in tasks:
            task.add_done_callback(_must_not_fail)
        try:
            yield {STATE: self.desk}
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=10)

    def _is_ready(self) -> bool:
        return not self._readiness.missing()

    async def _frames(self) -> None:
        """A frame begins when the last one was due, so that a late one doesn't move all that follow."""
        every_s = self.desk.limits.frame_ms / 1000
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + every_s, loop.time())
            await asyncio.sleep(due - loop.time())
            self.desk.flush()

    async def _looks(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            for connection in tuple(self.desk.connections):
                connection.look(loop.time())


def _must_not_fail(task: "asyncio.Task[None]") -> None:
    """A reader that fails leaves streams that have stopped without a word: the process ends, and starts again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("a part of the streams failed", part=task.get_coro().__qualname__, exc_info=error)  # type: ignore[union-attr]
        os.kill(os.getpid(), signal.SIGTERM)
