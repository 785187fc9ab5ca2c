"""One request's work, from a session to its last byte, in a thread of its own. Blocks; knows no HTTP.

A SELECT's rows leave through a pipe as the engine makes them (`INTO OUTFILE` its end), in whatever format, so that an
answer of any size takes little memory and begins at once. Everything else is small and comes back whole.
"""

import os
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from glassbook.clickhouse_keys import Role
from sinks.embedded.ask import Ask, External
from sinks.embedded.engine import Engine, Session, Stats
from sinks.embedded.errors import ClickHouseError, Code
from sinks.embedded.gate import clamp, look_for_strangers
from sinks.embedded.named_sessions import NamedSession
from sinks.embedded.rules import MOST_QUERY_BYTES, QUERY_BYTES, Rules
from sinks.embedded.statement import Kind, Plan, Planner, into

# Formats that external data may have: none of them reads a file or evaluates an expression.
EXTERNAL_FORMATS = (
    "TabSeparated", "TSV", "CSV", "JSON", "Native", "RowBinary", "Arrow", "Parquet", "LineAsString", "MsgPack",
)  # fmt: skip


class Done(NamedTuple):
    """`data` is what didn't go through the pipe."""

    format: str | None  # None: there is no result, not even an empty one
    data: bytes
    stats: Stats


class Running:
    """A statement from its admission to its end, as others see it: by its token the engine finds it."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.timed_out = False
        self._unwanted = threading.Event()

    @property
    def unwanted(self) -> bool:
        return self._unwanted.is_set()

    def give_up(self) -> None:
        self._unwanted.set()


class Worker:
    def __init__(self, engine: Engine, planner: Planner, rules: Rules) -> None:
        self._engine, self._planner, self._rules = engine, planner, rules

    def carry_out(
        self,
        ask: Ask,
        role: Role,
        running: Running,
        named: NamedSession | None,
        pipe: int,
        begins: Callable[[str | None], None],
    ) -> Done:
        """Closes `pipe`, whatever happens. `begins` is called with the answer's format before its first byte."""
        try:
            with _Lease(self._engine, role, running, named) as lease:
                return self._run(ask, lease.session, named, running, pipe, begins)
        finally:
            os.close(pipe)

    def _run(
        self,
        ask: Ask,
        session: Session,
        named: NamedSession | None,
        running: Running,
        pipe: int,
        begins: Callable[[str | None], None],
    ) -> Done:
        settings = self._settings(ask, session.role, named)
        database = ask.database or (named.database if named else "")
        for table in ask.external:
            load(session, table)
        session.set(settings)
        session.bind()
        try:
            if database:
                session.use(database)
            plan = self._planner.plan(session, ask.sql, ask.parameters, database, _most_bytes(ask))
            if ask.reads_only and session.role is Role.WRITER:
                self._check_reads(session, plan)
            if running.unwanted:
                raise ClickHouseError(Code.QUERY_WAS_CANCELLED, "Query was cancelled")
            return self._carry(plan, ask, session, named, pipe, begins)
        finally:
            if named and session.role is Role.WRITER:
                session.reset(iter(settings))

    def _settings(self, ask: Ask, role: Role, named: NamedSession | None) -> dict[str, str]:
        own = {name: value for name, value in ask.settings.items() if name != "max_query_size"}
        if role is Role.WRITER:
            return own
        known = self._engine.facts.catalog.settings
        asked = {
            # One that isn't known goes through: the engine says it better.
            name: clamp(name, value, self._rules) if name in known or name == "profile" else value
            for name, value in own.items()
            if not (name == "readonly" and value in ("1", "2"))
        }
        return {**(named.settings if named else {}), **asked}

    def _check_reads(self, session: Session, plan: Plan) -> None:
        reads = plan.kind in (Kind.STREAM, Kind.SET, Kind.USE)
        if not reads and (plan.data or session.classify(plan.sql)[0] != "READ_ONLY"):
            raise ClickHouseError(
                Code.READONLY,
                "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly."
                " You should use method POST for modifying queries",
            )

    def _carry(
        self,
        plan: Plan,
        ask: Ask,
        session: Session,
        named: NamedSession | None,
        pipe: int,
        begins: Callable[[str | None], None],
    ) -> Done:
        if plan.kind is Kind.INSERT and ask.parameters:
            # Values may have parameters among them, which only the whole statement can be given.
            return Done(None, b"", session.run(ask.sql, ask.format, ask.parameters).stats)
        if plan.kind is Kind.INSERT and plan.format:
            return Done(None, b"", session.insert(plan.sql, plan.tail, plan.format, memoryview(ask.sql)[plan.data :]))
        if plan.kind is Kind.INSERT_SELECT:
            return Done(None, b"", insert_select(session, plan, memoryview(ask.sql)[plan.data :], ask.parameters))
        form = plan.format or ask.format
        self._check_format(form)
        if plan.kind is Kind.STREAM:
            begins(form)
            return self._stream(plan, form, ask, session, pipe)
        answer = session.run(plan.sql, form, ask.parameters)
        if named and plan.kind is Kind.SET:
            named.settings.update({name: str(value) for name, value in plan.settings if value is not None})
            for name in (name for name, value in plan.settings if value is None):
                named.settings.pop(name, None)
        if named and plan.kind is Kind.USE:
            named.database = plan.database
        return Done(form if answer.data else None, answer.data, answer.stats)

    def _check_format(self, form: str) -> None:
        if form not in self._engine.facts.content_types:
            raise ClickHouseError(Code.UNKNOWN_FORMAT, f"Unknown format {form}")

    def _stream(self, plan: Plan, form: str, ask: Ask, session: Session, pipe: int) -> Done:
        answer = session.run(plan.sql + into(pipe) + plan.tail, form, ask.parameters)
        return Done(form, answer.data, answer.stats)


