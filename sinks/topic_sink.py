"""One topic into its tables: records are taken, become rows, and are written in blocks.

A partition is opened with a claim and read on from where its tables are. A table takes no record below its own
position, and none twice: what isn't surely new is looked up in the table. After any failure all that was taken is
forgotten and the partitions are opened anew: there is one way to start. Knows no Kafka and no clock.
"""

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, NamedTuple

from schemas.topics import ALERTS, CANDLES
from sinks.blocks import Chunk, blocks_of, chunk_of
from sinks.port import ASKED_AT_ONCE, UNKNOWN_TABLE, Owned, Rows, StoreFailed
from sinks.records import Stretch, Unreadable, has_edge_place, read
from sinks.repeats import Edge, Run
from sinks.tables import Table, tables_of

HAVE_UNPLACED = frozenset({CANDLES, ALERTS})  # topics with records that have no place on an edge


class Batch(NamedTuple):
    """What was taken since the last one, on its way into the tables. Knows by which claims."""

    chunks: list[tuple[Table, str, list[Chunk]]]  # of each table, with its identity
    owned: Owned
    positions: dict[int, int]  # log partition → next offset: all below is in this batch or an earlier one
    unreadable: list[Unreadable]


class TopicSink:
    """`settle` returns when no batch of this topic is under way; it raises where one has failed."""

    def __init__(self, topic: str, store: Rows, settle: Callable[[], None] = lambda: None) -> None:
        self.topic = topic
        self._settle = settle
        self.tables = tables_of(topic)
        self._store = store
        self.identities: dict[str, str] = {}  # of the tables that the open partitions write to
        self._claims: dict[int, str] = {}
        self._from: dict[tuple[str, int], int] = {}  # table, partition → the offset from which it takes records
        self._edges: dict[int, Edge] = {}
        self._sure: set[tuple[str, int]] = set()  # table, partition: what goes on without a gap is new
        self._next: dict[int, int] = {}  # behind the last record taken
        self._chunks: dict[str, list[Chunk]] = {table.name: [] for table in self.tables}
        self._unreadable: list[Unreadable] = []

    @property
    def partitions(self) -> list[int]:
        """Those that are open."""
        return sorted(self._claims)

    @property
    def pending_rows(self) -> int:
        """Of the table that has most."""
        counts = [sum(int(chunk.rows.num_rows) for chunk in chunks) for chunks in self._chunks.values()]
        return max(counts)

    # --- whose partitions are whose

    def open(self, partitions: Sequence[int]) -> dict[int, int]:
        """Takes partitions over; returns from where each is to be read: the lowest position of its tables."""
        identities = self._store.identities()
        missing = [table.name for table in self.tables if table.name not in identities]
        if missing:
            raise StoreFailed(f"there is no table {', '.join(missing)}", UNKNOWN_TABLE)
        claims = self._store.claim(self.topic, partitions)
        starts: dict[int, int] = {}
        for table in self.tables:
            positions = self._store.positions(table, identities[table.name], partitions)
            for partition, position in positions.items():
                self._from[table.name, partition] = position
                starts[partition] = min(position, starts.get(partition, position))
        self._claims |= claims
        self.identities = {table.name: identities[table.name] for table in self.tables}
        self._edges |= {partition: Edge() for partition in partitions}
        self._next |= starts
        return starts

    def forget(self, partitions: Sequence[int]) -> None:
        """Drops partitions that are somebody else's now, and what was taken of them."""
        for partition in partitions:
            self._claims.pop(partition, None)
            self._edges.pop(partition, None)
            self._next.pop(partition, None)
        gone = set(partitions)
        self._sure = {known for known in self._sure if known[1] not in gone}
        self._from = {key: position for key, position in self._from.items() if key[1] not in gone}
        for name, chunks in self._chunks.items():
            self._chunks[name] = [chunk for chunk in chunks if chunk.partition not in gone]
        self._unreadable = [record for record in self._unreadable if record.partition not in gone]

    # --- taking

    def take(self, stretch: Stretch) -> None:
        """Turns records into rows that wait to be written."""
        records, offsets, unreadable = read(stretch)
        self._unreadable += unreadable
        self._stretch = stretch
        if self.topic in HAVE_UNPLACED:
            others = [(r, o) for r, o in zip(records, offsets, strict=True) if not has_edge_place(r)]
            placed = [(r, o) for r, o in zip(records, offsets, strict=True) if has_edge_place(r)]
            self._take_unplaced(stretch.partition, [r for r, _ in others], [o for _, o in others])
            records, offsets = [r for r, _ in placed], [o for _, o in placed]
        for run in self._edges[stretch.partition].runs([record.edge_sequence for record in records]):
            for table in self.tables:
                self._take_run(table, stretch.partition, records, offsets, run)
        self._next[stretch.partition] = stretch.offsets[-1] + 1

    def _take_run(self, table: Table, partition: int, records: list[Any], offsets: list[int], run: Run) -> None:
        """Records with contiguous places on their edge."""
        key = table.name, partition
        if not run.goes_on:
            self._sure.discard(key)
        wanted, places = self._wanted(table, partition, records[run.start : run.end], offsets[run.start : run.end])
        if wanted and table.fact_of is not None and key not in self._sure:
            repeats = self._repeats(table, wanted)
            wanted, places = wanted[repeats:], places[repeats:]
            if wanted:
                self._sure.add(key)
        self._add(table, partition, wanted, places)

    def _take_unplaced(self, partition: int, records: list[Any], offsets: list[int]) -> None:
        """Each fact is looked up; what is no fact is just written."""
        for table in self.tables:
            wanted, places = self._wanted(table, partition, records, offsets)
            if wanted and table.fact_of is not None:
                wanted, places = self._new(table, wanted, places)
            self._add(table, partition, wanted, places)

    def _wanted(
        self, table: Table, partition: int, records: list[Any], offsets: list[int]
    ) -> tuple[list[Any], list[int]]:
        """Those that have rows in this table, from its position on."""
        start = self._from[table.name, partition]
        if offsets and offsets[0] < start:
            kept = [index for index, offset in enumerate(offsets) if offset >= start]
            records, offsets = [records[index] for index in kept], [offsets[index] for index in kept]
        has_rows = table.has_rows
        chosen = [has_rows(record, partition) for record in records]
        return list(compress(records, chosen)), list(compress(offsets, chosen))

    def _repeats(self, table: Table, records: list[Any]) -> int:
        """How many of these, from the first on, are in the table already."""
        assert table.fact_of is not None
        self._write_now()  # what waits to be written counts too
        for start in range(0, len(records), ASKED_AT_ONCE):
            facts = [table.fact_of(record) for record in records[start : start + ASKED_AT_ONCE]]
            there = self._store.existing(table, facts)
            for index, fact in enumerate(facts):
                if fact not in there:
                    return start + index
        return len(records)

    def _new(self, table: Table, records: list[Any], offsets: list[int]) -> tuple[list[Any], list[int]]:
        """Those that aren't in the table yet, the first of each."""
        assert table.fact_of is not None
        self._write_now()
        first: dict[tuple[Any, ...], tuple[Any, int]] = {}
        for record, offset in zip(records, offsets, strict=True):
            first.setdefault(table.fact_of(record), (record, offset))
        facts = list(first)
        for start in range(0, len(facts), ASKED_AT_ONCE):
            for there in self._store.existing(table, facts[start : start + ASKED_AT_ONCE]):
                first.pop(there, None)
        return [record for record, _ in first.values()], [offset for _, offset in first.values()]

    def _add(self, table: Table, partition: int, records: list[Any], offsets: list[int]) -> None:
        chunk, left_out = chunk_of(table, partition, records, offsets)
        if chunk is not None:
            self._chunks[table.name].append(chunk)
        for misfit in left_out:
            offset = offsets[misfit.place]
            value = self._stretch.values[self._stretch.offsets.index(offset)] or b""
            detail = f"table {table.name}, {misfit.detail}"
            self._unreadable.append(Unreadable(self.topic, partition, offset, misfit.reason, detail, value))

    # --- writing

    def batch(self) -> Batch:
        """All that waits to be written, to be handed to `insert`; the next records go into the next one."""
        waiting = [(table, self.identities[table.name], self._chunks[table.name]) for table in self.tables]
        batch = Batch(waiting, Owned(self.topic, dict(self._claims)), dict(self._next), self._unreadable)
        self._chunks = {table.name: [] for table in self.tables}
        self._unreadable = []
        return batch

    def insert(self, batch: Batch) -> None:
        """Writes a batch, block by block. Nothing of this object is changed, so that it may go on taking meanwhile."""
        for table, identity, chunks in batch.chunks:
            for block in blocks_of(table, chunks):
                self._store.insert(table, identity, batch.owned, block)

    def write(self) -> Batch:
        """Writes all that waits. Afterwards everything that was taken is in the tables."""
        batch = self.batch()
        self.insert(batch)
        return batch

    def _write_now(self) -> None:
        """All rows that were made so far. What couldn't be read waits for the batch that it belongs to."""
        self._settle()
        batch = self.batch()
        self._unreadable = batch.unreadable
        self.insert(batch)
