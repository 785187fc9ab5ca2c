"""The load of a fault campaign: many accounts that send signed batches, and send the same bytes again until answered.
Now and then one leaves a mandate to cancel all behind, and doesn't renew it.

What counts as acknowledged is what the gateway said it had put on the log. A batch whose answer was lost is sent again
as it was; the ledger knows it by its bytes.
"""

import asyncio
import itertools
import time
from random import Random
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from glassbook.client.keys import Key
from glassbook.client.signer import SignedBatch, Signer, now_ms, sign_command
from glassbook.operator import OperatorFolder
from glassbook.settings import Settings
from schemas.commands import Command, Deposit, NewOrder, RegisterAccount

ACCOUNTS = 24
WORKERS = 6
BATCH = 20
CANCELS = 0.3
MANDATES = 0.1  # of the batches, with a mandate before them
MANDATES_MS = (0, 1_000, 2_000)
FUNDS = "1000000000"
RETRY_S = 0.1
ANSWER_S = 5.0
WINDOW_MS = 60_000
JSON = {"Content-Type": "application/json"}


class LoadReport(Struct):
    sent: int = 0  # new orders, each counted once
    acknowledged: int = 0  # new orders that the log has
    cancels: int = 0
    mandates: int = 0  # to cancel all after a second or two
    resent_batches: int = 0
    refused: dict[str, int] = {}  # by the gateway, by reason code
    seconds: float = 0.0


