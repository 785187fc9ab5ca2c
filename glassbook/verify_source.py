"""What is checked, wherever it lies: every copy of every record, each with its place and the broker's time.

A source gives its records in one order: by log time, made monotonic in each partition, and at the same time what
causes before what is caused. So a reader may take two partitions for read up to the same moment, and needs no memory
for what lies far ahead.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

from schemas.topics import ALERTS, JUDGED

EXPORTED = (*JUDGED, ALERTS)
# At the same millisecond, what causes comes first.
RANK = {topic: rank for rank, topic in enumerate(JUDGED)}

Place = tuple[str, int]
"""Topic and partition."""


class LogRecord(NamedTuple):
    topic: str
    partition: int
    offset: int
    log_time_ms: int
    key: bytes | None
    value: bytes | None

    @property
    def place(self) -> Place:
        return self.topic, self.partition


class Bounds(NamedTuple):
    """The first offset that is there, and the one behind the last."""

    first: int
    end: int


class Source(Protocol):
    """Topics or files. `bounds` holds every partition, an empty one too."""

    @property
    def bounds(self) -> Mapping[Place, Bounds]: ...
    def records(self, topics: tuple[str, ...]) -> Iterator[LogRecord]: ...
    def where(self, place: Place, offset: int) -> str:
        """How a person looks at a record."""
        ...


Step = Callable[[int], None]
"""Told how many records more have been read."""


def order_of(time_ms: int, place: Place) -> tuple[int, int, Place]:
    """`time_ms` is the highest log time of the partition so far."""
    return time_ms, RANK[place[0]], place
