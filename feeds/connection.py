"""One WebSocket connection: uvicorn gives the socket, `websockets` speaks the protocol, `Session` knows what is meant.

A frame that many read is written to each socket as the same bytes, with no task and no copy for any of them. What a
reader doesn't take waits in its transport, in bounds: beyond them it is told that it is too slow and closed, and leaves
its streams at once. Where a client sends faster than its orders are answered, its socket isn't read on.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from feeds.channels import Channel, text_frame
from feeds.desk import Desk
from feeds.limits import (
    CLOSE_S,
    HIGH_WATER_BYTES,
    MAX_CALLS,
    MAX_MESSAGE_BYTES,
    MAX_WAITING_BYTES,
    PING_S,
    PONG_S,
    SOCKET_BUFFER_BYTES,
    STALL_S,
    STOP_S,
)
from feeds.ports import Request
from feeds.session import (
    Call,
    Event,
    ListStreams,
    Overrun,
    Refusal,
    Session,
    Subscribe,
    Unsubscribe,
    called_text,
    refusal_text,
    result_text,
    stream_text,
)
from feeds.stream import ACCOUNT, Stream, parse_stream
from schemas.refusal import Refused

logger = structlog.get_logger()
PATH = "/ws"
STATE = "desk"  # under which the app's lifespan shows the desk
TOO_SLOW = "too slow: what was sent to you is not being read"


class Connection(asyncio.Protocol):
    """What uvicorn makes for each request to upgrade."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], **more: Any) -> None:
        self._desk: Desk = app_state[STATE]
        self._server = server_state
        self._protocol = ServerProtocol(max_size=MAX_MESSAGE_BYTES)
        self._session = Session(self._desk.limits, frozenset(self._desk.methods), self._desk.check)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.address = ""
        self._open = False  # the handshake is done, and nothing has ended it yet
        self._stopping = False  # with the whole server
        self._stalled_since: float | None = None  # the transport holds more than it should
        self._pinged_at: float | None = None
        self._heard_at = self._loop.time()
        self._parts: list[bytes] = []  # of a message in several frames
        self._to_join: deque[Stream] = deque()
        self._channels: dict[Stream, Channel] = {}
        self._end_account: Callable[[], None] | None = None
        self._calls: set[asyncio.Task[None]] = set()

    # --- the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)  # type: ignore[arg-type]  # uvicorn's set is typed by its own protocols
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else ""
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Handshake):
                self._greet(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._write_protocol()
        if self._protocol.state is not State.OPEN and self._open:
            self._end()  # the client closes, or broke the protocol

    def eof_received(self) -> None:
        self._protocol.receive_eof()

    def pause_writing(self) -> None:
        self._stalled_since = self._loop.time()

    def resume_writing(self) -> None:
        self._stalled_since = None
        self._join_next()

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)
        self._end()

    def shutdown(self) -> None:
        """The server stops: what is in flight is answered, and nothing more is taken."""
        self._stopping = True
        if self._calls:
            self._transport.pause_reading()
        else:
            self._stop()

    def _stop(self) -> None:
        self.close(CloseCode.SERVICE_RESTART, "restart")
        self._loop.call_later(STOP_S, self._transport.abort)

    # --- the handshake and the end

    def _greet(self, request: Handshake) -> None:
        path = request.path.partition("?")[0]
        if path != PATH and not path.startswith(PATH + "/"):
            self._protocol.send_response(self._protocol.reject(HTTPStatus.NOT_FOUND, "streams are at /ws\n"))
            self._hang_up()
            return
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._hang_up()
            return
        self._write_protocol()
        self._open = True
        no_room = self._desk.enter(self)
        if no_room is not None:
            self.close(CloseCode.TRY_AGAIN_LATER, no_room)
        elif name := path.removeprefix(PATH).removeprefix("/"):
            try:
                self._subscribe(self._session.open(parse_stream(name)))
            except Refused as refused:
                self.close(CloseCode.POLICY_VIOLATION, str(refused.reason))

    def _hang_up(self) -> None:
        self._write_protocol()
        self._transport.close()

    def close(self, code: int, reason: str) -> None:
        """Tells the client why, behind all that waits for it, and takes nothing more from it."""
        if not self._open:
            return
        self._end()
        try:
            self._protocol.send_close(code, reason)
        except InvalidState:  # the client was first
            self._transport.close()
            return
        self._write_protocol()
        self._loop.call_later(CLOSE_S, self._transport.abort)

    def _end(self) -> None:
        """Leaves everything. What was written goes out still."""
        if not self._open:
            return
        self._open = False
        self._session.close()
        self._to_join.clear()
        for channel in self._channels.values():
            self._desk.part(channel, self)
        self._channels.clear()
        if self._end_account is not None:
            self._end_account()
        self._desk.leave(self)
        self._transport.resume_reading()

    def look(self, now: float) -> None:
        """A reader that doesn't catch up, or doesn't answer a ping, is too slow."""
        if not self._open:
            return
        if self._stalled_since is not None and now - self._stalled_since > STALL_S:
            self.close(CloseCode.POLICY_VIOLATION, TOO_SLOW)
        elif self._pinged_at is not None:
            if self._heard_at >= self._pinged_at:
                self._pinged_at = None
            elif now - self._pinged_at > PONG_S:
                self.close(CloseCode.POLICY_VIOLATION, "no answer to a ping")
        elif now - self._heard_at > PING_S:
            self._pinged_at = now
            self._protocol.send_ping(b"")
            self._write_protocol()

    # --- what it is sent

    def send(self, frame: bytes) -> None:
        if not self._open:
            return
        if self._stalled_since is not None and self._transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            self.close(CloseCode.POLICY_VIOLATION, TOO_SLOW)
            return
        self._transport.write(frame)

    def _say(self, text: bytes) -> None:
        self.send(text_frame(text))

    def _write_protocol(self) -> None:
        """What the protocol itself has to say: the handshake, pongs, a close."""
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:  # the end of the stream
                self._transport.close()

    # --- what it says

    def _take(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._parts.append(bytes(frame.data))
            if frame.fin:
                message = b"".join(self._parts)
                self._parts.clear()
                event = self._session.receive(message, self._desk.now_ms())
                if event is not None:
                    self._do(event)

    def _do(self, event: Event) -> None:
        match event:
            case Call():
                self._call(event)
            case Subscribe():
                self._subscribe(event)
            case Unsubscribe():
                self._unsubscribe(event)
            case ListStreams():
                self._say(result_text(event.id, event.names))
            case Refusal():
                self._say(refusal_text(event))
            case Overrun():
                self.close(CloseCode.POLICY_VIOLATION, event.detail)

    def _subscribe(self, asked: Subscribe) -> None:
        if ACCOUNT in asked.streams:
            try:
                self._open_account(asked)
            except Refused as refused:
                for stream in asked.streams:
                    self._session.left(stream)
                self._say(refusal_text(Refusal(asked.id, refused.reason, refused.detail)))
            return
        if asked.id is not None:
            self._say(result_text(asked.id))
        self._to_join.extend(asked.streams)
        self._join_next()

    def _open_account(self, asked: Subscribe) -> None:
        assert self._desk.accounts is not None, "the desk has checked it"
        first, self._end_account = self._desk.accounts.open(
            asked.auth, lambda data: self._say(stream_text(ACCOUNT, data))
        )
        self._say(result_text(asked.id))
        self._say(stream_text(ACCOUNT, first))
        self._to_join.extend(stream for stream in asked.streams if stream != ACCOUNT)
        self._join_next()

    def _join_next(self) -> None:
        """Joins streams for as long as the client takes what they begin with."""
        while self._to_join and self._stalled_since is None and self._open:
            stream = self._to_join.popleft()
            self._channels[stream] = self._desk.join(stream, self)

    def _unsubscribe(self, asked: Unsubscribe) -> None:
        for stream in asked.streams:
            channel = self._channels.pop(stream, None)
            if channel is not None:
                self._desk.part(channel, self)
            elif stream == ACCOUNT and self._end_account is not None:
                self._end_account()
                self._end_account = None
            else:
                self._to_join.remove(stream)
        self._say(result_text(asked.id))

    # --- order entry

    def _call(self, call: Call) -> None:
        task = self._loop.create_task(self._answer(call))
        self._calls.add(task)
        self._server.tasks.add(task)  # it goes on without the connection: the command may be on the log already
        task.add_done_callback(self._answered)
        if len(self._calls) >= MAX_CALLS:
            self._transport.pause_reading()

    async def _answer(self, call: Call) -> None:
        method = self._desk.methods[call.method]
        status, document = await method(Request(call.params, call.wait, call.timeout_ms, self.address))
        self._say(called_text(call.id, status, document))

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self._calls.discard(task)
        self._server.tasks.discard(task)
        if self._stopping:
            if not self._calls:
                self._stop()
        elif len(self._calls) < MAX_CALLS and not self._transport.is_closing():
            self._transport.resume_reading()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a call of order entry failed", exc_info=error)
            self.close(CloseCode.INTERNAL_ERROR, "internal error")
