"""Rows as CSV (RFC 4180): a line of names, then a line each, all ended by CRLF."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct


class Csv(NamedTuple):
    """Rows of one kind. `notes` are headers with what the JSON form says besides its rows."""

    kind: type[Struct]
    rows: Sequence[Struct]
    notes: dict[str, str]


def csv_of(answer: Struct, kind: type[Struct], rows: Sequence[Struct]) -> Csv:
    """An answer's rows, and its numbers and flags as headers: `more` is `glassbook-more`."""
    fields = msgspec.structs.asdict(answer)
    notes = {
        f"glassbook-{name.replace('_', '-')}": str(value).lower()
        for name, value in fields.items()
        if isinstance(value, int)
    }
    return Csv(kind, rows, notes)


def csv_bytes(answer: Csv) -> bytes:
    text = io.StringIO()
    names = [field.encode_name for field in msgspec.structs.fields(answer.kind)]
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    for row in answer.rows:
        writer.writerow(_cell(getattr(row, name)) for name in names)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
