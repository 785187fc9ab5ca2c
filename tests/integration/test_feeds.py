"""The streams on the real thing: what is traded is seen, by every stream, and after each kill without a silent gap."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest

from glassbook.client.calls import Account, Operator, trades
from glassbook.client.keys import Key, load_key
from glassbook.client.rest import AsyncClient, Refusal, Unreachable
from glassbook.client.signer import Signer
from glassbook.client.streams import Data, Event, Missed, OrderEntry, Reconnected, Streams
from glassbook.cluster import STAGES, Cluster
from tests.conftest import StartCluster

SYMBOL = "AMZN-USD"
NAMES = ("ledger", "matcher", "clock", "candle_agg", "canary", "producers")
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def cluster(start_cluster: StartCluster) -> Cluster:
    return start_cluster(stages=tuple(stage for stage in STAGES if stage.name in NAMES))


@pytest.fixture(scope="module")
def alone(cluster: Cluster) -> Iterator[str]:
    """A process of streams beside the gateway; gives its address."""
    port = cluster.settings.clickhouse_port
    environment = os.environ | cluster.settings.environment() | {"GLASSBOOK_FEED_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-P", "-m", "feeds"], env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE_S
        while not _ready(url):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, "it ends in good order when it is told to"


def _ready(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).status_code == 200
    return False


class Trading:
    """Two who trade with each other, over REST."""

    def __init__(self, cluster: Cluster, client: AsyncClient, exchange: str) -> None:
        self.client = client
        operator_key = load_key(cluster.settings.data_dir / "operator" / "key.json")
        self._operator = Operator(operator_key, exchange)
        self.maker, self.taker = (Account(Signer(Key.new(), exchange)) for _ in range(2))

    async def open(self) -> None:
        for account in (self.maker, self.taker):
            await self.client.send(account.register())
            for asset, amount in (("USD", "1000000"), ("AMZN", "10000")):
                await self.client.send(self._operator.deposit(account.id, asset, amount))

    async def trade(self, price: str = "223.81") -> None:
        for account, side in ((self.maker, "SELL"), (self.taker, "BUY")):
            await self.client.send(account.place(account.signer.limit_order(SYMBOL, side, 1, price)))

    async def trade_on(self, until: asyncio.Event) -> None:
        """Whatever is killed meanwhile."""
        while not until.is_set():
            with contextlib.suppress(Refusal, Unreachable):
                await self.trade()
            await asyncio.sleep(0.02)


@asynccontextmanager
async def trading(cluster: Cluster) -> AsyncIterator[Trading]:
    async with AsyncClient(cluster.settings.gateway_url) as client:
        found = Trading(cluster, client, await client.exchange())
        await found.open()
        yield found


def play(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(3 * PATIENCE_S):
            await scene()

    asyncio.run(bounded())


def streams_at(url: str) -> str:
    return url.replace("http", "ws", 1) + "/ws"


class Listening:
    """Takes all that comes, for as long as it is open."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.events: list[Event] = []

    async def __aenter__(self) -> "Listening":
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *error: Any) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _listen(self) -> None:
        async for event in self.streams:
            self.events.append(event)

    def of(self, name: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if isinstance(event, Data) and event.stream == name]

    async def until_more(self, name: str, count: int) -> None:
        await self.until(lambda: len(self.of(name)) >= count)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                assert not self._task.done(), self._task.exception()
                await asyncio.sleep(0.02)


