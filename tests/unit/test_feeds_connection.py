"""Real connections to a process of streams: what a client is told, and how each limit ends it."""

import asyncio
import json
import socket
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from feeds.connection import Connection
from feeds.limits import MAX_MESSAGE_BYTES, Limits
from schemas.reasons import Reason
from tests.unit.feeds_world import SYMBOL, FeedsWorld, client, depth, ended, heard, play, say, trade, until


def test_subscribe_list_and_unsubscribe():
    async def scene() -> None:
        world = FeedsWorld()
        world.market.take_depth(depth(1, [("10", "1")], [("11", "2")]))
        async with world.serving() as url, client(url) as one:
            await say(one, "SUBSCRIBE", f"trades@{SYMBOL}", f"depth@{SYMBOL}", id=1)
            assert await heard(one) == {"id": 1, "result": None}
            first = await heard(one)
            assert (first["stream"], first["data"]["type"], first["data"]["sequence"]) == (
                f"depth@{SYMBOL}", "snapshot", 1,
            )  # fmt: skip
            world.market.take_trade(trade(1))
            assert (await heard(one))["data"]["trade_id"] == "0-1-0"
            await say(one, "LIST", id=2)
            assert (await heard(one))["result"] == [f"trades@{SYMBOL}", f"depth@{SYMBOL}"]
            await say(one, "UNSUBSCRIBE", f"trades@{SYMBOL}", id=3)
            assert (await heard(one))["id"] == 3
            world.market.take_trade(trade(2))
            await say(one, "SUBSCRIBE", "trades@XYZ-USD", id=4)
            assert (await heard(one))["error"]["code"] == Reason.UNKNOWN_SYMBOL
            world.readable.ready = False
            await say(one, "SUBSCRIBE", f"ticker@{SYMBOL}", id=5)
            assert (await heard(one))["error"]["code"] == Reason.NOT_READY
        assert not world.desk.connections and not len(world.market.depth_frames)

    play(scene)


def test_one_stream_by_path():
    async def scene() -> None:
        world = FeedsWorld()
        async with world.serving() as url:
            async with client(f"{url}/depth@{SYMBOL}@0ms?x=1") as one:
                assert (await heard(one))["stream"] == f"depth@{SYMBOL}@0ms"
                world.market.take_depth(depth(1, [("10", "1")]))
                assert (await heard(one))["data"]["last"] == 1
            for name, code in (("nothing", Reason.UNKNOWN_STREAM), ("trades@XYZ-USD", Reason.UNKNOWN_SYMBOL)):
                async with client(f"{url}/{name}") as one:
                    assert await ended(one) == (1008, code)
            with pytest.raises(InvalidStatus, match="404"):
                await client(url.replace("/ws", "/api"))

    play(scene)


def test_rest_and_stream_say_the_same():
    async def scene() -> None:
        world = FeedsWorld()
        async with world.serving() as url, client(f"{url}/depth@{SYMBOL}") as one, httpx.AsyncClient() as http:
            await heard(one)
            world.market.take_depth(depth(1, [("10", "1"), ("9", "2")], [("11", "2")]))
            world.desk.flush()
            update = (await heard(one))["data"]
            base = f"http://{world.url}/api/v1"
            document = (await http.get(f"{base}/markets/{SYMBOL}/depth")).json()
            assert (document["sequence"], document["checksum"]) == (update["last"], update["checksum"])
            assert document["bids"] == [["10", "1"], ["9", "2"]]
            assert (await http.get(f"{base}/markets/{SYMBOL}/depth?limit=1")).json()["bids"] == [["10", "1"]]
            ticker = (await http.get(f"{base}/markets/{SYMBOL}/ticker")).json()
            assert (ticker["best_bid"], ticker["best_ask_quantity"]) == ("10", "2")
            assert (await http.get(f"{base}/tickers")).json() == {"tickers": [ticker]}
            for target, status, code in (
                (f"markets/{SYMBOL}/depth?limit=0", 400, "BAD_PARAMETER"),
                (f"markets/{SYMBOL}/depth?limit=5001", 400, "BAD_PARAMETER"),
                (f"markets/{SYMBOL}/depth?levels=5", 400, "BAD_PARAMETER"),
                ("markets/XYZ-USD/ticker", 404, "UNKNOWN_SYMBOL"),
            ):
                answer = await http.get(f"{base}/{target}")
                assert (answer.status_code, answer.json()["code"]) == (status, code)
            world.readable.ready = False
            answer = await http.get(f"{base}/tickers")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")

    play(scene)


def test_who_does_not_read_is_told_and_closed_and_nobody_else_notices(monkeypatch):
    monkeypatch.setattr("feeds.connection.MAX_WAITING_BYTES", 256 * 1024)
    count = 600

    async def scene() -> None:
        world = FeedsWorld()
        levels = [(str(price), "1" * 300) for price in range(1, 60)]
        async with world.serving() as url:
            stalled = await client(f"{url}/depth@{SYMBOL}@0ms", max_queue=1)
            async with client(f"{url}/depth@{SYMBOL}@0ms") as one, client(f"{url}/depth@{SYMBOL}@0ms") as two:
                stalled.transport.pause_reading()
                others = [asyncio.create_task(_count_updates(reader, count)) for reader in (one, two)]
                for sequence in range(1, count + 1):
                    world.market.take_depth(depth(sequence, levels))
                    await asyncio.sleep(0)
                assert await asyncio.gather(*others) == [count, count]
                assert len(world.market.depth_each) == 2, "it has left the stream"
                stalled.transport.resume_reading()
                code, reason = await ended(stalled)
                assert code == 1008 and "too slow" in reason

    play(scene)


