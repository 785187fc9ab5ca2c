"""The checker of compatibility, on what it must let pass and what it must refuse."""

import copy
from typing import Any

import pytest

from schemas.compatibility import problems

BASE: dict[str, Any] = {
    "$ref": "#/$defs/Order",
    "$defs": {
        "Order": {
            "type": "object",
            "properties": {
                "record": {"enum": ["order"]},
                "price": {"type": "string", "pattern": "^[0-9]+$", "maxLength": 10},
                "quantity": {"type": "integer", "minimum": 1, "maximum": 100},
                "side": {"$ref": "#/$defs/Side"},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                "post_only": {"type": "boolean", "default": False},
                "events": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}},
                "level": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "string"}], "items": False},
                "totals": {"type": "object", "additionalProperties": {"type": "integer"}},
                "child": {"anyOf": [{"$ref": "#/$defs/Order"}, {"type": "null"}], "default": None},
            },
            "required": ["record", "price", "quantity", "side"],
            "additionalProperties": False,
        },
        "Side": {"enum": ["BUY", "SELL"]},
        "A": {"type": "object", "properties": {"event": {"enum": ["a"]}, "x": {"type": "integer"}}, "required": ["x"]},
        "B": {"type": "object", "properties": {"event": {"enum": ["b"]}}, "required": []},
    },
}


def order(schema: dict[str, Any]) -> Any:
    return schema["$defs"]["Order"]


def fields(schema: dict[str, Any]) -> Any:
    return order(schema)["properties"]


def reordered(schema: dict[str, Any]) -> None:
    order(schema)["properties"] = dict(reversed(fields(schema).items()))


ALLOWED = {
    "nothing changed": lambda s: None,
    "an optional field more": lambda s: fields(s).update(tag={"type": "string", "default": ""}),
    "a field in between": lambda s: order(s).update(properties={"first": {"type": "string"}, **fields(s)}),
    "a value more": lambda s: s["$defs"]["Side"]["enum"].append("BOTH"),
    "a kind of event more": lambda s: (
        s["$defs"].update(C={"type": "object", "properties": {"event": {"enum": ["c"]}}}),
        fields(s)["events"]["items"]["anyOf"].append({"$ref": "#/$defs/C"}),
    ),
    "a field needed no more": lambda s: order(s)["required"].remove("quantity"),
    "a pattern gone": lambda s: fields(s)["price"].pop("pattern"),
    "a longer text": lambda s: fields(s)["price"].update(maxLength=20),
    "a higher maximum": lambda s: fields(s)["quantity"].update(maximum=1000),
    "a lower minimum": lambda s: fields(s)["quantity"].update(minimum=0),
    "null allowed too": lambda s: fields(s).update(totals={"anyOf": [fields(s)["totals"], {"type": "null"}]}),
    "another description": lambda s: order(s).update(description="An order."),
    "unknown fields allowed": lambda s: order(s).pop("additionalProperties"),
    "anything allowed": lambda s: fields(s).update(price={}),
    "a type by another name": lambda s: (
        s["$defs"].update(Direction=s["$defs"].pop("Side")),
        fields(s).update(side={"$ref": "#/$defs/Direction"}),
    ),
}

REFUSED = {
    "a field gone": (lambda s: fields(s).pop("note"), "$.note: field was taken away"),
    "a required field gone": (
        lambda s: (fields(s).pop("price"), order(s)["required"].remove("price")),
        "$.price: field was taken away",
    ),
    "a new required field": (
        lambda s: (fields(s).update(tag={"type": "string"}), order(s)["required"].append("tag")),
        "$.tag: is required now",
    ),
    "an optional field required": (lambda s: order(s)["required"].append("note"), "$.note: is required now"),
    "another type": (lambda s: fields(s)["quantity"].update(type="string"), "$.quantity: was integer, is string"),
    "a type where anything was": (
        lambda s: fields(s)["totals"].update(additionalProperties={"type": "string"}),
        "$.totals.*: was integer, is string",
    ),
    "another tag": (lambda s: fields(s)["record"].update(enum=["orders"]), "$.record: 'order' was taken away"),
    "a value gone": (lambda s: s["$defs"]["Side"]["enum"].remove("SELL"), "$.side: 'SELL' was taken away"),
    "a kind of event gone": (lambda s: fields(s)["events"]["items"]["anyOf"].pop(), "$.events[]: B was taken away"),
    "null gone": (lambda s: fields(s)["note"]["anyOf"].pop(), "$.note: null was taken away"),
    "a change within an event": (
        lambda s: s["$defs"]["A"]["properties"].update(x={"type": "string"}),
        "$.events[].x: was integer, is string",
    ),
    "a narrower pattern": (
        lambda s: fields(s)["price"].update(pattern="^[1-9]+$"),
        "$.price: pattern was ^[0-9]+$, is ^[1-9]+$",
    ),
    "a pattern where none was": (
        lambda s: fields(s)["note"]["anyOf"][0].update(pattern="^x$"),
        "$.note: pattern was open, is ^x$",
    ),
    "a shorter text": (lambda s: fields(s)["price"].update(maxLength=5), "$.price: maxLength was 10, is 5"),
    "a lower maximum": (lambda s: fields(s)["quantity"].update(maximum=10), "$.quantity: maximum was 100, is 10"),
    "a higher minimum": (lambda s: fields(s)["quantity"].update(minimum=2), "$.quantity: minimum was 1, is 2"),
    "a limit where none was": (lambda s: fields(s)["events"].update(maxItems=3), "$.events: maxItems was open, is 3"),
    "another default": (
        lambda s: fields(s)["post_only"].update(default=True),
        "$.post_only: its default was False, is True",
    ),
    "a default gone": (lambda s: fields(s)["note"].pop("default"), "$.note: its default was None, is 'gone'"),
    "another order of fields": (reordered, "$: the order of the fields changed"),
    "unknown fields refused": (
        lambda s: s["$defs"]["A"].update(additionalProperties=False),
        "$.events[]: unknown fields are refused now",
    ),
    "a place of a level gone": (lambda s: fields(s)["level"]["prefixItems"].pop(), "$.level: had 2 places, has 1"),
    "another type in a level": (
        lambda s: fields(s)["level"]["prefixItems"].__setitem__(1, {"type": "integer"}),
        "$.level[1]: was string, is integer",
    ),
    "a keyword that nobody here knows": (
        lambda s: fields(s)["price"].update(format="decimal"),
        "$.price: format changed",
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(name):
    new = copy.deepcopy(BASE)
    ALLOWED[name](new)
    assert problems(BASE, new) == []


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    change, said = REFUSED[name]
    new = copy.deepcopy(BASE)
    change(new)
    assert said in problems(BASE, new)
