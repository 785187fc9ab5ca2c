"""`python -m canary`: the canary's process. A second one stands by, and goes on when the first one is gone."""

import gc
import signal
import sys
import time
from threading import Event
from typing import Any

import structlog

from canary.engines import UnknownEngine
from canary.halter import MarketHalter
from canary.judge import Limits
from canary.kafka import CanaryLog
from canary.kafka_looker import client_config
from canary.log import LogFailed
from canary.service import CanaryService
from canary.start import kept_from, restored_canary, skip_lost_depth, standing_alerts
from canary.webhook_sender import Webhook, WebhookSender
from glassbook.canary_key import canary_key
from glassbook.client.keys import Key
from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError
from glassbook.settings import Settings, read_settings
from schemas.topics import ALERTS, JUDGED

LEAD_WAIT_S = 0.2
LOGFMT: list[Any] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
]

logger = structlog.get_logger()


def main() -> int:
    """The exit status: 0 when told to stop, 1 when it had to stop by itself and said why."""
    structlog.configure(processors=LOGFMT)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, frame: stop.set())
    sender: WebhookSender | None = None
    try:
        settings = read_settings()
        key = canary_key(DataFolder(settings.data_dir).canary_key)
        sender = _webhook_sender(settings, key)
        log = CanaryLog(settings.bootstrap_servers, settings.member, settings.session_timeout_ms, JUDGED)
        log.apply_to_lead()
        while not stop.is_set() and not log.leads(LEAD_WAIT_S):
            continue
        if not stop.is_set():
            service = _start(settings, log, key)
            while not stop.is_set():
                service.step()
                if sender is not None:
                    sender.check()
            service.close()
        log.leave()
    except (GlassbookError, LogFailed, UnknownEngine) as error:
        logger.error("the canary stopped", why=str(error), kind=type(error).__name__)
        return 1
    finally:
        if sender is not None:
            sender.stop()
    return 0


def _webhook_sender(settings: Settings, key: Key) -> WebhookSender | None:
    """Running, if there is a webhook."""
    if not settings.alert_webhook:
        return None
    failed = DataFolder(settings.data_dir).failed_alerts
    webhook = Webhook(settings.alert_webhook, settings.alert_webhook_attempts, key.public, key.sign, failed)
    sender = WebhookSender(webhook, client_config(settings.bootstrap_servers, f"webhook-{settings.member}"))
    sender.start()
    return sender


def _start(settings: Settings, log: CanaryLog, key: Key) -> CanaryService:
    """Goes on from the newest whole snapshot; what stands behind it is judged, so that no offset is passed over."""
    canary, number = restored_canary(log.looker, Limits(late_ms=settings.canary_late_ms))
    skip_lost_depth(canary, log.looker)
    partitions = log.looker.partitions([ALERTS])[ALERTS]
    known = standing_alerts(log.looker, partitions, key.public)
    halter = MarketHalter(key.public, key.sign) if settings.canary_halts else None
    service = CanaryService(log, canary, partitions, known, number, _now_ms, key.sign, halter)
    log.join(kept_from(canary.positions(), log.looker))
    # What the start made is no garbage, and most of what is kept later isn't either: the collector leaves the one out,
    # and looks through the other seldom.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    logger.info("the canary leads", snapshot=number, records=sum(canary.positions().values()), alerts=len(known))
    return service


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
