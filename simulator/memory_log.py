"""A log in memory: topics of partitions of records, consumer offsets, and one handle a process.

Appends are asynchronous like a broker's: a handle keeps what it was given until `flush` puts it on the log, each output
partition's records in order. `faulty_log.py` makes it break.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from schemas.topics import SNAPSHOTS
from stage.log import InputRecord
from stage.published import place_on_edge
from stage.snapshots import Snapshot, SnapshotSearch, snapshot_partitions

TAIL_RECORDS = 500
WINDOW_RECORDS = 3  # of snapshots: a start reads several windows


class StoredRecord:
    """A record on the log. `late` says that its writer had lost its partitions, or its life, when it got there."""

    __slots__ = ("key", "late", "log_time_ms", "value")

    def __init__(self, log_time_ms: int, key: bytes, value: bytes, late: bool) -> None:
        self.log_time_ms = log_time_ms
        self.key = key
        self.value = value
        self.late = late


class Cluster:
    """What the broker holds. `now_ms` is the broker's clock; below `first` retention has deleted a partition."""

    def __init__(self, now_ms: int = 1_000_000) -> None:
        self.now_ms = now_ms
        self.records: dict[tuple[str, int], list[StoredRecord]] = defaultdict(list)
        self.first: dict[tuple[str, int], int] = {}
        self.committed: dict[tuple[str, str, int], int] = {}

    def append(self, topic: str, partition: int, key: bytes, value: bytes, late: bool = False) -> int:
        log = self.records[(topic, partition)]
        log.append(StoredRecord(self.now_ms, key, value, late))
        return len(log) - 1

    def values(self, topic: str, partition: int) -> list[bytes]:
        """All records ever written, deleted ones too."""
        return [record.value for record in self.records[(topic, partition)]]

    def tail(self, topic: str, partition: int) -> list[bytes]:
        """The last records that retention has left, back to one with a place on its edge."""
        log = self.records.get((topic, partition), [])
        first = self.first.get((topic, partition), 0)
        start = max(first, len(log) - TAIL_RECORDS)
        while start > first and not any(place_on_edge(record.value) for record in log[start:]):
            start -= 1
        return [record.value for record in log[start:]]


class MemoryLog:
    """One process's handle on the cluster, for one group and input topic: the log port of `stage/log.py`."""

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
        found = {(topic, p): self.cluster.tail(topic, p) for topic in topics for p in partitions}
        return {place: values for place, values in found.items() if values}

    def newest_snapshots(self, stage: str, partitions: Sequence[int]) -> dict[int, Snapshot]:
        logs = {
            place: self.cluster.records.get((SNAPSHOTS, place), []) for place in snapshot_partitions(stage, partitions)
        }
        bounds = {place: (0, len(log)) for place, log in logs.items()}
        search = SnapshotSearch(stage, partitions, bounds, WINDOW_RECORDS)
        while windows := search.next_windows():
            for place, (start, end) in windows.items():
                search.add((record.key, record.value) for record in logs[place][start:end])
        return search.newest()
