"""Logs to try the canary on: a whole exchange played in memory, stage after stage, by honest or corrupt cores.

No faults here, only what is published; `simulator/world.py` has the faults. Each round delivers a few commands, lets
everything settle and moves the broker's clock on; at the end ticks go on for a while, so that what is missing is late.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import accumulate
from random import Random
from typing import NamedTuple

from canary.core import Canary
from canary.judge import Limits
from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.alerts import Alert, Kind
from schemas.codec import encode
from schemas.commands import PublishedTrade
from schemas.records import Tick
from schemas.topics import ACCOUNTS, DEAD_LETTERS, DEPTH, LEDGER, ORDERS, TRADES
from simulator.interventions import any_trade, bust_of
from simulator.workload import START_MS, Delivery, Workload
from stage.partition import Core, Emission, StagePartition, StageStopped

Place = tuple[str, int]
COMMANDS_A_ROUND = 3
LAST_TICKS = 16
BUSTS = 0.05  # a round: how often the operator takes a trade back, where the rules know of busts
TICK_MS = 1000


class Record(NamedTuple):
    """A record as the broker has it. Offsets may have holes, where somebody deleted."""

    offset: int
    log_time_ms: int
    key: bytes
    value: bytes


Log = dict[Place, list[Record]]
MakeCore = Callable[[int], Core]
MakeBust = Callable[[int, PublishedTrade], Delivery]
Alter = Callable[[str, int, list[Emission]], list[Emission]]


class Recording:
    """An exchange at play. `alter` may change what a stage is about to write: (stage, its partition, its emissions).
    Now and then a published trade is taken back, as `bust` has it: (partition, trade)."""

    def __init__(
        self,
        workload: Workload,
        ledger: MakeCore = LedgerCore,
        matcher: MakeCore = MatcherCore,
        alter: Alter | None = None,
        bust: MakeBust = bust_of,
    ) -> None:
        self.log: Log = defaultdict(list)
        self.now_ms = START_MS
        self.stages = [StagePartition(ledger(p), p) for p in range(workload.account_partitions)]
        self.stages += [StagePartition(matcher(p), p) for p in range(workload.order_partitions)]
        self.stopped: set[StagePartition] = set()
        self._alter = alter
        self._bust = bust
        self._workload = workload

    def play(self, random: Random) -> Log:
        """Plays the workload through, and returns what then lies on the log."""
        for delivery in self._workload.opening:
            self.deliver(delivery)
        self.settle()
        commands = self._workload.commands
        for start in range(0, len(commands), COMMANDS_A_ROUND):
            self.now_ms += random.choice([1, 5, 20, 200])
            for delivery in commands[start : start + COMMANDS_A_ROUND]:
                self.deliver(delivery)
            self.settle()
            if random.random() < 0.15:
                self.tick()
            if self._workload.engine_version > 1 and random.random() < BUSTS:
                self.bust(random)
        for _ in range(LAST_TICKS):
            self.tick()
        return self.log

    def bust(self, random: Random) -> None:
        partition = random.randrange(self._workload.order_partitions)
        trade = any_trade(random, (record.value for record in self.log[(TRADES, partition)]))
        if trade is not None:
            self.deliver(self._bust(partition, trade))

    def deliver(self, delivery: Delivery) -> None:
        self.append(delivery.topic, delivery.partition, b"", delivery.value)

    def tick(self) -> None:
        self.now_ms += TICK_MS
        for topic, partition in self._workload.ticked:
            self.append(topic, partition, b"", encode(Tick()))
        self.settle()

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        records = self.log[(topic, partition)]
        records.append(Record(len(records), self.now_ms, key, value))

    def settle(self) -> None:
        """Lets every stage work until none has anything to do."""
        busy = True
        while busy:
            steps = [self._step(stage) for stage in self.stages if stage not in self.stopped]
            busy = any(steps)
            self.now_ms += busy

    def _step(self, stage: StagePartition) -> bool:
        records = self.log[(stage.core.input_topic, stage.partition)]
        if stage.next_offset >= len(records):
            return False
        record = records[stage.next_offset]
        try:
            emissions = stage.feed(record.offset, record.log_time_ms, record.value)
        except StageStopped:
            self.stopped.add(stage)
            return False
        if self._alter is not None:
            emissions = self._alter(stage.core.stage, stage.partition, emissions)
        for emission in emissions:
            if emission.topic != DEAD_LETTERS:
                self.append(emission.topic, emission.partition, emission.key, emission.value)
        return True


# --- the canary over a log


def places(workload: Workload) -> list[Place]:
    """Every partition that the canary reads."""
    by_account = [(topic, p) for topic in (ACCOUNTS, LEDGER) for p in range(workload.account_partitions)]
    return by_account + [(topic, p) for topic in (ORDERS, TRADES, DEPTH) for p in range(workload.order_partitions)]


class Judged(NamedTuple):
    alerts: list[Alert]
    canary: Canary


def interleaved(log: Log, random: Random | None = None) -> Iterator[tuple[Place, Record]]:
    """All records, each partition's in order; by time, or however `random` has it."""
    if random is None:
        heads = [
            (time_ms, place, number)
            for place, records in log.items()
            for number, time_ms in enumerate(accumulate((record.log_time_ms for record in records), max))
        ]
        for _, place, number in sorted(heads, key=lambda head: (head[0], _upstream_first(head[1]), head[2])):
            yield place, log[place][number]
        return
    positions = dict.fromkeys((place for place, records in log.items() if records), 0)
    while positions:
        place = random.choice(list(positions))
        records, start = log[place], positions[place]
        for record in records[start : start + random.choice([1, 1, 2, 5, 30])]:
            yield place, record
            positions[place] += 1
        if positions[place] == len(records):
            del positions[place]


def _upstream_first(place: Place) -> tuple[int, Place]:
    return (0 if place[0] == ACCOUNTS else 1 if place[0] == ORDERS else 2), place


def judge(
    log: Log,
    workload: Workload,
    checks: frozenset[Kind] | None = None,
    random: Random | None = None,
    limits: Limits | None = None,
) -> Judged:
    """What a canary says of the whole log."""
    canary = Canary(workload.account_partitions, workload.order_partitions, checks, limits)
    alerts: list[Alert] = []
    for (topic, partition), record in interleaved(log, random):
        alerts += canary.feed(topic, partition, record.offset, record.log_time_ms, record.key, record.value)
    for _ in range(2):
        alerts += canary.at_ends(places(workload))
    return Judged(alerts, canary)
