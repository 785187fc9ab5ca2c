"""What an analyst's statement is, seen in the engine's own syntax tree, and whether it may run. Pure.

The engine parses (`parseQueryToJSON`); here its tree is walked, whole: sub-queries, common table expressions, lambdas,
column transformers, the arguments of table functions. A kind of statement, function, table function, system table or
setting that isn't on the lists of `rules.py` is refused before anything runs.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sinks.embedded.errors import ClickHouseError, Code
from sinks.embedded.rules import SYSTEM_TABLES, Rules

SYSTEM = "system"
# Statements by the root of their tree.
_READS = {
    "SelectWithUnionQuery", "SelectIntersectExceptQuery", "ExplainQuery", "ShowTablesQuery", "ShowColumnsQuery",
    "ShowIndexesQuery",
}  # fmt: skip
_SESSION = {"SetQuery", "UseQuery"}
# Explaining these would touch what a reader has no business with.
_EXPLAINED = {"EXPLAIN", "EXPLAIN AST", "EXPLAIN SYNTAX", "EXPLAIN QUERY TREE", "EXPLAIN PIPELINE", "EXPLAIN ESTIMATE"}
# All kinds of nodes that these statements are made of. Others are refused, so that nothing is overlooked.
_NODES = _READS | _SESSION | {
    "ArrayJoin", "Asterisk", "ColumnsApplyTransformer", "ColumnsExceptTransformer", "ColumnsListMatcher",
    "ColumnsRegexpMatcher", "ColumnsReplaceTransformer", "ColumnsReplaceTransformerReplacement",
    "ColumnsTransformerList", "ExpressionList", "Function", "Identifier", "InterpolateElement", "Literal",
    "OrderByElement", "QualifiedAsterisk", "QualifiedColumnsListMatcher", "QualifiedColumnsRegexpMatcher",
    "QueryParameter", "SampleRatio", "SelectQuery", "SetQuery", "Subquery", "TableExpression", "TableIdentifier",
    "TableJoin", "TablesInSelectQuery", "TablesInSelectQueryElement", "WindowDefinition", "WindowListElement",
    "WithElement",
}  # fmt: skip


class Seen(NamedTuple):
    """All that matters of a statement, whatever its parameters and database."""

    root: str
    functions: frozenset[str]  # in lower case
    table_functions: frozenset[str]
    names: tuple[tuple[str | None, ...], ...]  # of tables and columns; None is a parameter's place
    parameters: tuple[str, ...]  # those that stand for names
    settings: tuple[tuple[str, Any], ...]  # None: back to its default
    kinds: frozenset[str]
    explained: str  # "" when nothing is
    into_file: bool
    format: str | None
    database: str | None  # of USE


def look(tree: dict[str, Any]) -> Seen:
    """Walks a tree without recursion: its depth is the sender's choice."""
    functions, table_functions, kinds = set[str](), set[str](), set[str]()
    names: list[tuple[str | None, ...]] = []
    parameters: list[str] = []
    settings: list[tuple[str, Any]] = []
    into_file = False
    open_nodes: list[tuple[str, dict[str, Any]]] = [("", tree)]
    while open_nodes:
        key, node = open_nodes.pop()
        kind = node.get("type", "")
        kinds.add(kind)
        into_file = into_file or "out_file" in node or "infile" in node
        if kind == "Function":
            (table_functions if key == "table_function" else functions).add(str(node.get("name", "")).lower())
        elif kind == "ColumnsApplyTransformer" and "func_name" in node:
            functions.add(str(node["func_name"]).lower())
        elif kind in ("Identifier", "TableIdentifier"):
            names.append(_parts(node))
        elif kind == "ShowColumnsQuery" or kind == "ShowIndexesQuery":
            names.append(tuple(part for part in (node.get("database"), node.get("table")) if part))
        elif kind == "QueryParameter" and node.get("param_type") == "Identifier":
            parameters.append(str(node.get("name", "")))
        elif kind == "SetQuery" and key != "explain_settings":
            settings += _changes(node)
        open_nodes += _children(node)
    return Seen(
        root=str(tree.get("type", "")),
        functions=frozenset(functions),
        table_functions=frozenset(table_functions),
        names=tuple(names),
        parameters=tuple(parameters),
        settings=tuple(settings),
        kinds=frozenset(kinds),
        explained=str(tree.get("kind", "")) if tree.get("type") == "ExplainQuery" else "",
        into_file=into_file,
        format=_name_of(tree.get("format_ast")),
        database=_name_of(tree.get("database")) if tree.get("type") == "UseQuery" else None,
    )


