"""Which partitions take ticks: all of `orders`, and those of `accounts` whose genesis says engine version 3 or later.

Under earlier versions a tick on `accounts` is a record of no known kind, so there is none before the genesis was read.
"""

from confluent_kafka.admin import AdminClient

from glassbook.operator_log import OperatorLog, Place
from schemas.commands import Genesis, decode_command
from schemas.topics import ACCOUNTS, ORDERS
from stage.engine_version import FIRST_WITH_MANDATES

METADATA_S = 5


class TickedPartitions:
    def __init__(self, bootstrap_servers: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        self._log = OperatorLog(bootstrap_servers)
        self._accounts: dict[int, bool] = {}  # of each partition whose genesis was read, whether it takes ticks
        self._all_read = False

    def orders(self) -> list[Place]:
        """As many as there are now: a listing may have added some. Raises KafkaException."""
        return [(ORDERS, partition) for partition in self._partitions(ORDERS)]

    def accounts(self) -> list[Place]:
        """Reads what it doesn't know yet, and nothing once it knows all: a genesis stands for ever, and so does the
        number of partitions. Raises KafkaException and GlassbookError."""
        if not self._all_read:
            self._read_genesis()
        return [(ACCOUNTS, partition) for partition, takes_ticks in self._accounts.items() if takes_ticks]

    def _read_genesis(self) -> None:
        partitions = self._partitions(ACCOUNTS)
        unread = [(ACCOUNTS, partition) for partition in partitions if partition not in self._accounts]
        for (_, partition), signed in self._log.genesis(unread).items():
            genesis = decode_command(bytes(signed.command))
            assert isinstance(genesis, Genesis)
            self._accounts[partition] = genesis.engine_version >= FIRST_WITH_MANDATES
        self._all_read = bool(partitions) and len(self._accounts) == len(partitions)

    def _partitions(self, topic: str) -> list[int]:
        return sorted(self._admin.list_topics(topic, timeout=METADATA_S).topics[topic].partitions)