async def _count_updates(reader: Any, last: int) -> int:
    seen = 0
    while True:
        data = json.loads(await reader.recv())["data"]
        if data["type"] == "update":
            assert data["first"] == seen + 1
            seen = int(data["last"])
            if seen == last:
                return seen


def test_who_takes_nothing_for_long_is_closed_however_little_waits(monkeypatch):
    monkeypatch.setattr("feeds.connection.STALL_S", 0.1)

    async def scene() -> None:
        world = FeedsWorld()
        async with world.serving() as url:
            stalled = await client(f"{url}/trades@{SYMBOL}", max_queue=1)
            stalled.transport.pause_reading()
            loop, sequence = asyncio.get_running_loop(), 0
            while world.desk.connections:
                sequence += 1
                world.market.take_trade(trade(sequence))
                for connection in tuple(world.desk.connections):
                    connection.look(loop.time())
                await asyncio.sleep(0)
            stalled.transport.resume_reading()
            assert (await ended(stalled))[0] == 1008

    play(scene)


def test_pings_and_who_does_not_answer_them(monkeypatch):
    monkeypatch.setattr("feeds.connection.PING_S", 0.05)
    monkeypatch.setattr("feeds.connection.PONG_S", 0.05)

    async def scene() -> None:
        world = FeedsWorld()
        loop = asyncio.get_running_loop()
        async with world.serving() as url, client(url) as one:
            for _ in range(10):
                await asyncio.sleep(0.03)
                for connection in tuple(world.desk.connections):
                    connection.look(loop.time())
            assert len(world.desk.connections) == 1, "pongs came"
            one.transport.pause_reading()
            while world.desk.connections:
                await asyncio.sleep(0.03)
                for connection in tuple(world.desk.connections):
                    connection.look(loop.time())
            one.transport.resume_reading()
            assert await ended(one) == (1008, "no answer to a ping")

    play(scene)


def test_a_process_takes_so_many_connections_and_no_more():
    async def scene() -> None:
        world = FeedsWorld(Limits(connections=2))
        async with world.serving() as url, client(url), client(url), client(url) as third:
            assert await ended(third) == (1013, "full")
        world = FeedsWorld(Limits(connections_of_address=1))
        async with world.serving() as url:
            async with client(url), client(url) as second:
                assert await ended(second) == (1013, "too many connections from this address")
            await until(lambda: not world.desk.connections)
            async with client(url) as again:
                await say(again, "LIST", id=1)
                assert (await heard(again))["result"] == []

    play(scene)


def test_unconflated_streams_are_for_few():
    async def scene() -> None:
        world = FeedsWorld(Limits(unconflated=1))
        async with world.serving() as url, client(url) as two:
            async with client(f"{url}/depth@{SYMBOL}@0ms") as one:
                await heard(one)
                await say(two, "SUBSCRIBE", f"ticker@{SYMBOL}@0ms", id=1)
                assert (await heard(two))["error"]["code"] == Reason.TOO_MANY_STREAMS
            await until(lambda: len(world.desk.connections) == 1)
            await say(two, "SUBSCRIBE", f"ticker@{SYMBOL}@0ms", id=2)
            assert (await heard(two))["result"] is None

    play(scene)


def test_messages_that_are_too_many_or_too_long():
    async def scene() -> None:
        world = FeedsWorld(Limits(messages_per_s=5))
        async with world.serving() as url:
            async with client(url) as one:
                for _ in range(6):
                    await say(one, "LIST", id=1)
                assert await ended(one) == (1008, "more than 5 messages a second")
            async with client(url) as one:
                await one.send("x" * (MAX_MESSAGE_BYTES + 1))
                assert (await ended(one))[0] == 1009
            async with client(url) as one:
                await one.send([b'{"method":', b'"LIST"', b',"id":1}'])
                assert await heard(one) == {"id": 1, "result": []}
        assert not world.desk.connections

    play(scene)


def test_the_server_says_that_it_restarts():
    async def scene() -> None:
        world = FeedsWorld()
        async with world.serving() as url:
            one = await client(url)
            two = await client(url)
            world.desk.send_away(1012, "resync")
            assert await ended(one) == (1012, "resync")
            three = await client(url)
        assert (await ended(three))[0] == 1012
        assert (await ended(two)) == (1012, "resync")

    play(scene)


def test_the_kernel_hides_no_more_than_a_little():
    """Its own buffers would take megabytes before anybody knew that a reader has stopped."""

    async def scene() -> None:
        world = FeedsWorld()
        async with world.serving() as url, client(url):
            (connection,) = world.desk.connections
            assert isinstance(connection, Connection)
            raw = connection._transport.get_extra_info("socket")
            assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 512 * 1024

    play(scene)
