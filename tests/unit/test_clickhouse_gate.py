"""The gate over syntax trees as the engine writes them. What the engine really writes, the integration tests send."""

from typing import Any

import pytest

from sinks.embedded.errors import ClickHouseError
from sinks.embedded.gate import check, check_setting, check_writer, clamp, look, look_for_strangers
from sinks.embedded.rules import Catalog, Ceilings, rules

CATALOG = Catalog(
    functions={
        "plus": ("plus", "Arithmetic"),
        "file": ("file", "Other"),
        "version": ("version", "Other"),
        "ver": ("version", "Other"),
        "brandnew": ("brandnew", "A category of tomorrow"),
    },
    table_functions=frozenset({"numbers", "url", "input"}),
    settings=frozenset({"join_use_nulls", "max_threads", "allow_ddl", "format_schema"}),
    system_tables=frozenset({"one", "users"}),
)
RULES = rules(CATALOG, Ceilings(seconds=60, result_rows=10, result_bytes=10, memory_bytes=10, threads=2))


def function(name: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Function", "name": name, "arguments": {"type": "ExpressionList", "children": list(arguments)}}


def table(*parts: str) -> dict[str, Any]:
    return {"type": "TableIdentifier", "name": ".".join(parts), "name_parts": list(parts)}


def select(*columns: dict[str, Any], **more: Any) -> dict[str, Any]:
    query = {"type": "SelectQuery", "select": {"type": "ExpressionList", "children": list(columns)}, **more}
    return {"type": "SelectWithUnionQuery", "list_of_selects": {"type": "ExpressionList", "children": [query]}}


def from_table(name: dict[str, Any]) -> dict[str, Any]:
    expression = {"type": "TableExpression", "database_and_table_name": name}
    element = {"type": "TablesInSelectQueryElement", "table_expression": expression}
    return {"type": "TablesInSelectQuery", "children": [element]}


def settings(**changes: Any) -> dict[str, Any]:
    return {
        "type": "SetQuery",
        "changes": [{"name": name, "value": {"value": value}} for name, value in changes.items()],
    }


def refusal(tree: dict[str, Any], database: str = "glassbook", **parameters: str) -> int:
    try:
        check(look(tree), RULES, parameters, database)
    except ClickHouseError as error:
        return error.code
    return 0


LITERAL = {"type": "Literal", "value": {"field_type": "UInt64", "value": 1}}


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (select(LITERAL), 0),
        (select(function("plus", LITERAL)), 0),
        (select(function("VERSION")), 0),
        (select(function("ver")), 0),
        (select(function("unheardOf")), 0),  # the engine says best that there is no such function
        (select(function("file")), 497),
        (select(function("FILE")), 497),
        (select(function("plus", function("file"))), 497),
        (select(function("url")), 497),
        (select(function("brandnew")), 497),
        (select({"type": "Subquery", "children": [select(function("file"))]}), 497),
        (select({"type": "ColumnsApplyTransformer", "func_name": "file"}), 497),
        (select(LITERAL, tables={"type": "TableExpression", "table_function": function("numbers")}), 0),
        (select(LITERAL, tables={"type": "TableExpression", "table_function": function("url")}), 497),
        (select({"type": "SomethingNew"}), 497),
        (select(LITERAL) | {"out_file": LITERAL}, 358),
        ({"type": "InsertQuery"}, 164),
        ({"type": "ExplainQuery", "kind": "EXPLAIN", "query": select(function("file"))}, 497),
        ({"type": "ExplainQuery", "kind": "EXPLAIN TABLE OVERRIDE"}, 497),
        ({"type": "ExplainQuery", "kind": "EXPLAIN", "settings": settings(actions=1), "query": select(LITERAL)}, 0),
        (select(LITERAL, settings=settings(join_use_nulls=1)), 0),
        (select(LITERAL, settings=settings(max_threads=2)), 0),
        (select(LITERAL, settings=settings(max_threads=3)), 452),
        (select(LITERAL, settings=settings(max_threads=0)), 452),
        (select(LITERAL, settings=settings(allow_ddl=0)), 452),
        (select(LITERAL, settings={"type": "SetQuery", "default_settings": ["max_threads"]}), 452),
        (select({"type": "Subquery", "children": [select(LITERAL, settings=settings(max_threads=0))]}), 452),
    ],
)  # fmt: skip
def test_what_a_reader_may(tree: dict[str, Any], expected: int) -> None:
    assert refusal(tree) == expected


