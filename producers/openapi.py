"""The OpenAPI description, made from the structs that are read and written, with an example for each endpoint."""

from functools import cache
from typing import Any, NamedTuple

import msgspec

from producers import answers
from producers.books import Quote
from producers.examples import examples
from producers.intake import MAX_BODY_BYTES
from producers.problems import PROBLEM_JSON, Problem
from producers.public_routes import QuoteRequest
from producers.reads import ACCOUNT_HEADER, KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER
from producers.web import READ_AFTER_HEADER
from schemas import commands
from schemas.commands import DelegateKey

_REF = "#/components/schemas/{name}"


class Operation(NamedTuple):
    """One endpoint in words. `command` is the kind that it takes, `answer` what 200 carries."""

    method: str
    path: str
    tag: str
    summary: str
    answer: type
    command: type | None = None
    signed_read: bool = False
    query: tuple[str, ...] = ()


_IN_AN_ID = str.maketrans("/-", "__", "{}")
_WAIT = ("wait", "timeout_ms")
OPERATIONS = (
    Operation(
        "POST", "/api/v1/orders", "orders", "Place an order", answers.OrderAnswer, commands.NewOrder, query=_WAIT
    ),
    Operation(
        "POST",
        "/api/v1/orders/batch",
        "orders",
        "Place, cancel and amend many under one signature",
        answers.BatchAnswer,
        commands.NewOrder,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/orders/test",
        "orders",
        "All checks of an order, and no order",
        answers.AcceptanceAnswer,
        commands.NewOrder,
    ),
    Operation("POST", "/api/v1/orders/quote", "orders", "What a market order of this size would pay now", Quote),
    Operation(
        "GET",
        "/api/v1/orders",
        "orders",
        "Open orders, oldest first",
        answers.OpenOrdersAnswer,
        signed_read=True,
        query=("status", "symbol", "after", "limit"),
    ),
    Operation(
        "GET", "/api/v1/orders/{order_id}", "orders", "An order, with its trades", answers.OrderAnswer, signed_read=True
    ),
    Operation(
        "GET",
        "/api/v1/orders/by-client-id/{client_order_id}",
        "orders",
        "The same by its client order id",
        answers.OrderAnswer,
        signed_read=True,
    ),
    Operation(
        "PUT",
        "/api/v1/orders/{order_id}",
        "orders",
        "Amend: less quantity keeps priority, all else loses it",
        answers.OrderAnswer,
        commands.AmendOrder,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/orders/{order_id}/amend",
        "orders",
        "The same",
        answers.OrderAnswer,
        commands.AmendOrder,
        query=_WAIT,
    ),
    Operation(
        "DELETE",
        "/api/v1/orders/{order_id}",
        "orders",
        "Cancel",
        answers.OrderAnswer,
        commands.CancelOrder,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/orders/{order_id}/cancel",
        "orders",
        "The same",
        answers.OrderAnswer,
        commands.CancelOrder,
        query=_WAIT,
    ),
    Operation(
        "DELETE",
        "/api/v1/orders",
        "orders",
        "Cancel all open orders, or those of one market",
        answers.CancelAllAnswer,
        commands.CancelAll,
        query=_WAIT,
    ),
    Operation(
        "POST", "/api/v1/orders/cancel", "orders", "The same", answers.CancelAllAnswer, commands.CancelAll, query=_WAIT
    ),
    Operation(
        "GET",
        "/api/v1/executions",
        "account",
        "The account's journal in order, to resume from",
        answers.ExecutionsAnswer,
        signed_read=True,
        query=("after", "limit"),
    ),
    Operation(
        "GET", "/api/v1/balances", "account", "Free and reserved balances", answers.BalancesAnswer, signed_read=True
    ),
    Operation(
        "POST",
        "/api/v1/accounts",
        "account",
        "Register an account with its root key",
        answers.CommandAnswer,
        commands.RegisterAccount,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/deposits",
        "account",
        "Book a deposit (operator)",
        answers.CommandAnswer,
        commands.Deposit,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/withdrawals",
        "account",
        "Reserve an amount for withdrawal",
        answers.CommandAnswer,
        commands.Withdraw,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/withdrawals/{withdrawal_id}/settlement",
        "account",
        "Settle a withdrawal (operator)",
        answers.CommandAnswer,
        commands.SettleWithdrawal,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/keys",
        "account",
        "Let a trade key trade",
        answers.CommandAnswer,
        commands.DelegateKey,
        query=_WAIT,
    ),
    Operation(
        "DELETE",
        "/api/v1/keys",
        "account",
        "Revoke a trade key for good",
        answers.CommandAnswer,
        commands.RevokeKey,
        query=_WAIT,
    ),
    Operation(
        "POST", "/api/v1/keys/revoke", "account", "The same", answers.CommandAnswer, commands.RevokeKey, query=_WAIT
    ),
    Operation("GET", "/api/v1/markets", "markets", "All markets with their terms", answers.MarketsAnswer),
    Operation(
        "GET",
        "/api/v1/markets/{symbol}/book",
        "markets",
        "The best price levels",
        answers.BookAnswer,
        query=("levels",),
    ),
    Operation("GET", "/api/v1/markets/{symbol}/price", "markets", "Last price and moving average", answers.PriceAnswer),
    Operation("GET", "/api/v1/time", "service", "The gateway's clock and the log's", answers.TimeAnswer),
    Operation("GET", "/healthz", "service", "The process is up", answers.AliveAnswer),
    Operation("GET", "/readyz", "service", "The view is fresh and the log answers", answers.ReadyAnswer),
)

_QUERY: dict[str, dict[str, Any]] = {
    "wait": {"schema": {"enum": ["report", "log"], "default": "report"},
             "description": "`log`: answer 202 with a receipt as soon as the log has the command"},
    "timeout_ms": {"schema": {"type": "integer", "minimum": 1, "maximum": 30000, "default": 5000},
                   "description": "past it the answer is 202, outcome UNKNOWN"},
    "status": {"schema": {"enum": ["open"]}},
    "symbol": {"schema": {"type": "string"}},
    "after": {"schema": {"type": "string"}, "description": "the cursor that the page before gave; 0 or none at first"},
    "limit": {"schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 200}},
    "levels": {"schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}},
}  # fmt: skip


@cache
def describe() -> dict[str, Any]:
    """The whole description."""
    structs = [operation.answer for operation in OPERATIONS]
    kinds = [operation.command for operation in OPERATIONS if operation.command is not None]
    types = [*dict.fromkeys([*structs, *kinds, answers.Receipt, Problem, QuoteRequest, DelegateKey])]
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
    if operation.command is None:
        return {"$ref": _REF.format(name="QuoteRequest")}
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
