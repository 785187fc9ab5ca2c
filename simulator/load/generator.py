"""One process of a load: sends what its brokers send, when it is due, and tells each second what came of it.

It never waits for an answer before it sends. How late it is itself is measured, so that no figure
blames the exchange for what the generator couldn't do.
"""

import asyncio
import gc
import os
import time
from hashlib import blake2b
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import IO, Any

import msgspec
import uvloop

from schemas.commands import CancelOrder, NewOrder, TimeInForce, encode_command
from schemas.market import Terms
from simulator.load.brokers import Broker, broker_key, draw_read, read_call
from simulator.load.doors import DOORS, Asked
from simulator.load.flow import Flow, held_symbols, middle_ticks
from simulator.load.mix import Kind, rates_per_s
from simulator.load.plan import Acknowledged, Ended, Failed, Plan, Ready, Start, Stop
from simulator.load.replies import NO_ANSWER, Reply
from simulator.load.schedule import Pacer, arrivals
from simulator.load.tally import Second

DRAIN_S = 15.0  # for answers behind the last request; a gateway gives up on an outcome after 5
DIGEST_BYTES = 8
POLL_S = 0.02

_encode = msgspec.json.Encoder().encode


def digest_of(command: bytes) -> bytes:
    return blake2b(command, digest_size=DIGEST_BYTES).digest()


def acknowledged_file(plan: Plan) -> Path:
    return Path(plan.folder) / f"acknowledged-{plan.number}"


class Generator:
    def __init__(self, plan: Plan, tell: Connection) -> None:
        self._plan, self._tell = plan, tell
        self._chance = Random(f"{plan.seed} {plan.attempt} {plan.number}")
        self._terms = [Terms(market) for market in plan.markets]
        mine = range(plan.number, plan.brokers, plan.processes)
        held = held_symbols(len(self._terms), plan.brokers)
        middles = [middle_ticks(terms, symbol) for symbol, terms in enumerate(self._terms)]
        self._flow = Flow(self._chance, [held[number] for number in mine], middles)
        self._brokers = [
            Broker(broker_key(plan.seed, plan.run, number), plan.exchange, f"{plan.run}-{plan.attempt}-{number}")
            for number in mine
        ]
        self._door = DOORS[plan.door](plan.url, self._replied)
        self._tally = Second(0)
        self._under_way = 0
        self._cpu_s = time.process_time()
        self._start = 0.0
        self._pacer: Pacer[Kind] | None = None
        self._started: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._file: IO[bytes] = acknowledged_file(plan).open("wb")

    # --- the run

    async def run(self) -> None:
        plan, loop = self._plan, asyncio.get_running_loop()
        loop.set_exception_handler(self._failed)
        await self._door.open()
        loop.add_reader(self._tell.fileno(), self._hear)
        self._tell.send(Ready())
        self._start = await self._started
        _leave_garbage_alone()
        rates = {kind: per_s / plan.processes for kind, per_s in rates_per_s(plan.percent).items()}
        dues = arrivals(rates, plan.warm_up_s + plan.seconds, f"{plan.seed} {plan.attempt} {plan.number}")
        self._pacer = Pacer(dues, self._start, self._send)
        loop.call_later(self._start + 1 - time.monotonic(), self._second)
        await self._pacer.run()
        await self._drain()
        self._tell.send(self._taken())
        self._file.close()
        self._tell.send(Ended(self._door.connections))
        await self._door.close()

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What fails in a callback ends the process, as anywhere else; a broken connection is only no answer."""
        error = context.get("exception")
        if error is not None and not isinstance(error, OSError):
            self._tell.send(Failed(f"{type(error).__name__}: {error}"))
            os._exit(1)

    def _hear(self) -> None:
        """What the parent says. Where it is gone, so is this process."""
        try:
            said = self._tell.recv()
        except EOFError:
            raise SystemExit(1) from None
        match said:
            case Start():
                self._started.set_result(said.at)
            case Stop():
                if self._pacer is not None:
                    self._pacer.stop()

    async def _drain(self) -> None:
        deadline = time.monotonic() + DRAIN_S
        while self._under_way and time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
        if self._under_way:
            self._tally.errors[NO_ANSWER] += self._under_way

    def _second(self) -> None:
        self._tell.send(self._taken())
        due = self._start + self._tally.number + 1
        asyncio.get_running_loop().call_later(due - time.monotonic(), self._second)

    def _taken(self) -> Second:
        taken, cpu_s = self._tally, time.process_time()
        taken.cpu_s, self._cpu_s = cpu_s - self._cpu_s, cpu_s
        self._tally = Second(taken.number + 1)
        return taken

    # --- what is sent

    def _send(self, due_s: float, kind: Kind) -> None:
        self._tally.sent[kind] += 1
        self._under_way += 1
        if kind is Kind.READ:
            number = self._flow.any_broker()
            broker, symbol = self._brokers[number], self._terms[self._flow.symbol(number)].symbol
            self._door.read(Asked(kind, due_s, broker), read_call(draw_read(self._chance), broker, symbol))
        else:
            number = self._flow.next_broker()
            broker = self._brokers[number]
            self._door.command(Asked(kind, due_s, broker, self._command(kind, number, broker)))
        self._tally.late_ms.append((time.monotonic() - self._start - due_s) * 1000)

    def _command(self, kind: Kind, number: int, broker: Broker) -> NewOrder | CancelOrder:
        if kind is Kind.CANCEL:
            return broker.cancel()
        draft = self._flow.draft(number)
        return broker.order(draft, self._terms[draft.symbol])

    # --- what comes back

    def _replied(self, asked: Asked, reply: Reply) -> None:
        self._under_way -= 1
        tally = self._tally
        if reply.error:
            tally.errors[reply.error] += 1
            return
        tally.took_ms[asked.kind].append((time.monotonic() - self._start - asked.due_s) * 1000)
        if reply.refused:
            tally.refused[f"{asked.kind} {reply.refused}"] += 1
        if asked.command is not None:
            self._remember(asked, asked.command, reply)

    def _remember(self, asked: Asked, command: NewOrder | CancelOrder, reply: Reply) -> None:
        document, is_order = reply.document, isinstance(command, NewOrder)
        if is_order and document.status == "OPEN":
            assert isinstance(command, NewOrder)
            asked.broker.open.rests(command.client_order_id, command.time_in_force is TimeInForce.GTC)
        if is_order and not reply.refused:
            asked.broker.last_order_id = document.order_id
        if document.command_id is not None:  # what the gateway refuses by itself never was on the log
            digest = digest_of(encode_command(command))
            said = Acknowledged(
                document.command_id, digest, is_order, reply.refused, document.order_id,
                "" if reply.refused else str(document.status), document.filled, asked.broker.account.id,
            )  # fmt: skip
            self._file.write(_encode(said) + b"\n")


def _leave_garbage_alone() -> None:
    """A look through all that a minute's answers leave behind would cost what it is to measure."""
    gc.collect()
    gc.freeze()
    gc.disable()


async def _generate(plan: Plan, tell: Connection) -> None:
    await Generator(plan, tell).run()


def main(plan: Plan, tell: Connection) -> None:
    """The process. Ctrl-C is for the parent, which then says `Stop`; here it is ignored from the start."""
    try:
        uvloop.run(_generate(plan, tell))
    except Exception as error:  # told where a person sees it
        tell.send(Failed(f"{type(error).__name__}: {error}"))
        raise SystemExit(1) from error
