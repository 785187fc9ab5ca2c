"""`python -m feeds`: market data alone, on a port of its own. Any number of them read the log, each by itself."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette

from feeds.connection import Connection
from feeds.limits import Limits
from feeds.ports import Accounts, Methods
from feeds.runtime import Feeds, Place
from glassbook.clickhouse import connector
from glassbook.clickhouse_keys import GATEWAY
from glassbook.settings import Settings
from glassbook.web_server import keep_garbage_away, serve

CANARY_GROUP = "canary"


def market_feeds(settings: Settings, methods: Methods | None = None, accounts: Accounts | None = None) -> Feeds:
    limits = Limits(
        connections=settings.feed_connections,
        connections_of_address=settings.feed_connections_per_address,
        streams=settings.feed_streams_per_connection,
        unconflated=settings.feed_unconflated_streams,
        messages_per_s=settings.feed_messages_per_s,
        frame_ms=settings.feed_frame_ms,
    )
    place = Place(settings.bootstrap_servers, connector(settings, GATEWAY), CANARY_GROUP)
    return Feeds(place, limits, methods, accounts)


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
