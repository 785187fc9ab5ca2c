"""`python -m sinks`: one process of the sinks. Start more of them, and Kafka shares the partitions out."""

import logging
import sys
import time

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from glassbook.clickhouse import Access, access
from glassbook.clickhouse_keys import SINK
from glassbook.errors import GlassbookError
from glassbook.settings import Settings, read_settings
from sinks.log import SinkLog
from sinks.migrations import BadMigration, read_migrations
from sinks.port import UNKNOWN_DATABASE
from sinks.records import STAGE, TOPICS
from sinks.retention import TIMES
from sinks.service import Cadence, SinkService
from sinks.store import Store
from stage.partition import StageStopped
from stage.run import LOGFMT, spare_the_start_from_collection, told_to_stop

ANSWER_S = 30  # what is still under way after it is in doubt
ALWAYS_THERE = "system"  # a database

logger = structlog.get_logger()


def main() -> int:
    """The exit status: 0 when told to stop, 1 when it had to stop by itself and said why."""
    structlog.configure(processors=LOGFMT)
    # Its errors are raised, and said by us.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    is_told = told_to_stop()
    try:
        settings = read_settings()
        log, service = _build(settings)
    except (GlassbookError, BadMigration) as error:
        logger.error("the sink can't start", why=str(error))
        return 1
    spare_the_start_from_collection()
    try:
        log.join(service.assigned, service.taken)
        while not is_told():
            service.step()
        service.close()
        log.leave()
    except StageStopped as stopped:
        logger.error(
            "stage stopped", stage=STAGE, member=settings.member, why=str(stopped), kind=type(stopped).__name__
        )
        return 1
    return 0


def _build(settings: Settings) -> tuple[SinkLog, SinkService]:
    there = access(settings, SINK)
    service_log = SinkLog(settings.bootstrap_servers, TOPICS, settings.member, settings.session_timeout_ms)
    service = SinkService(
        service_log,
        lambda: Store(lambda: connect(there), settings.member),
        TOPICS,
        read_migrations(),
        {table: getattr(settings, f"retention_days_{table}") for table in TIMES},
        Cadence(batch_rows=settings.sink_batch_rows, batch_ms=settings.sink_batch_ms),
        lambda: time.monotonic_ns() // 1_000_000,
    )
    return service_log, service


def connect(there: Access) -> Client:
    """A client of the database, which is made where it isn't there."""
    try:
        return there.client(send_receive_timeout=ANSWER_S)
    except DatabaseError as error:
        if error.code != UNKNOWN_DATABASE:
            raise
    with there.client(send_receive_timeout=ANSWER_S, database=ALWAYS_THERE) as client:
        client.command(f"CREATE DATABASE IF NOT EXISTS `{there.address.database}`")
    logger.warning("the database was made", database=there.address.database)
    return there.client(send_receive_timeout=ANSWER_S)


if __name__ == "__main__":
    sys.exit(main())
