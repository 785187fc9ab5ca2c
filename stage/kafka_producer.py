"""Writing to the real broker: idempotent, acks=all, for as long as it takes, and without a gap.

Nothing is appended behind a failed record of the same partition: the first error is final, and ends the process.
"""

from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, Message, Producer

from stage.kafka_reader import RETRIABLE, LogFailed, Place

MAX_RECORD_BYTES = 999_000  # of key and value: librdkafka's limit on a message, less its own overhead


class Failure:
    """The first thing that a client of the process can't get over; raised to whoever asks next."""

    def __init__(self) -> None:
        self._why: str | None = None

    def add(self, why: str | None) -> None:
        self._why = self._why or why

    def on_error(self, error: KafkaError) -> None:
        """What librdkafka tells of a connection; most of it passes by itself."""
        if error.fatal() or (error.code() not in RETRIABLE and not error.retriable()):
            self.add(str(error))

    def check(self) -> None:
        if self._why is not None:
            raise LogFailed(self._why)


class KafkaProducer:
    """`common` is what every client of the process is configured with; `on_error` hears what librdkafka says."""

    def __init__(
        self,
        common: Mapping[str, str | int | float | bool],
        failure: Failure,
        on_error: Callable[[KafkaError], None],
    ) -> None:
        self._failure = failure
        self._pending: dict[Place, list[dict[str, bytes]]] = {}  # appended since the last flush
        self._producer = Producer(
            dict(common)
            | {
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "acks": "all",
                "message.timeout.ms": 0,
                "linger.ms": 0,
                "retry.backoff.ms": 20,
                "retry.backoff.max.ms": 200,
                "compression.type": "lz4",
                "delivery.report.only.error": True,
                "queue.buffering.max.messages": 1_000_000,
                "error_cb": on_error,
            }
        )

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        # A record that the client would refuse must not let those behind it pass: it is looked at before any is sent.
        if len(key) + len(value) > MAX_RECORD_BYTES:
            raise LogFailed(f"{topic}-{partition}: a record of {len(value)} bytes is too large for the log")
        self._pending.setdefault((topic, partition), []).append({"value": value, "key": key})

    def flush(self) -> None:
        """Returns when all that was appended is acknowledged."""
        # One burst for each partition: handed over one by one, the first goes out alone, and a busy broker gets several
        # times as many requests.
        for (topic, partition), records in self._pending.items():
            try:
                taken = self._producer.produce_batch(topic, records, partition, on_delivery=self._on_delivery)
            except BufferError as error:
                raise LogFailed(f"{topic}-{partition}: {error}") from None
            if taken != len(records):
                raise LogFailed(f"{topic}-{partition}: the client took {taken} of {len(records)} records")
        self._pending.clear()
        while self._producer.flush(1.0):
            self._failure.check()
        self._failure.check()

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failure.add(f"{message.topic()}-{message.partition()}: {error}")
