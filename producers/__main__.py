"""`python -m producers`: the order gateway alone. Several side by side each follow the log by themselves."""

import sys

from fastapi import FastAPI

from glassbook.clickhouse import connector
from glassbook.clickhouse_keys import GATEWAY
from glassbook.client.keys import Key
from glassbook.errors import GlassbookError
from glassbook.operator import OperatorFolder
from glassbook.settings import Settings
from glassbook.web_server import keep_garbage_away, serve
from producers.gateway import GatewayLimits
from producers.limits import Rates
from producers.runtime import Place, Runtime


def order_gateway(settings: Settings) -> Runtime:
    place = Place(
        settings.bootstrap_servers,
        settings.data_dir,
        settings.disk_reserve_mb,
        connector(settings, GATEWAY),
        demonstration_key(settings),
    )
    rates = Rates(settings.rate_per_account, settings.rate_per_address)
    return Runtime(place, GatewayLimits(rates=rates, in_flight=settings.gateway_in_flight))


def demonstration_key(settings: Settings) -> Key | None:
    """The operator's key, where demonstration accounts may be offered: on this machine, to this machine."""
    if not settings.offers_play_money:
        return None
    try:
        return OperatorFolder(settings.data_dir).key()
    except GlassbookError:
        return None  # an exchange whose operator is elsewhere


def application() -> FastAPI:
    keep_garbage_away()
    return order_gateway(Settings()).app()


def main() -> int:
    settings = Settings()
    return serve(
        "gateway", "producers.__main__:application", settings.gateway_host, settings.gateway_port,
        settings.gateway_processes,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
