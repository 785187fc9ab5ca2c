"""A process's handle on the log in memory that breaks where a broker and a process can break.

Each call is a point at which the world may kill the process, or stop it while others go on. Appended records reach the
log at any time from the call on, each output partition's in order and without a gap, but with no order between
partitions. What is under way when the process dies gets there in part, and in part later, or never.
"""

from collections.abc import Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING, Protocol

from schemas.topics import SNAPSHOTS
from simulator.memory_log import Cluster, MemoryLog
from stage.log import InputRecord
from stage.snapshots import Snapshot

if TYPE_CHECKING:
    from simulator.group import Process

Place = tuple[str, int]
Queued = tuple[bytes, bytes]
UnderWay = tuple[Place, list[Queued]]


class LogWorld(Protocol):
    """Who decides what happens at a call of the log."""

    random: Random
    calm: bool  # no more faults

    def reach(self, process: "Process", point: str) -> None: ...
    def learn_of_loss(self, process: "Process") -> None: ...
    def may_revoke_in_fetch(self, process: "Process") -> None: ...
    def loses_commit(self) -> bool: ...
    def count(self, what: str) -> None: ...


class FaultyLog(MemoryLog):
    def __init__(self, world: LogWorld, cluster: Cluster, group: str, topic: str, process: "Process") -> None:
        super().__init__(cluster, group, topic)
        self._world = world
        self._random = world.random
        self._process = process
        self._queues: dict[Place, list[Queued]] = {}

    # --- what a stage asks for

    def fetch(self, max_records: int) -> Sequence[InputRecord]:
        self._world.reach(self._process, "fetch")
        if self._process.fenced and (self._world.calm or self._random.random() < 0.5):
            self._world.learn_of_loss(self._process)
            return []
        partitions = list(self.positions)
        self._random.shuffle(partitions)
        self.positions = {partition: self.positions[partition] for partition in partitions}
        taken = super().fetch(max_records)
        self._world.may_revoke_in_fetch(self._process)
        return taken

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        self._world.reach(self._process, "append")
        self._queues.setdefault((topic, partition), []).append((key, value))
        if not self._world.calm and self._random.random() < 0.1:
            self._land(self._random.choice(list(self._queues)), 1)
        self._world.reach(self._process, "appended")

    def flush(self) -> None:
        self._world.reach(self._process, "flush")
        while self._queues:
            place = self._random.choice(list(self._queues))
            queued = len(self._queues[place])
            self._land(place, queued if self._random.random() < 0.7 else self._random.randint(1, queued))
            self._world.reach(self._process, "flushing")

    def commit(self, offsets: dict[int, int]) -> None:
        self._world.reach(self._process, "commit")
        if self._process.fenced:
            self._world.count("fenced commits")
        elif self._world.loses_commit():
            self._world.count("lost commits")
        else:
            super().commit(offsets)
        self._world.reach(self._process, "committed")

    # --- what a start reads

    def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        self._world.reach(self._process, "read commits")
        return super().committed(partitions)

    def end_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        self._world.reach(self._process, "read ends")
        return super().end_offsets(partitions)

    def tails(self, topics: Iterable[str], partitions: Sequence[int]) -> dict[Place, list[bytes]]:
        self._world.reach(self._process, "read tails")
        return super().tails(topics, partitions)

    def newest_snapshots(self, stage: str, partitions: Sequence[int]) -> dict[int, Snapshot]:
        self._world.reach(self._process, "read snapshots")
        return super().newest_snapshots(stage, partitions)

    # --- the end of a process

    def crash(self) -> list[UnderWay]:
        """Lands a part of each partition's queue; returns what is still under way."""
        under_way: list[UnderWay] = []
        if any(topic == SNAPSHOTS for topic, _ in self._queues):
            self._world.count("torn snapshots")
        for place in list(self._queues):
            self._land(place, self._random.randint(0, len(self._queues[place])))
            rest = self._queues.get(place, [])
            arriving = self._random.randint(0, len(rest)) if self._random.random() < 0.5 else 0
            if arriving:
                under_way.append((place, rest[:arriving]))
        self._queues.clear()
        return under_way

    def _land(self, place: Place, count: int) -> None:
        queue = self._queues[place]
        for key, value in queue[:count]:
            self.cluster.append(*place, key, value, late=self._process.fenced)
        del queue[:count]
        if not queue:
            del self._queues[place]
