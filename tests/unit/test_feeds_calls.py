"""Order entry and accounts over a connection, as others lend them."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from feeds.connection import Connection
from feeds.ports import Request
from glassbook.client.streams import OrderEntry
from schemas.reasons import Reason
from schemas.refusal import Refused
from tests.unit.feeds_world import SYMBOL, FeedsWorld, client, ended, heard, play, say, until


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
