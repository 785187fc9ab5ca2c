"""ClickHouse as a sink sees it: who may write, how far the rows are, what is there already, and the one insert.

Exactness rests on three steps, in this order: a claim is written; inserts that began before it are waited for; then the
positions are read. Every insert names its claim and its table's identity, and the server refuses it when there is a
higher claim, or another table of that name, by the time that it begins. So neither who was stopped with a batch in
hand, nor a request that is still under way when its sender has given it up, can write behind the positions read.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from sinks.blocks import Block, encode_block
from sinks.port import ASKED_AT_ONCE, FUNCTION_THROW_IF, WORDS, Owned, StoreFailed
from sinks.tables import TABLES, Table

POLL_S = 0.05
WRITERS_GONE_S = 10.0
FENCED = "the claim was lost"
ANOTHER_TABLE = "the table was made again"

_INSERT_SETTINGS = {
    "async_insert": 0,
    "distributed_foreground_insert": 1,  # where the table is spread over shards: there when it is acknowledged
    "insert_deduplicate": 1,
    # One block, whatever the server would cut its input into; and never into two ClickHouse partitions.
    "max_threads": 1,
    "max_insert_threads": 1,
    "max_block_size": 2**24,
    "max_insert_block_size": 2**24,
    "min_insert_block_size_rows": 2**24,
    "min_insert_block_size_bytes": 2**31,
    "input_format_parallel_parsing": 0,
    "max_partitions_per_insert_block": 1,
}


class Store:
    """`connect` gives a client whose database is the one to write to; it is called again after a failure."""

    def __init__(self, connect: Callable[[], Client], member: str) -> None:
        self._connect = connect
        self._member = member
        self._client: Client | None = None

    # --- who may write

    def claim(self, topic: str, partitions: Sequence[int]) -> dict[int, str]:
        """Takes the partitions; whoever had them can't write any more. Returns each partition's claim."""
        who = f"{self._member}-{uuid4().hex[:12]}"
        newest = self._claims(topic, partitions)
        claims = {p: f"{int(newest[p][:20]) + 1 if p in newest else 1:020}-{who}" for p in partitions}
        values = ", ".join(f"({_text(topic)}, {p}, {_text(claim)})" for p, claim in claims.items())
        self.run(f"INSERT INTO sink_claims (topic, log_partition, claim) VALUES {values}")
        if self._claims(topic, partitions) != claims:
            raise StoreFailed(f"{FENCED}: another sink claims partitions of {topic} too", FUNCTION_THROW_IF)
        self._wait_for_writers()
        return claims

    def _claims(self, topic: str, partitions: Sequence[int]) -> dict[int, str]:
        rows = self.rows(
            f"SELECT log_partition, max(claim) FROM sink_claims WHERE topic = {_text(topic)}"
            f" AND log_partition IN ({_numbers(partitions)}) GROUP BY log_partition"
        )
        return {int(partition): str(claim) for partition, claim in rows}

    def _wait_for_writers(self) -> None:
        """Until every insert of a sink that runs now has ended. Those that begin later see the claim."""
        running = self._writers()
        deadline = time.monotonic() + WRITERS_GONE_S
        while running := running & self._writers():
            if time.monotonic() > deadline:
                raise StoreFailed(f"an insert of an earlier owner still runs after {WRITERS_GONE_S:.0f} s: {running}")
            time.sleep(POLL_S)

    def _writers(self) -> set[str]:
        return {
            str(query_id)
            for (query_id,) in self.rows(
                "SELECT query_id FROM system.processes WHERE query_kind = 'Insert' AND query LIKE '%sink\\_claims%'"
            )
        }

    # --- what is there

    def identities(self) -> dict[str, str]:
        """Table → its identity, of those of ours that are there. One that is made again has another."""
        names = ", ".join(_text(table.name) for table in TABLES)
        rows = self.rows(
            f"SELECT name, uuid FROM system.tables WHERE database = currentDatabase() AND name IN ({names})"
        )
        return {str(name): str(uuid) for name, uuid in rows}

    def positions(self, table: Table, identity: str, partitions: Sequence[int]) -> dict[int, int]:
        """Log partition → the offset below which all is in this table. Final, once the partitions are claimed."""
        known = self.rows(
            f"SELECT log_partition, max(next_offset) FROM sink_positions WHERE table_uuid = {_text(identity)}"
            f" AND log_partition IN ({_numbers(partitions)}) GROUP BY log_partition"
        )
        positions = dict.fromkeys(partitions, 0) | {int(p): int(offset) for p, offset in known}
        above = " OR ".join(f"(log_partition = {p} AND log_offset >= {offset})" for p, offset in positions.items())
        rows = self.rows(
            f"SELECT log_partition, max(log_offset) FROM {table.name} WHERE {above} GROUP BY log_partition"
        )
        return positions | {int(p): int(offset) + 1 for p, offset in rows}

    def existing(self, table: Table, facts: Collection[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
        """Which of these facts have rows in the table."""
        assert table.fact_sql and len(facts) <= ASKED_AT_ONCE
        named = ", ".join(table.fact_sql)
        wanted = ", ".join(f"({', '.join(map(_literal, fact))})" for fact in facts)
        first = ", ".join(dict.fromkeys(_literal(fact[0]) for fact in facts))  # by which the primary key begins
        rows = self.rows(
            f"SELECT DISTINCT {named} FROM {table.name}"
            f" WHERE {table.fact_sql[0]} IN ({first}) AND ({named}) IN ({wanted})"
        )
        return {tuple(row) for row in rows}

    # --- writing

    def insert(self, table: Table, identity: str, owned: Owned, block: Block) -> None:
        """Writes the block, whole or not at all. After a failure it is in doubt which: claim anew, then look."""
        claims = {partition: owned.claims[partition] for partition, _, _ in block.places}
        columns = ", ".join(table.column_names)
        structure = ", ".join(f"{column.name} {column.clickhouse_type}" for column in table.columns)
        target = (
            f"{table.name} ({columns}) SELECT {columns} FROM input({_text(structure)})"
            f" WHERE {_fence(table, identity, owned.topic, claims)}"
        )
        # The token only guards against a request that is sent twice on its way: the claims are in it.
        token = f"{table.name}:{':'.join(f'{p}-{first}-{last}-{claims[p]}' for p, first, last in block.places)}"
        settings = _INSERT_SETTINGS | {"insert_deduplication_token": token}
        # What comes in pieces is neither looked through nor sent again by the client.
        body = (piece for piece in (encode_block(block.rows),))
        self._ask(lambda client: client.raw_insert(target, None, body, settings, "ArrowStream"))

    def record_positions(self, positions: Iterable[tuple[Table, str, int, int]]) -> None:
        """(table, identity, log partition, next offset): all below is in the table. Needs no claim: it stays true."""
        values = ", ".join(f"({_text(u)}, {_text(t.name)}, {p}, {offset})" for t, u, p, offset in positions)
        if values:
            self.run(f"INSERT INTO sink_positions (table_uuid, table_name, log_partition, next_offset) VALUES {values}")

    # --- talking

    def client(self) -> Client:
        """The connection, made if there is none."""
        if self._client is None:
            try:
                self._client = self._connect()
            except (Error, OSError) as error:
                raise _failure(error) from None
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def run(self, statement: str, settings: dict[str, Any] | None = None) -> None:
        """Raises StoreFailed; then it may have happened all the same."""
        self._ask(lambda client: client.command(statement, settings=settings))

    def rows(self, query: str) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = self._ask(lambda client: client.query(query).result_rows)
        return rows

    def _ask(self, request: Callable[[Client], Any]) -> Any:
        try:
            return request(self.client())
        except (Error, OSError) as error:
            self.close()
            raise _failure(error) from None


def _fence(table: Table, identity: str, topic: str, claims: Mapping[int, str]) -> str:
    """A condition that the server judges once, when the statement begins; it throws instead of being false."""
    held = ", ".join(f"({partition}, {_text(claim)})" for partition, claim in claims.items())
    newest = (
        f"SELECT log_partition, max(claim) AS newest FROM sink_claims WHERE topic = {_text(topic)}"
        f" AND log_partition IN ({_numbers(claims)}) GROUP BY log_partition"
    )
    holding = f"(SELECT count() FROM ({newest}) WHERE (log_partition, newest) IN ({held}))"
    same = (
        f"(SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = {_text(table.name)}"
        f" AND uuid = {_text(identity)})"
    )
    return (
        f"throwIf({holding} != {len(claims)}, {_text(FENCED)}) = 0 AND throwIf({same} != 1, {_text(ANOTHER_TABLE)}) = 0"
    )


def _failure(error: Exception) -> StoreFailed:
    code = getattr(error, "code", None)
    if code == FUNCTION_THROW_IF:
        return StoreFailed(FENCED if FENCED in str(error) else ANOTHER_TABLE, code)
    if code is None:
        return StoreFailed(f"ClickHouse is away: {_root(error)}")
    said = " ".join(str(error).split())[:300]
    return StoreFailed(f"{WORDS[code]} ({said})" if code in WORDS else said, code)


def _root(error: BaseException) -> str:
    """What it comes from, in a few words."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else _text(value)


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
