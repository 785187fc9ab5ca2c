"""`python -m simulator.makers`: market makers and takers of a local exchange, until told to stop."""

import asyncio
import fcntl
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from glassbook.client.keys import Key
from glassbook.client.rest import AsyncClient
from glassbook.errors import GlassbookError
from glassbook.key_folder import KeyFolder
from glassbook.operator import OperatorFolder
from glassbook.settings import Settings, read_settings
from simulator.makers.service import Service


async def trade(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    folder = settings.data_dir / "makers"
    with only_ones(folder):
        async with AsyncClient(settings.gateway_url) as client:
            service = Service(
                client, KeyFolder(folder), operator_key(settings), settings.makers_mandate_s, random.Random(), stopping
            )
            await service.run()


@contextmanager
def only_ones(folder: Path) -> Iterator[None]:
    """Two processes on the same accounts would each undo what the other does."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GlassbookError(f"other makers trade on the accounts in {folder} already") from None
        yield


def operator_key(settings: Settings) -> Key | None:
    """Without it nobody gives play money here, and only what the accounts have is traded."""
    try:
        return OperatorFolder(settings.data_dir).key()
    except GlassbookError:
        return None


def main() -> int:
    try:
        asyncio.run(trade(read_settings()))
    except GlassbookError as error:
        structlog.get_logger().error("makers end", why=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
