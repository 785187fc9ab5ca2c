"""The engine's own configuration: what the process as a whole may do, and what its two roles may.

Every connection to chDB is the same user. What nobody needs, that user doesn't have: files, URLs, other databases,
programs, users, named collections, SYSTEM. A connection then takes one role for good, reader or writer.
"""

import os
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from glassbook.clickhouse import DATABASE
from glassbook.clickhouse_keys import Role

PROFILE = "reader"
MB = 1 << 20
CATALOGS = ("system", "information_schema", "INFORMATION_SCHEMA")
# On tables alone: a dictionary could read from elsewhere, and a function run code.
_GRANTS = {
    Role.READER: (
        f"GRANT SELECT ON {DATABASE}.*",
        *(f"GRANT SHOW TABLES, SHOW COLUMNS ON {name}.*" for name in CATALOGS),
        "GRANT SHOW DATABASES ON *.*",
    ),
    Role.WRITER: (
        "GRANT SELECT, INSERT, ALTER, OPTIMIZE, TRUNCATE, SHOW, CREATE DATABASE, CREATE TABLE, CREATE VIEW,"
        f" DROP TABLE, DROP VIEW ON {DATABASE}.*",
        "GRANT CREATE TEMPORARY TABLE ON *.*",
        *(f"GRANT SHOW TABLES, SHOW COLUMNS ON {name}.*" for name in CATALOGS),
        "GRANT SHOW DATABASES ON *.*",
    ),
}


class Resources(NamedTuple):
    """What the whole process may take."""

    memory_bytes: int
    threads: int


def write_configuration(folder: Path, resources: Resources, ceilings: dict[str, int]) -> Path:
    """The files that the engine is started with; returns the main one."""
    users, config = folder / "users.xml", folder / "config.xml"
    _replace(users, _users(ceilings))
    _replace(config, _config(users, resources))
    return config


def _config(users: Path, resources: Resources) -> str:
    server = {
        "max_server_memory_usage": resources.memory_bytes,
        "max_thread_pool_size": 200,
        "background_pool_size": max(1, resources.threads // 2),
        "background_merges_mutations_concurrency_ratio": 1,
        "background_schedule_pool_size": 2,
        "mark_cache_size": 64 * MB,
        "primary_index_cache_size": 64 * MB,
        "index_mark_cache_size": 16 * MB,
        "query_condition_cache_size": 16 * MB,
        "compiled_expression_cache_size": 32 * MB,
        "uncompressed_cache_size": 0,
        "mmap_cache_size": 100,
    }
    lines = "\n".join(f"  <{name}>{value}</{name}>" for name, value in server.items())
    return f"""<clickhouse>
  <logger><level>fatal</level></logger>
  <user_directories><users_xml><path>{escape(str(users))}</path></users_xml></user_directories>
{lines}
</clickhouse>
"""


def _users(ceilings: dict[str, int]) -> str:
    # Zero would mean unlimited, so there is a least value as well.
    constraints = "\n".join(
        f"      <{name}><min>{'0.001' if name == 'max_execution_time' else 1}</min><max>{value}</max></{name}>"
        for name, value in ceilings.items()
    )
    roles = "\n".join(
        f"    <{role}><grants>{''.join(f'<query>{grant}</query>' for grant in grants)}</grants></{role}>"
        for role, grants in _GRANTS.items()
    )
    return f"""<clickhouse>
  <profiles>
    <default></default>
    <{PROFILE}><constraints>
{constraints}
      <log_comment><readonly/></log_comment>
      <allow_ddl><readonly/></allow_ddl>
    </constraints></{PROFILE}>
  </profiles>
  <roles>
{roles}
  </roles>
  <users><default>
    <password></password>
    <networks><ip>::/0</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants>{"".join(f"<query>GRANT {role}</query>" for role in Role)}</grants>
  </default></users>
  <quotas><default></default></quotas>
</clickhouse>
"""


def _replace(path: Path, content: str) -> None:
    draft = path.with_suffix(".draft")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
        file.write(content)
    draft.replace(path)
