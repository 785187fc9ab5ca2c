"""Mandates to cancel all on the real thing: whoever dies, the client or the gateway, the orders are gone in time."""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.exceptions import ConnectionClosed

from clock.ticked import TickedPartitions
from glassbook.client.answers import Mandate, OpenOrders
from glassbook.client.calls import Account, Operator, alerts
from glassbook.client.cancel_on_disconnect import CancelOnDisconnect, MandateRefused
from glassbook.client.keys import Key, load_key
from glassbook.client.rest import AsyncClient, Refusal, Unreachable
from glassbook.client.signer import Signer
from glassbook.client.streams import OrderEntry
from glassbook.cluster import STAGES, Cluster
from schemas.topics import ACCOUNTS
from tests.conftest import StartCluster

SYMBOL = "AMZN-USD"
NAMES = ("ledger", "matcher", "clock", "canary", "producers")
PATIENCE_S = 60.0
TIMEOUT_MS = 2_000
CLIENT = """
import asyncio, sys
from glassbook.client.cancel_on_disconnect import CancelOnDisconnect
from glassbook.client.keys import Key
from glassbook.client.signer import Signer
from glassbook.client.streams import OrderEntry

async def main(url, private, exchange):
    signer = Signer(Key("ed25519", bytes.fromhex(private)), exchange)
    async with OrderEntry(url) as entry, CancelOnDisconnect(entry, signer, timeout_ms=2_000):
        await entry.call("order.place", signer.sign(signer.limit_order("AMZN-USD", "BUY", 1, "223.81")))
        print("placed", flush=True)
        await asyncio.sleep(3600)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def cluster(start_cluster: StartCluster) -> Cluster:
    return start_cluster(stages=tuple(stage for stage in STAGES if stage.name in NAMES))


class Trader:
    def __init__(self, client: AsyncClient, exchange: str) -> None:
        self.client = client
        self.private = secrets.token_bytes(32)
        self.account = Account(Signer(Key("ed25519", self.private), exchange))

    async def bid(self) -> None:
        signer = self.account.signer
        await self.client.send(self.account.place(signer.limit_order(SYMBOL, "BUY", 1, "223.81")))

    async def standing(self) -> OpenOrders | None:
        """None while no gateway answers."""
        with contextlib.suppress(Refusal, Unreachable):
            return await self.client.send(self.account.open_orders())
        return None

    async def mandate(self) -> Mandate:
        """The one that stands, and the order with it."""
        found = await self.client.send(self.account.open_orders())
        assert len(found.orders) == 1 and found.mandate is not None
        return found.mandate

    async def until_gone(self) -> None:
        while (found := await self.standing()) is None or found.orders:
            await asyncio.sleep(0.05)
        assert found.mandate is None

    async def events(self) -> list[str]:
        page = await self.client.send(self.account.executions(limit=1000))
        return [event["event"] for entry in page.executions for event in entry.events]


@asynccontextmanager
async def trader(cluster: Cluster) -> AsyncIterator[Trader]:
    async with AsyncClient(cluster.settings.gateway_url) as client:
        found = Trader(client, await client.exchange())
        await client.send(found.account.register())
        operator = Operator(load_key(cluster.settings.data_dir / "operator" / "key.json"), await client.exchange())
        await client.send(operator.deposit(found.account.id, "USD", "100000"))
        yield found


def play(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene()

    asyncio.run(bounded())


def streams_at(cluster: Cluster) -> str:
    return cluster.settings.gateway_url.replace("http", "ws", 1) + "/ws"


def test_when_the_client_is_killed_its_orders_are_cancelled(cluster: Cluster) -> None:
    async def scene() -> None:
        async with trader(cluster) as me:
            arguments = (streams_at(cluster), me.private.hex(), me.account.signer.exchange)
            bot = subprocess.Popen([sys.executable, "-P", "-c", CLIENT, *arguments], stdout=subprocess.PIPE)
            try:
                assert bot.stdout is not None
                assert await asyncio.to_thread(bot.stdout.readline) == b"placed\n"
                first_ms = (await me.mandate()).due_ms
                while (await me.mandate()).due_ms < first_ms + TIMEOUT_MS:  # without renewals all would be gone then
                    await asyncio.sleep(0.05)
            finally:
                bot.send_signal(signal.SIGKILL)
                bot.communicate()
            killed_at = time.monotonic()
            await me.until_gone()
            assert time.monotonic() - killed_at < 10
            events = await me.events()
            assert events[-2:] == ["mandate_fired", "order_closed"]
            assert events.count("mandate_fired") == 1

    play(scene)


def test_when_the_gateway_is_killed_the_orders_are_cancelled_all_the_same(cluster: Cluster) -> None:
    async def scene() -> None:
        async with trader(cluster) as me, OrderEntry(streams_at(cluster)) as entry:
            with pytest.raises(ConnectionClosed):
                async with CancelOnDisconnect(entry, me.account.signer, TIMEOUT_MS) as mandate:
                    await me.bid()
                    os.kill(_pid(cluster, "producers"), signal.SIGKILL)
                    await mandate.failed()
            await me.until_gone()
            assert (await me.events())[-2:] == ["mandate_fired", "order_closed"]

    play(scene)


def test_a_block_that_ends_well_can_leave_its_orders_there(cluster: Cluster) -> None:
    async def scene() -> None:
        async with trader(cluster) as me, OrderEntry(streams_at(cluster)) as entry:
            async with CancelOnDisconnect(entry, me.account.signer, TIMEOUT_MS, ends=True) as mandate:
                await me.bid()
                first_ms = mandate.due_ms
                assert first_ms is not None
                while mandate.due_ms == first_ms:
                    await asyncio.sleep(0.05)
            found = await me.standing()
            assert found is not None and len(found.orders) == 1 and found.mandate is None
            # What isn't ended well stands.
            with pytest.raises(ZeroDivisionError):
                async with CancelOnDisconnect(entry, me.account.signer, TIMEOUT_MS, ends=True):
                    raise ZeroDivisionError
            await me.until_gone()

    play(scene)


def test_a_mandate_that_is_refused_says_why(cluster: Cluster) -> None:
    async def scene() -> None:
        async with trader(cluster) as me, OrderEntry(streams_at(cluster)) as entry:
            with pytest.raises(MandateRefused, match="BAD_TIMEOUT"):
                async with CancelOnDisconnect(entry, me.account.signer, 10):
                    pytest.fail("no mandate stands")
            stranger = Signer(Key.new(), me.account.signer.exchange)
            with pytest.raises(MandateRefused, match="UNKNOWN_ACCOUNT"):
                async with CancelOnDisconnect(entry, stranger, TIMEOUT_MS):
                    pytest.fail("no mandate stands")

    play(scene)


def test_the_canary_has_nothing_to_say(cluster: Cluster) -> None:
    """Of all that the tests above did."""

    async def scene() -> None:
        async with AsyncClient(cluster.settings.gateway_url) as client:
            assert (await client.send(alerts(severity="WRONG"))).alerts == []

    play(scene)


def test_the_clock_ticks_where_genesis_says_so(cluster: Cluster, start_cluster: StartCluster) -> None:
    def ticked(its: Cluster) -> list[tuple[str, int]]:
        return TickedPartitions(its.settings.bootstrap_servers).accounts()

    assert ticked(cluster) == [(ACCOUNTS, number) for number in range(cluster.settings.account_partitions)]
    assert ticked(start_cluster(engine_version=2)) == []


def _pid(cluster: Cluster, program: str) -> int:
    return next(process.pid for process in cluster.supervisor.processes() if process.name == program)
