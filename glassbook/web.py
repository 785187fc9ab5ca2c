"""`python -m glassbook.web`: the order gateway and the live streams, put together on one port.

The two know nothing of each other. Here the gateway lends the streams its order entry and its accounts, and the streams
add their routes. What a client can ask for under one address is decided here and nowhere else.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from feeds.__main__ import market_feeds
from feeds.connection import Connection
from feeds.openapi import describe as describe_feeds
from glassbook.page_build import BUILT
from glassbook.settings import Settings
from glassbook.web_server import keep_garbage_away, serve
from producers.__main__ import order_gateway
from producers.app import build_app
from producers.entry import order_entry
from producers.openapi import describe as describe_orders


def application() -> FastAPI:
    keep_garbage_away()
    settings = Settings()
    orders = order_gateway(settings)
    feeds = market_feeds(settings, order_entry(orders.gateway), orders.accounts)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with orders.running(), feeds.running() as state:
            yield state

    app = build_app(orders.gateway, lifespan, BUILT)
    app.openapi = description  # type: ignore[method-assign]
    app.router.routes[:0] = feeds.routes(alone=False)  # before what the gateway serves for all other paths
    return app


def description() -> dict[str, Any]:
    """OpenAPI of both, in one."""
    whole, feeds = describe_orders(), describe_feeds()
    schemas = feeds["components"]["schemas"] | whole["components"]["schemas"]
    return whole | {"paths": whole["paths"] | feeds["paths"], "components": {"schemas": schemas}}


def main() -> int:
    settings = Settings()
    return serve(
        "gateway", "glassbook.web:application", settings.gateway_host, settings.gateway_port,
        settings.gateway_processes, Connection,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
