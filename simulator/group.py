"""Processes and consumer groups of the simulated exchange: who lives, who owns which partition, who believes what."""

from collections.abc import Callable
from random import Random
from typing import Any

from simulator.faulty_log import FaultyLog, LogWorld
from simulator.memory_log import Cluster
from stage.service import Cadence, StageService

MakeService = Callable[..., StageService]


class Process:
    """One process of a stage. `busy` while a call of it has not returned; `fenced` when it lost its partitions and has
    not heard of it."""

    def __init__(self, world: LogWorld, cluster: Cluster, group: "Group", number: int) -> None:
        self.name = f"{group.stage}/{number}"
        self.alive, self.busy, self.fenced = True, False, False
        self.group = group
        self.log = FaultyLog(world, cluster, group.stage, group.topic, self)
        cadence = _drawn_cadence(world.random)
        self.service = group.make_service(group.make_core, group.outputs, self.log, lambda: cluster.now_ms, cadence)

    def open(self, partition: int) -> None:
        self.log.positions.update(self.service.open([partition]))

    def close(self, partition: int) -> None:
        self.service.close([partition])


def _drawn_cadence(random: Random) -> Cadence:
    return Cadence(
        random.choice([0, 20, 200]), random.choice([50, 100_000]), random.choice([1, 5, 20, 1000]),
        random.choice([100, 1500, 100_000]), random.choice([200, 4_000_000]),
    )  # fmt: skip


class Group:
    """A stage's consumer group: its members, and who owns which partition."""

    def __init__(self, make_core: Any, outputs: tuple[str, ...], partitions: int, make_service: MakeService) -> None:
        self.make_core = make_core
        self.make_service = make_service
        self.stage: str = make_core.stage
        self.topic: str = make_core.input_topic
        self.outputs = outputs
        self.members: list[Process] = []
        self.owners: dict[int, Process | None] = dict.fromkeys(range(partitions))

    def idle_members(self) -> list[Process]:
        return [member for member in self.members if not member.busy]

    def forget(self, process: Process) -> None:
        """The coordinator counts the process out: its partitions are free."""
        if process in self.members:
            self.members.remove(process)
        self.owners = {p: None if owner is process else owner for p, owner in self.owners.items()}

    def free(self, owner: Process, partition: int) -> None:
        """The owner has given the partition back in good order."""
        owner.log.positions.pop(partition, None)
        if self.owners[partition] is owner:
            self.owners[partition] = None
