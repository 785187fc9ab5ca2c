"""The log as the canary's service sees it: a port with two adapters, the real broker and the tests' in-memory log."""

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple, Protocol

Place = tuple[str, int]
"""Topic and partition."""


class Record(NamedTuple):
    """A record of a topic that the canary reads."""

    topic: str
    partition: int
    offset: int
    log_time_ms: int
    key: bytes | None
    value: bytes | None


class LogFailed(Exception):
    """The log, or the client's part of it, can't be gone on with. The process ends and starts again."""


class Log(Protocol):
    """What the service may ask of the log. Anything may raise; then the process ends and starts again."""

    def fetch(self, max_records: int) -> Sequence[Record]:
        """The next records of all partitions, each partition's in order; empty if there are none now."""
        ...

    def ends(self) -> Mapping[Place, int]:
        """The offset behind the last record of every partition that is read; empty while the broker is away."""
        ...

    def hold(self, places: Set[Place]) -> None:
        """From now on no records of these partitions are given, and again of those that were held before."""
        ...

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        """Hands a record over. Records of one partition reach the log in this order, without a gap, or not at all."""
        ...

    def flush(self) -> None:
        """Returns when all that was appended is acknowledged."""
        ...

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Says up to where every partition is judged. It is asked again with the next ones if it is lost."""
        ...
