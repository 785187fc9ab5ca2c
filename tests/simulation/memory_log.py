"""A log in memory: topics of partitions of records, consumer offsets, and one handle a process that may be made to die.

Appends are asynchronous like a broker's: a handle keeps what it was given until `flush` puts it on the log, each output
partition's records in order. A crash loses what lies between, wholly or in part.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stage.log import InputRecord


@dataclass
class StoredRecord:
    log_time_ms: int
    key: bytes
    value: bytes


@dataclass
class Cluster:
    """What the broker holds. `now_ms` is the broker's clock."""

    now_ms: int = 1_000_000
    records: dict[tuple[str, int], list[StoredRecord]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[tuple[str, str, int], int] = field(default_factory=dict)

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> int:
        log = self.records[(topic, partition)]
        log.append(StoredRecord(self.now_ms, key, value))
        return len(log) - 1

    def values(self, topic: str, partition: int) -> list[bytes]:
        return [record.value for record in self.records[(topic, partition)]]


class MemoryLog:
    """One process's handle on the cluster, for one group and input topic."""

    def __init__(self, cluster: Cluster, group: str, topic: str) -> None:
        self.cluster = cluster
        self.group = group
        self.topic = topic
        self.positions: dict[int, int] = {}
        self.pending: list[tuple[str, int, bytes, bytes]] = []

    def fetch(self, max_records: int) -> Sequence[InputRecord]:
        taken: list[InputRecord] = []
        for partition, position in self.positions.items():
            log = self.cluster.records[(self.topic, partition)]
            for offset in range(position, min(len(log), position + max_records - len(taken))):
                record = log[offset]
                taken.append(InputRecord(partition, offset, record.log_time_ms, record.value))
                self.positions[partition] = offset + 1
        return taken

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        self.pending.append((topic, partition, key, value))

    def flush(self) -> None:
        for record in self.pending:
            self.cluster.append(*record)
        self.pending.clear()

    def commit(self, offsets: dict[int, int]) -> None:
        for partition, offset in offsets.items():
            self.cluster.committed[(self.group, self.topic, partition)] = offset

    def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        return {p: self.cluster.committed.get((self.group, self.topic, p), 0) for p in partitions}

    def end_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        return {p: len(self.cluster.records[(self.topic, p)]) for p in partitions}

    def tails(self, topics: Iterable[str], partitions: Sequence[int]) -> dict[tuple[str, int], list[bytes]]:
        return {(t, p): self.cluster.values(t, p)[-500:] for t in topics for p in partitions if self.cluster.values(t, p)}

    def snapshot_records(self, stage: str, partitions: Sequence[int]) -> Iterable[tuple[bytes, bytes]]:
        for (topic, _), records in sorted(self.cluster.records.items()):
            if topic == "snapshots":
                yield from ((record.key, record.value) for record in records)
