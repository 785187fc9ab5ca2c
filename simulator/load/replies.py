"""What an answer means to a load: done, refused for a reason of business, or an error. Pure."""

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

# A refusal under these is an answer: the exchange says no to what was asked, and stands.
BUSINESS = frozenset({404, 409, 422})
NOT_BUSINESS = frozenset({"NOT_FOUND", "UNKNOWN_ACCOUNT", "UNKNOWN_SYMBOL"})  # our own mistakes
NO_ANSWER = "no answer"
BROKEN = "connection broken"
UNKNOWN = "202 outcome unknown"
RATE_LIMITED = "429 RATE_LIMITED"


class Document(Struct, frozen=True):
    """What is read of an order's answer, of a receipt and of a problem alike."""

    order_id: str = ""
    command_id: str | None = None
    status: str | int = ""  # an order's, or a problem's
    filled: str = "0"
    code: str = ""


class _Result(Struct):
    status: int
    answer: Document


class _Batch(Struct):
    results: list[_Result]


class Reply(NamedTuple):
    """`error` is why it counts as none; `refused` is the reason code of a refusal."""

    error: str = ""
    refused: str = ""
    document: Document = Document()


_document = msgspec.json.Decoder(Document)
_batch = msgspec.json.Decoder(_Batch)


def reply(status: int, document: Document) -> Reply:
    if status == 200:
        return Reply(document=document)
    if status in BUSINESS and document.code not in NOT_BUSINESS:
        return Reply(refused=document.code, document=document)
    if status == 0:
        return Reply(BROKEN)
    return Reply(UNKNOWN if status == 202 else f"{status} {document.code}".strip())


def read_reply(status: int, body: bytes) -> Reply:
    """Of a command; for a read see `read_read`."""
    try:
        return reply(status, _document.decode(body or b"{}"))
    except msgspec.DecodeError:
        return Reply(f"{status} unreadable")


def read_read(status: int, body: bytes) -> Reply:
    """What is read with success isn't looked into."""
    return Reply() if status == 200 else read_reply(status, body)


def read_batch(status: int, body: bytes, commands: int) -> list[Reply]:
    """One for each command, in order."""
    if status != 200:
        return [read_reply(status, body)] * commands
    try:
        return _replies(_batch.decode(body), commands)
    except msgspec.DecodeError:
        return [Reply(f"{status} unreadable")] * commands


def convert_batch(status: int, document: dict[str, Any], commands: int) -> list[Reply]:
    """The same of a document that came over a WebSocket."""
    if status != 200:
        return [convert_reply(status, document)] * commands
    return _replies(msgspec.convert(document, _Batch), commands)


def convert_reply(status: int, document: dict[str, Any]) -> Reply:
    return reply(status, msgspec.convert(document, Document))


def _replies(batch: _Batch, commands: int) -> list[Reply]:
    if len(batch.results) != commands:
        return [Reply(f"{len(batch.results)} results of {commands} commands")] * commands
    return [reply(result.status, result.answer) for result in batch.results]
