"""The tables for a cluster follow from those for one server: the engine itself says that their columns are the same."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from sinks import migrations
from sinks.cluster_ddl import FOLDER, UNSHARDED, NoRule, files, on_cluster
from sinks.migrations import DEFAULT_FOLDER, statements_of
from tests.integration.embedded_clickhouse import EmbeddedClickHouse

_TABLE = re.compile(
    r"CREATE TABLE IF NOT EXISTS (?:glassbook\.)?(\w+)(?: ON CLUSTER \S+)? \((.*)\) ENGINE = (.*)", re.DOTALL
)


def formatted(embedded: EmbeddedClickHouse, statement: str) -> str:
    """As the engine's parser understands it, comments and white space gone."""
    escaped = statement.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    answer = embedded.ask("SELECT formatQuerySingleLine({q:String})", param_q=escaped, default_format="TSVRaw")
    assert answer.is_success, answer.text
    return answer.text.strip()


def tables(embedded: EmbeddedClickHouse, sql: str) -> dict[str, tuple[str, str]]:
    """Name → its columns, its engine and all that follows."""
    found = (_TABLE.fullmatch(formatted(embedded, statement)) for statement in statements_of(sql))
    return {table[1]: (table[2], table[3]) for table in found if table is not None}


def test_the_files_are_up_to_date() -> None:
    for name, content in files().items():
        assert (FOLDER / name).read_text() == content, "run python -m sinks.cluster_ddl"
    written = {path.name for path in FOLDER.glob("*.sql")}
    assert written == {"0000_database.sql", *files()}


@pytest.mark.parametrize("source", sorted(DEFAULT_FOLDER.glob("*.sql")), ids=lambda path: path.name)
def test_both_have_the_same_tables_with_the_same_columns(embedded: EmbeddedClickHouse, source: Path) -> None:
    one = tables(embedded, source.read_text())
    many = tables(embedded, (FOLDER / source.name).read_text())
    for name, (columns, engine) in one.items():
        stored = name if name in UNSHARDED else f"{name}_local"
        their_columns, their_engine = many.pop(stored)
        assert their_columns == columns
        kind = engine.split("(")[0].split()[0]
        assert their_engine.startswith(f"Replicated{kind}(")
        order = re.compile(r"(PARTITION BY .*? )?ORDER BY [^S]*")
        assert order.search(their_engine)[0] == order.search(engine)[0]  # type: ignore[index]
        assert "non_replicated" not in their_engine
        if name not in UNSHARDED:
            assert (
                f"CREATE TABLE IF NOT EXISTS {name} ON CLUSTER '{{cluster}}' AS {stored}"
                in (FOLDER / source.name).read_text()
            )
            assert re.search(r"\blog_partition\b", columns), "what it is sharded by"
    assert not many


def test_what_was_applied_is_recorded_alike(embedded: EmbeddedClickHouse) -> None:
    (one,) = tables(embedded, migrations._TABLE).values()
    (many,) = tables(embedded, (FOLDER / "0000_database.sql").read_text()).values()
    assert one[0] == many[0]


def test_what_has_no_rule_is_not_passed_over() -> None:
    assert "ALTER TABLE trades_local ON CLUSTER" in on_cluster("ALTER TABLE trades ADD COLUMN IF NOT EXISTS x UInt8;")
    for sql in ("DROP TABLE trades;", "CREATE TABLE trades (a UInt8) ENGINE = Memory;", "RENAME TABLE a TO b;"):
        with pytest.raises(NoRule):
            on_cluster(sql)


def test_the_examples_of_configuration() -> None:
    users = ElementTree.parse(FOLDER / "users.d" / "glassbook.xml").getroot()
    config = ElementTree.parse(FOLDER / "config.d" / "glassbook.xml").getroot()
    assert users.find("users/sink/ssl_certificates/common_name") is not None
    assert users.find("users/sink/password") is None, "the writer has a certificate, not a password"
    reader = users.find("profiles/reader")
    assert reader is not None and reader.findtext("readonly") == "2"
    for name in ("max_execution_time", "max_memory_usage", "max_result_rows"):
        limit = reader.find(f"constraints/{name}")
        assert limit is not None and limit.findtext("min") == "1", "0 would be unlimited"
        assert limit.findtext("max") == reader.findtext(name)
    for name in ("analyst", "gateway"):
        granted = [query.text for query in users.findall(f"users/{name}/grants/query")]
        assert granted == ["GRANT SELECT ON glassbook.*"]
        assert users.findtext(f"users/{name}/profile") == "reader"
    assert config.find("http_port[@remove]") is not None and config.findtext("https_port") == "8443"
    assert config.findtext("openSSL/server/verificationMode") == "relaxed"
