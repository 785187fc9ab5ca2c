"""Commands onto `accounts`, through aiokafka's idempotent producer.

Idempotent means that aiokafka tries until it succeeds; a command that arrives late is refused by its deadline. A
producer that failed once may hold its partition for ever (its sequence has a hole that the broker refuses to jump), so
it is replaced by a new one.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from producers.gateway import Place
from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.topics import ACCOUNTS

logger = structlog.get_logger()
STOP_S = 5.0
RETRY_S = 0.5


class CommandLog:
    def __init__(self, bootstrap_servers: str, heard: Callable[[], None]) -> None:
        """`heard` is called whenever the log has answered."""
        self._bootstrap_servers = bootstrap_servers
        self._heard = heard
        self._producer: AIOKafkaProducer | None = None
        self._failed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self._producer is not None

    async def run(self) -> None:
        """Keeps a producer open until cancelled."""
        while True:
            producer = self._new_producer()
            try:
                await producer.start()
                self._failed.clear()
                self._producer = producer
                await self._failed.wait()
            except KafkaError as error:
                logger.warning("producer not started", error=str(error))
                await asyncio.sleep(RETRY_S)
            finally:
                self._producer = None
                with contextlib.suppress(KafkaError, TimeoutError):
                    await asyncio.wait_for(producer.stop(), STOP_S)

    async def append(self, partition: int, key: bytes, value: bytes) -> "asyncio.Future[Place | None]":
        producer = self._producer
        if producer is None:
            raise Refused(Reason.LOG_UNAVAILABLE)
        try:
            acknowledged: asyncio.Future[RecordMetadata] = await producer.send(ACCOUNTS, value, key, partition)
        except KafkaError as error:
            self._failed.set()
            raise Refused(Reason.LOG_UNAVAILABLE, str(error)) from None
        place: asyncio.Future[Place | None] = asyncio.get_running_loop().create_future()
        acknowledged.add_done_callback(lambda done: place.set_result(self._place_of(done)))
        return place

    def _place_of(self, acknowledged: "asyncio.Future[RecordMetadata]") -> Place | None:
        if acknowledged.cancelled() or (error := acknowledged.exception()) is not None:
            if not acknowledged.cancelled():
                logger.error("a command's fate is unknown; a new producer takes over", why=str(error))
                self._failed.set()
            return None
        self._heard()
        record = acknowledged.result()
        # A retry that the broker recognised as one, but no longer knows the place of, comes back with offset -1.
        return Place(record.partition, record.offset) if record.offset >= 0 else None

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._bootstrap_servers,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=128 * 1024,
            request_timeout_ms=10_000,
            retry_backoff_ms=50,
            metadata_max_age_ms=30_000,
        )
