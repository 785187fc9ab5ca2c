"""The rows of one answer, from the pipe to whoever takes them, with the error that may come behind them."""

import asyncio
import errno
import tempfile
from collections.abc import AsyncGenerator
from typing import IO

import structlog

from sinks.embedded.errors import ClickHouseError, Code
from sinks.embedded.pipe import CHUNK_BYTES, Pipe
from sinks.embedded.work import Done, Running

logger = structlog.get_logger()
IN_MEMORY_BYTES = 8 << 20  # of an answer that is wanted whole; the rest goes to a file


class Rows:
    def __init__(self, pipe: Pipe, job: "asyncio.Future[Done]", running: Running) -> None:
        self._pipe, self._job, self._running = pipe, job, running

    async def up_to(self, size: int) -> tuple[bytes, bool]:
        """The beginning, and whether that was all. More than `size` if there is more."""
        parts, so_far = list[bytes](), 0
        while so_far <= size:
            chunk = await self._pipe.read()
            if not chunk:
                return b"".join(parts), True
            parts.append(chunk)
            so_far += len(chunk)
        return b"".join(parts), False

    async def all(self, most: int) -> IO[bytes]:
        """Everything, in memory or in a file that nobody else sees. Raises ClickHouseError when that is too much."""
        file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=".")  # noqa: SIM115
        size = 0
        try:
            while chunk := await self._pipe.read():
                size += len(chunk)
                if size > most:
                    raise ClickHouseError(
                        Code.TOO_MANY_ROWS_OR_BYTES,
                        f"The answer is longer than {most >> 20} MiB: ask without wait_end_of_query, or for less",
                    )
                file.write(chunk)
        except OSError as error:
            file.close()
            raise _no_room(error) from error
        except BaseException:
            file.close()
            raise
        return file

    async def rest(self, first: bytes) -> AsyncGenerator[bytes, None]:
        """`first`, what follows, and at the end the error, if there is one. Left early, the statement is stopped."""
        try:
            yield first
            while chunk := await self._pipe.read():
                yield chunk
            done = await self.done()
            if done.data:
                yield done.data
        finally:
            self.give_up()

    async def done(self) -> Done:
        """Once the rows are through. Raises ClickHouseError, whatever went wrong."""
        try:
            return await self._job
        except ClickHouseError as error:
            if error.code == Code.QUERY_WAS_CANCELLED and self._running.timed_out:
                raise ClickHouseError(Code.TIMEOUT_EXCEEDED, "Timeout exceeded: the query was stopped") from None
            raise
        except Exception as error:
            logger.exception("statement failed")
            raise ClickHouseError(Code.STD_EXCEPTION, "Internal error") from error

    def give_up(self) -> None:
        """Nothing happens if the statement has ended."""
        self._running.give_up()
        self._pipe.close()


async def of_file(file: IO[bytes]) -> AsyncGenerator[bytes, None]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _no_room(error: OSError) -> ClickHouseError:
    code = Code.NOT_ENOUGH_SPACE if error.errno == errno.ENOSPC else Code.STD_EXCEPTION
    return ClickHouseError(code, f"The answer can't be kept: {error.strerror}")
