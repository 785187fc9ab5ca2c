"""What a statement is, how it is to be run, and whether it may be: the engine's parser asked, the gate passed.

What the parser said of a text is remembered, since dashboards ask the same again and again.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from glassbook.clickhouse_keys import Role
from sinks.embedded.engine import PIPE, Session
from sinks.embedded.errors import ClickHouseError, Code
from sinks.embedded.gate import Seen, check, check_writer, look
from sinks.embedded.lexer import Insert, Selecting, first_words, place_of_output, split_insert, tokens
from sinks.embedded.rules import Rules

REMEMBERED = 1024
LONGEST_REMEMBERED = 16 << 10
# Reads that have no tree to be looked at, and neither expressions nor table functions in them.
_PLAIN_READS = {
    "ExistsDatabaseQuery", "ExistsDictionaryQuery", "ExistsTableQuery", "ExistsViewQuery", "ShowCreateDatabaseQuery",
    "ShowCreateTableQuery", "ShowCreateViewQuery", "ShowEngineQuery", "ShowFunctions", "ShowGrantsQuery", "ShowSetting",
}  # fmt: skip
_READ_CLASS = "READ_ONLY"
_CONTROL_CLASS = "CONTROL"


class Kind(Enum):
    STREAM = "stream"  # a SELECT: its rows flow as they come
    WHOLE = "whole"  # anything else without data of its own
    INSERT = "insert"  # with data behind it
    INSERT_SELECT = "insert_select"  # the data pass through input()
    SET = "set"
    USE = "use"


class Plan(NamedTuple):
    """`sql` is the text; for STREAM the part before FORMAT, for INSERT that before SETTINGS, and `tail` the rest."""

    kind: Kind
    sql: bytes
    tail: bytes = b""
    format: str | None = None  # of the answer, or of the data of an INSERT
    data: int = 0  # where they begin
    through: Selecting | None = None
    settings: tuple[tuple[str, Any], ...] = ()  # of SET
    database: str = ""  # of USE


class Opaque(NamedTuple):
    """A statement whose tree the engine doesn't show: its kind."""

    root: str


class Known(NamedTuple):
    """What the parser said of a text. `streams`: it is the same statement with INTO OUTFILE put where we put it."""

    seen: Seen | Opaque
    streams: bool = False


class Planner:
    """Thread-safe."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._lock = threading.Lock()

    def plan(self, session: Session, sql: bytes, parameters: Mapping[str, str], database: str, most: int) -> Plan:
        """Raises ClickHouseError: a syntax error, a statement longer than `most`, or what this role may not do."""
        if first_words(sql, 1) == ["INSERT"]:
            if session.role is Role.READER:
                raise ClickHouseError(Code.READONLY, "Cannot execute query in readonly mode: INSERT is not a read")
            if (insert := self._insert(session, sql)) is not None:
                _check_length(insert.data, most)
                return insert
        _check_length(len(sql), most)
        known = self._known_of(session, sql)
        seen = known.seen
        if isinstance(seen, Opaque):
            return self._opaque(session, sql, seen, parameters, database)
        if session.role is Role.READER:
            check(seen, self._rules, parameters, database)
        else:
            check_writer(seen, self._rules)
        if seen.root == "SetQuery":
            return Plan(Kind.SET, sql, settings=seen.settings)
        if seen.database is not None:
            return Plan(Kind.USE, sql, database=seen.database)
        if known.streams:
            return Plan(Kind.STREAM, *place_of_output(sql), seen.format)
        return Plan(Kind.WHOLE, sql, format=seen.format)

    def _insert(self, session: Session, sql: bytes) -> Plan | None:
        parts = split_insert(sql)
        if isinstance(parts, Insert):
            return Plan(Kind.INSERT, parts.head, parts.settings, parts.format, parts.data)
        if isinstance(parts, Selecting):
            seen = self._seen(session, parts.before + b"input(" + parts.structure + b")" + parts.after)
            if isinstance(seen, Seen):
                check_writer(seen, self._rules)
            return Plan(Kind.INSERT_SELECT, parts.before, format=parts.format, data=parts.data, through=parts)
        return None

    def _opaque(
        self, session: Session, sql: bytes, opaque: Opaque, parameters: Mapping[str, str], database: str
    ) -> Plan:
        kind, count = session.classify(sql)
        if count > 1:
            raise ClickHouseError(Code.SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)")
        if kind == _CONTROL_CLASS:
            raise ClickHouseError(Code.ACCESS_DENIED, f"Not enough privileges: {opaque.root} is not for anybody here")
        if session.role is Role.READER:
            if opaque.root == "DescribeQuery":
                check(self._described(session, sql), self._rules, parameters, database)
            elif kind != _READ_CLASS or opaque.root not in _PLAIN_READS:
                code = Code.ACCESS_DENIED if kind == _READ_CLASS else Code.READONLY
                raise ClickHouseError(code, f"Cannot execute query in readonly mode: {opaque.root} is not for readers")
        words = re.findall(r"\w+", place_of_output(sql)[1].decode(errors="replace"))
        return Plan(Kind.WHOLE, sql, format=words[1] if len(words) > 1 else None)

    def _described(self, session: Session, sql: bytes) -> Seen:
        """DESCRIBE has what SELECT * FROM has, and of that there is a tree."""
        behind = 0
        for token in tokens(sql):
            if not token.says("DESCRIBE", "DESC", "TABLE"):
                break
            behind = token.end
        seen = self._seen(session, b"SELECT * FROM " + sql[behind:])
        if isinstance(seen, Opaque) or seen.root != "SelectWithUnionQuery":
            raise ClickHouseError(Code.ACCESS_DENIED, "Not enough privileges: such a DESCRIBE is not for readers")
        return seen

    def _seen(self, session: Session, sql: bytes) -> Seen | Opaque:
        return self._known_of(session, sql).seen

    def _known_of(self, session: Session, sql: bytes) -> Known:
        with self._lock:
            if (known := self._known.get(sql)) is not None:
                self._known.move_to_end(sql)
                return known
        known = _parse(session, sql)
        if len(sql) <= LONGEST_REMEMBERED:
            with self._lock:
                self._known[sql] = known
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return known


def into(descriptor: int) -> bytes:
    """What makes a SELECT's rows go to this end of a pipe."""
    return f" INTO OUTFILE '{PIPE}/{descriptor}' TRUNCATE ".encode()


def _parse(session: Session, sql: bytes) -> Known:
    tree = session.tree(sql)
    if isinstance(tree, str):
        return Known(Opaque(tree))
    seen = look(tree)
    return Known(seen, streams=seen.root == "SelectWithUnionQuery" and _streams(session, sql, tree))


def _streams(session: Session, sql: bytes, tree: dict[str, Any]) -> bool:
    """Whether our lexer found the right place: in a string, our quotes would let the rest of it out."""
    head, tail = place_of_output(sql)
    try:
        streaming = session.tree(head + into(0) + tail)
    except ClickHouseError:
        return False
    return isinstance(streaming, dict) and bool(streaming.pop("out_file", None)) and _bare(streaming) == _bare(tree)


def _bare(tree: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if name != "is_outfile_truncate"}


def _check_length(length: int, most: int) -> None:
    if length > most:
        raise ClickHouseError(
            Code.SYNTAX_ERROR,
            f"Syntax error: Max query size exceeded: {length} bytes, where {most} are allowed"
            " (can be increased with the `max_query_size` setting)",
        )
