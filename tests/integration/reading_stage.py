"""A stage for tests: joins the group `reading` on the topic `orders` and commits what it reads."""

import signal
import sys

from confluent_kafka import Consumer

from glassbook.settings import Settings


def main() -> None:
    settings = Settings()
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": "reading",
            "group.instance.id": "reading-1",
            "session.timeout.ms": settings.session_timeout_ms,
            "heartbeat.interval.ms": settings.session_timeout_ms // 3,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    consumer.subscribe(["orders"])
    while True:
        message = consumer.poll(0.1)
        if message is not None and not message.error():
            consumer.commit(message=message, asynchronous=False)


if __name__ == "__main__":
    main()
