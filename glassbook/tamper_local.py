"""Tampering with the system of this data folder, on this machine, and with no other."""

from urllib.parse import urlsplit

from confluent_kafka import KafkaError, Message, Producer

from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError
from glassbook.operator_log import OperatorLog
from glassbook.settings import Settings
from glassbook.tamper import Forgery, Manipulation, can_forge, forge
from glassbook.verify_source import LogRecord
from glassbook.verify_topics import TopicSource, next_records

LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
FLUSH_S = 20
WAIT_S = 3.0
LOOK_BACK = (1_000, 20_000, 400_000)  # records of a partition, until one is found to forge


def check_local(settings: Settings) -> None:
    """Raises GlassbookError unless the brokers are on this machine and are those of the data folder."""
    for server in settings.bootstrap_servers.split(","):
        host = urlsplit(f"//{server.strip()}").hostname
        if host not in LOCAL:
            raise GlassbookError(f"{server} is not on this machine, and tampering is only for a local system")
    instance = DataFolder(settings.data_dir).instance()
    if instance is None:
        raise GlassbookError(f"there is no exchange in {settings.data_dir}, and tampering is only for a local one")
    if OperatorLog(settings.bootstrap_servers).cluster_id() != instance.kafka_cluster_id:
        raise GlassbookError(
            f"the brokers on {settings.bootstrap_servers} aren't those of {settings.data_dir}: nothing was written"
        )


class Forger:
    """Finds the record to forge, and writes the forgery; its clients stay connected in between."""

    def __init__(self, settings: Settings, manipulation: Manipulation, symbol: str) -> None:
        self._bootstrap = settings.bootstrap_servers
        self._manipulation = manipulation
        self._symbol = symbol
        self._producer = Producer({"bootstrap.servers": self._bootstrap, "acks": "all", "log_level": 2})
        self._producer.list_topics(manipulation.topic, FLUSH_S)
        self._records = self._with_model()

    def forged(self) -> Forgery:
        """As things stand now. Raises GlassbookError where there is nothing to make it from."""
        return forge(self._manipulation, self._records, self._symbol)

    def write(self) -> tuple[Forgery, int]:
        """Forges it anew and writes it; gives it and its offset.

        A forgery that takes the next number is written just behind a true record, so that no other comes in between:
        of `trades` there is one a second at least.
        """
        forgery = self.forged()
        if self._manipulation.takes_next:
            source = TopicSource(self._bootstrap, (self._manipulation.topic,))
            self._records += next_records(self._bootstrap, forgery.place, source.bounds[forgery.place].end, WAIT_S)
            forgery = self.forged()
        return forgery, self._append(forgery)

    def _with_model(self) -> list[LogRecord]:
        """The last records of the topic, from so far back that one of them can be forged."""
        for count in LOOK_BACK:
            source = TopicSource(self._bootstrap, (self._manipulation.topic,))
            records = list(source.last(count))
            if can_forge(self._manipulation, records, self._symbol):
                break
        return records

    def _append(self, forgery: Forgery) -> int:
        placed: list[int] = []
        failed: list[str] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                placed.append(message.offset() or 0)
            else:
                failed.append(error.str())

        topic, partition = forgery.place
        self._producer.produce(topic, forgery.value, forgery.key, partition, on_delivery=delivered)
        self._producer.flush(FLUSH_S)
        if not placed:
            raise GlassbookError(f"Kafka didn't take the record: {failed[0] if failed else 'no answer'}")
        return placed[0]
