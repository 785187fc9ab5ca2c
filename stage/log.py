"""The log as a stage's service sees it: a port with two adapters, the real broker and the tests' in-memory log."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from stage.snapshots import Snapshot


class InputRecord(NamedTuple):
    """A record of the stage's input topic."""

    partition: int
    offset: int
    log_time_ms: int
    value: bytes | None


class Log(Protocol):
    """What a service may ask of the log. Anything may raise; then the process ends and starts again."""

    def fetch(self, max_records: int) -> Sequence[InputRecord]:
        """The next records of the assigned partitions, each partition's in order; empty if there are none now."""
        ...

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        """Hands a record over. Records of one partition reach the log in this order, without a gap, or not at all."""
        ...

    def flush(self) -> None:
        """Returns when all that was appended is acknowledged."""
        ...

    def commit(self, offsets: dict[int, int]) -> None:
        """Input partition → next offset: all that earlier records caused is on the log. Asks again for what failed."""
        ...

    def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        """Input partition → committed offset; 0 where there is none."""
        ...

    def end_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        """Input partition → offset behind its last record."""
        ...

    def tails(self, topics: Iterable[str], partitions: Sequence[int]) -> dict[tuple[str, int], list[bytes]]:
        """The last records (some hundreds) of these partitions of other topics; none for an empty one.

        They begin so far back that one with a place on its edge is among them, if the partition has any.
        """
        ...

    def newest_snapshots(self, stage: str, partitions: Sequence[int]) -> dict[int, Snapshot]:
        """The newest whole snapshot of each of the stage's partitions that has one."""
        ...
