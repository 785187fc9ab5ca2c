"""Columns to blocks: what doesn't fit is named, a block is of one month, and each partition keeps the log's order."""

from typing import Any

import pyarrow as pa
import pytest

from schemas.reasons import Reason
from sinks.blocks import MAX_TIME_MS, Block, Chunk, blocks_of, chunk_of, encode_block
from sinks.tables import CANDLES, CLICKHOUSE_TYPES, FORMING_CANDLES, TABLES, TRADES
from tests.unit.sink_records import candle, trade

NOVEMBER_MS, DECEMBER_MS, JANUARY_MS = 1_763_726_400_000, 1_766_000_000_000, 1_768_000_000_000

MISFITS: list[tuple[dict[str, Any], Reason, str]] = [
    (dict(price="1e400"), Reason.BAD_DECIMAL, "price"),
    (dict(price="NaN"), Reason.BAD_DECIMAL, "price"),
    (dict(price=""), Reason.BAD_DECIMAL, "price"),
    (dict(quantity="1" * 21), Reason.BAD_DECIMAL, "quantity"),
    (dict(taker_fee="0." + "1" * 19), Reason.BAD_DECIMAL, "taker_fee"),
    (dict(sequence=-1), Reason.TOO_LARGE, "sequence"),
    (dict(sequence=2**64), Reason.TOO_LARGE, "sequence"),
    (dict(time_ms=-1), Reason.TOO_LARGE, "time"),
    (dict(time_ms=MAX_TIME_MS), Reason.TOO_LARGE, "time"),
    (dict(time_ms=10**30), Reason.TOO_LARGE, "time"),
]


@pytest.mark.parametrize(("changes", "reason", "column"), MISFITS)
def test_a_value_that_does_not_fit_leaves_out_its_record_alone(changes, reason, column):
    records = [trade(n) for n in range(1, 8)]
    records[4] = trade(5, **changes)
    chunk, left_out = chunk_of(TRADES, 0, records, list(range(10, 17)))
    assert chunk is not None and (chunk.first_offset, chunk.last_offset) == (10, 16)
    assert chunk.rows["log_offset"].to_pylist() == [10, 11, 12, 13, 15, 16]
    ((place, why, detail),) = left_out
    assert (place, why) == (4, reason) and detail.startswith(f"{column}: ")


def test_all_records_may_be_misfits():
    chunk, left_out = chunk_of(TRADES, 0, [trade(n, price="x") for n in range(3)], [0, 1, 2])
    assert chunk is None and [misfit.place for misfit in left_out] == [0, 1, 2]
    assert chunk_of(TRADES, 0, [], []) == (None, [])


def test_the_largest_values_of_the_exchange_fit():
    largest = str(2**63 - 1)
    chunk, left_out = chunk_of(TRADES, 0, [trade(1, quantity=largest, price=f"{largest}", sequence=2**63)], [0])
    assert chunk is not None and not left_out


def chunks(table: Any, partition: int, times: list[int], first: int = 0) -> list[Chunk]:
    is_trade = table is TRADES
    records = [trade(n, time_ms=t) if is_trade else candle(n, open_time_ms=t) for n, t in enumerate(times, 1)]
    chunk, _ = chunk_of(table, partition, records, list(range(first, first + len(times))))
    assert chunk is not None
    return [chunk]


def in_order(blocks: list[Block]) -> dict[int, list[int]]:
    """Partition → offsets, as they are written."""
    written: dict[int, list[int]] = {}
    for block in blocks:
        for row in block.rows.select(["log_partition", "log_offset"]).to_pylist():
            written.setdefault(row["log_partition"], []).append(row["log_offset"])
    return written


def test_all_partitions_of_a_month_are_one_block():
    given = [*chunks(TRADES, 0, [NOVEMBER_MS] * 3), *chunks(TRADES, 1, [NOVEMBER_MS] * 2, first=50),
             *chunks(TRADES, 0, [NOVEMBER_MS] * 2, first=3)]  # fmt: skip
    (block,) = blocks_of(TRADES, given)
    assert block.places == ((0, 0, 4), (1, 50, 51))
    assert block.rows.num_rows == 7 and block.rows["symbol"].num_chunks == 1


def test_a_block_is_of_one_month_and_each_partition_keeps_its_order():
    a = chunks(CANDLES, 0, [DECEMBER_MS, NOVEMBER_MS, NOVEMBER_MS, DECEMBER_MS, JANUARY_MS])
    b = chunks(CANDLES, 1, [NOVEMBER_MS, DECEMBER_MS])
    blocks = list(blocks_of(CANDLES, [*a, *b]))
    for block in blocks:
        assert len({time.strftime("%Y%m") for time in block.rows["open_time"].to_pylist()}) == 1
        assert all(first <= last for _, first, last in block.places)
    assert in_order(blocks) == {0: [0, 1, 2, 3, 4], 1: [0, 1]}
    assert len(blocks) == 5  # November of b, December of both, November, December and January of a


def test_a_table_without_months_is_one_block():
    given = chunks(FORMING_CANDLES, 0, [NOVEMBER_MS])
    assert len(list(blocks_of(FORMING_CANDLES, given))) == 1
    assert list(blocks_of(FORMING_CANDLES, [])) == []


def test_a_block_is_encoded_as_one_batch_that_can_be_read_back():
    (block,) = blocks_of(TRADES, chunks(TRADES, 0, [NOVEMBER_MS] * 9))
    batches = list(pa.ipc.open_stream(encode_block(block.rows)))
    assert len(batches) == 1 and batches[0].num_rows == 9


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_has_a_type_of_clickhouse_and_a_name_of_its_own(table):
    assert len(set(table.column_names)) == len(table.columns)
    assert all(column.clickhouse_type for column in table.columns)
    assert table.column_names[-2:] == ["log_offset", "log_partition"]
    assert {column.type for column in table.columns} <= set(CLICKHOUSE_TYPES)
    assert table.month_of is None or table.month_of in table.column_names
    assert bool(table.fact_sql) == (table.fact_of is not None)
