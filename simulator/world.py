"""A whole exchange under seeded faults: the real stage services over a log in memory, and everything that can go wrong.

All chance comes from one seed, so that a run can be repeated. A process that is stopped is a call that has not
returned: while it waits inside its call of the log, the world goes on, gives its partitions away, and then lets it go
on with what it believed before.

Faults: kills at every call of the log; records under way that arrive in part, late or never; stops, with and without
loss of the partitions; lost, fenced and expired commits; torn snapshots; joins, leaves and rebalances, also inside
a fetch; gateways that deliver twice, late and out of order; a broker's clock that jumps, backwards too; retention.
"""

from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.codec import encode
from schemas.records import Source, Tick
from schemas.topics import DEPTH, LEDGER, TRADES
from simulator.faulty_log import FaultyLog, Place, Queued
from simulator.memory_log import Cluster
from simulator.workload import START_MS, Delivery, Workload
from stage.partition import StageStopped
from stage.service import Cadence, StageService

MAX_DEPTH = 3  # of processes stopped inside one another
MAX_ROUNDS = 10_000


class SimulationFailed(AssertionError):
    """The protocol did not hold."""


class Killed(Exception):
    """Ends a process where it is."""


class Odds(Struct, frozen=True):
    """How often things go wrong, each as a probability."""

    kill: float
    stop: float
    lose_commit: float
    retention: bool

    @classmethod
    def drawn(cls, random: Random) -> "Odds":
        return cls(
            random.choice([0.0, 0.002, 0.005, 0.02]), random.choice([0.0, 0.002, 0.005, 0.01]),
            random.choice([0.0, 0.1, 0.5, 1.0]), random.random() < 0.5,
        )  # fmt: skip


class Process:
    """One process of a stage. `busy` while a call of it has not returned; `fenced` when it lost its partitions and has
    not heard of it."""

    def __init__(self, world: "World", group: "Group", number: int) -> None:
        random = world.random
        self.name = f"{group.stage}/{number}"
        self.alive, self.busy, self.fenced = True, False, False
        self.log = FaultyLog(world, world.cluster, group.stage, group.topic, self)
        self.group = group
        cadence = Cadence(
            random.choice([0, 20, 200]), random.choice([50, 100_000]), random.choice([1, 5, 20, 1000]),
            random.choice([100, 1500, 100_000]),
        )  # fmt: skip
        self.service = world.make_service(
            group.make_core, group.outputs, self.log, lambda: world.cluster.now_ms, cadence
        )  # fmt: skip


class Group:
    """A stage's consumer group: its members, and who owns which partition."""

    def __init__(self, make_core: Any, outputs: tuple[str, ...], partitions: int) -> None:
        self.make_core = make_core
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


