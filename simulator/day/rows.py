"""A day as a Parquet file: one row a command, in the order in which they came. Pure, but for the reading and writing.

The columns and what they mean are `SCHEMA`; who the brokers and what the markets are follows from the file's metadata.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from glassbook.errors import GlassbookError

ROWS_OF_A_GROUP = 100_000
FORMAT = "glassbook-day-1"

SCHEMA = pa.schema(
    [
        ("time_ms", pa.uint32()),  # since the day began
        ("broker", pa.uint16()),
        ("order", pa.uint32()),  # of the broker's, counted from 1; a cancel has its order's
        ("is_cancel", pa.bool_()),
        # What follows is 0 for a cancel.
        ("symbol", pa.uint16()),  # its rank among the markets, 0 is the busiest
        ("is_buy", pa.bool_()),
        ("is_market", pa.bool_()),
        ("time_in_force", pa.uint8()),  # its place in TIMES_IN_FORCE
        ("price_ticks", pa.uint32()),
        ("lots", pa.uint32()),
        ("lifetime_ms", pa.uint32()),  # of a GTD order
    ]
)


class Row(NamedTuple):
    time_ms: int
    broker: int
    order: int
    is_cancel: bool
    symbol: int = 0
    is_buy: bool = False
    is_market: bool = False
    time_in_force: int = 0
    price_ticks: int = 0
    lots: int = 0
    lifetime_ms: int = 0


class Day(NamedTuple):
    """What a file says of itself."""

    seed: int
    orders: int
    rows: int
    symbols: int
    brokers: int


def write_day(path: Path, rows: Iterable[Row], seed: int, orders: int, symbols: int, brokers: int) -> Iterator[int]:
    """Writes group by group; yields how many rows there are after each."""
    about = {"format": FORMAT, "seed": seed, "orders": orders, "symbols": symbols, "brokers": brokers}
    schema = SCHEMA.with_metadata({name: str(value) for name, value in about.items()})
    rows, written = iter(rows), 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(islice(rows, ROWS_OF_A_GROUP)):
            writer.write_table(pa.Table.from_pylist([row._asdict() for row in group], schema=schema))
            written += len(group)
            yield written


def about_day(path: Path) -> Day:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise GlassbookError(f"{path} is no day's file: {error}") from None
    with file:
        about = {name.decode(): value.decode() for name, value in (file.schema_arrow.metadata or {}).items()}
        if about.get("format") != FORMAT or file.schema_arrow.names != SCHEMA.names:
            raise GlassbookError(f"{path} was not written by `python -m simulator day write` of this version")
        seed, orders, symbols, brokers = (int(about[name]) for name in ("seed", "orders", "symbols", "brokers"))
        return Day(seed, orders, file.metadata.num_rows, symbols, brokers)


def read_day(path: Path) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number)
            yield from map(Row._make, zip(*(column.to_pylist() for column in table.columns), strict=True))
