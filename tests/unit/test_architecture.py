"""What may import what. The stages meet at topics; pure code knows no clock, no chance, no environment and no I/O."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
STAGES = {"ledger", "matcher", "canary", "candle_agg", "sinks", "feeds", "producers", "clock"}
OURS = STAGES | {"schemas", "stage", "glassbook", "simulator", "benchmarks", "tests"}

# The files that read configuration, connect, or loop: all other modules of these folders are pure.
IMPURE = {
    "schemas": {"generate.py"},
    "ledger": {"__main__.py"},
    "matcher": {"__main__.py"},
    "candle_agg": {"__main__.py", "app.py", "faust_log.py", "runs.py", "service.py"},
    "sinks": {
        "__main__.py",
        "cluster_ddl.py",
        "lane.py",
        "log.py",
        "migrations.py",
        "retention.py",
        "service.py",
        "store.py",
    },
    "canary": {
        "__main__.py",
        "kafka.py",
        "kafka_looker.py",
        "service.py",
        "start.py",
        "webhook.py",
        "webhook_sender.py",
    },
    "feeds": {
        "__main__.py",
        "canary_watch.py",
        "connection.py",
        "past.py",
        "projections.py",
        "readiness.py",
        "routes.py",
        "runtime.py",
    },
    "stage": {
        "follower.py",
        "kafka_log.py",
        "kafka_producer.py",
        "kafka_reader.py",
        "log_reader.py",
        "public_records.py",
        "run.py",
        "service.py",
    },
}
MAY_IMPORT = {"schemas": {"schemas"}, "stage": {"schemas", "stage"}, "ledger": {"schemas", "stage", "ledger"}}
MAY_IMPORT["matcher"] = {"schemas", "stage", "matcher"}
MAY_IMPORT["canary"] = {"schemas", "canary"}
MAY_IMPORT["sinks"] = {"schemas", "sinks"}
MAY_IMPORT["feeds"] = {"schemas", "stage", "feeds"}
MAY_IMPORT["candle_agg"] = {"schemas", "stage", "candle_agg"}
NOT_PURE = {
    "aiokafka", "asyncio", "chdb", "clickhouse_connect", "concurrent", "confluent_kafka", "datetime", "fastapi",
    "faust", "httpx", "io", "multiprocessing", "os", "pathlib", "random", "secrets", "signal", "socket", "starlette",
    "structlog", "subprocess", "sys", "threading", "time", "uuid", "uvicorn",
}  # fmt: skip
NOT_PURE_CALLS = {"open", "input", "print", "hash", "id", "eval", "exec"}


def pure_files() -> list[Path]:
    return [
        path
        for folder, impure in IMPURE.items()
        for path in sorted((REPOSITORY / folder).glob("*.py"))
        if path.name not in impure
    ]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imported(path: Path) -> Iterator[str]:
    """The top-level packages that a file imports, anywhere in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, f"{path}: imports are absolute"
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stages_never_import_each_other(stage):
    for path in (REPOSITORY / stage).rglob("*.py"):
        assert not (set(imported(path)) & STAGES) - {stage}, path


def test_the_canary_shares_only_the_schemas():
    for path in (REPOSITORY / "canary").rglob("*.py"):
        allowed = {"canary", "schemas"} if path.name != "__main__.py" else {"canary", "schemas", "glassbook"}
        assert set(imported(path)) & OURS <= allowed, path


@pytest.mark.parametrize("path", pure_files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_pure_module_imports_nothing_impure(path):
    found = set(imported(path))
    assert not found & NOT_PURE
    assert found & OURS <= MAY_IMPORT[path.parent.name]


@pytest.mark.parametrize("path", pure_files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_pure_module_has_no_floats_and_no_unordered_iteration(path):
    """Money is integers; a set's order, `hash` and `id` differ from process to process."""
    for node in ast.walk(tree(path)):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), where
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)), where
        if isinstance(node, ast.For | ast.comprehension):
            assert not isinstance(node.iter, ast.Set | ast.SetComp), where
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in NOT_PURE_CALLS, where


def test_streams_and_orders_meet_in_one_place_only():
    """`glassbook/web.py` puts the two together on one port; each can be served without the other."""
    both = {"feeds", "producers"}
    for folder in sorted(OURS - {"tests", "benchmarks", "simulator"}):
        found = [path for path in (REPOSITORY / folder).rglob("*.py") if set(imported(path)) & both == both]
        assert found == ([REPOSITORY / "glassbook" / "web.py"] if folder == "glassbook" else [])


def test_the_exchange_imports_neither_benchmarks_nor_tests():
    """And so not the exchange without a log that it is compared with."""
    for folder in sorted(OURS - {"tests", "benchmarks", "simulator"}):
        for path in (REPOSITORY / folder).rglob("*.py"):
            assert not set(imported(path)) & {"benchmarks", "tests"}, path


def test_the_rules_see_the_files_that_they_are_for():
    names = {f"{path.parent.name}/{path.name}" for path in pure_files()}
    assert {"matcher/engine.py", "matcher/book.py", "ledger/core.py", "ledger/settlement.py"} <= names
    assert {"candle_agg/candles.py", "candle_agg/core.py", "candle_agg/watch.py", "stage/published.py"} <= names
    assert {"canary/core.py", "canary/log.py", "canary/snapshots.py"} <= names
    assert {"feeds/book.py", "feeds/market.py", "feeds/session.py", "feeds/ticker.py", "stage/followed.py"} <= names
    assert {"ledger/journal.py", "schemas/records.py", "stage/partition.py", "stage/snapshots.py"} <= names