def _most_bytes(ask: Ask) -> int:
    wanted = ask.settings.get("max_query_size", "")
    return min(int(wanted), MOST_QUERY_BYTES) if wanted.isascii() and wanted.isdigit() else QUERY_BYTES


class _Lease:
    """A session for one statement: made for it, or a writer's named one, kept open for its temporary tables."""

    def __init__(self, engine: Engine, role: Role, running: Running, named: NamedSession | None) -> None:
        self._engine, self._role, self._running, self._named = engine, role, running, named

    def __enter__(self) -> "_Lease":
        if self._named is None or self._role is Role.READER:
            self.session = self._engine.session(self._role, self._running.token)
        else:
            if self._named.connection is None:
                self._named.connection = self._engine.session(self._role, self._named.token)
            self.session = self._named.connection
        return self

    def __exit__(self, *error: object) -> None:
        if self._named is None or self._role is Role.READER:
            self.session.close()


def load(session: Session, table: External) -> None:
    """A table that came with the query, as a temporary one. Its structure is looked at before it is believed."""
    # Both go into statements of ours.
    if not (table.name.isidentifier() and table.format.isalnum() and table.format.startswith(EXTERNAL_FORMATS)):
        raise ClickHouseError(Code.BAD_ARGUMENTS, f"External table {table.name[:40]!r}: wrong name or format")
    create = f"CREATE TEMPORARY TABLE `{table.name}` ({table.structure})".encode()
    look_for_strangers(session.tree(create))
    session.with_temporary_tables(lambda: session.run(create))
    session.with_temporary_tables(
        lambda: session.insert(f"INSERT INTO `{table.name}`".encode(), b"", table.format, table.data)
    )


def insert_select(session: Session, plan: Plan, data: memoryview, parameters: Mapping[str, str]) -> Stats:
    """INSERT ... SELECT ... FROM input(...): the data go into a temporary table, which takes the place of input()."""
    assert plan.through is not None and plan.format is not None
    name = f"input_{session.token}".encode()
    structure = session.run(b"SELECT " + plan.through.structure, "RawBLOB").data
    session.run(b"CREATE TEMPORARY TABLE " + name + b" (" + structure + b") ENGINE = Memory")
    try:
        session.insert(b"INSERT INTO " + name, b"", plan.format, data)
        # One stream, so that it is one block.
        session.set({"max_threads": 1, "max_insert_threads": 1})
        sql = plan.through.before + name + plan.through.after
        return session.run(sql, parameters=parameters).stats
    finally:
        session.run(b"DROP TEMPORARY TABLE IF EXISTS " + name)
        session.reset(iter(("max_threads", "max_insert_threads")))
