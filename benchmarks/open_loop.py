"""An open-loop HTTP client: every request goes out when it is due, however slow the answers to earlier ones are.

A request's time counts from when it was due, not from when it could be sent: what waits for a free loop or connection
waits in the figure (no coordinated omission). Plain asyncio instead of a client library, which on a machine shared with
the server would cost more than what is measured.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    status: int  # 0 where the connection broke
    body: bytes
    due_s: float  # after the start
    took_ms: float  # from when it was due


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, one request at a time, answers with a Content-Length."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._received = b""
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or self._waiting is None:
            return
        headers = head.lower()
        length = int(headers.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self._received = body[length:]
            if not self._waiting.done():
                self._waiting.set_result((int(head[9:12]), body[:length]))

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result((0, b""))

    async def send(self, request: bytes) -> tuple[int, bytes]:
        assert self.transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._waiting


class OpenLoop:
    """POSTs to one path of a gateway. Opens another connection whenever all are busy."""

    def __init__(self, url: str, path: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n".encode()
        self._free: list[Connection] = []
        self.connections = 0

    async def run(self, arrivals: Iterator[float], make_body: Callable[[], bytes]) -> list[Answer]:
        """One request for each arrival, in seconds from now. `make_body` is called when it is due."""
        start = time.perf_counter()
        pending = []
        for due_s in arrivals:
            wait_s = start + due_s - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            pending.append(asyncio.create_task(self._post(make_body(), start, due_s)))
        answers = [await task for task in pending]
        for connection in self._free:
            if connection.transport is not None:
                connection.transport.close()
        return answers

    async def _post(self, body: bytes, start: float, due_s: float) -> Answer:
        request = self._head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        connection = await self._connection()
        status, answer = await connection.send(request)
        took_ms = (time.perf_counter() - start - due_s) * 1000
        if connection.transport is not None:
            self._free.append(connection)
        return Answer(status, answer, due_s, took_ms)

    async def _connection(self) -> Connection:
        while self._free:
            connection = self._free.pop()
            if connection.transport is not None:
                return connection
        self.connections += 1
        _, connection = await asyncio.get_running_loop().create_connection(Connection, self._host, self._port)
        return connection


def poisson_arrivals(per_s: float, seconds: float, seed: int) -> Iterator[float]:
    """Seconds from the start at which requests are due: independent of each other, `per_s` on average."""
    draw = random.Random(seed)
    due_s = draw.expovariate(per_s)
    while due_s < seconds:
        yield due_s
        due_s += draw.expovariate(per_s)
