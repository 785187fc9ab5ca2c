"""The OpenAPI description against what the gateway really does: every route, every example, every example's schema."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from producers.app import ROUTES
from producers.command_routes import BATCH_KINDS
from producers.examples import EXCHANGE, OPERATOR, examples, key_text
from producers.intake import take_batch, take_command
from producers.openapi import describe
from producers.operations import OPERATIONS
from schemas.commands import Command
from tests.unit.gateway_world import GatewayWorld

SIGNED = [operation for operation in OPERATIONS if operation.command is not None]
DOCS = Path(__file__).parents[2] / "docs" / "api.md"


def test_every_route_is_described_and_only_those():
    described = {(operation.method, operation.path) for operation in OPERATIONS}
    assert described == {(route.method, route.path) for route in ROUTES}


def test_every_route_is_in_the_page():
    told = set(re.findall(r"`(GET|POST|PUT|DELETE) (/[^` ?]*)", DOCS.read_text()))
    assert told == {(route.method, route.path) for route in ROUTES}


def test_the_description_is_served():
    world = GatewayWorld()
    assert world.request("GET", "/openapi.json").json() == describe()
    assert world.request("GET", "/docs").status_code == 200
    assert "OFF_TICK" in world.request("GET", "/refusals").text
    assert world.request("GET", "/").status_code == 200


@pytest.mark.parametrize("operation", SIGNED, ids=lambda operation: f"{operation.method} {operation.path}")
def test_every_signed_example_is_signed_for_real(operation):
    body = msgspec.json.encode(examples()[f"{operation.method} {operation.path}"].body)
    if operation.path.endswith("/batch"):
        kinds = {type(one.command) for one in take_batch(body, BATCH_KINDS, EXCHANGE)}
        assert kinds <= set(BATCH_KINDS)
        return
    kind: type[Command] = operation.command
    assert isinstance(take_command(body, (kind,), EXCHANGE).command, kind)


def test_operator_examples_are_the_operators():
    assert examples()["POST /api/v1/deposits"].body["key"] == key_text(OPERATOR)


def test_every_example_fits_its_schema():
    whole = describe()
    checked = 0
    for operations in whole["paths"].values():
        for operation in operations.values():
            contents = [answer["content"] for answer in operation["responses"].values()]
            contents += [operation["requestBody"]["content"]] if "requestBody" in operation else []
            for content in contents:
                for media in content.values():
                    _check(media["example"], media["schema"], whole["components"])
                    checked += 1
    assert checked > 2 * len(OPERATIONS)


def _check(example: Any, schema: dict[str, Any], components: dict[str, Any]) -> None:
    text = msgspec.json.encode({**schema, "components": components})
    jsonschema.Draft202012Validator(msgspec.json.decode(text)).validate(example)
