"""The numbered SQL files: what is one, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from sinks.__main__ import connect
from sinks.migrations import BadMigration, migrate, read_migrations, statements_of
from sinks.port import UNKNOWN_DATABASE, StoreFailed
from sinks.retention import TIMES, apply_retention
from sinks.tables import TABLES


def files(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.sql").write_text(text)
    return folder


def test_the_files_of_the_exchange_make_its_tables_and_views():
    migrations = read_migrations()
    assert [migration.number for migration in migrations] == list(range(1, len(migrations) + 1))
    made = {name for migration in migrations for name in migration.makes}
    views = {"orders", "balances", "exchange_books", "candles_check", "standing_trades", "standing_candles"}
    assert made == {table.name for table in TABLES} | {"sink_claims", "sink_positions"} | views
    assert set(TIMES) <= made


def definition(table: str) -> str:
    """The statement that makes a table."""
    statements = [statement for migration in read_migrations() for statement in migration.statements]
    (found,) = (s for s in statements if f"CREATE TABLE IF NOT EXISTS {table}\n" in s)
    return found


@pytest.mark.parametrize("name", TIMES)
def test_a_table_that_grows_drops_whole_parts_and_never_rewrites(name):
    assert "ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1" in definition(name)
    assert f"PARTITION BY toYYYYMM({TIMES[name]})" in definition(name)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_columns_that_are_sent_stand_in_the_table(table):
    lines = definition(table.name).partition("\n(\n")[2].partition("\n)\n")[0].splitlines()
    assert {line.split()[0] for line in lines if "INDEX" not in line} == set(table.column_names)


def test_statements_are_cut_at_semicolons_but_not_in_text_and_comments():
    text = "-- one; two\nCREATE TABLE a (s String DEFAULT ';');\n/* ; */ CREATE VIEW b AS SELECT `x;y`;\n-- end;\n"
    assert statements_of(text) == (
        "-- one; two\nCREATE TABLE a (s String DEFAULT ';')",
        "/* ; */ CREATE VIEW b AS SELECT `x;y`",
    )


REFUSED = [
    ({"1_trades": "CREATE TABLE IF NOT EXISTS a (n Int8)"}, "isn't named as a migration"),
    ({"0001_Trades": "CREATE TABLE IF NOT EXISTS a (n Int8)"}, "isn't named as a migration"),
    ({"0001_a": "SELECT 1", "0002_b": ""}, "0001_a.sql: 'SELECT 1...' can't be repeated"),
    ({"0001_a": "CREATE TABLE a (n Int8)"}, "can't be repeated"),
    ({"0001_a": "-- IF NOT EXISTS\nCREATE VIEW a AS SELECT 1"}, "can't be repeated"),
    ({"0001_a": "ALTER TABLE a ADD COLUMN b Int8"}, "can't be repeated"),
    ({"0001_a": "DROP TABLE a"}, "can't be repeated"),
    ({"0001_a": "CREATE OR REPLACE VIEW a AS SELECT 1", "0001_b": "CREATE OR REPLACE VIEW b AS SELECT 1"},
     "0001_a.sql and 0001_b.sql have the same number"),
]  # fmt: skip


@pytest.mark.parametrize(("texts", "why"), REFUSED)
def test_files_that_are_refused(tmp_path, texts, why):
    with pytest.raises(BadMigration) as refused:
        read_migrations(files(tmp_path, **texts))
    assert why in str(refused.value)


class Ran:
    """Remembers what was run; says what was applied and which tables are there."""

    def __init__(self, applied: dict[int, str], there: list[str], engines: dict[str, str] | None = None) -> None:
        self.applied, self.there, self.engines = applied, there, engines or {}
        self.ran: list[str] = []

    def run(self, statement: str, settings: Any = None) -> None:
        self.ran.append(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        if "schema_migrations" in query:
            return list(self.applied.items())
        if "engine_full" in query:
            return list(self.engines.items())
        return [(name,) for name in self.there]


def migrated(store: Any, folder: Path) -> list[str]:
    return migrate(store, read_migrations(folder))


A, B = "CREATE TABLE IF NOT EXISTS a (n Int8);", "CREATE OR REPLACE VIEW b AS SELECT 1;"


def test_only_what_is_not_applied_is_run(tmp_path):
    folder = files(tmp_path, **{"0001_a": A, "0002_b": B})
    checksums = {m.number: m.checksum for m in read_migrations(folder)}
    assert migrated(Ran({}, []), folder) == ["0001_a.sql", "0002_b.sql"]
    assert migrated(Ran({1: checksums[1]}, ["a"]), folder) == ["0002_b.sql"]
    assert migrated(Ran(checksums, ["a", "b"]), folder) == []
    assert migrated(Ran(checksums | {3: "of a newer program"}, ["a", "b"]), folder) == []


def test_where_a_table_is_missing_all_files_are_run_again(tmp_path):
    folder = files(tmp_path, **{"0001_a": A, "0002_b": B})
    checksums = {m.number: m.checksum for m in read_migrations(folder)}
    store = Ran(checksums, ["b"])
    assert migrated(store, folder) == ["0001_a.sql", "0002_b.sql"]
    assert not [statement for statement in store.ran if statement.startswith("INSERT")]


def test_a_file_that_was_changed_after_it_was_applied_is_refused_and_nothing_is_run(tmp_path):
    folder = files(tmp_path, **{"0001_a": A, "0002_b": B})
    store = Ran({1: "otherwise"}, ["a"])
    with pytest.raises(BadMigration, match=r"0001_a\.sql was changed after it had been applied.*the next number"):
        migrated(store, folder)
    assert len(store.ran) == 1  # the table of migrations itself


TTL = "ReplacingMergeTree ORDER BY n TTL toDateTime(time) + toIntervalDay(30) SETTINGS index_granularity = 8192"
NONE = "ReplacingMergeTree ORDER BY n SETTINGS index_granularity = 8192"
RETENTIONS = [
    (NONE, 30, "ALTER TABLE trades MODIFY TTL toDateTime(time) + toIntervalDay(30)"),
    (TTL, 31, "ALTER TABLE trades MODIFY TTL toDateTime(time) + toIntervalDay(31)"),
    (TTL, 0, "ALTER TABLE trades REMOVE TTL"),
    (TTL, 30, None),
    (NONE, 0, None),
]


@pytest.mark.parametrize(("engine", "days", "statement"), RETENTIONS)
def test_retention_is_changed_only_where_it_differs(engine, days, statement):
    store: Any = Ran({}, [], {"trades": engine})
    assert apply_retention(store, {"trades": days}) == (["trades"] if statement else [])
    assert store.ran == ([statement] if statement else [])


class Server:
    """An `Access` to a server that doesn't have the database until it is made."""

    class Address:
        database = "glassbook"

    address = Address()

    def __init__(self) -> None:
        self.made: list[str] = []

    def client(self, **more: Any) -> Any:
        if "database" not in more and not self.made:
            from clickhouse_connect.driver.exceptions import DatabaseError

            raise DatabaseError("there is no database", code=UNKNOWN_DATABASE)
        return self

    def command(self, statement: str) -> None:
        self.made.append(statement)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None: ...


def test_a_database_that_is_not_there_is_made():
    server: Any = Server()
    connect(server)
    connect(server)
    assert server.made == ["CREATE DATABASE IF NOT EXISTS `glassbook`"]


def test_failures_are_told_apart():
    assert StoreFailed("", UNKNOWN_DATABASE).is_gone and not StoreFailed("").is_gone
    assert not StoreFailed("", 243).is_gone and not StoreFailed("", 243).is_fenced