class World:
    def __init__(self, random: Random, workload: Workload, odds: Odds, make_service: Any = StageService) -> None:
        self.random = random
        self.odds = odds
        self.make_service = make_service
        self.cluster = Cluster(START_MS)
        self.calm = False
        self.figures: Counter[str] = Counter()
        self.trace: list[str] = []
        self.workload = workload
        self._todo = deque(workload.commands)
        self._late: list[Delivery] = []
        self.under_way: list[tuple[Place, list[Queued]]] = []
        self._zombies: list[Process] = []
        self._depth = 0
        self._processes = 0
        self.ledger = Group(LedgerCore, (LEDGER,), workload.account_partitions)
        self.matcher = Group(MatcherCore, (TRADES, DEPTH), workload.order_partitions)
        self.groups = (self.ledger, self.matcher)
        for delivery in workload.opening:
            self.append(delivery)

    # --- the run

    def run(self) -> None:
        """Faults until all is delivered and a while longer; then calm until nothing moves."""
        for group in self.groups:
            for _ in range(self.random.randint(1, 2)):
                self.join(group)
            self._rebalance(group)
        rest = self.random.randint(0, 40)
        while self._todo or self._late or rest > 0:
            self._act()
            rest -= not self._todo
        self._recover()

    def _recover(self) -> None:
        self.calm = True
        while self.under_way:
            self.arrive()
        for _ in range(MAX_ROUNDS):
            moved = 0
            for group in self.groups:
                if not group.members or None in group.owners.values():
                    self._rebalance(group)
                for process in list(group.members):
                    moved += self.step(process, 50)
                for process in self._fenced(group):
                    moved += 1 + self.step(process, 50)
            if not moved:
                return
            self.cluster.now_ms += 1
        raise SimulationFailed("it never comes to rest")

    def _act(self) -> None:
        """One thing that happens anywhere."""
        random = self.random
        chance = random.random()
        group = random.choice(self.groups)
        if chance < 0.62:
            idle = [p for g in self.groups for p in (*g.idle_members(), *self._fenced(g))]
            if idle:
                self.step(random.choice(idle), random.choice([1, 2, 5, 20, 100]))
        elif chance < 0.84:
            self._deliver()
        elif chance < 0.90:
            self.cluster.now_ms += random.choice([-5, 1, 10, 50, 200])
        elif chance < 0.92:
            self.append(Delivery("orders", random.randrange(self.workload.order_partitions), encode(Tick())))
        elif chance < 0.95:
            self.arrive()
        elif chance < 0.97:
            self._rebalance(group)
        elif chance < 0.98:
            self.join(group)
        elif chance < 0.99:
            self._leave(group)
        elif self.odds.retention:
            self._delete_heads()
        else:
            self._expire_commits(group)

    # --- processes

    def join(self, group: Group) -> Process:
        self._processes += 1
        process = Process(self, group, self._processes)
        group.members.append(process)
        return process

    def _leave(self, group: Group) -> None:
        """A process ends in good order, or is killed between two steps."""
        idle = group.idle_members()
        if not idle:
            return
        process = self.random.choice(idle)
        if self.random.random() < 0.5:
            self._die(process, "between steps")
        else:
            self.note(process, "leaves")
            self.guard(process, lambda: process.service.close(list(process.service.partitions)))
            group.forget(process)

    def _fenced(self, group: Group) -> list[Process]:
        return [process for process in self._zombies if process.group is group and not process.busy]

    def step(self, process: Process, batch: int) -> int:
        return self.guard(process, lambda: process.service.step(batch)) or 0

    def guard(self, process: Process, call: Callable[[], Any]) -> Any:
        process.busy = True
        try:
            return call()
        except Killed as killed:
            self._die(process, str(killed))
        except StageStopped as stopped:
            raise SimulationFailed(f"{process.name} stopped: {type(stopped).__name__}: {stopped}") from stopped
        finally:
            process.busy = False
        return None

    def _die(self, process: Process, where: str) -> None:
        self.count("kills")
        self.note(process, f"dies: {where}")
        process.alive = False
        self.under_way += process.log.crash()
        process.group.forget(process)
        if process in self._zombies:
            self._zombies.remove(process)

    # --- partitions

    def _rebalance(self, group: Group) -> None:
        """Deals the partitions out anew. A process that is busy keeps its own: it is not listening."""
        if not group.idle_members():
            self.join(group)
        members = group.idle_members()
        self.random.shuffle(members)
        targets = {p: members[p % len(members)] for p in group.owners}
        for partition, target in targets.items():
            owner = group.owners[partition]
            if owner is not None and owner is not target and not owner.busy:
                self.guard(owner, lambda owner=owner, p=partition: owner.service.close([p]))  # type: ignore[misc]
                self._free(owner, partition)
        for partition, target in targets.items():
            if group.owners[partition] is None and target in group.members and not target.busy:
                group.owners[partition] = target
                self.note(target, f"gets {partition}")
                self.guard(target, lambda target=target, p=partition: open_partition(target, p))  # type: ignore[misc]

    def _free(self, owner: Process, partition: int) -> None:
        owner.log.positions.pop(partition, None)
        if owner.group.owners[partition] is owner:
            owner.group.owners[partition] = None

    def may_revoke_in_fetch(self, process: Process) -> None:
        """Takes a partition away in good order, where Kafka does: inside the fetch that has its records in hand."""
        owned = list(process.log.positions)
        if self.calm or process.fenced or not owned or self.random.random() >= 0.01:
            return
        partition = self.random.choice(owned)
        self.count("revoked in fetch")
        self.note(process, f"loses {partition} inside a fetch")
        process.service.close([partition])
        if not process.fenced:
            self._free(process, partition)

    # --- faults at a call of the log

    def reach(self, process: Process, point: str) -> None:
        if self.calm:
            return
        chance = self.random.random()
        if chance < self.odds.kill:
            raise Killed(point)
        if chance < self.odds.kill + self.odds.stop and self._depth < MAX_DEPTH:
            self._meanwhile(process, point)

    def _meanwhile(self, process: Process, point: str) -> None:
        """The process stands still here, and the world goes on; perhaps long enough to give its partitions away."""
        self.count("stops")
        self._depth += 1
        self.note(process, f"is stopped: {point}")
        if not process.fenced and self.random.random() < 0.7:
            self.count("zombies")
            process.fenced = True
            process.group.forget(process)
            self._zombies.append(process)
            self._rebalance(process.group)
        for _ in range(self.random.choice([1, 5, 20, 60])):
            self._act()
        self.note(process, "goes on")
        self._depth -= 1

    def learn_of_loss(self, process: Process) -> None:
        """The process hears that its partitions are somebody else's, and joins again."""
        process.service.drop(list(process.service.partitions))
        process.log.positions.clear()
        process.fenced = False
        self._zombies.remove(process)
        process.group.members.append(process)

    def loses_commit(self) -> bool:
        return not self.calm and self.random.random() < self.odds.lose_commit

    # --- the log

    def _deliver(self) -> None:
        """The next command, or a late one; some come twice, some later."""
        if self._late and (not self._todo or self.random.random() < 0.2):
            self.append(self._late.pop(self.random.randrange(len(self._late))))
            return
        if not self._todo:
            return
        delivery = self._todo.popleft()
        if self.random.random() < 0.08:
            self._late.append(delivery)
            if self.random.random() < 0.5:
                self.count("deliveries late")
                return
            self.count("deliveries twice")
        self.append(delivery)

    def append(self, delivery: Delivery) -> None:
        self.cluster.append(delivery.topic, delivery.partition, b"", delivery.value)

    def arrive(self) -> None:
        """Something that was under way when its writer died."""
        if not self.under_way:
            return
        number = self.random.randrange(len(self.under_way))
        place, records = self.under_way[number]
        self.cluster.append(*place, *records.pop(0), late=True)
        self.count("late arrivals")
        if not records:
            del self.under_way[number]

    def _delete_heads(self) -> None:
        """Retention: of public topics, what the last commits have left behind."""
        for group in self.groups:
            for topic in group.outputs:
                for partition in group.owners:
                    committed = self.cluster.committed.get((group.stage, group.topic, partition), 0)
                    first = self.cluster.first.get((topic, partition), 0)
                    for record in self.cluster.records[(topic, partition)][first:]:
                        if msgspec.json.decode(record.value, type=_Caused).source.offset >= committed:
                            break
                        first += 1
                    self.cluster.first[(topic, partition)] = first

    def _expire_commits(self, group: Group) -> None:
        for partition in group.owners:
            self.cluster.committed.pop((group.stage, group.topic, partition), None)

    # --- what happened

    def count(self, what: str) -> None:
        self.figures[what] += 1

    def note(self, process: Process, what: str) -> None:
        self.trace.append(f"{process.name} {what}")


class _Caused(Struct):
    source: Source


def open_partition(process: Process, partition: int) -> None:
    process.log.positions.update(process.service.open([partition]))