def test_every_stream_tells_of_a_trade(cluster: Cluster) -> None:
    names = [f"{kind}@{SYMBOL}" for kind in ("trades", "depth", "depth@0ms", "ticker")]
    names[2] = f"depth@{SYMBOL}@0ms"
    names += [f"candles@{SYMBOL}:1m", "alerts", "account"]
    url = streams_at(cluster.settings.gateway_url)

    async def scene() -> None:
        async with (
            trading(cluster) as market,
            Listening(Streams(url, names, market.maker.signer)) as heard,
            OrderEntry(url) as entry,
        ):
            await heard.until(lambda: bool(heard.of("account") and heard.of(f"ticker@{SYMBOL}")))
            sell = market.maker.signer.sign(market.maker.signer.limit_order(SYMBOL, "SELL", 5, "223.81"))
            buy = market.taker.signer.sign(market.taker.signer.limit_order(SYMBOL, "BUY", 2, "223.81"))
            placed = await entry.call("order.place", sell)
            filled = await entry.call("order.place", buy)
            assert (placed.status, placed.document["status"]) == (200, "OPEN")
            assert (filled.status, filled.document["status"]) == (200, "FILLED")
            again = await entry.call("order.place", sell)
            assert again.document["original_id"] == placed.document["order_id"]
            cancel = market.maker.signer.cancel_order(order_id=placed.document["order_id"])
            refused = await entry.call("order.amend", market.maker.signer.sign(cancel))
            assert (refused.status, refused.document["code"]) == (422, "UNKNOWN_RECORD")
            # The stand before the cancel: one level, three left of it.
            await heard.until(lambda: heard.streams.books[f"depth@{SYMBOL}"].asks() == [("223.81", "3")])
            await _same_book_over_rest(market.client, cluster, heard.streams)
            cancelled = await entry.call("order.cancel", market.maker.signer.sign(cancel), wait="report")
            assert cancelled.document["status"] == "CANCELLED"
            assert all(await _together(entry, market))
            for name in names:
                await heard.until_more(name, 1)
            await heard.until(lambda: heard.streams.books[names[2]].asks() == [])
            told = heard.of(f"trades@{SYMBOL}")
            page = await market.client.send(trades(SYMBOL, after=told[0]["sequence"] - 1))
            assert page.trades[0].trade_id == told[0]["trade_id"] == filled.document["trades"][0]["trade_id"]
            await heard.until(lambda: heard.of("account")[-1]["orders"][-1:] != [])
            fills = [e for one in heard.of("account") for e in one.get("events", ()) if e["event"] == "order_filled"]
            assert [fill["quantity"] for fill in fills] == ["2"]
            assert [type(event) for event in heard.events if not isinstance(event, Data)] == []
            await heard.until(lambda: heard.of("alerts")[-1]["judged"].get("orders-1", 0) > 0)

    play(scene)


async def _together(entry: OrderEntry, market: Trading) -> list[bool]:
    """Many in flight on one connection; a batch among them."""
    signer = market.maker.signer
    orders = [signer.limit_order(SYMBOL, "SELL", 1, "250") for _ in range(20)]
    calls = [entry.call("order.place", signer.sign(order)) for order in orders[:10]]
    calls.append(entry.call("order.batch", signer.sign_batch(orders[10:])))
    answers_ = await asyncio.gather(*calls)
    cancelled = await entry.call("order.cancel_all", signer.sign(signer.cancel_all()))
    return [answer.status == 200 for answer in (*answers_, cancelled)]


async def _same_book_over_rest(client: AsyncClient, cluster: Cluster, streams: Streams) -> None:
    """At the same sequence: the market is quiet."""
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{cluster.settings.gateway_url}/api/v1/markets/{SYMBOL}/depth?limit=5000"
        document = (await http.get(url)).json()
    book = streams.books[f"depth@{SYMBOL}"]
    assert document["sequence"] == book.sequence
    assert [tuple(level) for level in document["bids"]] == book.bids()
    assert [tuple(level) for level in document["asks"]] == book.asks()
    assert document["checksum"] == book.checksum()


def pid(cluster: Cluster, program: str) -> int:
    return next(process.pid for process in cluster.supervisor.processes() if process.name == program)


