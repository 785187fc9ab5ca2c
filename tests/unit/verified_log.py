"""A recorded exchange as a source, for the tests of `glassbook verify`, and its export as files."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from glassbook.export import export
from glassbook.export_manifest import Manifest
from glassbook.verify_source import EXPORTED, Bounds, LogRecord, Place, order_of
from simulator.canary_log import Log, Record, Recording, places
from simulator.workload import make_workload


class LogSource:
    """A log in memory in place of a broker's topics. `first` cuts a topic's partitions, as retention does."""

    def __init__(self, log: Log, every: Sequence[Place]) -> None:
        self._log = log
        self._every = every

    @property
    def bounds(self) -> Mapping[Place, Bounds]:
        return {place: self._of(place) for place in self._every}

    def _of(self, place: Place) -> Bounds:
        records = self._log.get(place)
        return Bounds(records[0].offset, records[-1].offset + 1) if records else Bounds(0, 0)

    def where(self, place: Place, offset: int) -> str:
        return f"{place[0]}-{place[1]} in memory, offset {offset}"

    def unordered(self, topics: Sequence[str]) -> Iterator[LogRecord]:
        for place in self._every:
            if place[0] in topics:
                yield from (at(place, record) for record in self._log.get(place, []))

    def records(self, topics: tuple[str, ...]) -> Iterator[LogRecord]:
        streams = [self._timed(place) for place in self._every if place[0] in topics]
        for _, record in heapq.merge(*streams, key=lambda timed: timed[0]):
            yield record

    def _timed(self, place: Place) -> Iterator[tuple[Any, LogRecord]]:
        time_ms = 0
        for record in self._log.get(place, []):
            time_ms = max(time_ms, record.log_time_ms)
            yield order_of(time_ms, place), at(place, record)


def at(place: Place, record: Record) -> LogRecord:
    return LogRecord(*place, record.offset, record.log_time_ms, record.key, record.value)


def recorded(seed: int = 1, commands: int = 80) -> tuple[Log, list[Place]]:
    """An honest history with fills, and all its partitions; `alerts` stands empty beside it."""
    random = Random(seed)
    workload = make_workload(random, commands)
    log = Recording(workload).play(random)
    return dict(log), [*places(workload), ("alerts", 0)]


def exported(log: Log, every: Sequence[Place], folder: Path, topics: Sequence[str] = EXPORTED) -> Manifest:
    source: Any = LogSource(log, [place for place in every if place[0] in topics])
    return export(source, topics, folder, "test", lambda count: None)
