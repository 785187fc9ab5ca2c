"""ClickHouse by hand, as far as a sink of one topic needs it: tables of rows, claims, and failures on demand."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sinks.blocks import Block
from sinks.port import FUNCTION_THROW_IF, Owned, StoreFailed
from sinks.tables import TABLES, Table


class MemoryStore:
    def __init__(self) -> None:
        self.there = {table.name: str(uuid4()) for table in TABLES}
        self.rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in TABLES}
        self.claims: dict[tuple[str, int], str] = {}
        self.recorded: dict[tuple[str, int], int] = {}
        self.inserts: list[tuple[str, Block]] = []
        self.asked = 0
        self.failures: list[str] = []  # what the next requests come to: "before" or "after" they were carried out
        self._claimed = 0

    def fail(self, *how: str) -> None:
        self.failures.extend(how)

    # --- what a sink asks

    def claim(self, topic: str, partitions: Sequence[int]) -> dict[int, str]:
        self._claimed += 1
        claims = dict.fromkeys(partitions, f"{self._claimed:020}")
        self.claims |= {(topic, partition): claim for partition, claim in claims.items()}
        return claims

    def identities(self) -> dict[str, str]:
        return dict(self.there)

    def positions(self, table: Table, identity: str, partitions: Sequence[int]) -> dict[int, int]:
        found = {partition: self.recorded.get((identity, partition), 0) for partition in partitions}
        for row in self.rows[table.name]:
            if row["log_partition"] in found:
                found[row["log_partition"]] = max(found[row["log_partition"]], row["log_offset"] + 1)
        return found

    def existing(self, table: Table, facts: Sequence[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
        self.asked += len(facts)
        return set(facts) & set(self.facts(table))

    def insert(self, table: Table, identity: str, owned: Owned, block: Block) -> None:
        how = self.failures.pop(0) if self.failures else ""
        if how == "before":
            raise StoreFailed("it was away")
        if self.there.get(table.name) != identity or any(
            self.claims[owned.topic, partition] != owned.claims[partition] for partition, _, _ in block.places
        ):
            raise StoreFailed("fenced", FUNCTION_THROW_IF)
        self.inserts.append((table.name, block))
        self.rows[table.name] += block.rows.to_pylist()
        if how == "after":
            raise StoreFailed("no answer came")

    # --- what a test asks

    def facts(self, table: Table) -> list[tuple[Any, ...]]:
        """Each row's fact, as the table's SQL has it."""
        return [tuple(_fact(row, name) for name in table.fact_sql) for row in self.rows[table.name]]

    def drop(self, name: str) -> None:
        """Drops a table; it is there again, empty, as another one."""
        self.there[name] = str(uuid4())
        self.rows[name] = []


def _fact(row: dict[str, Any], sql: str) -> Any:
    if sql.startswith("toUnixTimestamp64Milli"):
        return round(row["open_time"].timestamp() * 1000)
    if sql.startswith("if(entry_sequence"):
        return "" if row["entry_sequence"] else row["command_id"]
    return row[sql]
