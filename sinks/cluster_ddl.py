"""The tables of `deploy/clickhouse` as they are on a cluster: one rule, applied to each. Pure but for its `main`.

What the log brings is sharded by log partition, replicated in each shard, and read and written through a Distributed
table of the old name. So an insert's rows of one log partition lie in one shard, whole or not at all; and since a
symbol and an account have one partition each, so do all rows that a ReplacingMergeTree must see together. What sinks
agree on among themselves is not sharded: every node has all of it.

`python -m sinks.cluster_ddl` writes `deploy/clickhouse-cluster/*.sql` anew.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from sinks.migrations import DEFAULT_FOLDER, statements_of

FOLDER = DEFAULT_FOLDER.parent / "clickhouse-cluster"
CLUSTER = "'{cluster}'"
UNSHARDED = {"schema_migrations", "sink_claims", "sink_positions"}
SHARD_BY = "log_partition"
HEADER = "-- Written by `python -m sinks.cluster_ddl` from deploy/clickhouse/{name}: change that one.\n"
_TABLE = re.compile(
    r"(?P<comments>(?:\s*--[^\n]*\n)*)CREATE TABLE IF NOT EXISTS (?P<name>\w+)\n(?P<columns>\(.*\n\))\n"
    r"ENGINE = (?P<engine>\w*MergeTree)(?:\((?P<arguments>[^)]*)\))?\n(?P<rest>.*)",
    re.DOTALL,
)
_VIEW = re.compile(r"(?P<comments>(?:\s*--[^\n]*\n)*)CREATE OR REPLACE VIEW (?P<name>\w+) AS\n(?P<rest>.*)", re.DOTALL)
_ALTER = re.compile(r"(?P<comments>(?:\s*--[^\n]*\n)*)ALTER TABLE (?P<name>\w+) (?P<rest>.*)", re.DOTALL)


class NoRule(Exception):
    """A statement of a kind that this file has no rule for."""


def on_cluster(sql: str) -> str:
    """A file's statements for a cluster. Raises NoRule."""
    return "\n\n".join(f"{statement};" for text in statements_of(sql) for statement in _statement(text)) + "\n"


def _statement(text: str) -> Iterator[str]:
    if found := _TABLE.fullmatch(text):
        yield from _table(**found.groupdict())
    elif found := _VIEW.fullmatch(text):
        yield f"{found['comments']}CREATE OR REPLACE VIEW {found['name']} ON CLUSTER {CLUSTER} AS\n{found['rest']}"
    elif found := _ALTER.fullmatch(text):
        names = [found["name"]] if found["name"] in UNSHARDED else [f"{found['name']}_local", found["name"]]
        for name in names:
            yield f"{found['comments']}ALTER TABLE {name} ON CLUSTER {CLUSTER} {found['rest']}"
    else:
        raise NoRule(" ".join(text.split())[:200])


def _table(comments: str, name: str, columns: str, engine: str, arguments: str | None, rest: str) -> Iterator[str]:
    sharded = name not in UNSHARDED
    place = "{shard}" if sharded else "all"
    replica = "{replica}" if sharded else "{shard}-{replica}"
    given = [f"'/clickhouse/tables/{place}/{{database}}/{{table}}'", f"'{replica}'"]
    given += [arguments] if arguments else []
    rest = rest.replace("non_replicated_deduplication_window", "replicated_deduplication_window")
    stored = f"{name}_local" if sharded else name
    yield (
        f"{comments}CREATE TABLE IF NOT EXISTS {stored} ON CLUSTER {CLUSTER}\n{columns}\n"
        f"ENGINE = Replicated{engine}({', '.join(given)})\n{rest}"
    )
    if sharded:
        yield (
            f"CREATE TABLE IF NOT EXISTS {name} ON CLUSTER {CLUSTER} AS {stored}\n"
            f"ENGINE = Distributed({CLUSTER}, currentDatabase(), {stored}, {SHARD_BY})"
        )


def files() -> dict[str, str]:
    """The name and content of each file that follows from `deploy/clickhouse`."""
    sources = sorted(DEFAULT_FOLDER.glob("*.sql"))
    return {source.name: HEADER.format(name=source.name) + on_cluster(source.read_text()) for source in sources}


def main(folder: Path = FOLDER) -> int:
    for name, content in files().items():
        (folder / name).write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
