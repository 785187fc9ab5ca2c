"""Between HTTP and the gateway: bodies read under a limit, query parameters, answers and problems written."""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from producers.admission import Urgency
from producers.csv_answers import Csv, csv_bytes
from producers.gateway import Gateway
from producers.history_store import MAX_TIME_MS
from producers.intake import MAX_BODY_BYTES
from producers.limits import RETRY_AFTER_S
from producers.problems import PROBLEM_JSON, Problem, problem
from schemas.reasons import Reason
from schemas.refusal import Refused

logger = structlog.get_logger()
POSITION_HEADER = "glassbook-position"
READ_AFTER_HEADER = "glassbook-read-after"
CSV = "text/csv"
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """A status, a document, and where the account's journal was when it was made."""

    status: int
    body: Any
    position: str | None = None


Handler = Callable[[Gateway, Request], Awaitable[Answer]]


def respond(answer: Answer) -> Response:
    is_problem = isinstance(answer.body, Problem)
    headers = {}
    if answer.position is not None:
        headers[POSITION_HEADER] = answer.position
    if is_problem and answer.body.status in (429, 503):
        headers["retry-after"] = str(RETRY_AFTER_S)
    if isinstance(answer.body, Csv):
        return Response(csv_bytes(answer.body), answer.status, headers | answer.body.notes, "text/csv")
    media_type = PROBLEM_JSON if is_problem else "application/json"
    return Response(_encode(answer.body), answer.status, headers, media_type)


def refusal_answer(refused: Refused, instance: str, **more: Any) -> Answer:
    document = problem(refused.reason, refused.detail, instance, **more)
    return Answer(document.status, document)


def endpoint(gateway: Gateway, handler: Handler, urgency: Urgency) -> Callable[[Request], Awaitable[Response]]:
    """The handler as Starlette calls it: admitted, the address counted, refusals as problems."""

    async def serve(request: Request) -> Response:
        try:
            with gateway.admission.request(gateway.now(), urgency):
                gateway.limiter.count_address(request.client.host if request.client else "")
                return respond(await handler(gateway, request))
        except Refused as refused:
            return respond(refusal_answer(refused, request.scope["path"]))
        except ClientDisconnect:
            return Response(status_code=499)

    return serve


async def read_body(request: Request) -> bytes:
    """The whole body; `Refused` while reading, not after, if it is longer than 64 KiB."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Refused(Reason.WRONG_CONTENT_TYPE, f"not {content_type[:64]!r}")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise Refused(Reason.BODY_TOO_LARGE)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise Refused(Reason.BODY_TOO_LARGE)
        parts.append(part)
    return b"".join(parts)


def query(request: Request, *allowed: str) -> Mapping[str, str]:
    """The query's parameters, each once and none but these: a misspelt one must not pass in silence."""
    if not request.scope["query_string"]:
        return {}
    items = request.query_params.multi_items()
    names = [name for name, _ in items]
    for name in names:
        if name not in allowed:
            raise Refused(Reason.BAD_PARAMETER, f"unknown query parameter {name[:40]!r}")
        if names.count(name) > 1:
            raise Refused(Reason.BAD_PARAMETER, f"query parameter {name} stands twice")
    return dict(items)


def whole_number(params: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and low <= int(text) <= high):
        raise Refused(Reason.BAD_PARAMETER, f"{name} is a whole number from {low} to {high}")
    return int(text)


def moment(params: Mapping[str, str], name: str) -> int | None:
    """A time as milliseconds since 1970: given so, or as RFC 3339 says."""
    text = params.get(name)
    if text is None:
        return None
    found = -1
    if text.isascii() and text.isdigit() and len(text) <= 16:
        found = int(text)
    elif RFC_3339.fullmatch(text) is not None:
        try:
            found = round(datetime.fromisoformat(text.upper()).timestamp() * 1000)
        except (ValueError, OverflowError):
            found = -1
    if not 0 <= found <= MAX_TIME_MS:
        raise Refused(Reason.BAD_PARAMETER, f"{name} is in milliseconds since 1970, or like 2026-01-31T09:30:00Z")
    return found


def time_range(params: Mapping[str, str]) -> tuple[int | None, int | None]:
    """`from` and `to`: what is at or after the one, and before the other."""
    first_ms, end_ms = moment(params, "from"), moment(params, "to")
    if first_ms is not None and end_ms is not None and first_ms > end_ms:
        raise Refused(Reason.BAD_RANGE, f"from is {first_ms}, to is {end_ms}")
    return first_ms, end_ms


def wants_csv(request: Request, params: Mapping[str, str]) -> bool:
    wanted = params.get("format")
    if wanted not in (None, "json", "csv"):
        raise Refused(Reason.BAD_PARAMETER, "format is json or csv")
    if wanted is None:
        accepted = request.headers.get("accept", "").lower().split(",")
        return any(kind.partition(";")[0].strip() == CSV for kind in accepted)
    return wanted == "csv"


def target_of(request: Request) -> str:
    """The path with its query, just as sent."""
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    query_string: bytes = request.scope["query_string"]
    target: bytes = raw + b"?" + query_string if query_string else raw
    return target.decode("latin-1")
