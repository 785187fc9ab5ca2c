"""A whole exchange under seeded faults: the real stage services over a log in memory, and everything that can go wrong.

All chance comes from one seed, so that a run can be repeated. A process that is stopped is a call that has not
returned: while it waits inside its call of the log, the world goes on, gives its partitions away, and then lets it go
on with what it believed before.

Faults: kills at every call of the log; records under way that arrive in part, late or never; stops, with and without
loss of the partitions; lost, fenced and expired commits; torn snapshots; joins, leaves and rebalances, also inside
a fetch; gateways that deliver twice, late and out of order; a broker's clock that jumps, backwards too; retention.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TypeVar

from msgspec import Struct

from candle_agg.core import CandleCore
from candle_agg.service import CandleService
from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.topics import CANDLES, DEPTH, LEDGER, TRADES
from simulator.arrivals import Arrivals
from simulator.group import Group, MakeService, Process
from simulator.memory_log import Cluster
from simulator.workload import START_MS, Workload
from stage.partition import StageStopped
from stage.service import StageService

MAX_DEPTH = 3  # of processes stopped inside one another
MAX_ROUNDS = 10_000

Result = TypeVar("Result")


class SimulationFailed(AssertionError):
    """The protocol did not hold."""


class Killed(Exception):
    """Ends a process where it is."""


class Odds(Struct, frozen=True):
    """How often things go wrong, each as a probability."""

    kill: float = 0.0
    stop: float = 0.0
    lose_commit: float = 0.0
    retention: bool = False

    @classmethod
    def drawn(cls, random: Random) -> "Odds":
        return cls(
            random.choice([0.0, 0.002, 0.005, 0.02]), random.choice([0.0, 0.002, 0.005, 0.01]),
            random.choice([0.0, 0.1, 0.5, 1.0]), random.random() < 0.5,
        )  # fmt: skip


class World:
    def __init__(
        self, random: Random, workload: Workload, odds: Odds, make_service: MakeService = StageService
    ) -> None:
        self.random = random
        self.odds = odds
        self.cluster = Cluster(START_MS)
        self.calm = False
        self.figures: Counter[str] = Counter()
        self.trace: list[str] = []
        self.arrivals = Arrivals(random, self.cluster, workload, self.figures)
        self.ledger = Group(LedgerCore, (LEDGER,), workload.account_partitions, make_service)
        self.matcher = Group(MatcherCore, (TRADES, DEPTH), workload.order_partitions, make_service)
        self.candles = Group(CandleCore, (CANDLES,), workload.order_partitions, CandleService)
        self.groups = (self.ledger, self.matcher, self.candles)
        self._zombies: list[Process] = []
        self._depth = 0
        self._processes = 0

    # --- the run

    def run(self) -> None:
        """Faults until all is delivered and a while longer; then calm until nothing moves."""
        for group in self.groups:
            for _ in range(self.random.randint(1, 2)):
                self.join(group)
            self._rebalance(group)
        rest = self.random.randint(0, 40)
        while not self.arrivals.all_done or rest > 0:
            self._act()
            rest -= self.arrivals.all_begun
        self._recover()

    def _recover(self) -> None:
        self.calm = True
        while self.arrivals.under_way:
            self.arrivals.arrive()
        for _ in range(MAX_ROUNDS):
            moved = 0
            for group in self.groups:
                if not group.members or None in group.owners.values():
                    self._rebalance(group)
                for process in list(group.members):
                    moved += self.step(process, 50)
                for process in self._idle_zombies(group):
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
            idle = [process for each in self.groups for process in (*each.idle_members(), *self._idle_zombies(each))]
            if idle:
                self.step(random.choice(idle), random.choice([1, 2, 5, 20, 100]))
        elif chance < 0.84:
            self.arrivals.deliver()
        elif chance < 0.90:
            self.cluster.now_ms += random.choice([-5, 1, 10, 50, 200, 1500])
        elif chance < 0.92:
            self.arrivals.tick()
        elif chance < 0.95:
            self.arrivals.arrive()
        elif chance < 0.97:
            self._rebalance(group)
        elif chance < 0.98:
            self.join(group)
        elif chance < 0.99:
            self._leave(group)
        elif self.odds.retention:
            self.arrivals.delete_heads(group)
        else:
            self.arrivals.expire_commits(group)

    # --- processes

    def join(self, group: Group) -> Process:
        self._processes += 1
        process = Process(self, self.cluster, group, self._processes)
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

    def step(self, process: Process, batch: int) -> int:
        return self.guard(process, lambda: process.service.step(batch)) or 0

    def guard(self, process: Process, call: Callable[[], Result]) -> Result | None:
        """Lets a process do something, and perhaps die of it; None if it did."""
        process.busy = True
        try:
            return call()
        except Killed as killed:
            self._die(process, str(killed))
            return None
        except StageStopped as stopped:
            raise SimulationFailed(f"{process.name} stopped: {type(stopped).__name__}: {stopped}") from stopped
        finally:
            process.busy = False

    def _die(self, process: Process, where: str) -> None:
        self.count("kills")
        self.note(process, f"dies: {where}")
        process.alive = False
        self.arrivals.under_way += process.log.crash()
        process.group.forget(process)
        if process in self._zombies:
            self._zombies.remove(process)

    def _idle_zombies(self, group: Group) -> list[Process]:
        return [process for process in self._zombies if process.group is group and not process.busy]

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
                self.guard(owner, partial(owner.close, partition))
                group.free(owner, partition)
        for partition, target in targets.items():
            # Others may have acted meanwhile, if an owner was stopped while it gave its partition back.
            if group.owners[partition] is None and target in group.members and not target.busy:
                group.owners[partition] = target
                self.note(target, f"gets {partition}")
                self.guard(target, partial(target.open, partition))

    def may_revoke_in_fetch(self, process: Process) -> None:
        """Takes a partition away in good order, where Kafka does: inside the fetch that has its records in hand."""
        owned = list(process.log.positions)
        if self.calm or process.fenced or not owned or self.random.random() >= 0.01:
            return
        partition = self.random.choice(owned)
        self.count("revoked in fetch")
        self.note(process, f"loses {partition} inside a fetch")
        process.close(partition)
        if not process.fenced:
            process.group.free(process, partition)

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

    # --- what happened

    def count(self, what: str) -> None:
        self.figures[what] += 1

    def note(self, process: Process, what: str) -> None:
        self.trace.append(f"{process.name} {what}")
