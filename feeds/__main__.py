"""`python -m feeds`: market data alone, on a port of its own. Any number of them read the log, each by itself."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette

from feeds.connection import Connection
from feeds.limits import Limits
from feeds.past import Client
from feeds.ports import Accounts, Methods
from feeds.runtime import Feeds, Place
from glassbook.clickhouse import access
from glassbook.clickhouse_keys import GATEWAY
from glassbook.errors import GlassbookError
from glassbook.settings import Settings
from glassbook.web_server import keep_garbage_away, serve

CANARY_GROUP = "canary"


def market_feeds(settings: Settings, methods: Methods | None = None, accounts: Accounts | None = None) -> Feeds:
    async def clickhouse() -> Client:
        try:
            return await access(settings, GATEWAY).async_client()
        except GlassbookError as error:
            raise OSError(str(error)) from error  # as if it were away: the streams live without it

    limits = Limits(
        connections=settings.feed_connections,
        connections_of_address=settings.feed_connections_per_address,
        streams=settings.feed_streams_per_connection,
        unconflated=settings.feed_unconflated_streams,
        messages_per_s=settings.feed_messages_per_s,
        frame_ms=settings.feed_frame_ms,
    )
    return Feeds(Place(settings.bootstrap_servers, clickhouse, CANARY_GROUP), limits, methods, accounts)


def application() -> Starlette:
    keep_garbage_away()
    feeds = market_feeds(Settings())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with feeds.running() as state:
            yield state

    return Starlette(routes=feeds.routes(alone=True), lifespan=lifespan)


def main() -> int:
    settings = Settings()
    return serve("feeds", "feeds.__main__:application", settings.gateway_host, settings.feed_port, ws=Connection)


if __name__ == "__main__":
    sys.exit(main())
