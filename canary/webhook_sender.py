"""The thread that sends alerts to a webhook, so that a dead URL holds nobody up.

It reads `alerts` as a group of its own, sends what the canary's own key signed, and commits an alert when it was taken
or put onto the list of failed ones: started again it goes on there, so an alert may be sent twice and is never passed
over. While the webhook is known to be dead each alert is tried once: those behind it needn't wait for minutes each.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from msgspec import Raw, Struct

from canary.kafka_looker import Config, record_of
from canary.log import LogFailed
from canary.own_alert import is_own
from canary.webhook import FailedAlert, FailedAlerts, Sign, headers, is_taken, may_try_again, waits_s
from schemas.topics import ALERTS

GROUP = "canary-webhook"
ANSWER_S = 5.0
ASK_S = 10.0
OPEN_AGAIN_S = 1.0
LONGEST_WHY = 200

logger = structlog.get_logger()


class Webhook(Struct, frozen=True):
    """Where alerts go, by whom they are signed, and how often each is tried."""

    url: str
    attempts: int
    public_key: str
    sign: Sign
    failed_file: Path


class Refusal(Struct, frozen=True):
    """Why an alert wasn't taken; `is_final` where another try would change nothing."""

    why: str
    is_final: bool


class Delivery:
    """Sends one alert after the other. `wait` sleeps, and returns True when it is time to stop."""

    def __init__(self, webhook: Webhook, wait: Callable[[float], bool]) -> None:
        self._webhook = webhook
        self._wait = wait
        self._failed = FailedAlerts(webhook.failed_file)
        self._client = httpx.Client(timeout=ANSWER_S)
        self._is_dead = False

    def close(self) -> None:
        self._client.close()

    def deliver(self, body: bytes) -> bool:
        """False if it was broken off: then the alert is to be sent again."""
        waits = waits_s(1 if self._is_dead else self._webhook.attempts)
        attempts, refusal = 1, self._try(body)
        while refusal is not None and not refusal.is_final and (wait_s := next(waits, None)) is not None:
            if self._wait(wait_s):
                return False
            attempts, refusal = attempts + 1, self._try(body)
        self._is_dead = refusal is not None and not refusal.is_final
        if refusal is not None:
            logger.error("the webhook didn't take an alert", attempts=attempts, why=refusal.why)
            self._failed.add(FailedAlert(_host_time_ms(), attempts, refusal.why, Raw(body)))
        return True

    def _try(self, body: bytes) -> Refusal | None:
        webhook = self._webhook
        signed = headers(body, _host_time_ms(), webhook.public_key, webhook.sign)
        try:
            status = self._client.post(webhook.url, content=body, headers=signed).status_code
        except httpx.HTTPError as error:
            return Refusal(f"{type(error).__name__}: {error}"[:LONGEST_WHY], is_final=False)
        return None if is_taken(status) else Refusal(f"it answers {status}", is_final=not may_try_again(status))


class WebhookSender(threading.Thread):
    """`common` is what every client of the process is configured with."""

    def __init__(self, webhook: Webhook, common: Config) -> None:
        super().__init__(name="webhook", daemon=True)
        self._webhook = webhook
        self._common = common
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()
        self.join(ANSWER_S + ASK_S)

    def check(self) -> None:
        """Raises if the thread ended by itself: a process that says nothing of alerts must not go on."""
        if not self.is_alive() and not self._stopping.is_set():
            raise LogFailed("the thread that sends alerts to the webhook ended")

    def run(self) -> None:
        delivery = Delivery(self._webhook, self._stopping.wait)
        while not self._stopping.is_set():
            try:
                self._send_all(delivery)
            except (KafkaException, LogFailed) as error:
                logger.warning("alerts can't be read for the webhook now", why=str(error))
                self._stopping.wait(OPEN_AGAIN_S)
        delivery.close()

    def _send_all(self, delivery: Delivery) -> None:
        consumer = Consumer(
            self._common
            | {"group.id": GROUP, "enable.auto.commit": False, "auto.offset.reset": "error"}
            | {"partition.assignment.strategy": "range", "max.poll.interval.ms": 3_600_000}
        )
        try:
            consumer.subscribe([ALERTS], on_assign=_begin)
            while not self._stopping.is_set():
                message = consumer.poll(0.2)
                record = None if message is None else record_of(message)
                if record is None:
                    continue
                if not is_own(record.value, self._webhook.public_key):
                    logger.warning(
                        "an alert by somebody else isn't sent", partition=record.partition, offset=record.offset
                    )
                elif not delivery.deliver(record.value or b""):
                    return
                behind = TopicPartition(record.topic, record.partition, record.offset + 1)
                consumer.commit(offsets=[behind], asynchronous=False)
        finally:
            consumer.close()


def _begin(consumer: Consumer, partitions: list[TopicPartition]) -> None:
    """Goes on behind the last alert that was settled; with none yet, at the end: what is old is no news."""
    places = consumer.committed(partitions, ASK_S)
    for place in places:
        if place.offset < 0:
            place.offset = consumer.get_watermark_offsets(place, ASK_S)[1]
    consumer.assign(places)
    if places:
        consumer.commit(offsets=places, asynchronous=False)


def _host_time_ms() -> int:
    return time.time_ns() // 1_000_000
