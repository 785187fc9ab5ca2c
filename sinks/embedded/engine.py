"""chDB: ClickHouse's engine in this process, on one folder, and its sessions. All calls block; none needs the others.

A process has one engine, and a folder one process: the engine holds a lock that ends with the process. Each session is
a connection of its own, with its own settings, database and temporary tables, and runs one statement at a time. The
engine works outside the interpreter's lock, so sessions run side by side.
"""

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import chdb
import msgspec
from chdb.state.sqlitelike import Connection

from glassbook.clickhouse import DATABASE
from glassbook.clickhouse_keys import Role
from sinks.embedded.access import PROFILE, Resources, write_configuration
from sinks.embedded.errors import ClickHouseError, Code, from_engine
from sinks.embedded.rules import ENGINE_QUERY_BYTES, Catalog, Ceilings

STORE = "store"
PIPE = "/dev/fd"  # where the engine finds a pipe of this process
# A reader's threads run behind everybody else's, so that an insert doesn't wait for a processor.
READER_NICE = 10
_NO_TREE = re.compile(r"AST node of type '([A-Za-z]+)")
_NOISE = re.compile(r"\s*:?\s*In scope SELECT parseQueryToJSON\(.*\Z", re.DOTALL)
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
# What every session starts with. One insert is one block, and is there when it is acknowledged.
TIMEZONE = "UTC"  # wherever the machine stands
_SETTINGS: dict[str, object] = {
    "implicit_select": 0,
    "async_insert": 0,
    "allow_introspection_functions": 0,
    "session_timezone": TIMEZONE,
    "max_query_size": ENGINE_QUERY_BYTES,
}


class Stats(NamedTuple):
    """What a statement took; rows of its result are known only where it had one."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    elapsed_ns: int = 0


class Answer(NamedTuple):
    data: bytes
    stats: Stats


class Facts(NamedTuple):
    """What is asked of the engine once, when it starts."""

    version: str
    catalog: Catalog
    content_types: Mapping[str, str]  # by format
    setting_defaults: Mapping[str, str]


class Session:
    """One connection in one role. `token` is in its statements' settings, and `Engine.kill` finds them by it."""

    def __init__(self, connection: Connection, role: Role, token: str, limits: Mapping[str, int]) -> None:
        self._connection, self.role, self.token = connection, role, token
        self._limits = limits
        limited = {**limits, "os_thread_priority": READER_NICE} if role is Role.READER else {}
        self.set({**_SETTINGS, "log_comment": token, **limited})
        self.run(f"SET ROLE {role}")

    def bind(self) -> None:
        """From here on a reader may only read, and change settings only as its profile allows."""
        if self.role is Role.READER:
            self.run(f"SET profile = '{PROFILE}'")
            self.set({"readonly": 2})

    def set(self, settings: Mapping[str, object]) -> None:
        for name in settings:
            if not _SETTING_NAME.fullmatch(name):
                raise ClickHouseError(Code.UNKNOWN_SETTING, f"Unknown setting {name[:60]!r}")
        if settings:
            self.run("SET " + ", ".join(f"`{name}` = {_quoted(str(value))}" for name, value in settings.items()))

    def reset(self, names: Iterator[str]) -> None:
        """Back to what the session started with."""
        for name in names:
            self.set({name: self._limits[name]}) if name in self._limits else self.run(f"SET `{name}` = DEFAULT")

    def use(self, database: str) -> None:
        self.run(f"USE `{database.replace('`', '``')}`")

    def run(self, sql: bytes | str, form: str = "TabSeparated", parameters: Mapping[str, str] | None = None) -> Answer:
        """The whole result in memory."""
        try:
            # It takes bytes as well, as a query need not be text throughout.
            result = self._connection.query(sql, form, params=dict(parameters or {}))  # type: ignore[arg-type]
        except RuntimeError as error:
            raise from_engine(str(error)) from None
        return Answer(bytes(result.bytes()), _stats(result))

    def with_temporary_tables(self, action: Callable[[], object]) -> None:
        """Before it is bound, a reader's session may have tables of its own made for it."""
        if self.role is Role.WRITER:
            action()
            return
        self.run(f"SET ROLE {Role.WRITER}")
        try:
            action()
        finally:
            self.run(f"SET ROLE {self.role}")

    def tree(self, sql: bytes) -> dict[str, Any] | str:
        """The syntax tree; or the name of the statement's kind, if the engine has no such view of it."""
        literal = sql.replace(b"\\", b"\\\\").replace(b"'", b"\\'")
        try:
            text = self.run(b"SELECT parseQueryToJSON('" + literal + b"')", "TabSeparatedRaw").data
        except ClickHouseError as error:
            if error.code == Code.BAD_ARGUMENTS and (found := _NO_TREE.match(error.message)):
                return found[1]
            message = _NOISE.sub("", error.message).rstrip(". ")
            raise ClickHouseError(error.code, message, error.name) from None
        try:
            found_tree: dict[str, Any] = msgspec.json.decode(text.decode(errors="replace"))
        except (msgspec.DecodeError, RecursionError) as error:
            raise ClickHouseError(Code.TOO_BIG_AST, "The query's syntax tree is too deep") from error
        return found_tree

    def classify(self, sql: bytes) -> tuple[str, int]:
        """The engine's parser says what it is, READ_ONLY, MUTATING, CONTROL and so on, and how many statements."""
        found = self._connection._conn.classify_query(sql.decode(errors="replace"), DATABASE)
        return found["query_class"].name, int(found["statement_count"])

    def insert(self, head: bytes, settings: bytes, form: str, data: bytes | memoryview) -> Stats:
        """`head` is INSERT INTO table (columns). Up to a million rows and 256 MB become one block: all or nothing.

        The data go in as a file, which is the end of a pipe. chDB's own way, `send_insert`, says that all went well
        when it didn't: a full disk, a constraint, a failing materialized view.
        """
        reading_end, writing_end = os.pipe()
        feeder = threading.Thread(target=_feed, args=(writing_end, data), daemon=True)
        feeder.start()
        source = f" FROM INFILE '{PIPE}/{reading_end}' COMPRESSION 'none' ".encode()
        try:
            return self.run(head + source + settings + f" FORMAT {form}".encode()).stats
        finally:
            os.close(reading_end)  # which ends the feeder, if an error left some of the data behind
            feeder.join()

    def close(self) -> None:
        self._connection.close()


