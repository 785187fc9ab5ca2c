"""Brings the tables to what the numbered SQL files say: each file is applied once, and its checksum remembered.

Every statement of a file can be repeated (IF NOT EXISTS, OR REPLACE): two sinks that start at once may both run it, and
a table that was dropped is made again by running all files anew. A file that was applied is never changed afterwards.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from sinks.port import StoreFailed
from sinks.store import Store

logger = structlog.get_logger()
DEFAULT_FOLDER = Path(__file__).parent.parent / "deploy" / "clickhouse"

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_REPEATABLE = re.compile(
    r"CREATE TABLE IF NOT EXISTS|CREATE OR REPLACE VIEW|CREATE OR REPLACE DICTIONARY|DROP (TABLE|VIEW) IF EXISTS"
    r"|ALTER TABLE \w+ (ADD|DROP|MODIFY|RENAME|CLEAR) (COLUMN|INDEX|PROJECTION|CONSTRAINT) IF (NOT )?EXISTS"
    r"|ALTER TABLE \w+ (MODIFY|RESET) (SETTING|COMMENT)"
)
_MADE = re.compile(r"CREATE (?:TABLE IF NOT EXISTS|OR REPLACE VIEW) (\w+)")
_SKIPPED = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|`[^`]*`|\"[^\"]*\"", re.DOTALL)

_TABLE = """CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt32,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY number
SETTINGS non_replicated_deduplication_window = 10000"""


class BadMigration(StoreFailed):
    """The files and what was applied don't go together. Nothing is changed."""


class Migration(NamedTuple):
    number: int
    name: str
    statements: tuple[str, ...]
    checksum: str

    @property
    def makes(self) -> list[str]:
        """The tables and views that it makes."""
        return [made for statement in self.statements for made in _MADE.findall(_without_comments(statement))]


def read_migrations(folder: Path = DEFAULT_FOLDER) -> list[Migration]:
    """The files of the folder by number. Raises BadMigration where one is named wrong or can't be repeated."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        named = _FILE_NAME.fullmatch(path.name)
        if named is None:
            raise BadMigration(f"{path.name} isn't named as a migration, such as 0042_candles.sql")
        text = path.read_text()
        migration = Migration(int(named[1]), path.name, statements_of(text), hashlib.sha256(text.encode()).hexdigest())
        if found and found[-1].number == migration.number:
            raise BadMigration(f"{found[-1].name} and {path.name} have the same number")
        for statement in migration.statements:
            if not _REPEATABLE.match(_without_comments(statement)):
                first = " ".join(_without_comments(statement).split())[:60]
                raise BadMigration(f"{path.name}: '{first}...' can't be repeated: say IF NOT EXISTS or OR REPLACE")
        found.append(migration)
    return found


def statements_of(text: str) -> tuple[str, ...]:
    """SQL cut at its semicolons, those in comments and quotes left alone."""
    masked = _SKIPPED.sub(lambda skipped: " " * len(skipped[0]), text)
    ends = [match.start() for match in re.finditer(";", masked)] + [len(text)]
    starts = [0, *(end + 1 for end in ends)]
    cut = [text[start:end].strip() for start, end in zip(starts, ends, strict=False)]
    return tuple(statement for statement in cut if _without_comments(statement))


def _without_comments(statement: str) -> str:
    return _SKIPPED.sub(lambda s: "" if s[0].startswith(("--", "/*")) else s[0], statement).strip()


def migrate(store: Store, migrations: Sequence[Migration]) -> list[str]:
    """Applies what isn't applied yet, and everything again where a table is missing. Returns the files that it ran.

    Safe to repeat, and to run from two processes at once.
    """
    store.run(_TABLE)
    applied = {
        int(number): str(checksum) for number, checksum in store.rows("SELECT number, checksum FROM schema_migrations")
    }
    for migration in migrations:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise BadMigration(
                f"{migration.name} was changed after it had been applied: put it back as it was, and write what is to"
                " change into a file with the next number"
            )
    there = {str(name) for (name,) in store.rows("SELECT name FROM system.tables WHERE database = currentDatabase()")}
    missing = [n for m in migrations if m.number in applied for n in m.makes if n not in there]
    if missing:
        logger.error("tables are missing and are made again", tables=",".join(missing))
    run = [migration for migration in migrations if missing or migration.number not in applied]
    for migration in run:
        for statement in migration.statements:
            store.run(statement)
        if migration.number not in applied:
            _record(store, migration)
            logger.info("migration applied", file=migration.name)
    return [migration.name for migration in run]


def _record(store: Store, migration: Migration) -> None:
    """By its token it is one row, whoever else applied the file at the same time."""
    store.run(
        f"INSERT INTO schema_migrations (number, name, checksum) VALUES ({migration.number}, '{migration.name}',"
        f" '{migration.checksum}')",
        settings={"insert_deduplication_token": f"{migration.number}:{migration.checksum}"},
    )
