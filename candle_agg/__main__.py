"""`python -m candle_agg`: one Faust worker. Start more of them, and Kafka shares the partitions out."""

import io
import logging
import os
import sys

import faust
import structlog
from confluent_kafka import KafkaException

from candle_agg.app import CandleWorker
from candle_agg.core import CandleCore
from candle_agg.watch import Owned
from glassbook import groups
from glassbook.stage_settings import stage_settings
from glassbook.topics_admin import admin_client
from stage.run import LOGFMT, spare_the_start_from_collection


def main() -> None:
    _log_as_the_house_does()
    bootstrap_servers, member, session_timeout_ms = stage_settings()
    web_port = int(os.environ.get("GLASSBOOK_CANDLE_WEB_PORT", "0"))
    owned = _owned(bootstrap_servers, f"{CandleCore.stage}-{member}")
    worker = CandleWorker(bootstrap_servers, member, session_timeout_ms, web_port=web_port, owned=owned)
    spare_the_start_from_collection()
    # Faust draws a spinner on what it is given for a terminal.
    faust.Worker(worker.app, quiet=True, override_logging=False, stdout=io.StringIO()).execute_from_commandline()


def _owned(bootstrap_servers: str, name: str) -> Owned:
    admin = admin_client(bootstrap_servers)

    def owned() -> frozenset[int] | None:
        try:
            owners = groups.owners(admin, CandleCore.stage)
        except (KafkaException, TimeoutError):
            return None
        return frozenset(partition for (_, partition), owner in owners.items() if owner == name)

    return owned


def _log_as_the_house_does() -> None:
    """Errors of Faust and its driver, in logfmt. They warn of each rebalance, which is nothing to look at."""
    structlog.configure(processors=LOGFMT)
    *before, render = LOGFMT
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before, processors=[meta, structlog.processors.format_exc_info, render]
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.ERROR)


if __name__ == "__main__":
    main()