class Engine:
    """The one engine of this process. Takes the folder as its working directory."""

    def __init__(self, folder: Path, resources: Resources, ceilings: Ceilings) -> None:
        self._ceilings = ceilings.settings()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = write_configuration(folder, resources, self._ceilings)
        # Relative names: a connection string has no way to write down every path.
        os.chdir(folder)
        self._address = f"{STORE}?config-file={config.name}"
        try:
            self._control = self._connect("default")
            self._control.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        except RuntimeError as error:
            raise from_engine(str(error)) from None
        _take_file_away()
        self._control_lock = threading.Lock()
        self.facts = self._ask_facts()

    def _connect(self, database: str) -> Connection:
        return chdb.connect(f"{self._address}&database={database}")

    def session(self, role: Role, token: str) -> Session:
        """A millisecond. Not bound yet."""
        try:
            connection = self._connect(DATABASE)
        except RuntimeError as error:
            raise from_engine(str(error)) from None
        return Session(connection, role, token, self._ceilings)

    def kill(self, token: str) -> None:
        """Asks what runs with this token to stop; it soon raises QUERY_WAS_CANCELLED where it runs."""
        with self._control_lock:
            self._control.query(f"KILL QUERY WHERE Settings['log_comment'] = {_quoted(token)} ASYNC")

    def close(self) -> None:
        self._control.close()

    def _ask_facts(self) -> Facts:
        version = self._rows("SELECT version()")[0][0]
        functions = self._rows(
            "SELECT lower(f.name), lower(if(f.alias_to = '', f.name, f.alias_to)),"
            " if(f.alias_to = '', f.categories, o.categories)"
            " FROM system.functions f LEFT JOIN system.functions o ON f.alias_to = o.name"
        )
        settings = self._rows("SELECT name, value FROM system.settings")
        catalog = Catalog(
            functions={name: (original, category) for name, original, category in functions},
            table_functions=self._names("SELECT lower(name) FROM system.table_functions"),
            settings=frozenset(row[0] for row in settings),
            system_tables=self._names("SELECT name FROM system.tables WHERE database = 'system'"),
        )
        content_types = self._rows("SELECT name, content_type FROM system.formats WHERE is_output")
        return Facts(version, catalog, dict(_pairs(content_types)), dict(_pairs(settings)))

    def _rows(self, sql: str) -> list[list[str]]:
        text = bytes(self._control.query(sql, "TabSeparatedRaw").bytes()).decode()
        return [line.split("\t") for line in text.splitlines()]

    def _names(self, sql: str) -> frozenset[str]:
        return frozenset(row[0] for row in self._rows(sql))


def _pairs(rows: list[list[str]]) -> Iterator[tuple[str, str]]:
    for row in rows:
        if len(row) == 2:
            yield row[0], row[1]


def _stats(result: Any) -> Stats:
    return Stats(
        read_rows=result.storage_rows_read(),
        read_bytes=result.storage_bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
        result_rows=result.rows_read(),
        elapsed_ns=int(result.elapsed() * 1e9),
    )


def _feed(writing_end: int, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    with os.fdopen(writing_end, "wb", 0) as pipe, contextlib.suppress(BrokenPipeError):
        while rest:
            rest = rest[pipe.write(rest) :]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _take_file_away() -> None:
    """The one function that reads the host's files without asking for a right is put out of reach for everybody."""

    def file(path: str) -> str:
        raise PermissionError("function file is not available")

    chdb.create_function("file", file, ["String"], "String")


__all__ = ["Answer", "ClickHouseError", "Engine", "Facts", "Session", "Stats"]