@pytest.mark.parametrize(
    ("name", "database", "expected"),
    [
        (table("trades"), "glassbook", 0),
        (table("glassbook", "users"), "glassbook", 0),
        (table("users"), "glassbook", 0),
        (table("system", "one"), "glassbook", 0),
        (table("system", "users"), "glassbook", 497),
        (table("users"), "system", 497),
        (table("one"), "system", 0),
        ({"type": "Identifier", "name": "system.users", "name_parts": ["system", "users"]}, "glassbook", 497),
    ],
)
def test_system_tables(name: dict[str, Any], database: str, expected: int) -> None:
    assert refusal(select(LITERAL, tables=from_table(name)), database) == expected


@pytest.mark.parametrize(
    ("parts", "children", "parameters", "expected"),
    [
        (["", "one"], ["a"], {"a": "system"}, 0),
        (["", "users"], ["a"], {"a": "system"}, 497),
        (["", "users"], ["a"], {"a": "glassbook"}, 0),
        (["system", ""], ["a"], {"a": "users"}, 497),
        (["system", ""], ["a"], {"a": "one"}, 0),
        (["", ""], ["a", "b"], {"a": "system", "b": "users"}, 497),
        ([""], ["a"], {"a": "system.users"}, 497),
    ],
)
def test_names_that_are_parameters(
    parts: list[str], children: list[str], parameters: dict[str, str], expected: int
) -> None:
    given = [{"type": "QueryParameter", "name": child, "param_type": "Identifier"} for child in children]
    name = {"type": "TableIdentifier", "name": ".".join(parts), "name_parts": parts, "children": given}
    assert refusal(select(LITERAL, tables=from_table(name)), **parameters) == expected


def test_a_request_is_clamped() -> None:
    assert clamp("join_use_nulls", "1", RULES) == "1"
    for asked in ("1", "2"):
        assert clamp("max_threads", asked, RULES) == asked
    for asked in ("0", "3", "-1", "auto", ""):
        assert clamp("max_threads", asked, RULES) == "2"
    assert clamp("max_execution_time", "0.5", RULES) == "0.5"
    for name in ("allow_ddl", "format_schema", "readonly"):
        with pytest.raises(ClickHouseError, match="should not be changed"):
            clamp(name, "1", RULES)
    with pytest.raises(ClickHouseError):
        check_setting("max_threads", True, RULES)


def test_what_a_writer_may() -> None:
    check_writer(look(select(LITERAL, tables={"type": "TableExpression", "table_function": function("input")})), RULES)
    for tree in (
        select(function("file")),
        {"type": "CreateQuery", "storage": {"type": "Storage", "engine": function("url")}},
        {"type": "InsertQuery", "infile": LITERAL},
        select(LITERAL) | {"out_file": LITERAL},
    ):
        with pytest.raises(ClickHouseError):
            check_writer(look(tree), RULES)


def test_an_external_table_declares_columns_and_nothing_else() -> None:
    columns = [{"type": "ColumnDeclaration", "name": "a", "data_type": {"type": "DataType", "name": "String"}}]
    create: dict[str, Any] = {"type": "CreateQuery", "columns_list": {"type": "Columns definition", "columns": {
        "type": "ExpressionList", "children": columns}}}  # fmt: skip
    look_for_strangers(create)
    columns[0]["default_expression"] = function("file")
    with pytest.raises(ClickHouseError, match="Function"):
        look_for_strangers(create)
    for other in ("DropQuery", select(LITERAL)):
        with pytest.raises(ClickHouseError):
            look_for_strangers(other)
