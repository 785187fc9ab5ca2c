"""What lies where in a data folder, and what was fixed when it was first used: its id, Kafka's cluster id, the brokers.

`instance.json` is written once, before anything else, and never changed.
"""

import os
import tempfile
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

# The path of a Unix socket must fit into 108 bytes (104 on a Mac).
LONGEST_SOCKET_PATH = 100


class Instance(msgspec.Struct, frozen=True):
    id: str
    kafka_cluster_id: str
    brokers: int
    account_partitions: int = 4  # an account's partition follows from its id and this: it holds for the log's life


@dataclass(frozen=True)
class DataFolder:
    root: Path

    @property
    def instance_file(self) -> Path:
        return self.root / "instance.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "run" / "up.lock"

    @property
    def supervisor_config(self) -> Path:
        return self.root / "run" / "supervisor.conf"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def socket(self) -> Path:
        path = self.root / "run" / "supervisor.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        digest = sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"glassbook-{os.getuid()}-{digest}.sock"

    def log(self, program: str) -> Path:
        return self.logs / f"{program}.log"

    def kafka(self, broker: int) -> Path:
        """The log directory of broker 1, 2 or 3."""
        return self.root / "kafka" / f"broker-{broker}"

    def broker_config(self, broker: int) -> Path:
        return self.root / "run" / f"broker-{broker}.properties"

    @property
    def clickhouse(self) -> Path:
        """What the embedded ClickHouse owns; nobody else may open it."""
        return self.root / "clickhouse"

    @property
    def clickhouse_keys(self) -> Path:
        return self.root / "clickhouse-keys"

    @property
    def canary_key(self) -> Path:
        """The key by which the canary signs what it says to others."""
        return self.root / "canary" / "key.json"

    @property
    def failed_alerts(self) -> Path:
        """Alerts that the webhook didn't take."""
        return self.root / "canary" / "failed-alerts.jsonl"

    def instance(self) -> Instance | None:
        try:
            return msgspec.json.decode(self.instance_file.read_bytes(), type=Instance)
        except FileNotFoundError:
            return None

    def broker_count(self) -> int | None:
        instance = self.instance()
        return None if instance is None else instance.brokers

    def create_instance(self, brokers: int, account_partitions: int = 4) -> Instance:
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if cluster_id.startswith("-"):  # Kafka's tools would take it for an option
            cluster_id = "A" + cluster_id[1:]
        instance = Instance(uuid.uuid4().hex, cluster_id, brokers, account_partitions)
        draft = self.instance_file.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(instance))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.instance_file)  # whole or not at all
        return instance

    def make_folders(self) -> None:
        for folder in (self.root / "run", self.logs, self.root / "kafka"):
            folder.mkdir(parents=True, exist_ok=True)
