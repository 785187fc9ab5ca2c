"""What the feeds serve over REST, as paths and schemas of an OpenAPI description, with an example each."""

from functools import cache
from typing import Any

import msgspec

from feeds.book import checksum
from feeds.messages import DepthSnapshot, TickerMessage
from feeds.routes import DEFAULT_LEVELS, MAX_LEVELS, PROBLEM_JSON, ProblemAnswer, TickersAnswer

_REF = "#/components/schemas/{name}"
_TIME_MS = 1_795_291_551_257
_BIDS = [("223.8", "10")]
_ASKS = [("223.81", "6"), ("223.9", "4")]
_DEPTH = DepthSnapshot("BTC-USDT", 41, _TIME_MS, _BIDS, _ASKS, checksum(_BIDS, _ASKS))
_TICKER = TickerMessage(
    "BTC-USDT", _TIME_MS, "223.81", "219", "224.5", "218.2", "4.81", "2.20", "1520.5", "337000.25", 812,
    "223.8", "10", "223.81", "6", _TIME_MS - 86_400_000,
)  # fmt: skip
_SYMBOL = {"name": "symbol", "in": "path", "required": True, "schema": {"type": "string"}}
_LIMIT = {
    "name": "limit", "in": "query", "required": False, "description": "levels of each side",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LEVELS, "default": DEFAULT_LEVELS},
}  # fmt: skip


@cache
def describe() -> dict[str, Any]:
    """`paths` and `components`, for whoever puts a whole description together."""
    _, schemas = msgspec.json.schema_components([DepthSnapshot, TickersAnswer, ProblemAnswer], ref_template=_REF)
    paths = {
        "/api/v1/markets/{symbol}/depth": _path(
            "The book with its sequence and checksum, as the stream `depth` has it", _DEPTH, [_SYMBOL, _LIMIT]
        ),
        "/api/v1/markets/{symbol}/ticker": _path("The last 24 hours and the touch", _TICKER, [_SYMBOL]),
        "/api/v1/tickers": _path("The tickers of all markets", TickersAnswer([_TICKER]), []),
    }
    return {"paths": paths, "components": {"schemas": schemas}}


def _path(summary: str, example: Any, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    name = type(example).__name__
    return {
        "get": {
            "tags": ["markets"],
            "summary": summary,
            "operationId": f"get_{name}",
            "parameters": parameters,
            "responses": {
                "200": {
                    "description": "the state of this moment",
                    "content": {"application/json": _content(name, msgspec.to_builtins(example))},
                },
                "default": {
                    "description": "refused",
                    "content": {PROBLEM_JSON: {"schema": {"$ref": _REF.format(name="ProblemAnswer")}}},
                },
            },
        }
    }


def _content(name: str, example: Any) -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(name=name)}, "example": example}
