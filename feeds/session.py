"""One connection's protocol: what its messages mean, given what it has done so far. Pure; does nothing itself.

`receive` takes a message and returns what it asks for. A message that makes no sense is refused with a reason, and
changes nothing. After `Overrun` there is nothing more: the connection is to be closed.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any

import msgspec
from msgspec import Raw, Struct

from feeds.limits import MAX_ID_CHARACTERS, Limits
from feeds.stream import ACCOUNT, Stream, parse_stream
from schemas.reasons import TEXTS, Reason
from schemas.refusal import Refused

Id = int | str | None


class Call(Struct, frozen=True):
    """Asks another part of the exchange. `params` are the bytes as sent: what is signed in them stays as it is."""

    id: Id
    method: str
    params: bytes
    wait: str | None
    timeout_ms: int | None


class Subscribe(Struct, frozen=True):
    """All of these, or none. `auth` is whose account it is, and their signature."""

    id: Id
    streams: list[Stream]
    auth: bytes


class Unsubscribe(Struct, frozen=True):
    id: Id
    streams: list[Stream]


class ListStreams(Struct, frozen=True):
    id: Id
    names: list[str]


class Refusal(Struct, frozen=True):
    id: Id
    reason: Reason
    detail: str


class Overrun(Struct, frozen=True):
    """The client sends more than it may."""

    detail: str


Event = Call | Subscribe | Unsubscribe | ListStreams | Refusal | Overrun


class State(Enum):
    OPEN = "open"
    CLOSED = "closed"


class _Message(Struct, forbid_unknown_fields=True):
    method: str
    id: Id = None
    params: Raw = Raw(b"[]")
    auth: Raw = Raw()
    wait: str | None = None
    timeout_ms: int | None = None


class _Id(Struct):
    id: Id = None


_decoder = msgspec.json.Decoder(_Message)
_id_decoder = msgspec.json.Decoder(_Id)
_names_decoder = msgspec.json.Decoder(list[str])
_TEXT_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST")


class Session:
    """`check` refuses a stream that can't be had now; `methods` are those of order entry, if there is any here."""

    def __init__(self, limits: Limits, methods: frozenset[str], check: Callable[[Stream], None]) -> None:
        self.state = State.OPEN
        self.streams: dict[Stream, None] = {}  # in the order of subscription
        self._limits = limits
        self._methods = methods
        self._check = check
        self._window_s = 0
        self._messages = 0

    def close(self) -> None:
        self.state = State.CLOSED

    def receive(self, message: bytes, now_ms: int) -> Event | None:
        """What a message asks for; None once the session is closed."""
        if self.state is State.CLOSED:
            return None
        try:
            read = _read(message)
            if len(str(read.id)) > MAX_ID_CHARACTERS:
                raise Refused(Reason.BAD_PARAMETER, f"an id has up to {MAX_ID_CHARACTERS} characters")
        except Refused as refused:
            return self._counted(Refusal(_id_of(message), refused.reason, refused.detail), now_ms)
        if read.method in self._methods:
            return Call(read.id, read.method, bytes(read.params), read.wait, read.timeout_ms)
        try:
            return self._counted(self._asked(read), now_ms)
        except Refused as refused:
            return self._counted(Refusal(read.id, refused.reason, refused.detail), now_ms)

    def open(self, stream: Stream) -> Subscribe:
        """The stream that the connection's path names; `Refused` if it can't be had."""
        return self._subscribe(None, [stream], b"")

    def left(self, stream: Stream) -> None:
        """The stream was not opened after all."""
        self.streams.pop(stream, None)

    def _counted(self, event: Event, now_ms: int) -> Event:
        second = now_ms // 1000
        if second != self._window_s:
            self._window_s, self._messages = second, 0
        self._messages += 1
        if self._messages > self._limits.messages_per_s:
            self.close()
            return Overrun(f"more than {self._limits.messages_per_s} messages a second")
        return event

    def _asked(self, message: _Message) -> Event:
        if message.wait is not None or message.timeout_ms is not None:
            raise Refused(Reason.UNKNOWN_FIELD, "wait and timeout_ms are for order entry")
        match message.method:
            case "SUBSCRIBE":
                return self._subscribe(message.id, _streams(message.params), bytes(message.auth))
            case "UNSUBSCRIBE":
                return self._unsubscribe(message.id, _streams(message.params))
            case "LIST":
                return ListStreams(message.id, [stream.name for stream in self.streams])
            case _:
                methods = ", ".join((*_TEXT_METHODS, *sorted(self._methods)))
                raise Refused(Reason.UNKNOWN_METHOD, f"{message.method[:40]}: the methods are {methods}")

    def _subscribe(self, message_id: Id, streams: list[Stream], auth: bytes) -> Subscribe:
        """A stream that is subscribed to already stays as it is."""
        new = list(dict.fromkeys(stream for stream in streams if stream not in self.streams))
        if len(self.streams) + len(new) > self._limits.streams:
            raise Refused(Reason.TOO_MANY_STREAMS, f"a connection has up to {self._limits.streams}")
        if ACCOUNT in new and not auth:
            raise Refused(Reason.NO_SIGNATURE, "account is subscribed to with auth")
        for stream in new:
            self._check(stream)
        self.streams |= dict.fromkeys(new)
        return Subscribe(message_id, new, auth)

    def _unsubscribe(self, message_id: Id, streams: list[Stream]) -> Unsubscribe:
        for stream in streams:
            if stream not in self.streams:
                raise Refused(Reason.UNKNOWN_STREAM, f"not subscribed to {stream.name}")
        gone = list(dict.fromkeys(streams))
        for stream in gone:
            del self.streams[stream]
        return Unsubscribe(message_id, gone)


def _read(message: bytes) -> _Message:
    try:
        return _decoder.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if not isinstance(error, msgspec.ValidationError):
            raise Refused(Reason.NOT_JSON, str(error)) from None
        text = str(error)
        if "missing required field" in text:
            raise Refused(Reason.MISSING_FIELD, text) from None
        reason = Reason.UNKNOWN_FIELD if "unknown field" in text else Reason.WRONG_TYPE
        raise Refused(reason, text) from None


def _id_of(message: bytes) -> Id:
    """The id of a message that is refused, so that its sender knows which; None if it has none to be told."""
    try:
        found = _id_decoder.decode(message).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if len(str(found)) <= MAX_ID_CHARACTERS else None


def _streams(params: Raw) -> list[Stream]:
    try:
        names = _names_decoder.decode(params)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(Reason.WRONG_TYPE, "params is a list of streams' names") from None
    if not names:
        raise Refused(Reason.MISSING_FIELD, "params names no stream")
    return [parse_stream(name) for name in names]


# --- what is told


class _Error(Struct, frozen=True):
    code: Reason
    message: str


def refusal_text(refusal: Refusal) -> bytes:
    said = f"{TEXTS[refusal.reason]} {refusal.detail}".strip()
    return _encode({"id": refusal.id, "error": _Error(refusal.reason, said)})


def result_text(message_id: Id, result: Any = None) -> bytes:
    return _encode({"id": message_id, "result": result})


def called_text(message_id: Id, status: int, document: bytes) -> bytes:
    """An answer of order entry: the document that REST would answer with this status."""
    name = "result" if status < 400 else "error"
    return _encode({"id": message_id, "status": status, name: Raw(document)})


def stream_text(stream: Stream, data: bytes) -> bytes:
    """What a stream says, by whatever way it goes: made once for all its readers."""
    return b'{"stream":"' + stream.name.encode() + b'","data":' + data + b"}"


_encode = msgspec.json.Encoder().encode
