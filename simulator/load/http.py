"""HTTP for a load: raw requests over as many connections as they take, answers by callback.

Plain asyncio instead of a client library, which on a machine shared with the server would cost more than what is
measured. HTTP/1.1 with keep-alive, one request at a time on a connection, answers with a Content-Length.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from glassbook.client.calls import Call
from glassbook.errors import GlassbookError

MAX_CONNECTIONS = 1_000
IDLE_S = 3.0  # a gateway closes what was idle for 5

Done = Callable[[int, bytes], None]
"""Takes an answer's status and body; status 0 where the connection broke."""


class Connection(asyncio.Protocol):
    def __init__(self, pool: "Pool") -> None:
        self.transport: asyncio.Transport | None = None
        self._pool = pool
        self._received = b""
        self._done: Done | None = None
        self._free_since = time.monotonic()

    @property
    def is_usable(self) -> bool:
        """Not where the server may be about to close it: a request that crosses that would be lost."""
        if self.transport is not None and time.monotonic() - self._free_since > IDLE_S:
            self.transport.close()
            return False
        return self.transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, done: Done) -> None:
        assert self.transport is not None and self._done is None
        self._done = done
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or self._done is None:
            return
        length = int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            done, self._done, self._received = self._done, None, body[length:]
            self._free_since = time.monotonic()
            self._pool.free(self)
            done(int(head[9:12]), body[:length])

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._pool.lost()
        if self._done is not None:
            done, self._done = self._done, None
            done(0, b"")


class Pool:
    """The connections to one server: another one is opened whenever all are busy, up to `most`."""

    def __init__(self, url: str, most: int = MAX_CONNECTIONS) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http":
            raise GlassbookError(f"a load is sent over plain http, not to {url}")
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._named = parts.netloc
        self._most = most
        self._free: list[Connection] = []
        self._waiting: deque[tuple[bytes, Done]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self.connections = 0

    def send(self, call: Call[object], done: Done) -> None:
        self.request(self._bytes_of(call), done)

    def request(self, request: bytes, done: Done) -> None:
        while self._free:
            connection = self._free.pop()
            if connection.is_usable:
                connection.send(request, done)
                return
        self._waiting.append((request, done))
        self._open_another()

    def close(self) -> None:
        for task in self._opening:
            task.cancel()
        for connection in self._free:
            if connection.transport is not None:
                connection.transport.close()

    def _bytes_of(self, call: Call[object]) -> bytes:
        headers = "".join(f"{name}: {value}\r\n" for name, value in call.all_headers().items())
        body = call.body or b""
        length = f"Content-Length: {len(body)}\r\n" if call.body is not None else ""
        return f"{call.method} {call.target} HTTP/1.1\r\nHost: {self._named}\r\n{headers}{length}\r\n".encode() + body

    # --- connections come and go

    def free(self, connection: Connection) -> None:
        if self._waiting and connection.transport is not None:
            connection.send(*self._waiting.popleft())
        else:
            self._free.append(connection)

    def lost(self) -> None:
        self.connections -= 1
        if self._waiting:
            self._open_another()

    def _open_another(self) -> None:
        if self.connections < self._most:
            self.connections += 1
            task = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self), self._host, self._port
            )
        except OSError:
            if self._waiting:
                self._waiting.popleft()[1](0, b"")
            self.lost()
            return
        self.free(connection)
