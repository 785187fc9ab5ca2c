"""One request, taken apart: who asks, the statement, its parameters and settings, and how the answer is to come.

The names are those of ClickHouse's HTTP interface. A parameter that isn't one of them is a setting of the query.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from sinks.embedded import codings
from sinks.embedded.errors import ClickHouseError, Code
from sinks.embedded.multipart import parts

DEFAULT_FORMAT = "TabSeparated"
_USER, _PASSWORD, _BEARER = "x-clickhouse-user", "x-clickhouse-key", "bearer "
# What the interface itself understands. `log_comment` is ours: a running query is found by it.
_OWN = {
    "query", "database", "default_format", "query_id", "user", "password", "quota_key", "session_id", "session_timeout",
    "session_check", "close_session", "wait_end_of_query", "buffer_size", "client_protocol_version", "compress",
    "decompress", "role", "stacktrace", "access_token", "log_comment", "",
}  # fmt: skip
_PARAMETER = "param_"
_OF_EXTERNAL = ("_format", "_types", "_structure")
DEFAULT_SESSION_S, LONGEST_SESSION_S = 60, 3600


class Credentials(NamedTuple):
    user: str = ""
    password: str = ""
    token: str = ""


class External(NamedTuple):
    """A table that travels with the query."""

    name: str
    structure: str
    format: str
    data: bytes


class Session(NamedTuple):
    id: str
    timeout_s: int
    must_exist: bool
    close: bool


class Ask(NamedTuple):
    credentials: Credentials
    sql: bytes
    parameters: dict[str, str]
    settings: dict[str, str]
    roles: tuple[str, ...]
    database: str
    format: str
    query_id: str
    session: Session | None
    external: tuple[External, ...]
    reads_only: bool  # GET and HEAD
    wait_end_of_query: bool
    buffer_bytes: int | None
    blocks: bool  # the answer in ClickHouse's compressed blocks
    coding: str | None  # the answer's Content-Encoding
    protocol_version: int  # that the client says of itself; 0: none


def credentials(headers: Mapping[str, str], url: Mapping[str, str]) -> Credentials:
    """From exactly one of the three places where they may be."""
    authorization = headers.get("authorization", "")
    in_headers = bool(headers.get(_USER) or headers.get(_PASSWORD))
    in_url = "user" in url or "password" in url
    if in_headers + in_url + bool(authorization) > 1:
        raise ClickHouseError(
            Code.AUTHENTICATION_FAILED,
            "Invalid authentication: it is not allowed to use several ways of authentication at once",
        )
    if authorization.lower().startswith(_BEARER):
        return Credentials(token=authorization[len(_BEARER) :].strip())
    if authorization:
        return _basic(authorization)
    if in_headers:
        return Credentials(headers.get(_USER, ""), headers.get(_PASSWORD, ""))
    return Credentials(url.get("user", ""), url.get("password", ""))


def _basic(authorization: str) -> Credentials:
    scheme, _, text = authorization.partition(" ")
    try:
        user, _, password = b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        scheme = ""
    if scheme.lower() != "basic":
        raise ClickHouseError(Code.AUTHENTICATION_FAILED, "Invalid authentication: Basic or Bearer is expected")
    return Credentials(user, password)


def ask(method: str, headers: Mapping[str, str], query_string: str, body: bytes, limit: int) -> Ask:
    """Raises ClickHouseError. `limit` is the most that the body may be unpacked, in bytes."""
    pairs = parse_qsl(query_string, keep_blank_values=True, errors="surrogateescape")
    url = dict(pairs)
    body = _unpacked(headers, url, body, limit)
    fields, external = dict[str, bytes](), tuple[External, ...]()
    content_type = headers.get("content-type", "")
    has_form = content_type.lower().startswith("multipart/form-data")
    if has_form:
        found = parts(content_type, body)
        fields = {part.name: part.data for part in found if not part.is_file}
        external = tuple(_external(part.name, part.data, url) for part in found if part.is_file or _of(part.name, url))
        body = b""
    query = url.get("query", "").encode(errors="surrogateescape")
    if query and body:
        query += b"\n"
    parameters = {name.removeprefix(_PARAMETER): value for name, value in pairs if name.startswith(_PARAMETER)}
    for name, data in fields.items():
        if name.startswith(_PARAMETER):
            parameters[name.removeprefix(_PARAMETER)] = data.decode(errors="replace")
    settings = {
        name: value
        for name, value in url.items()
        if name not in _OWN and not name.startswith(_PARAMETER) and not (has_form and name.endswith(_OF_EXTERNAL))
    }
    return Ask(
        credentials=credentials(headers, url),
        sql=query + fields.get("query", b"") + body,
        parameters=parameters,
        settings=settings,
        roles=tuple(value for name, value in pairs if name == "role"),
        database=headers.get("x-clickhouse-database") or url.get("database", ""),
        format=headers.get("x-clickhouse-format") or url.get("default_format") or DEFAULT_FORMAT,
        query_id=url.get("query_id") or headers.get("x-clickhouse-query-id", ""),
        session=_session(url),
        external=external,
        reads_only=method in ("GET", "HEAD"),
        wait_end_of_query=_flag(url, "wait_end_of_query") or _flag(url, "http_wait_end_of_query"),
        buffer_bytes=_number(url, "buffer_size"),
        blocks=_flag(url, "compress"),
        coding=_coding(headers, url),
        protocol_version=_number(url, "client_protocol_version") or 0,
    )


def _coding(headers: Mapping[str, str], url: Mapping[str, str]) -> str | None:
    wanted = url.get("enable_http_compression", "1") not in ("0", "false")
    return codings.choose(headers.get("accept-encoding", "")) if wanted else None


def _unpacked(headers: Mapping[str, str], url: Mapping[str, str], body: bytes, limit: int) -> bytes:
    coding = headers.get("content-encoding", "").strip().lower()
    if body and coding not in ("", "identity"):
        body = codings.unpack(coding, body, limit)
    return codings.from_blocks(body, limit) if _flag(url, "decompress") else body


def _of(name: str, url: Mapping[str, str]) -> bool:
    return f"{name}_structure" in url or f"{name}_types" in url


def _external(name: str, data: bytes, url: Mapping[str, str]) -> External:
    structure = url.get(f"{name}_structure", "")
    if types := url.get(f"{name}_types", ""):
        structure = ", ".join(f"_{number} {kind}" for number, kind in enumerate(_split_types(types), 1))
    if not structure:
        raise ClickHouseError(
            Code.BAD_ARGUMENTS, f"Neither {name}_structure nor {name}_types have not been provided for external table"
        )
    return External(name, structure, url.get(f"{name}_format") or DEFAULT_FORMAT, data)


def _split_types(types: str) -> list[str]:
    """At the commas outside brackets: Decimal(9, 2) is one type."""
    found, depth = [""], 0
    for letter in types:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [kind.strip() for kind in found]


def _session(url: Mapping[str, str]) -> Session | None:
    session_id = url.get("session_id", "")
    if not session_id:
        return None
    text = url.get("session_timeout", str(DEFAULT_SESSION_S))
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= LONGEST_SESSION_S:
        raise ClickHouseError(
            Code.INVALID_SESSION_TIMEOUT, f"Session timeout is a number of seconds up to {LONGEST_SESSION_S}"
        )
    return Session(session_id, int(text), _flag(url, "session_check"), _flag(url, "close_session"))


def _flag(url: Mapping[str, str], name: str) -> bool:
    return url.get(name, "").lower() in ("1", "true")


def _number(url: Mapping[str, str], name: str) -> int | None:
    text = url.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None
