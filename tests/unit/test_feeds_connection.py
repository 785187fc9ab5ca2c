"""Real connections to a process of streams: what a client is told, and how each limit ends it."""

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from feeds.connection import Connection
from feeds.limits import MAX_MESSAGE_BYTES, Limits
from feeds.ports import Request
from glassbook.client.streams import Data, Missed, OrderEntry, Reconnected, StreamRefused, Streams
from schemas.reasons import Reason
from schemas.refusal import Refused
from tests.unit.feeds_world import SYMBOL, FeedsWorld, client, depth, heard, say, trade

PATIENCE_S = 10


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await scene()

    asyncio.run(bounded())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.005)


async def ended(connection: Any) -> tuple[int, str]:
    """The close code and reason, behind whatever came before."""
    with pytest.raises(ConnectionClosed) as closed:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await connection.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


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


# --- order entry and accounts, as others lend them


async def slow_first(request: Request) -> tuple[int, bytes]:
    wanted = json.loads(request.body)
    await asyncio.sleep(wanted["s"])
    return wanted["status"], request.body


def test_answers_come_in_any_order_by_their_id():
    async def scene() -> None:
        world = FeedsWorld(methods={"order.place": slow_first})
        async with world.serving() as url, OrderEntry(url) as entry:
            asked: list[dict[str, Any]] = [
                {"s": 0.2, "status": 200},
                {"s": 0.1, "status": 422},
                {"s": 0, "status": 202},
            ]
            done = []

            async def call(params: dict[str, Any]) -> None:
                answer = await entry.call("order.place", params)
                assert (answer.status, answer.document) == (params["status"], params)
                done.append(params["status"])

            await asyncio.gather(*(call(params) for params in asked))
            assert done == [202, 422, 200]

    play(scene)


def test_what_is_in_flight_is_answered_before_the_server_stops():
    gate = asyncio.Event()

    async def wait(request: Request) -> tuple[int, bytes]:
        await gate.wait()
        return 200, b"{}"

    async def scene() -> None:
        world = FeedsWorld(methods={"order.place": wait})
        async with world.serving() as url:
            one = await client(url)
            await say(one, "order.place", id=1)
            await say(one, "LIST", id=2)
            assert (await heard(one))["id"] == 2, "the call before it is under way"
            (connection,) = world.desk.connections
            assert isinstance(connection, Connection)
            connection.shutdown()
            gate.set()
            assert (await heard(one))["status"] == 200
            assert await ended(one) == (1012, "restart")

    play(scene)


def test_with_enough_in_flight_a_connection_is_not_read_on(monkeypatch):
    monkeypatch.setattr("feeds.connection.MAX_CALLS", 3)
    gate = asyncio.Event()
    running = most = 0

    async def wait(request: Request) -> tuple[int, bytes]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return 200, b"{}"

    async def scene() -> None:
        world = FeedsWorld(methods={"order.place": wait})
        async with world.serving() as url, OrderEntry(url) as entry:
            calls = [asyncio.create_task(entry.call("order.place", {"pad": "x" * 60_000})) for _ in range(50)]
            await until(lambda: running >= 3)
            gate.set()
            await asyncio.gather(*calls)
            assert 3 <= most < 20, "what was read already is done, and no more"

    play(scene)


def test_a_call_that_fails_ends_the_connection_and_not_the_process():
    async def fail(request: Request) -> tuple[int, bytes]:
        raise RuntimeError("a programmer's error")

    async def scene() -> None:
        world = FeedsWorld(methods={"order.place": fail})
        async with world.serving() as url:
            async with client(url) as one:
                await say(one, "order.place", id=1)
                assert (await ended(one))[0] == 1011
            async with client(url) as one:
                await say(one, "LIST", id=1)
                await heard(one)

    play(scene)


class OneAccount:
    def __init__(self) -> None:
        self.tell: Callable[[bytes], None] | None = None

    def open(self, auth: bytes, tell: Callable[[bytes], None]) -> tuple[bytes, Callable[[], None]]:
        if json.loads(auth) != "open sesame":
            raise Refused(Reason.BAD_SIGNATURE)
        self.tell = tell

        def end() -> None:
            self.tell = None

        return b'{"type":"snapshot"}', end


def test_an_account_is_opened_by_who_lends_it_and_closed_again():
    async def scene() -> None:
        accounts = OneAccount()
        world = FeedsWorld(accounts=accounts)
        async with world.serving() as url, client(url) as one:
            await say(one, "SUBSCRIBE", f"trades@{SYMBOL}", "account", id=1, auth="please")
            assert (await heard(one))["error"]["code"] == Reason.BAD_SIGNATURE
            await say(one, "LIST", id=2)
            assert (await heard(one))["result"] == []
            await say(one, "SUBSCRIBE", "account", f"trades@{SYMBOL}", id=3, auth="open sesame")
            assert (await heard(one))["id"] == 3
            assert await heard(one) == {"stream": "account", "data": {"type": "snapshot"}}
            told = accounts.tell
            assert told is not None
            told(b'{"sequence":1}')
            assert (await heard(one))["data"] == {"sequence": 1}
            await say(one, "UNSUBSCRIBE", "account", id=4)
            await heard(one)
            await until(lambda: accounts.tell is None)
            await say(one, "SUBSCRIBE", "account", id=5, auth="open sesame")
            await heard(one)
        await until(lambda: accounts.tell is None)

    play(scene)


def test_where_no_orders_are_taken_there_are_no_accounts():
    async def scene() -> None:
        async with FeedsWorld().serving() as url, client(url) as one:
            await say(one, "SUBSCRIBE", "account", id=1, auth={})
            assert (await heard(one))["error"]["code"] == Reason.UNKNOWN_STREAM
            await say(one, "order.place", id=2)
            assert (await heard(one))["error"]["code"] == Reason.UNKNOWN_METHOD

    play(scene)


# --- the client


def test_the_client_comes_back_and_misses_nothing_in_silence():
    async def scene() -> None:
        world = FeedsWorld()
        async with world.serving() as url:
            streams = Streams(url, [f"trades@{SYMBOL}", f"depth@{SYMBOL}"])
            events = streams.__aiter__()
            snapshot = await anext(events)
            assert isinstance(snapshot, Data) and snapshot.data["type"] == "snapshot"
            world.market.take_trade(trade(1))
            assert isinstance(await anext(events), Data)
            world.desk.send_away(1012, "resync")
            world.market.take_trade(trade(2))
            world.market.take_depth(depth(1, [("10", "1")]))
            assert isinstance(await anext(events), Reconnected)
            assert isinstance(await anext(events), Data)
            assert streams.books[f"depth@{SYMBOL}"].bids() == [("10", "1")]
            world.market.take_trade(trade(3))
            assert await anext(events) == Missed(f"trades@{SYMBOL}", 2, 2)
            third = await anext(events)
            assert isinstance(third, Data) and third.data["sequence"] == 3
            await events.aclose()

    play(scene)


def test_the_client_asks_for_a_new_snapshot_when_it_is_out_of_step():
    async def scene() -> None:
        world = FeedsWorld()
        async with world.serving() as url:
            streams = Streams(url, [f"depth@{SYMBOL}"])
            events = streams.__aiter__()
            await anext(events)
            world.market.depth_frames.publish(b'{"type":"update","first":5,"last":5,"bids":[],"asks":[],"checksum":0}')
            again = await anext(events)
            assert isinstance(again, Data) and again.data["type"] == "snapshot"
            await events.aclose()
            with pytest.raises(StreamRefused, match="UNKNOWN_SYMBOL"):
                await anext(aiter(Streams(url, ["trades@XYZ-USD"])))

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
