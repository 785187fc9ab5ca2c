"""Bytes from a thread to the event loop through the kernel: the writer waits when the reader is behind."""

import asyncio
import contextlib
import fcntl
import os

CHUNK_BYTES = 256 << 10
ROOM_BYTES = 1 << 20


class Pipe:
    """The thread writes to `writing_end` and closes it; the loop reads until then, or closes its own end early."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport, writing_end: int) -> None:
        self._reader, self._transport, self.writing_end = reader, transport, writing_end

    @classmethod
    async def open(cls) -> "Pipe":
        reading_end, writing_end = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):  # beyond what this user may have in pipes
                fcntl.fcntl(writing_end, fcntl.F_SETPIPE_SZ, ROOM_BYTES)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=ROOM_BYTES)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading_end, "rb", 0)
        )
        return cls(reader, transport, writing_end)

    async def read(self) -> bytes:
        """What there is; nothing at the end."""
        return await self._reader.read(CHUNK_BYTES)

    def close(self) -> None:
        self._transport.close()