def _children(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    explains = node.get("type") == "ExplainQuery"
    for key, value in node.items():
        if isinstance(value, dict) and "type" in value:
            # EXPLAIN's own switches look like settings and are none.
            yield ("explain_settings" if explains and key == "settings" else key), value
        elif isinstance(value, list):
            yield from ((key, item) for item in value if isinstance(item, dict) and "type" in item)


def _parts(node: dict[str, Any]) -> tuple[str | None, ...]:
    parts = node.get("name_parts") or [node.get("name", "")]
    return tuple(part or None for part in parts)


def _changes(node: dict[str, Any]) -> list[tuple[str, Any]]:
    changes = [(str(change["name"]), change.get("value", {}).get("value")) for change in node.get("changes", [])]
    return changes + [(str(name), None) for name in node.get("default_settings", [])]


def _name_of(node: Any) -> str | None:
    return str(node["name"]) if isinstance(node, dict) and "name" in node else None


def check(seen: Seen, rules: Rules, parameters: Mapping[str, str], database: str) -> None:
    """Raises ClickHouseError if an analyst may not run it; `database` is where unqualified names are looked up."""
    if seen.into_file:
        raise ClickHouseError(Code.INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed")
    if seen.root not in _READS | _SESSION:
        raise ClickHouseError(Code.READONLY, f"Cannot execute query in readonly mode: {seen.root} is not a read")
    if seen.explained and seen.explained not in _EXPLAINED:
        raise ClickHouseError(Code.ACCESS_DENIED, f"Not enough privileges: {seen.explained} is not for readers")
    if strange := sorted(seen.kinds - _NODES):
        raise ClickHouseError(Code.ACCESS_DENIED, f"Not enough privileges: {strange[0]} is not for readers")
    if refused := sorted(seen.functions & rules.refused_functions):
        raise ClickHouseError(Code.ACCESS_DENIED, f"Not enough privileges: function {refused[0]} is not for readers")
    if refused := sorted(seen.table_functions & rules.refused_table_functions):
        raise ClickHouseError(
            Code.ACCESS_DENIED, f"Not enough privileges: table function {refused[0]} is not for readers"
        )
    _check_names(seen, rules, parameters, database)
    for name, value in seen.settings:
        check_setting(name, value, rules)


def check_writer(seen: Seen, rules: Rules) -> None:
    """Raises ClickHouseError for what nobody may run. The engine looks after a writer's rights to tables."""
    if seen.into_file:
        raise ClickHouseError(Code.INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE and FROM INFILE are not allowed")
    if refused := sorted((seen.functions | seen.table_functions) & rules.refused_to_writers):
        raise ClickHouseError(Code.ACCESS_DENIED, f"Not enough privileges: {refused[0]} is not for anybody here")


# What CREATE TEMPORARY TABLE name (columns and their types) is made of: no defaults, no engine, no SELECT.
_DECLARATION = {
    "ColumnDeclaration", "Columns definition", "CreateQuery", "DataType", "EnumDataType", "ExpressionList",
    "Identifier", "Literal", "NameTypePair", "TupleDataType",
}  # fmt: skip


def look_for_strangers(tree: dict[str, Any] | str) -> None:
    """Raises ClickHouseError unless it declares columns and nothing else."""
    if isinstance(tree, str) or tree.get("type") != "CreateQuery":
        raise ClickHouseError(Code.BAD_ARGUMENTS, "The external table's structure is no list of columns")
    if strange := sorted(look(tree).kinds - _DECLARATION):
        raise ClickHouseError(Code.ACCESS_DENIED, f"Not enough privileges: {strange[0]} in an external table")


def _check_names(seen: Seen, rules: Rules, parameters: Mapping[str, str], database: str) -> None:
    given = [parameters.get(name, "") for name in seen.parameters]
    # A parameter may stand for a database or a table: with `system` anywhere in sight, both are looked at.
    in_system = database == SYSTEM or SYSTEM in given or any(None in name and SYSTEM in name for name in seen.names)
    plain = [name[0] for name in seen.names if len(name) == 1 and name[0]]
    suspects = [name[1] for name in seen.names if len(name) > 1 and name[0] == SYSTEM and name[1]]
    # `system.users` in back quotes is one name with a dot in it, and means no system table; but it costs nothing.
    suspects += [name.partition(".")[2] for name in plain + given if name.partition(".")[0] == SYSTEM and "." in name]
    if in_system:
        # Unqualified names are columns as well as tables; here they are taken for tables.
        suspects += given + [part for name in seen.names for part in name if part in rules.refused_tables]
    for table in suspects:
        if table and table not in SYSTEM_TABLES and table != SYSTEM:
            raise ClickHouseError(Code.ACCESS_DENIED, f"Not enough privileges: {SYSTEM}.{table} is not for readers")


def check_setting(name: str, value: Any, rules: Rules) -> None:
    """As SQL may set it: within the ceilings, or free."""
    if name in rules.free_settings:
        return
    ceiling = rules.ceilings.get(name)
    if ceiling is None:
        raise ClickHouseError(Code.SETTING_CONSTRAINT_VIOLATION, f"Setting {name} should not be changed")
    number = _number(value)
    if number is None or not 0 < number <= ceiling:
        raise ClickHouseError(
            Code.SETTING_CONSTRAINT_VIOLATION, f"Setting {name} shouldn't be greater than {ceiling}, or unlimited"
        )


def clamp(name: str, value: str, rules: Rules) -> str:
    """As a request may set it: a tool that asks for more than it may have gets what it may have."""
    if name in rules.free_settings:
        return value
    ceiling = rules.ceilings.get(name)
    if ceiling is None:
        raise ClickHouseError(Code.SETTING_CONSTRAINT_VIOLATION, f"Setting {name} should not be changed")
    number = _number(value)
    return value if number is not None and 0 < number <= ceiling else str(ceiling)


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) or value is None else float(value)
    except (TypeError, ValueError):
        return None
