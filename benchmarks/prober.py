"""Orders sent through a running gateway by an account of its own, to see whether and how fast it trades.

Every order is a buy far below the market, immediate or cancel: its outcome is the matcher's, and nothing stays behind.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

import httpx
import msgspec
import psutil

from glassbook.client.keys import Key
from glassbook.client.signer import Signer, now_ms, sign_command
from glassbook.cluster import Cluster
from glassbook.operator import OperatorFolder
from schemas.commands import Deposit, RegisterAccount

PROBED_MARKETS = 3
LIMIT_S = 60.0
RETRY_S = 0.02
WINDOW_MS = 60_000
JSON = {"Content-Type": "application/json"}
UNCLEAR = (202, 429, 502, 503, 504)  # not the matcher's word


class Prober:
    """An account with money in every quote asset of the listing."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._random = random.Random(seed)
        self._http = httpx.AsyncClient(base_url=cluster.settings.gateway_url, timeout=LIMIT_S)
        self._sizes: dict[str, tuple[Decimal, Decimal]] = {}  # symbol -> quantity and price
        self._signer: Signer

    async def open(self) -> None:
        listed = (await self._http.get("/api/v1/markets")).json()
        markets = [entry["market"] for entry in listed["markets"]]
        self._sizes = {market["symbol"]: _smallest(market) for market in markets}
        self._signer = Signer(Key.new(), listed["exchange"], window_ms=WINDOW_MS)
        exchange, account = self._signer.exchange, self._signer.account
        operator = OperatorFolder(self._cluster.settings.data_dir).key()
        register = RegisterAccount(exchange=exchange, root_key=self._signer.key.public, time_ms=now_ms())
        await self._outcome("/api/v1/accounts", msgspec.json.encode(sign_command(register, self._signer.key)))
        for asset in sorted({market["quote"] for market in markets}):
            deposit = Deposit(
                exchange=exchange, account=account, asset=asset, amount="1000000", transfer_id=asset, time_ms=now_ms()
            )
            await self._outcome("/api/v1/deposits", msgspec.json.encode(sign_command(deposit, operator)))

    async def close(self) -> None:
        await self._http.aclose()

    # --- is it trading?

    async def recovery_s(self, program: str) -> float:
        """Kills this program; the seconds until orders on some markets have had their outcomes from the matcher."""
        pid = next(process.pid for process in self._cluster.supervisor.processes() if process.name == program)
        killed = psutil.Process(pid)
        struck = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        while killed.is_running() and killed.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.001)
        await self.until_trading()
        return time.perf_counter() - struck

    async def until_trading(self) -> None:
        markets = self._random.sample(sorted(self._sizes), PROBED_MARKETS)
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*(self._outcome("/api/v1/orders", self._order(symbol)) for symbol in markets))

    # --- how fast?

    async def latencies_ms(self, per_second: float, seconds: float) -> Sequence[float]:
        """Request to final answer, the requests sent at their times whether or not earlier ones have been answered."""

        async def send(number: int) -> float:
            await asyncio.sleep(max(0.0, start + number / per_second - time.perf_counter()))
            body = self._order(self._random.choice(symbols))
            sent = time.perf_counter()
            await self._outcome("/api/v1/orders", body)
            return (time.perf_counter() - sent) * 1000

        symbols, start = sorted(self._sizes), time.perf_counter()
        return await asyncio.gather(*(send(number) for number in range(int(per_second * seconds))))

    def _order(self, symbol: str) -> bytes:
        quantity, price = self._sizes[symbol]
        order = self._signer.limit_order(symbol, "BUY", quantity, price, time_in_force="IOC")
        return msgspec.json.encode(self._signer.sign(order))

    async def _outcome(self, path: str, body: bytes) -> None:
        """Sends the same bytes until the answer is the final one."""
        while True:
            try:
                response = await self._http.post(path, content=body, headers=JSON)
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code not in UNCLEAR:
                if response.is_error:
                    raise RuntimeError(response.text)
                return
            await asyncio.sleep(RETRY_S)


def _smallest(market: dict[str, Any]) -> tuple[Decimal, Decimal]:
    """Quantity and price of the smallest order at the lowest price."""
    price, lot = Decimal(market["price_low"]), Decimal(market["lot"])
    lots = max(Decimal(market["min_quantity"]), Decimal(market["min_notional"]) / price) / lot
    return lots.to_integral_value(ROUND_CEILING) * lot, price
