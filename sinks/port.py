"""ClickHouse as a sink of one topic sees it: what may be asked, and how it fails. `store.py` is it on the server."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sinks.blocks import Block
from sinks.tables import Table

ASKED_AT_ONCE = 500  # facts

UNKNOWN_TABLE, UNKNOWN_DATABASE, TABLE_IS_DROPPED = 60, 81, 218
NOT_ENOUGH_SPACE, CANNOT_WRITE = 243, 75
FUNCTION_THROW_IF = 395
WORDS = {
    UNKNOWN_TABLE: "a table was dropped: it is made again and filled from the log",
    TABLE_IS_DROPPED: "a table was dropped: it is made again and filled from the log",
    UNKNOWN_DATABASE: "the database was dropped: it is made again and filled from the log",
    NOT_ENOUGH_SPACE: "ClickHouse's disk is full: nothing is written until there is room",
    CANNOT_WRITE: "ClickHouse can't write its disk: nothing is written until it can",
    516: "ClickHouse refuses our key",
    497: "ClickHouse refuses us the right to this",
    164: "ClickHouse lets us read only",
}


class StoreFailed(Exception):
    """ClickHouse didn't do what was asked, or didn't say so. Whatever was under way is in doubt."""

    def __init__(self, what: str, code: int | None = None) -> None:
        super().__init__(what)
        self.code = code

    @property
    def is_gone(self) -> bool:
        """A table or the whole database isn't there."""
        return self.code in (UNKNOWN_TABLE, UNKNOWN_DATABASE, TABLE_IS_DROPPED)

    @property
    def is_fenced(self) -> bool:
        """Another writer has taken over, or the table is another: nothing is wrong."""
        return self.code == FUNCTION_THROW_IF


class Owned(NamedTuple):
    """What an insert rests on: log partition → claim."""

    topic: str
    claims: Mapping[int, str]


class Rows(Protocol):
    """All of these may raise StoreFailed."""

    def claim(self, topic: str, partitions: Sequence[int]) -> dict[int, str]:
        """Takes the partitions; whoever had them can't write any more. Returns each partition's claim."""
        ...

    def identities(self) -> dict[str, str]:
        """Table → its identity, of those of ours that are there. One that is made again has another."""
        ...

    def positions(self, table: Table, identity: str, partitions: Sequence[int]) -> dict[int, int]:
        """Log partition → the offset below which all is in this table. Final, once the partitions are claimed."""
        ...

    def existing(self, table: Table, facts: Sequence[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
        """Which of these facts have rows in the table."""
        ...

    def insert(self, table: Table, identity: str, owned: Owned, block: Block) -> None:
        """Writes the block, whole or not at all. After a failure it is in doubt which: claim anew, then look."""
        ...
