"""A market's records by hand, and a process of streams without a log: real connections, on a real port."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from feeds.connection import STATE, Connection
from feeds.desk import Desk
from feeds.limits import Limits
from feeds.markets import Markets
from feeds.ports import Accounts, Methods
from feeds.projections import AlertsProjection
from feeds.routes import market_routes, own_routes
from feeds.stream import Kind
from schemas.candles import Candle, FormingCandle, Interval
from schemas.commands import Side
from schemas.reasons import Reason
from schemas.records import Depth, Source, Trade
from schemas.refusal import Refused

SYMBOL = "ABC-USD"
PATIENCE_S = 10
SOURCE = Source(0, 0, 0, "")
NOON_MS = 1_800_000_000_000 - 1_800_000_000_000 % 86_400_000 + 43_200_000

Levels = list[tuple[str, str]]


def depth(sequence: int, bids: Levels | None = None, asks: Levels | None = None, symbol: str = SYMBOL) -> Depth:
    return Depth(
        edge_sequence=sequence, source=SOURCE, symbol=symbol, sequence=sequence, time_ms=NOON_MS + sequence,
        bids=bids or [], asks=asks or [],
    )  # fmt: skip


def trade(sequence: int, price: str = "10", quantity: str = "2", time_ms: int = NOON_MS, symbol: str = SYMBOL) -> Trade:
    quote = str(int(price) * int(quantity))
    return Trade(
        edge_sequence=sequence, source=SOURCE, symbol=symbol, sequence=sequence, trade_id=f"0-{sequence}-0",
        time_ms=time_ms, price=price, quantity=quantity, quote_quantity=quote, aggressor_side=Side.BUY,
        taker_order_id="0-1", taker_account="a" * 40, taker_fee="0", maker_order_id="0-2", maker_account="b" * 40,
        maker_fee="0", fee_asset="USD",
    )  # fmt: skip


def candle(open_time_ms: int, last: int, closed: bool, first: int = 1, interval: Interval = Interval.M1) -> Candle:
    kind = Candle if closed else FormingCandle
    return kind(
        edge_sequence=1, source=SOURCE, symbol=SYMBOL, interval=interval, open_time_ms=open_time_ms, closed=closed,
        open="10", high="10", low="10", close="10", volume="2", quote_volume="20", trades=last - first + 1,
        taker_buy_volume="2", taker_buy_quote_volume="20", first_sequence=first, last_sequence=last,
    )  # fmt: skip


class Readable:
    """What the log's followers would say: all is read, or not."""

    def __init__(self) -> None:
        self.ready = True

    def check(self, kind: Kind) -> None:
        if not self.ready:
            raise Refused(Reason.NOT_READY, "the log has not been read")


class FeedsWorld:
    def __init__(
        self, limits: Limits | None = None, methods: Methods | None = None, accounts: Accounts | None = None
    ) -> None:
        self.markets, self.alerts, self.readable = Markets(), AlertsProjection(), Readable()
        self.now_ms = NOON_MS
        self.desk = Desk(
            limits=limits or Limits(), markets=self.markets, alerts=self.alerts, ready=self.readable,
            methods=methods or {}, accounts=accounts, now_ms=lambda: self.now_ms,
        )  # fmt: skip
        self.market = self.markets.on(0, SYMBOL)
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """On a free port of this machine; gives the address of `/ws`."""

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
            yield {STATE: self.desk}

        app = Starlette(routes=market_routes(self.desk) + own_routes(self.desk, self.missing), lifespan=lifespan)
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self.url = f"127.0.0.1:{listening.getsockname()[1]}"
            config = uvicorn.Config(app, ws=Connection, log_level="error", timeout_graceful_shutdown=1)
            server = uvicorn.Server(config)
            running = asyncio.create_task(server.serve([listening]))
            while not server.started:
                await asyncio.sleep(0.001)
            try:
                yield f"ws://{self.url}/ws"
            finally:
                server.should_exit = True
                await running

    def missing(self) -> list[str]:
        return [] if self.readable.ready else ["market data not read"]


def client(url: str, **more: Any) -> connect:
    return connect(url, compression=None, ping_interval=None, **more)


async def say(connection: ClientConnection, method: str, *params: str, **more: Any) -> None:
    await connection.send(json.dumps({"method": method, "params": list(params)} | more))


async def heard(connection: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(connection.recv(), 5))


# --- scenes


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
