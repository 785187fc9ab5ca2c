"""clickhouse-connect, unchanged, against the embedded ClickHouse: its synchronous and its asynchronous client."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import clickhouse_connect
import pandas
import pyarrow
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

from glassbook.settings import HOST
from tests.integration.embedded_clickhouse import EmbeddedClickHouse

COLUMNS = ["id", "symbol", "price", "at"]
ROWS: list[tuple[Any, ...]] = [
    (1, "BTC-USDT", Decimal("50000.5"), datetime(2026, 1, 2, 3, 4, 5, 678000)),
    (2, "ETH-USDT", Decimal("0.000000000000000001"), None),
]
FACTS = "id UInt64, symbol LowCardinality(String), price Decimal(38, 18), at Nullable(DateTime64(3, 'UTC'))"


@pytest.fixture(scope="module")
def writer(embedded: EmbeddedClickHouse) -> Iterator[Client]:
    with embedded.writer.client() as client:
        yield client


@pytest.fixture(scope="module")
def reader(embedded: EmbeddedClickHouse) -> Iterator[Client]:
    """As anybody opens it who knows no more than host and port."""
    with clickhouse_connect.get_client(
        host=HOST, port=embedded.settings.clickhouse_port, database="glassbook"
    ) as client:
        yield client


def fresh(writer: Client, name: str) -> str:
    writer.command(f"CREATE OR REPLACE TABLE {name} ({FACTS}) ENGINE = MergeTree ORDER BY id")
    return name


def test_rows_in_and_out(writer: Client, reader: Client) -> None:
    table = fresh(writer, "client_rows")
    assert writer.insert(table, ROWS, COLUMNS).written_rows == 2
    assert reader.query(f"SELECT * FROM {table} ORDER BY id").result_rows == ROWS
    assert reader.command(f"SELECT count() FROM {table}") == 2
    assert reader.query(f"SELECT * FROM {table} LIMIT 0").column_names == tuple(COLUMNS)


def test_arrow_and_data_frames_in_and_out(writer: Client, reader: Client) -> None:
    table = fresh(writer, "client_arrow")
    arrow = pyarrow.table({"id": pyarrow.array([1], pyarrow.uint64()), "symbol": ["A"], "price": [Decimal("1.5")]})
    assert writer.insert_arrow(table, arrow).written_rows == 1
    writer.insert_df(table, pandas.DataFrame({"id": [2], "symbol": ["B"], "price": [Decimal("2.5")]}))
    answer = reader.query_arrow(f"SELECT id, symbol FROM {table} ORDER BY id")
    assert answer.to_pydict() == {"id": [1, 2], "symbol": ["A", "B"]}
    frame = reader.query_df(f"SELECT id, price FROM {table} ORDER BY id")
    assert list(frame["price"]) == [Decimal("1.5"), Decimal("2.5")]
    assert reader.query_np(f"SELECT id FROM {table} ORDER BY id").tolist() == [[1], [2]]


@pytest.mark.parametrize("compression", [True, False, "lz4", "zstd", "gzip"])
def test_compression_both_ways(embedded: EmbeddedClickHouse, writer: Client, compression: bool | str) -> None:
    table = fresh(writer, "client_compression")
    many = [(number, "BTC-USDT", Decimal(number), None) for number in range(20_000)]
    with embedded.writer.client(compress=compression) as client:
        assert client.insert(table, many, COLUMNS).written_rows == len(many)
        assert client.query(f"SELECT * FROM {table} ORDER BY id").result_rows == many


def test_raw_ways(writer: Client, reader: Client) -> None:
    table = fresh(writer, "client_raw")
    assert writer.raw_insert(table, ["id", "symbol"], "1\tA\n2\tB\n", fmt="TabSeparated").written_rows == 2
    assert (
        writer.raw_insert(table, ["id", "symbol"], (line for line in (b"3,C\n", b"4,D\n")), fmt="CSV").written_rows == 2
    )
    assert reader.raw_query(f"SELECT symbol FROM {table} ORDER BY id", fmt="CSV") == b'"A"\n"B"\n"C"\n"D"\n'
    with reader.raw_stream("SELECT number FROM numbers(2000000)", fmt="CSV") as stream:
        assert stream.read().count(b"\n") == 2_000_000


def test_streams(reader: Client) -> None:
    sql = "SELECT number, toString(number) FROM numbers(2000000)"
    with reader.query_row_block_stream(sql) as blocks:
        assert sum(len(block) for block in blocks) == 2_000_000
    with reader.query_arrow_stream(sql) as batches:
        assert sum(batch.num_rows for batch in batches) == 2_000_000
    failing = "SELECT number, throwIf(number = 1500000) FROM numbers(2000000)"
    with (
        pytest.raises(StreamFailureError, match="Code: 395"),
        reader.query_row_block_stream(failing) as blocks,
    ):
        for _ in blocks:
            pass


def test_parameters_and_settings(writer: Client, reader: Client) -> None:
    values = {
        "text": "it's\ta \\ test\n",
        "list": ["a", "b'c"],
        "at": datetime(2026, 1, 2, 3, 4, 5),
        "amount": Decimal("1.5"),
    }
    sql = "SELECT {text:String}, {list:Array(String)}, {at:DateTime}, {amount:Decimal(9, 2)}"
    assert reader.query(sql, parameters=values).result_rows == [tuple(values.values())]
    assert reader.query("SELECT %(text)s", parameters=values).result_rows == [(values["text"],)]
    seen = reader.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 12_345})
    assert seen.result_rows == [(12_345,)]
    table = fresh(writer, "client_parameters")
    writer.command(
        f"INSERT INTO {table} (id, symbol) VALUES ({{id:UInt64}}, {{symbol:String}})", {"id": 7, "symbol": "'"}
    )
    assert reader.query(f"SELECT id, symbol FROM {table}").result_rows == [(7, "'")]
    external = ExternalData(file_name="wanted.csv", data=b"7\n", fmt="CSV", structure="id UInt64")
    inside = reader.query(f"SELECT count() FROM {table} WHERE id IN (SELECT id FROM wanted)", external_data=external)
    assert inside.result_rows == [(1,)]


def test_errors_have_their_codes(reader: Client) -> None:
    expected = {
        "SELECT nope": 47,
        "SELECT 1 FROM nowhere": 60,
        "SELECT throwIf(1)": 395,
        "INSERT INTO client_rows (id) VALUES (1)": 164,
        "SELECT * FROM url('http://127.0.0.1/')": 497,
    }
    for sql, number in expected.items():
        with pytest.raises(DatabaseError) as raised:
            reader.query(sql)
        assert raised.value.code == number, sql
    with pytest.raises(DatabaseError) as raised:
        clickhouse_connect.get_client(host=HOST, port=reader_port(reader), username="sink", password="guess")
    assert raised.value.code == 516


def reader_port(reader: Client) -> int:
    return int(reader.uri.rpartition(":")[2])


def test_one_insert_is_one_block(writer: Client, reader: Client) -> None:
    """So that it is there whole or not at all: up to 1,048,449 rows and 256 MB."""
    table = fresh(writer, "client_block")
    rows = 100_000
    arrow = pyarrow.table({"id": pyarrow.array(range(rows), pyarrow.uint64())})
    writer.insert_arrow(table, arrow)
    writer.raw_insert(table, ["id"], "".join(f"{number}\n" for number in range(1_000_000)), fmt="CSV")
    parts = f"SELECT rows FROM system.parts WHERE table = '{table}' AND name LIKE '%_0' ORDER BY rows"
    assert reader.query(parts).result_rows == [(rows,), (1_000_000,)]


def test_an_insert_sent_twice_is_there_once(writer: Client, reader: Client) -> None:
    table = "client_twice"
    settings = "SETTINGS non_replicated_deduplication_window = 100"
    writer.command(f"CREATE OR REPLACE TABLE {table} ({FACTS}) ENGINE = MergeTree ORDER BY id {settings}")
    for token, rows in (("a", ROWS), ("a", ROWS), ("a", ROWS[:1]), ("b", ROWS)):
        writer.insert(table, rows, COLUMNS, settings={"insert_deduplication_token": token})
    assert reader.command(f"SELECT count() FROM {table}") == 4  # once for each token, whatever the rows


def test_the_asynchronous_client(embedded: EmbeddedClickHouse, writer: Client) -> None:
    table = fresh(writer, "client_async")

    async def use() -> None:
        client = await embedded.writer.async_client()
        try:
            summary = await client.insert(table, ROWS, COLUMNS)
            assert summary.written_rows == 2
            answers = await asyncio.gather(*(client.query(f"SELECT {number}") for number in range(20)))
            assert [answer.result_rows for answer in answers] == [[(number,)] for number in range(20)]
            assert (await client.query(f"SELECT * FROM {table} ORDER BY id")).result_rows == ROWS
            assert (await client.query_arrow(f"SELECT id FROM {table} ORDER BY id")).to_pydict() == {"id": [1, 2]}
            assert len(await client.query_df("SELECT number FROM numbers(10)")) == 10
            with pytest.raises(DatabaseError) as raised:
                await client.query("SELECT nope")
            assert raised.value.code == 47
        finally:
            await client.close()
        anybody = await clickhouse_connect.get_async_client(host=HOST, port=embedded.settings.clickhouse_port)
        try:
            assert (await anybody.query("SELECT currentDatabase()")).result_rows == [("glassbook",)]
        finally:
            await anybody.close()

    asyncio.run(use())
