"""Makes the archive with which a broker starts in 1.0 s instead of 2.7 s, and so is back sooner after a kill.

Once a machine: a broker on a throw-away folder does a little of everything, and Java writes down at its end which
classes it loaded and how often each method ran (JEP 514). Without the archive everything works, only slower.
`python -m glassbook.quick_start` fetches Kafka and prepares it, so that tests need not wait for it.
"""

import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from glassbook import kafka_config, kafka_dist
from glassbook.settings import Settings, read_settings

DEADLINE_S = 30


def prepare(settings: Settings) -> None:
    archive = kafka_config.quick_start_archive(settings.cache_dir)
    if archive.exists():
        return
    with tempfile.TemporaryDirectory(prefix="glassbook-", dir=settings.cache_dir) as folder:
        log_dir, config = Path(folder) / "log", Path(folder) / "broker.properties"
        kafka_config.write_broker_config(config, kafka_config.broker_properties(settings, 1, 1, log_dir))
        kafka_config.format_log_dir(settings.cache_dir, "quick-start-archive-00", config, log_dir)
        draft = archive.with_name(f"{Path(folder).name}.aot")
        command = kafka_config.broker_command(settings.cache_dir, config, f"-XX:AOTCacheOutput={draft}")
        broker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _exercise(settings.broker_addresses(1))
            broker.terminate()
            broker.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            pass  # a slower start is no reason to give up
        finally:
            broker.kill()
            broker.wait()
        with suppress(FileNotFoundError):
            draft.replace(archive)


def _exercise(bootstrap_servers: str) -> None:
    """Send and read some records, so that the archive knows these ways too."""
    quiet: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap_servers, "log_level": 0}
    admin = AdminClient(quiet)
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with suppress(Exception):  # the broker is still on its way
            admin.list_topics(timeout=1)
            break
    with suppress(Exception):
        admin.create_topics([NewTopic("t", 4, 1)])["t"].result(DEADLINE_S)
    producer = Producer(quiet | {"enable.idempotence": True, "linger.ms": 0})
    for i in range(2000):
        producer.produce("t", value=b"x" * 200, key=str(i))
        producer.poll(0)
    producer.flush(DEADLINE_S)
    consumer = Consumer(quiet | {"group.id": "t", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe(["t"])
    seen = 0
    while seen < 2000 and time.monotonic() < deadline:
        seen += len(consumer.consume(500, timeout=0.5))
        if seen:
            with suppress(Exception):
                consumer.commit(asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    kafka_dist.fetch(read_settings().cache_dir)
    prepare(read_settings())
