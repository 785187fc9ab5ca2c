"""multipart/form-data, as clients send external tables and long parameters. Pure: the body is in memory already."""

import re
from typing import NamedTuple

from sinks.embedded.errors import ClickHouseError, Code

MOST_PARTS = 100
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(rb'[; ]name="([^"]*)"', re.IGNORECASE)
_FILE = re.compile(rb"[; ]filename=", re.IGNORECASE)


class Part(NamedTuple):
    name: str
    data: bytes
    is_file: bool


def parts(content_type: str, body: bytes) -> list[Part]:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise ClickHouseError(Code.BAD_ARGUMENTS, "multipart/form-data without a boundary")
    pieces = (b"\r\n" + body).split(b"\r\n--" + found[1].encode())
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise ClickHouseError(Code.BAD_ARGUMENTS, "The multipart body ends too early")
    if len(pieces) > MOST_PARTS:
        raise ClickHouseError(Code.BAD_ARGUMENTS, f"More than {MOST_PARTS} parts")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    headers, _, data = piece.partition(b"\r\n\r\n")
    disposition = next(
        (line for line in headers.split(b"\r\n") if line.lower().startswith(b"content-disposition:")), b""
    )
    if (name := _NAME.search(disposition)) is None:
        raise ClickHouseError(Code.BAD_ARGUMENTS, "A part of the multipart body has no name")
    return Part(name[1].decode(errors="replace"), data, _FILE.search(disposition) is not None)
