"""Answers as ClickHouse writes them: headers, compression, and an error behind rows that were sent already."""

import asyncio
import secrets
import string
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sinks.embedded import codings
from sinks.embedded.ask import Ask
from sinks.embedded.engine import TIMEZONE, Facts, Stats
from sinks.embedded.errors import ClickHouseError
from sinks.embedded.native import FIRST_VERSION, NativeBlocks

NAME = "glassbook"
SMALL_BYTES = 16 << 10
STALL_S = 60  # a client that takes nothing for so long is gone
TEXT = "text/plain; charset=UTF-8"
_EXPOSED = (
    "X-ClickHouse-Query-Id,X-ClickHouse-Summary,X-ClickHouse-Server-Display-Name,X-ClickHouse-Format,"
    "X-ClickHouse-Timezone,X-ClickHouse-Exception-Code,X-ClickHouse-Exception-Tag"
)


class Headers:
    """Of one answer. `tag` marks an error among the rows, so that no row can pass for one."""

    def __init__(self, facts: Facts, query_id: str) -> None:
        self._facts = facts
        self.tag = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
        self.common = {
            "X-ClickHouse-Server-Display-Name": NAME,
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Timezone": TIMEZONE,
            "X-ClickHouse-Exception-Tag": self.tag,
            "Access-Control-Expose-Headers": _EXPOSED,
        }

    def of_result(self, form: str | None, ask: Ask, stats: Stats) -> dict[str, str]:
        found = {**self.common, "X-ClickHouse-Summary": summary(stats)}
        if zone := ask.settings.get("session_timezone"):
            found["X-ClickHouse-Timezone"] = zone
        content_type = TEXT
        if form is not None:
            found["X-ClickHouse-Format"] = form
            content_type = self._facts.content_types.get(form, TEXT)
        found["Content-Type"] = "application/octet-stream" if ask.blocks else content_type
        if ask.coding and form is not None:
            found["Content-Encoding"] = ask.coding
            found["Vary"] = "Accept-Encoding"
        return found

    def refusal(self, error: ClickHouseError) -> Response:
        more = {"X-ClickHouse-Exception-Code": str(error.code), "Content-Type": TEXT}
        if error.status == 503:
            more["Retry-After"] = "1"
        return Response(error.text(self._facts.version), error.status, {**self.common, **more})

    def block(self, error: ClickHouseError) -> bytes:
        """The error as it stands behind rows."""
        message = error.text(self._facts.version).encode()
        tag = self.tag.encode()
        parts = (b"", b"__exception__", tag, message + b"%d %s" % (len(message), tag), b"__exception__", b"")
        return b"\r\n".join(parts)


def summary(stats: Stats) -> str:
    shown = {
        "read_rows": stats.read_rows,
        "read_bytes": stats.read_bytes,
        "written_rows": stats.written_rows,
        "written_bytes": stats.written_bytes,
        "total_rows_to_read": stats.read_rows,
        "result_rows": stats.result_rows,
        "result_bytes": 0,
        "elapsed_ns": stats.elapsed_ns,
    }
    return msgspec.json.encode({name: str(value) for name, value in shown.items()}).decode()


class Wrapping:
    """What lies around the rows: the client's own kind of Native, ClickHouse's blocks, then the content encoding."""

    def __init__(self, ask: Ask, form: str | None) -> None:
        has_result = form is not None
        self._native = NativeBlocks() if form == "Native" and ask.protocol_version >= FIRST_VERSION else None
        self._blocks = ask.blocks and has_result
        self._packer = codings.Packer(ask.coding) if ask.coding and has_result else None

    async def wrap(self, rows: bytes) -> bytes:
        """Beside the event loop, where it is work."""
        if len(rows) < SMALL_BYTES or not (self._native or self._blocks or self._packer):
            return self._wrap(rows)
        return await asyncio.to_thread(self._wrap, rows)

    def _wrap(self, rows: bytes) -> bytes:
        return self.pack(self._native.feed(rows) if self._native else rows)

    def pack(self, data: bytes) -> bytes:
        """What isn't rows."""
        if self._blocks and data:
            data = codings.to_blocks(data)
        return self._packer.compress(data) if self._packer and data else data

    def finish(self) -> bytes:
        rest = self.pack(self._native.finish()) if self._native else b""
        return rest + (self._packer.finish() if self._packer else b"")


async def whole(data: bytes, headers: Mapping[str, str], ask: Ask, form: str | None) -> Response:
    wrapping = Wrapping(ask, form)
    return Response(await wrapping.wrap(data) + wrapping.finish(), headers=dict(headers))


class Stream(Response):
    """Rows as they come. After an error among them the connection is cut, so that nobody takes them for all."""

    def __init__(
        self, rows: AsyncGenerator[bytes, None], headers: Mapping[str, str], ask: Ask, form: str | None, about: Headers
    ) -> None:
        super().__init__(headers=dict(headers))
        del self.headers["content-length"]
        self._rows, self._wrapping, self._about = rows, Wrapping(ask, form), about

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async with aclosing(self._rows) as all_rows:
                async for rows in all_rows:
                    await self._send(send, await self._wrapping.wrap(rows))
        except ClickHouseError as error:
            await self._send(send, self._wrapping.pack(self._about.block(error)) + self._wrapping.finish())
            return
        except TimeoutError:
            return
        await send({"type": "http.response.body", "body": self._wrapping.finish(), "more_body": False})

    async def _send(self, send: Send, data: bytes) -> None:
        if data:
            async with asyncio.timeout(STALL_S):
                await send({"type": "http.response.body", "body": data, "more_body": True})
