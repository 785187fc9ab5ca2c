"""The feeds' part of the OpenAPI description: every route is in it, and every example fits its schema."""

import jsonschema
import msgspec

from feeds.openapi import describe
from feeds.routes import market_routes
from glassbook.web import description
from producers.openapi import describe as describe_gateway
from tests.unit.feeds_world import FeedsWorld


def test_every_route_of_market_data_is_described():
    assert set(describe()["paths"]) == {route.path for route in market_routes(FeedsWorld().desk)}


def test_examples_fit_their_schemas():
    found = describe()
    for path in found["paths"].values():
        media = path["get"]["responses"]["200"]["content"]["application/json"]
        schema = {**media["schema"], "components": found["components"]}
        jsonschema.Draft202012Validator(schema).validate(msgspec.json.decode(msgspec.json.encode(media["example"])))


def test_one_description_holds_what_one_port_serves():
    whole, feeds, gateway = description(), describe(), describe_gateway()
    assert whole["paths"].keys() == feeds["paths"].keys() | gateway["paths"].keys()
    assert not feeds["paths"].keys() & gateway["paths"].keys()
    for name in feeds["components"]["schemas"].keys() & gateway["components"]["schemas"].keys():
        assert feeds["components"]["schemas"][name] == gateway["components"]["schemas"][name], name
