"""Columns of values become Arrow, and Arrow becomes blocks: what one insert writes, whole or not at all.

Pure. A block lies in one ClickHouse partition (a month), since an insert into two could be cut in half by a crash. Each
log partition's rows are written in the order of the log, so that the highest offset in a table says what is in it. A
record whose values don't fit a column is left out and named.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.reasons import Reason
from sinks.tables import DECIMAL, TIME, Column, Table

MAX_TIME_MS = 4_102_444_800_000  # the year 2100: what ClickHouse's dates hold, with room


class Misfit(Exception):
    """A value that its column can't hold."""

    def __init__(self, column: Column, why: str) -> None:
        super().__init__(f"{column.name}: {why}")
        self.reason = Reason.BAD_DECIMAL if column.type is DECIMAL else Reason.TOO_LARGE


class LeftOut(NamedTuple):
    """A record that isn't in the table, since its values don't fit."""

    place: int  # among the records given
    reason: Reason
    detail: str


class Chunk(NamedTuple):
    """Rows of one log partition, in the order of the log. Not to be split between two offsets of the same record."""

    partition: int
    first_offset: int
    last_offset: int
    rows: pa.Table


class Block(NamedTuple):
    """What one insert writes; `places` says of which partitions and offsets."""

    places: tuple[tuple[int, int, int], ...]  # log partition, first and last offset
    rows: pa.Table


# --- values to columns


def chunk_of(
    table: Table, partition: int, records: Sequence[Any], offsets: Sequence[int]
) -> tuple[Chunk | None, list[LeftOut]]:
    """The records' rows, and those that don't fit. Records are looked at one by one only where one doesn't."""
    if not records:
        return None, []
    try:
        return Chunk(partition, offsets[0], offsets[-1], _rows(table, partition, records, offsets)), []
    except Misfit as misfit:
        if len(records) == 1:
            return None, [LeftOut(0, misfit.reason, str(misfit))]
    middle = len(records) // 2
    head, left_out = chunk_of(table, partition, records[:middle], offsets[:middle])
    tail, more = chunk_of(table, partition, records[middle:], offsets[middle:])
    left_out += [misfit._replace(place=misfit.place + middle) for misfit in more]
    return joined([chunk for chunk in (head, tail) if chunk is not None]), left_out


def joined(chunks: Sequence[Chunk]) -> Chunk | None:
    """Chunks of one partition, in order, as one; None for none."""
    if not chunks:
        return None
    rows = pa.concat_tables([chunk.rows for chunk in chunks])
    return Chunk(chunks[0].partition, chunks[0].first_offset, chunks[-1].last_offset, rows)


def _rows(table: Table, partition: int, records: Sequence[Any], offsets: Sequence[int]) -> pa.Table:
    values = table.columns_of(records, offsets)
    values.append([partition] * len(values[0]))
    arrays = [_array(column, given) for column, given in zip(table.columns, values, strict=True)]
    return pa.Table.from_arrays(arrays, names=table.column_names)


def _array(column: Column, values: list[Any]) -> pa.Array:
    try:
        if column.type is DECIMAL:  # cast in bulk: a Decimal for each value would take ten times as long
            return pa.array(values, pa.string()).cast(DECIMAL)
        if column.type is TIME:
            times = pa.array(values, pa.int64())
            bounds = pc.min_max(times).as_py()
            if bounds["min"] is not None and not 0 <= bounds["min"] <= bounds["max"] < MAX_TIME_MS:
                raise Misfit(column, f"{bounds['min']} to {bounds['max']} is no time between 1970 and 2100")
            return times.cast(TIME)
        return pa.array(values, column.type)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise Misfit(column, str(error)[:200]) from None


# --- columns to blocks


def blocks_of(table: Table, chunks: Sequence[Chunk]) -> Iterator[Block]:
    """As few blocks as there can be. `chunks` are in the order in which they were made."""
    waiting: dict[int, list[tuple[int, Chunk]]] = {}
    for chunk in chunks:
        waiting.setdefault(chunk.partition, []).extend(_by_month(table, chunk))
    while waiting:
        # Each partition's next rows, as far as they are of the month that comes first among them.
        month = min(runs[0][0] for runs in waiting.values())
        taken: list[Chunk] = []
        for partition, runs in list(waiting.items()):
            own = []
            while runs and runs[0][0] == month:
                own.append(runs.pop(0)[1])
            if run := joined(own):
                taken.append(run)
            if not runs:
                del waiting[partition]
        places = tuple((chunk.partition, chunk.first_offset, chunk.last_offset) for chunk in taken)
        yield Block(places, pa.concat_tables([chunk.rows for chunk in taken]).combine_chunks())


def _by_month(table: Table, chunk: Chunk) -> list[tuple[int, Chunk]]:
    """(month, rows of that month) in the order of the log: mostly one."""
    if table.month_of is None:
        return [(0, chunk)]
    times = chunk.rows[table.month_of]
    bounds = pc.min_max(times)
    if _month(bounds["min"]).as_py() == _month(bounds["max"]).as_py():
        return [(_month(bounds["min"]).as_py(), chunk)]
    runs = pc.run_end_encode(_month(times).combine_chunks())
    found, start = [], 0
    offsets = chunk.rows["log_offset"]
    for month, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        first, last = offsets[start].as_py(), offsets[end - 1].as_py()
        found.append((month, Chunk(chunk.partition, first, last, chunk.rows.slice(start, end - start))))
        start = end
    return found


def _month(times: Any) -> Any:
    return pc.add(pc.multiply(pc.year(times), 12), pc.month(times))


# --- blocks to bytes


def encode_block(rows: pa.Table) -> bytes:
    """An Arrow stream of one record batch, which ClickHouse takes as one block."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded
