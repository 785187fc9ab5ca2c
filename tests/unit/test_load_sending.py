"""How a load is sent: when it is due, whatever the answers do; over connections that break; in batches."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from glassbook.client.calls import Call
from glassbook.client.keys import Key
from glassbook.errors import GlassbookError
from simulator.load.brokers import Broker, broker_key
from simulator.load.doors import BATCH, Asked, RestBatch
from simulator.load.http import Pool
from simulator.load.mix import Kind
from simulator.load.replies import Reply
from simulator.load.schedule import Pacer

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GET = Call[object]("GET", "/x", None)
PATIENCE_S = 10


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes = b"{}") -> None:
    """Answers each request on the connection, its head and its body in pieces."""
    while head := await _head(reader):
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        await reader.readexactly(length)
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(b"\r\n" + body[:1])
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(body[1:])


async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _head(reader)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""


def at_a_server(serve: Serve, play: Callable[[str], Awaitable[None]]) -> None:
    """Plays against it, and ends when every connection to it is closed."""

    async def run() -> None:
        served: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.add(asyncio.current_task())  # type: ignore[arg-type]
            await serve(reader, writer)
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(PATIENCE_S):
            await play(f"http://127.0.0.1:{port}")
            server.close()
            await asyncio.gather(*served)

    asyncio.run(run())


class Answers:
    """Gathers what comes back, and waits for so many."""

    def __init__(self) -> None:
        self.found: list[tuple[int, bytes]] = []

    def __call__(self, status: int, body: bytes) -> None:
        self.found.append((status, body))

    async def until(self, count: int) -> None:
        while len(self.found) < count:
            await asyncio.sleep(0.001)


def test_requests_share_as_many_connections_as_there_may_be() -> None:
    async def play(url: str) -> None:
        pool, answers = Pool(url, most=2), Answers()
        for _ in range(20):
            pool.send(GET, answers)
        assert pool.connections == 2
        await answers.until(20)
        pool.send(GET, answers)
        await answers.until(21)
        assert pool.connections == 2
        assert set(answers.found) == {(200, b"{}")}
        pool.close()

    at_a_server(answering, play)


def test_a_connection_that_breaks_is_told_once_and_the_next_request_gets_another() -> None:
    async def play(url: str) -> None:
        pool, answers = Pool(url, most=1), Answers()
        for _ in range(3):
            pool.send(GET, answers)
        await answers.until(3)
        assert answers.found == [(0, b"")] * 3
        pool.close()

    at_a_server(breaking, play)


def test_a_server_that_is_not_there_is_told_to_each_request() -> None:
    async def play() -> None:
        pool, answers = Pool("http://127.0.0.1:9", most=1), Answers()
        pool.send(GET, answers)
        pool.send(GET, answers)
        await answers.until(2)
        assert answers.found == [(0, b"")] * 2

    asyncio.run(asyncio.wait_for(play(), PATIENCE_S))


def test_only_plain_http_is_spoken() -> None:
    with pytest.raises(GlassbookError, match="plain http"):
        Pool("https://example.com")


def test_what_is_due_is_sent_whatever_happened_to_what_was_sent_before() -> None:
    """All are sent at their times, though not one is answered."""

    async def play() -> None:
        start, sent = time.monotonic(), []

        def act(due_s: float, name: str) -> None:
            assert time.monotonic() - start >= due_s
            sent.append(name)

        dues = [(0.0, "a"), (0.01, "b"), (0.05, "c")]
        await Pacer(dues, start, act).run()
        assert sent == ["a", "b", "c"]

    asyncio.run(asyncio.wait_for(play(), PATIENCE_S))


def test_who_is_behind_sends_all_that_was_due_and_a_stop_ends_it() -> None:
    async def play() -> None:
        sent: list[int] = []

        def act(due_s: float, number: int) -> None:
            sent.append(number)
            if number == 99:
                asyncio.get_running_loop().call_later(0.01, pacer.stop)

        dues = [(number / 1000, number) for number in range(100)] + [(3600.0, 100)]
        pacer = Pacer(dues, time.monotonic() - 1, act)
        await pacer.run()
        assert sent == list(range(100))

    asyncio.run(asyncio.wait_for(play(), PATIENCE_S))


def test_a_brokers_commands_are_batched_until_there_are_enough_or_it_is_time() -> None:
    results = b'{"results":[' + b",".join(b'{"status":200,"answer":{"order_id":"1-1"}}' for _ in range(BATCH)) + b"]}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(reader, writer, results)

    async def play(url: str) -> None:
        replied: list[tuple[Asked, Reply]] = []
        door = RestBatch(url, lambda asked, reply: replied.append((asked, reply)))
        brokers = [Broker(Key.new(), "x", f"p{number}") for number in range(2)]
        asked = [Asked(Kind.CANCEL, 0.0, broker, broker.cancel()) for broker in brokers for _ in range(BATCH)]
        for one in asked[:-1]:
            door.command(one)
        assert door.connections == 1  # the first broker's batch is full; the other's waits for its time
        while len(replied) < BATCH:
            await asyncio.sleep(0.001)
        assert all(reply.document.order_id == "1-1" for _, reply in replied)
        while len(replied) < 2 * BATCH - 1:
            await asyncio.sleep(0.001)
        # What was left went when its time had come: nineteen, for which twenty results make no sense.
        assert [one for one, _ in replied] == asked[:-1]
        assert {reply.error for _, reply in replied[BATCH:]} == {"20 results of 19 commands"}
        await door.close()

    at_a_server(serve, play)


def test_a_brokers_key_follows_from_seed_run_and_number() -> None:
    keys = {broker_key(seed, run, number).public for seed in (1, 2) for run in ("a", "b") for number in range(3)}
    assert len(keys) == 12
    assert broker_key(1, "a", 0).public == broker_key(1, "a", 0).public
