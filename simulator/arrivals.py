"""What reaches the log, or leaves it, without a stage's doing: gateways' deliveries, what dead processes had under way,
ticks, retention, expired commits."""

from collections import Counter, deque
from random import Random

import msgspec
from msgspec import Struct

from schemas.codec import encode
from schemas.records import Source, Tick
from simulator.faulty_log import UnderWay
from simulator.group import Group
from simulator.memory_log import Cluster
from simulator.workload import Delivery, Workload


class Arrivals:
    def __init__(self, random: Random, cluster: Cluster, workload: Workload, figures: Counter[str]) -> None:
        self.under_way: list[UnderWay] = []
        self._random = random
        self._cluster = cluster
        self._ticked = workload.ticked
        self._todo = deque(workload.commands)
        self._late: list[Delivery] = []
        self._figures = figures
        for delivery in workload.opening:
            self.append(delivery)

    @property
    def all_begun(self) -> bool:
        """Every command has been sent for the first time; some may still be late."""
        return not self._todo

    @property
    def all_done(self) -> bool:
        return not self._todo and not self._late

    def deliver(self) -> None:
        """The next command, or a late one; some come twice, some later."""
        if self._late and (not self._todo or self._random.random() < 0.2):
            self.append(self._late.pop(self._random.randrange(len(self._late))))
            return
        if not self._todo:
            return
        delivery = self._todo.popleft()
        if self._random.random() < 0.08:
            self._late.append(delivery)
            if self._random.random() < 0.5:
                self._figures["deliveries late"] += 1
                return
            self._figures["deliveries twice"] += 1
        self.append(delivery)

    def append(self, delivery: Delivery) -> None:
        self._cluster.append(delivery.topic, delivery.partition, b"", delivery.value)

    def tick(self) -> None:
        self.append(Delivery(*self._random.choice(self._ticked), encode(Tick())))

    def arrive(self) -> None:
        """Something that was under way when its writer died."""
        if not self.under_way:
            return
        number = self._random.randrange(len(self.under_way))
        place, records = self.under_way[number]
        self._cluster.append(*place, *records.pop(0), late=True)
        self._figures["late arrivals"] += 1
        if not records:
            del self.under_way[number]

    def delete_heads(self, group: Group) -> None:
        """Retention: of public topics, what the last commits have left behind."""
        for topic in group.outputs:
            for partition in group.owners:
                committed = self._cluster.committed.get((group.stage, group.topic, partition), 0)
                first = self._cluster.first.get((topic, partition), 0)
                for record in self._cluster.records[(topic, partition)][first:]:
                    if msgspec.json.decode(record.value, type=_Caused).source.offset >= committed:
                        break
                    first += 1
                self._cluster.first[(topic, partition)] = first

    def expire_commits(self, group: Group) -> None:
        for partition in group.owners:
            self._cluster.committed.pop((group.stage, group.topic, partition), None)


class _Caused(Struct):
    source: Source