@pytest.mark.parametrize("program", ["producers", "broker-1"])
def test_a_kill_leaves_no_silent_gap(cluster: Cluster, alone: str, program: str) -> None:
    """The gateway's readers come back to it; those of the other process notice nothing but the broker's silence."""
    names = [f"trades@{SYMBOL}", f"depth@{SYMBOL}"]

    async def scene() -> None:
        async with (
            trading(cluster) as market,
            Listening(Streams(streams_at(cluster.settings.gateway_url), names)) as at_gateway,
            Listening(Streams(streams_at(alone), names)) as at_feeds,
        ):
            listening = (at_gateway, at_feeds)
            stop = asyncio.Event()
            load = asyncio.create_task(market.trade_on(stop))
            for heard in listening:
                await heard.until_more(names[0], 5)
            first, seen = pid(cluster, program), len(at_feeds.of(names[0]))
            os.kill(first, signal.SIGKILL)
            await at_feeds.until(lambda: pid(cluster, program) not in (0, first))
            for heard in listening:
                await heard.until_more(names[0], len(heard.of(names[0])) + 10)
            stop.set()
            await load
            await _all_have_all(cluster, listening, names)
            lost = [event for event in at_gateway.events if isinstance(event, Reconnected)]
            assert bool(lost) == (program == "producers")
            assert not [event for event in at_feeds.events if not isinstance(event, Data)], "no gap and no new start"
            assert len(at_feeds.of(names[0])) > seen

    play(scene)


async def _all_have_all(cluster: Cluster, listening: tuple[Listening, ...], names: list[str]) -> None:
    """What each has heard and what it was told to have missed is every trade, once; the books are the exchange's."""
    async with httpx.AsyncClient(trust_env=False) as http:
        base = f"{cluster.settings.gateway_url}/api/v1/markets/{SYMBOL}"
        document = (await http.get(f"{base}/depth")).json()
        newest = (await http.get(f"{base}/trades?limit=1")).json()["trades"][-1]["sequence"]
    for heard in listening:
        await heard.until(partial(_is_at, heard, names, newest, document["sequence"]))
        assert heard.streams.books[names[1]].checksum() == document["checksum"]
        expected = heard.of(names[0])[0]["sequence"]
        for event in heard.events:
            match event:
                case Missed(stream, first, last) if stream == names[0]:
                    assert first == expected
                    expected = last + 1
                case Data(stream, data) if stream == names[0]:
                    assert data["sequence"] == expected
                    expected += 1
        assert expected == newest + 1


def _is_at(heard: Listening, names: list[str], trade: int, depth: int) -> bool:
    return heard.of(names[0])[-1]["sequence"] == trade and heard.streams.books[names[1]].sequence == depth


def test_alone_it_serves_what_the_gateway_serves(cluster: Cluster, alone: str) -> None:
    async def scene() -> None:
        async with trading(cluster) as market, httpx.AsyncClient(trust_env=False) as http:
            for price in ("230", "231"):
                await market.trade(price)
            targets = [f"markets/{SYMBOL}/depth", f"markets/{SYMBOL}/ticker"]

            async def both(target: str) -> list[dict[str, Any]]:
                urls = (cluster.settings.gateway_url, alone)
                return [(await http.get(f"{url}/api/v1/{target}")).json() for url in urls]

            async with asyncio.timeout(PATIENCE_S):
                for target in targets:
                    while True:
                        one, other = await both(target)
                        # Each has its own start, and so its own beginning of the ticker's past.
                        hidden = ("since_ms", "time_ms", "open", "high", "low", "volume", "quote_volume", "trades",
                                  "change", "change_percent")  # fmt: skip
                        same = [{k: v for k, v in found.items() if k not in hidden} for found in (one, other)]
                        if same[0] == same[1]:
                            break
                        await asyncio.sleep(0.05)
                while True:
                    recent = (await http.get(f"{alone}/api/v1/markets/{SYMBOL}/trades?limit=2")).json()["trades"]
                    page = await market.client.send(trades(SYMBOL, limit=2))
                    if [one["trade_id"] for one in recent] == [one.trade_id for one in page.trades]:
                        break
                    await asyncio.sleep(0.05)  # each reads the log by itself
            assert (await http.post(f"{alone}/api/v1/orders", json={})).status_code == 404

    play(scene)