class Load:
    """Sends `orders` new orders, and cancels among them, over `symbols` markets."""

    def __init__(self, settings: Settings, symbols: int, orders: int, random: Random) -> None:
        self.report = LoadReport()
        self.acknowledged_ids: set[str] = set()
        self._http = httpx.AsyncClient(base_url=settings.gateway_url, timeout=ANSWER_S)
        self._operator = OperatorFolder(settings.data_dir).key()
        self._symbols = [f"S{number:03}" for number in range(1, symbols + 1)]
        self._orders = orders
        self.allowed = orders  # how many may have been sent by now
        self._random = random
        self._exchange = ""
        self._traders: list[Signer] = []
        self._prober: Signer
        self._recent: dict[str, list[str]] = {}  # account -> client order ids
        self._mid = dict.fromkeys(self._symbols, 5_000)

    async def close(self) -> None:
        await self._http.aclose()

    # --- accounts

    async def prepare(self) -> None:
        """Registers and funds all accounts."""
        self._exchange = (await self._http.get("/api/v1/markets")).json()["exchange"]
        signers = [Signer(Key.new(), self._exchange, window_ms=WINDOW_MS) for _ in range(ACCOUNTS + 1)]
        await asyncio.gather(*(self._open(signer) for signer in signers))
        self._prober, *self._traders = signers

    async def _open(self, signer: Signer) -> None:
        register = RegisterAccount(exchange=self._exchange, root_key=signer.key.public, time_ms=now_ms())
        await self._until_answered("/api/v1/accounts", msgspec.json.encode(sign_command(register, signer.key)))
        for asset in ["BRL", *self._symbols]:
            deposit = Deposit(
                exchange=self._exchange, account=signer.account, asset=asset, amount=FUNDS, transfer_id=asset,
                time_ms=now_ms(),
            )  # fmt: skip
            signed = sign_command(deposit, self._operator)
            await self._until_answered("/api/v1/deposits", msgspec.json.encode(signed))

    # --- orders

    async def send(self) -> None:
        started = time.monotonic()
        shares = [self._traders[start::WORKERS] for start in range(WORKERS)]
        await asyncio.gather(*(self._worker(share) for share in shares))
        self.report.seconds = time.monotonic() - started

    async def _worker(self, traders: list[Signer]) -> None:
        for trader in itertools.cycle(traders):
            while self.report.sent >= self.allowed:
                if self.report.sent >= self._orders:
                    return
                await asyncio.sleep(0.02)
            if self._random.random() < MANDATES:
                await self._leave_mandate(trader)
            batch, kinds = self._batch(trader)
            answer = await self._until_answered("/api/v1/orders/batch?wait=log", msgspec.json.encode(batch))
            for is_order, result in zip(kinds, answer["results"], strict=True):
                self._count(is_order, result)

    async def _leave_mandate(self, trader: Signer) -> None:
        signed = trader.sign(trader.cancel_all_after(self._random.choice(MANDATES_MS)))
        path = "/api/v1/orders/cancel-all-after?wait=log"
        answer = await self._until_answered(path, msgspec.json.encode(signed))
        if "command_id" in answer:
            self.report.mandates += 1
            self.acknowledged_ids.add(answer["command_id"])

    def _count(self, is_order: bool, result: dict[str, Any]) -> None:
        answer = result["answer"]
        if result["status"] < 300 and answer.get("command_id"):
            self.acknowledged_ids.add(answer["command_id"])
            self.report.acknowledged += is_order
        else:
            code = str(answer.get("code") or answer.get("outcome"))
            self.report.refused[code] = self.report.refused.get(code, 0) + 1

    def _batch(self, trader: Signer) -> tuple[SignedBatch, list[bool]]:
        commands: list[Command] = []
        kinds = []
        recent = self._recent.setdefault(trader.account, [])
        for _ in range(BATCH):
            if recent and self._random.random() < CANCELS:
                known = recent.pop(self._random.randrange(len(recent)))
                commands.append(trader.cancel_order(client_order_id=known))
                self.report.cancels += 1
                kinds.append(False)
            else:
                order = self._order(trader)
                commands.append(order)
                recent.append(order.client_order_id)
                del recent[:-200]
                self.report.sent += 1
                kinds.append(True)
        return trader.sign_batch(commands), kinds

    def _order(self, trader: Signer) -> NewOrder:
        symbol = self._random.choice(self._symbols)
        self._mid[symbol] = max(1_000, self._mid[symbol] + self._random.randint(-2, 2))
        side = self._random.choice(("BUY", "SELL"))
        away = self._random.randint(-6, 20) * (-1 if side == "BUY" else 1)
        price = f"{(self._mid[symbol] + away) / 100:.2f}"
        force = "IOC" if self._random.random() < 0.1 else "GTC"
        quantity = self._random.randint(1, 50)
        return trader.limit_order(f"{symbol}-BRL", side, quantity, price, time_in_force=force)

    # --- is it trading?

    async def probe(self, limit_s: float) -> None:
        """Returns once orders on three markets have had their outcomes from the matcher."""
        markets = self._random.sample(self._symbols, 3)
        orders = [self._prober.limit_order(f"{name}-BRL", "BUY", 1, "1.00", time_in_force="IOC") for name in markets]
        bodies = [msgspec.json.encode(self._prober.sign(order)) for order in orders]
        async with asyncio.timeout(limit_s):
            await asyncio.gather(*(self._until_answered("/api/v1/orders", body, final=True) for body in bodies))

    async def _until_answered(self, path: str, body: bytes, final: bool = False) -> dict[str, Any]:
        """Sends the same bytes until an answer says what became of them; `final` until it is the matcher's."""
        while True:
            try:
                response = await self._http.post(path, content=body, headers=JSON)
            except httpx.TransportError:
                self.report.resent_batches += "batch" in path
            else:
                unclear = response.status_code in (429, 502, 503, 504) or (final and response.status_code == 202)
                if not unclear and not _has_unknown(response):
                    return response.json()  # type: ignore[no-any-return]
            await asyncio.sleep(RETRY_S)


def _has_unknown(response: httpx.Response) -> bool:
    """A batch of which some commands may or may not be on the log."""
    return any(
        result["answer"].get("outcome") == "UNKNOWN" or result["status"] in (429, 503)
        for result in response.json().get("results", [])
    )
