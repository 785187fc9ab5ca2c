"""`python -m clock`: the one writer of ticks.

A tick says nothing but its log time, so a missed or doubled one is harmless.
"""

import signal
import sys
import threading

import structlog
from confluent_kafka import KafkaException, Producer

from clock.ticked import TickedPartitions
from glassbook.errors import GlassbookError
from glassbook.stage_settings import stage_settings
from schemas.codec import encode
from schemas.records import Tick

TICK_S = 1.0
QUEUED_TICKS = 1000  # while the broker is away ticks are dropped, not piled up

logger = structlog.get_logger()


def main() -> int:
    bootstrap = stage_settings().bootstrap_servers
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    ticked = TickedPartitions(bootstrap)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "linger.ms": 5,
            "message.timeout.ms": 2000,
            "queue.buffering.max.messages": QUEUED_TICKS,
            "topic.metadata.refresh.interval.ms": 5000,
        }
    )
    tick = encode(Tick())
    while not stopping.wait(TICK_S):
        try:
            # One after the other: while `accounts` can't be read, time goes on on `orders`.
            for partitions in (ticked.orders, ticked.accounts):
                for topic, partition in partitions():
                    producer.produce(topic, tick, partition=partition)
        except (GlassbookError, KafkaException, BufferError) as error:
            logger.warning("no ticks", why=str(error))
        producer.poll(0)
    producer.flush(2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
