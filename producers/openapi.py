"""The OpenAPI description, made from the structs that are read and written, with an example for each endpoint."""

from functools import cache
from typing import Any

import msgspec

from producers import answers
from producers.examples import examples
from producers.intake import MAX_BODY_BYTES
from producers.operations import OPERATIONS, Operation
from producers.problems import PROBLEM_JSON, Problem
from producers.reads import ACCOUNT_HEADER, KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER
from producers.web import CSV, READ_AFTER_HEADER
from schemas import commands
from schemas.alerts import Severity
from schemas.candles import Interval
from schemas.commands import DelegateKey

_REF = "#/components/schemas/{name}"
_IN_AN_ID = str.maketrans("/-", "__", "{}")
_QUERY: dict[str, dict[str, Any]] = {
    "wait": {"schema": {"enum": ["report", "log"], "default": "report"},
             "description": "`log`: answer 202 with a receipt as soon as the log has the command"},
    "timeout_ms": {"schema": {"type": "integer", "minimum": 1, "maximum": 30000, "default": 5000},
                   "description": "past it the answer is 202, outcome UNKNOWN"},
    "status": {"schema": {"enum": ["open"]}},
    "symbol": {"schema": {"type": "string"}},
    "after": {"schema": {"type": "string"}, "description": "the cursor that the page before gave; 0 or none at first"},
    "limit": {"schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 200}},
    "interval": {"required": True, "schema": {"enum": [interval.value for interval in Interval]}},
    "from": {"schema": {"type": "string"}, "description": "from this time on: milliseconds since 1970, or RFC 3339"},
    "to": {"schema": {"type": "string"}, "description": "before this time"},
    "candles": {"name": "limit", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 500},
                "description": "the first so many where `from` is given, else the last"},
    "fill": {"schema": {"type": "boolean", "default": False},
             "description": "buckets without a trade too, with the last close and no volume"},
    "sequence_after": {"name": "after", "schema": {"type": "integer", "minimum": 0},
                       "description": "the first ones behind this sequence"},
    "sequence_before": {"name": "before", "schema": {"type": "integer", "minimum": 0},
                        "description": "the last ones in front of this sequence"},
    "cursor_after": {"name": "after", "schema": {"type": "string"},
                     "description": "the first ones behind this cursor; `0-0` is the beginning"},
    "cursor_before": {"name": "before", "schema": {"type": "string"},
                      "description": "the last ones in front of this cursor; without either, the last of all"},
    "alert_after": {"name": "after", "schema": {"type": "string"},
                    "description": "the first ones behind this cursor; `0-0` is the beginning"},
    "alert_before": {"name": "before", "schema": {"type": "string"},
                     "description": "the last ones in front of this cursor; without either, the last of all"},
    "severity": {"schema": {"enum": [severity.value for severity in Severity]}},
    "asset": {"schema": {"type": "string"}},
    "format": {"schema": {"enum": ["json", "csv"], "default": "json"},
               "description": "or by `Accept: text/csv`"},
    "levels": {"schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}},
}  # fmt: skip


@cache
def describe() -> dict[str, Any]:
    """The whole description."""
    structs = [operation.answer for operation in OPERATIONS]
    kinds = [operation.command for operation in OPERATIONS if operation.command is not None]
    bodies = [operation.body for operation in OPERATIONS if operation.body is not None]
    types = [*dict.fromkeys([*structs, *kinds, *bodies, answers.Receipt, Problem, DelegateKey])]
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Glassbook order gateway", "version": "1", "description": _DESCRIPTION},
        "paths": paths,
        "components": {"schemas": components},
    }


_DESCRIPTION = f"""Orders are signed by their owner; the private key never leaves the client. A body is
`{{"command": …, "key": …, "signature": …}}`, with `delegation` where a trade key signs: the signature is over the
command's canonical bytes. Bodies may have up to {MAX_BODY_BYTES} bytes. Every refusal is a problem document (RFC 9457)
whose `code` is a stable reason; see [/refusals](/refusals)."""


def _operation(operation: Operation) -> dict[str, Any]:
    shown = examples()[f"{operation.method} {operation.path}"]
    responses: dict[str, Any] = {"200": _json(operation.answer.__name__, shown.answer, "the outcome")}
    if operation.csv:
        responses["200"]["content"][CSV] = {"schema": {"type": "string"}, "example": shown.csv}
    if operation.command is not None and "wait" in operation.query:
        responses["202"] = _json("Receipt", examples()["receipt"].answer, "on the log, its outcome not known yet")
    problem = {"$ref": _REF.format(name="Problem")}
    responses["default"] = {
        "description": "refused",
        "content": {PROBLEM_JSON: {"schema": problem, "example": examples()["problem"].answer}},
    }
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "operationId": operation.method.lower() + operation.path.translate(_IN_AN_ID),
        "parameters": _parameters(operation),
        "responses": responses,
    }
    if shown.body is not None:
        content = {"application/json": {"schema": _body_schema(operation), "example": shown.body}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _json(name: str, example: Any, description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _REF.format(name=name)}, "example": example}}
    return {"description": description, "content": content}


def _body_schema(operation: Operation) -> dict[str, Any]:
    if operation.body is not None:
        return {"$ref": _REF.format(name=operation.body.__name__)}
    assert operation.command is not None
    text = {"type": "string"}
    delegate = {"$ref": _REF.format(name="DelegateKey")}
    delegation = {"type": "object", "properties": {"command": delegate, "key": text, "signature": text}}
    properties: dict[str, Any] = {"key": text, "signature": text, "delegation": delegation}
    if operation.path.endswith("/batch"):
        kinds = (commands.NewOrder, commands.CancelOrder, commands.AmendOrder)
        anyone = {"oneOf": [{"$ref": _REF.format(name=kind.__name__)} for kind in kinds]}
        properties = {"commands": {"type": "array", "items": anyone, "minItems": 1}} | properties
    else:
        properties = {"command": {"$ref": _REF.format(name=operation.command.__name__)}} | properties
    required = [name for name in properties if name != "delegation"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    text = {"type": "string"}
    named = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    found: list[dict[str, Any]] = [{"name": name, "in": "path", "required": True, "schema": text} for name in named]
    found += [{"name": name, "in": "query", "required": False} | _QUERY[name] for name in operation.query]
    if operation.signed_read:
        for header in (ACCOUNT_HEADER, KEY_HEADER, TIME_HEADER, SIGNATURE_HEADER):
            found.append({"name": header.title(), "in": "header", "required": True, "schema": text})
        found.append({"name": READ_AFTER_HEADER.title(), "in": "header", "required": False, "schema": text,
                      "description": "wait until this gateway has read what Glassbook-Position said"})  # fmt: skip
    return found
