"""`python -m sinks.embedded`: the ClickHouse of one data folder, which nobody else may open."""

import logging
import signal
import sys

import psutil
import structlog
import uvicorn

from glassbook.clickhouse_keys import TokenVerifier, make_keys
from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError
from glassbook.settings import HOST, Settings, read_settings
from sinks.embedded.access import MB, Resources
from sinks.embedded.app import Limits, Server, build_app
from sinks.embedded.engine import Engine
from sinks.embedded.errors import ClickHouseError
from sinks.embedded.rules import Ceilings, rules

FINISH_S = 3  # for requests in flight when the process is told to stop
OWN_MEMORY_MB = 1024  # for what isn't a reader's query: inserts, merges, caches


def build(settings: Settings) -> Server:
    folder = DataFolder(settings.data_dir)
    instance = folder.instance()
    if instance is None:
        raise GlassbookError(f"there is no exchange in {folder.root} yet: start it with 'glassbook up'")
    make_keys(folder.clickhouse_keys)
    threads = psutil.cpu_count() or 1
    ceilings = Ceilings(
        seconds=settings.clickhouse_query_s,
        result_rows=settings.clickhouse_result_rows,
        result_bytes=settings.clickhouse_result_mb * MB,
        memory_bytes=settings.clickhouse_query_memory_mb * MB,
        threads=threads,
    )
    limits = Limits(
        body_bytes=settings.clickhouse_body_mb * MB,
        whole_bytes=settings.clickhouse_result_mb * MB,
        seconds=settings.clickhouse_query_s,
    )
    memory_mb = OWN_MEMORY_MB + limits.places * settings.clickhouse_query_memory_mb
    engine = Engine(folder.clickhouse, Resources(memory_mb * MB, threads), ceilings)
    verifier = TokenVerifier(folder.clickhouse_keys, instance.id)
    return Server(engine, rules(engine.facts.catalog, ceilings), verifier, limits)


def _is_news(record: logging.LogRecord) -> bool:
    # An error behind rows that were sent already ends with the connection being cut, on purpose.
    return "without completing response" not in record.getMessage()


def main() -> int:
    settings = read_settings()
    # uvicorn finishes what is in flight and then raises the signal once more: that must end the process in good order.
    signal.signal(signal.SIGTERM, lambda signum, frame: None)
    try:
        server = build(settings)
    except (GlassbookError, ClickHouseError) as error:
        structlog.get_logger().critical("ClickHouse can't start", why=str(error))
        return 1
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    structlog.get_logger().info("ClickHouse starts", port=settings.clickhouse_port)
    uvicorn.run(
        build_app(server),
        host=HOST,
        port=settings.clickhouse_port,
        loop="asyncio",  # uvloop closes a pipe's descriptor twice, and by then it may be one of the engine's
        http="httptools",
        ws="none",
        proxy_headers=False,
        access_log=False,
        log_level="error",
        server_header=False,
        timeout_keep_alive=30,
        limit_concurrency=1000,
        timeout_graceful_shutdown=FINISH_S,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
