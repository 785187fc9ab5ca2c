"""`python -m producers`: the order gateway. Several side by side each follow the log by themselves."""

import gc
import logging
import signal
import sys

import structlog
import uvicorn
from fastapi import FastAPI

from glassbook.clickhouse import access
from glassbook.clickhouse_keys import GATEWAY
from glassbook.errors import GlassbookError
from glassbook.settings import Settings
from producers.clickhouse_queries import Client
from producers.gateway import GatewayLimits
from producers.limits import Rates
from producers.runtime import Place, build

FINISH_S = 10  # for requests in flight when the process is told to stop


def application() -> FastAPI:
    settings = Settings()
    # The view is long-lived and large: looking through it for garbage now and then would cost milliseconds each time.
    gc.set_threshold(50_000, 20, 100)

    async def clickhouse() -> Client:
        try:
            return await access(settings, GATEWAY).async_client()
        except GlassbookError as error:
            raise OSError(str(error)) from error  # as if it were away: the gateway lives without it

    place = Place(settings.bootstrap_servers, settings.data_dir, settings.disk_reserve_mb, clickhouse)
    rates = Rates(settings.rate_per_account, settings.rate_per_address)
    return build(place, GatewayLimits(rates=rates))


def main() -> int:
    settings = Settings()
    # aiokafka logs every reconnection attempt; the gateway says it once itself.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # uvicorn finishes what is in flight and then raises the signal once more: that must end the process in good order.
    signal.signal(signal.SIGTERM, lambda signum, frame: None)
    structlog.get_logger().info("gateway starts", url=settings.gateway_url, processes=settings.gateway_processes)
    uvicorn.run(
        "producers.__main__:application",
        factory=True,
        host=settings.gateway_host,
        port=settings.gateway_port,
        workers=settings.gateway_processes,
        loop="uvloop",
        http="httptools",
        ws="none",
        proxy_headers=False,
        access_log=False,
        log_level="warning",
        server_header=False,
        backlog=4096,
        timeout_graceful_shutdown=FINISH_S,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
