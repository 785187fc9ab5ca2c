"""An open loop of POSTs to one path: each goes out when it is due, however slow the answers to earlier ones are.

A request's time counts from when it was due, not from when it could be sent: what waits for a free loop or connection
waits in the figure (no coordinated omission).
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from glassbook.client.calls import Call
from simulator.load.http import Pool
from simulator.load.schedule import Pacer


class Answer(NamedTuple):
    status: int  # 0 where the connection broke
    body: bytes
    due_s: float  # after the start
    took_ms: float  # from when it was due


class OpenLoop:
    def __init__(self, url: str, path: str) -> None:
        self._path = path
        self._pool = Pool(url)
        self.connections = 0

    async def run(self, arrivals: Iterator[float], make_body: Callable[[], bytes]) -> list[Answer]:
        """One request for each arrival, in seconds from now. `make_body` is called when it is due."""
        start = time.monotonic()
        pending: list[asyncio.Future[Answer]] = []

        def send(due_s: float, _: None) -> None:
            answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            pending.append(answered)

            def done(status: int, body: bytes) -> None:
                answered.set_result(Answer(status, body, due_s, (time.monotonic() - start - due_s) * 1000))

            self._pool.send(Call("POST", self._path, None, make_body()), done)

        await Pacer(((due_s, None) for due_s in arrivals), start, send).run()
        answers = [await answered for answered in pending]
        self.connections = self._pool.connections
        self._pool.close()
        return answers
