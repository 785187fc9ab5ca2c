"""The doors by which a load's commands enter: single over REST, in batches over REST, and over WebSocket. Reads always
go over REST.

A door takes what is asked and calls back with the reply, once for each; it never waits. Where commands go in batches, a
broker's commands are collected for `WINDOW_S`, or until there are 20: what waits there waits in the latency.
"""

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from itertools import cycle
from typing import NamedTuple

from websockets.exceptions import ConnectionClosed

from glassbook.client.calls import Call
from glassbook.client.streams import OrderEntry
from schemas.commands import CancelOrder, NewOrder
from simulator.load.brokers import Broker
from simulator.load.http import Pool
from simulator.load.mix import Kind
from simulator.load.replies import BROKEN, Reply, convert_batch, convert_reply, read_batch, read_read, read_reply

BATCH = 20
WINDOW_S = 0.05  # in which a basket of 20 comes together from 42% of B3 on
SOCKETS = 8  # of order entry, of one process


class DoorName(StrEnum):
    REST = "rest"
    BATCH = "batch"
    WS = "ws"


class Asked(NamedTuple):
    """What was sent for whom, and when it was due, in seconds from the start."""

    kind: Kind
    due_s: float
    broker: Broker
    command: NewOrder | CancelOrder | None = None  # of a read there is none


Replied = Callable[[Asked, Reply], None]


class Rest:
    """Each command in a request of its own."""

    def __init__(self, url: str, replied: Replied) -> None:
        self._pool = Pool(url)
        self._replied = replied

    async def open(self) -> None:
        """Connections are opened when they are needed."""

    async def close(self) -> None:
        self._pool.close()

    @property
    def connections(self) -> int:
        return self._pool.connections

    def read(self, asked: Asked, call: Call[object]) -> None:
        self._pool.send(call, lambda status, body: self._replied(asked, read_read(status, body)))

    def command(self, asked: Asked) -> None:
        call = _single(asked)
        self._pool.send(call, lambda status, body: self._replied(asked, read_reply(status, body)))


def _single(asked: Asked) -> Call[object]:
    account, command = asked.broker.account, asked.command
    assert command is not None
    return account.place(command) if isinstance(command, NewOrder) else account.cancel(command)


class _Collector:
    """Commands of each broker until there are enough of them, or the first one has waited long enough."""

    def __init__(self, send: Callable[[Broker, list[Asked]], None]) -> None:
        self._send = send
        self._pending: dict[Broker, list[Asked]] = {}

    def add(self, asked: Asked) -> None:
        pending = self._pending.get(asked.broker)
        if pending is None:
            pending = self._pending[asked.broker] = []
            asyncio.get_running_loop().call_later(WINDOW_S, self._flush, asked.broker, pending)
        pending.append(asked)
        if len(pending) == BATCH:
            self._flush(asked.broker, pending)

    def _flush(self, broker: Broker, pending: list[Asked]) -> None:
        if self._pending.get(broker) is pending:
            del self._pending[broker]
            self._send(broker, pending)


def _commands(asked: Sequence[Asked]) -> list[NewOrder | CancelOrder]:
    return [one.command for one in asked if one.command is not None]


class RestBatch(Rest):
    def __init__(self, url: str, replied: Replied) -> None:
        super().__init__(url, replied)
        self._collector = _Collector(self._send)

    def command(self, asked: Asked) -> None:
        self._collector.add(asked)

    def _send(self, broker: Broker, asked: list[Asked]) -> None:
        self._pool.send(broker.account.batch(_commands(asked)), partial(self._answered, asked))

    def _answered(self, asked: list[Asked], status: int, body: bytes) -> None:
        for one, found in zip(asked, read_batch(status, body, len(asked)), strict=True):
            self._replied(one, found)


class WebSockets(Rest):
    """Many commands in flight on each of some connections; what is alone in its window is signed alone."""

    def __init__(self, url: str, replied: Replied) -> None:
        super().__init__(url, replied)
        self._entries = [OrderEntry(f"ws{url.removeprefix('http')}/ws") for _ in range(SOCKETS)]
        self._turns = cycle(self._entries)
        self._collector = _Collector(self._send)
        self._calls: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        for entry in self._entries:
            await entry.__aenter__()

    async def close(self) -> None:
        await super().close()
        for entry in self._entries:
            await entry.__aexit__(None, None, None)

    def command(self, asked: Asked) -> None:
        self._collector.add(asked)

    def _send(self, broker: Broker, asked: list[Asked]) -> None:
        task = asyncio.get_running_loop().create_task(self._call(next(self._turns), broker, asked))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _call(self, entry: OrderEntry, broker: Broker, asked: list[Asked]) -> None:
        commands = _commands(asked)
        try:
            if len(commands) > 1:
                answer = await entry.call("order.batch", broker.signer.sign_batch(commands))
                found = convert_batch(answer.status, answer.document, len(commands))
            else:
                method = "order.place" if isinstance(commands[0], NewOrder) else "order.cancel"
                answer = await entry.call(method, broker.signer.sign(commands[0]))
                found = [convert_reply(answer.status, answer.document)]
        except ConnectionClosed:
            found = [Reply(BROKEN)] * len(asked)
        for one, reply in zip(asked, found, strict=True):
            self._replied(one, reply)


DOORS: dict[DoorName, type[Rest]] = {DoorName.REST: Rest, DoorName.BATCH: RestBatch, DoorName.WS: WebSockets}
