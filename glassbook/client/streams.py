"""The exchange's live streams, and order entry over WebSocket, for asyncio.

    async for event in Streams("ws://127.0.0.1:8000/ws", ["trades@AMZN-USD", "depth@AMZN-USD"]):
        ...

`Streams` comes back after a lost connection and subscribes anew. It keeps a copy of each book that it follows, checks
every step of it, and asks for a new snapshot where the copy is out of step. Trades and an account's entries count up by
one: copies are dropped, and what was missed is told as `Missed`, to be had over REST. So nothing is lost in silence.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from glassbook.client.book_copy import BookCopy, OutOfStep
from glassbook.client.signer import Signer
from glassbook.errors import GlassbookError

ACCOUNT = "account"
AUTH_TARGET = "/ws/account"
MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # a whole book
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0


class StreamRefused(GlassbookError):
    """The exchange won't have this subscription, whenever it is asked."""


class Data(Struct, frozen=True):
    """What a stream said."""

    stream: str
    data: dict[str, Any]


class Missed(Struct, frozen=True):
    """These sequences did not come by this stream, both ends included."""

    stream: str
    first: int
    last: int


class Reconnected(Struct, frozen=True):
    """The connection was lost, and all is subscribed to again."""

    why: str


Event = Data | Missed | Reconnected


class _Error(Struct):
    code: str
    message: str = ""


class _Message(Struct):
    stream: str = ""
    data: dict[str, Any] = {}
    id: int | None = None
    error: _Error | None = None


_decoder = msgspec.json.Decoder(_Message)
_encode = msgspec.json.Encoder().encode


class Streams:
    """Iterates over what the streams say, without end. `signer` is for `account`."""

    def __init__(self, url: str, names: Sequence[str], signer: Signer | None = None) -> None:
        self.books: dict[str, BookCopy] = {name: BookCopy() for name in names if name.startswith("depth@")}
        self._url = url
        self._names = list(names)
        self._signer = signer
        self._sequences: dict[str, int] = {}

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        wait_s, lost = FIRST_WAIT_S, ""
        while True:
            try:
                # Its frames are told apart by sequence; its own pings would only take time from a busy reader.
                async with connect(
                    self._url, max_size=MAX_MESSAGE_BYTES, compression=None, ping_interval=None
                ) as socket:
                    await self._subscribe(socket, self._names)
                    if lost:
                        yield Reconnected(lost)
                    async for text in socket:
                        for event in await self._read(socket, text):
                            wait_s = FIRST_WAIT_S
                            yield event
                    lost = "closed"
            except _NotNow as error:
                lost = str(error)
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
                lost = str(error) or type(error).__name__
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _subscribe(self, socket: ClientConnection, names: Sequence[str]) -> None:
        request: dict[str, Any] = {"method": "SUBSCRIBE", "params": names, "id": 1}
        if ACCOUNT in names:
            if self._signer is None:
                raise StreamRefused("account is signed for: give a signer")
            request["auth"] = auth_of(self._signer)
        await socket.send(_encode(request).decode())

    async def _read(self, socket: ClientConnection, text: str | bytes) -> list[Event]:
        message = _decoder.decode(text)
        if message.error is not None:
            if message.error.code == "NOT_READY":
                raise _NotNow(message.error.message)
            raise StreamRefused(f"{message.error.code}: {message.error.message}")
        if not message.stream:
            return []
        name, data = message.stream, message.data
        book = self.books.get(name)
        if book is not None:
            try:
                book.apply(data)
            except OutOfStep:
                await self._again(socket, name)
                return []
        missed = self._missed(name, data)
        if missed is None:
            return []
        return [*missed, Data(name, data)]

    async def _again(self, socket: ClientConnection, name: str) -> None:
        self.books[name] = BookCopy()
        await socket.send(_encode({"method": "UNSUBSCRIBE", "params": [name], "id": 2}).decode())
        await self._subscribe(socket, [name])

    def _missed(self, name: str, data: dict[str, Any]) -> list[Missed] | None:
        """What lies between the last sequence and this one; None for a copy."""
        counts = name.startswith("trades@") or name == ACCOUNT
        sequence = data.get("sequence")
        if not counts or sequence is None or data.get("type") == "busted":
            return []
        last = self._sequences.get(name)
        if data.get("type") == "snapshot":
            found = [Missed(name, last + 1, sequence)] if last is not None and sequence > last else []
        elif last is not None and sequence <= last:
            return None
        else:
            found = [Missed(name, last + 1, sequence - 1)] if last is not None and sequence > last + 1 else []
        self._sequences[name] = sequence
        return found


class _NotNow(Exception):
    """The exchange is still reading its log."""


def auth_of(signer: Signer) -> dict[str, Any]:
    """What a subscription to `account` carries."""
    headers = signer.read_headers(AUTH_TARGET)
    return {
        "account": headers["Glassbook-Account"],
        "key": headers["Glassbook-Key"],
        "time_ms": int(headers["Glassbook-Time"]),
        "signature": headers["Glassbook-Signature"],
    }


class Entered(Struct, frozen=True):
    """An answer of order entry: REST's status and document."""

    status: int
    document: dict[str, Any]


class _Answer(Struct):
    id: int | None = None
    status: int = 0
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class OrderEntry:
    """Any number of commands in flight on one connection. Nothing is sent again by itself."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: dict[int, asyncio.Future[Entered]] = {}
        self._count = 0

    async def __aenter__(self) -> Self:
        self._socket = await connect(self._url, max_size=MAX_MESSAGE_BYTES, compression=None)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._reading.cancel()
        await self._socket.close()
        with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):  # the latter every call was told
            await self._reading

    async def call(self, method: str, params: Any, **more: Any) -> Entered:
        """`params` is a signed command or batch; `more` is `wait` and `timeout_ms`. `ConnectionClosed` where the
        connection ends first: the command may have been taken all the same."""
        self._count += 1
        number = self._count
        answer: asyncio.Future[Entered] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await self._socket.send(_encode({"id": number, "method": method, "params": params} | more).decode())
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                answer = msgspec.json.decode(text, type=_Answer)
                waiting = self._waiting.pop(answer.id or 0, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(Entered(answer.status, answer.result or answer.error or {}))
        finally:
            closed = ConnectionClosed(self._socket.protocol.close_rcvd, self._socket.protocol.close_sent)
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(closed)
