"""What is to be seen when a manipulated log is played onto a broker: in which order its records come, which of them is
the bad one, and with which of them the canary can tell. Pure: the same core is asked that the canary's process runs.
"""

from typing import NamedTuple

from canary.core import Canary
from schemas.alerts import Evidence, Kind
from simulator.canary_log import Log, Place, Record, interleaved, places
from simulator.workload import Workload

AT_ONCE_MS = 100  # log time: what is told later than that needs patience


class Entry(NamedTuple):
    """A record and its partition. `gap`: the offset behind it is empty, since somebody deleted what stood there."""

    place: Place
    record: Record
    gap: bool

    @property
    def evidence(self) -> Evidence:
        return Evidence(*self.place, self.record.offset)


class Plan(NamedTuple):
    """`bad` is the number of the newest record that the alert rests on; `telling` of the one with which it comes."""

    entries: list[Entry]
    bad: int
    telling: int

    @property
    def waits_ms(self) -> int:
        """Log time that must pass behind the bad record."""
        return self.entries[self.telling].record.log_time_ms - self.entries[self.bad].record.log_time_ms

    @property
    def is_told_at_once(self) -> bool:
        return self.waits_ms < AT_ONCE_MS


def entries_of(log: Log) -> list[Entry] | None:
    """All records by log time. None if there are holes of another kind than a play can leave: of one offset, and not
    at a partition's beginning."""
    gaps = set()
    for place, records in log.items():
        expected = 0
        for record in records:
            if record.offset == expected + 1 and expected:
                gaps.add((place, expected - 1))
            elif record.offset != expected:
                return None
            expected = record.offset + 1
    return [Entry(place, record, (place, record.offset) in gaps) for place, record in interleaved(log)]


def plan(entries: list[Entry], workload: Workload, kinds: frozenset[Kind]) -> Plan | None:
    """None if the canary wouldn't tell."""
    canary = Canary(workload.account_partitions, workload.order_partitions)
    numbers = {entry.evidence: number for number, entry in enumerate(entries)}
    for number, ((topic, partition), record, _) in enumerate(entries):
        alerts = canary.feed(topic, partition, record.offset, record.log_time_ms, record.key, record.value)
        # Behind each record all partitions are read to their ends, so that it tells as soon as can be.
        alerts += canary.at_ends(places(workload))
        alert = next((alert for alert in alerts if alert.kind in kinds), None)
        if alert is not None:
            return Plan(entries, max(numbers.get(place, 0) for place in alert.evidence), number)
    return None
