"""Makers and takers before a real gateway, ledger and matcher in memory, for simulated minutes: through the very doors
that anybody's orders go through."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import httpx
import msgspec
import pytest

from glassbook.client import calls
from glassbook.client.calls import Account, Operator
from glassbook.client.keys import Key
from glassbook.client.rest import AsyncClient, Refusal
from glassbook.client.signer import Signer
from glassbook.key_folder import KeyFolder
from ledger.core import LedgerCore
from schemas.commands import Side
from schemas.journal import Deposited, OrderAmended, OrderClosed
from schemas.records import CloseStatus
from simulator.makers.accounts import Accounts
from simulator.makers.desk import Closed, Desk, Trader
from simulator.makers.funds import AGAIN_S, Funds, makers_funds, takers_funds
from simulator.makers.quoting import STYLES, inventory
from simulator.makers.service import Service
from simulator.makers.taking import Arrivals
from tests.exchange import EXCHANGE, Exchange, market
from tests.unit.gateway_world import GatewayWorld, run

pytestmark = pytest.mark.usefixtures("quiet_stages")

REQUOTE_S = 1.0
MARKETS = [
    market("ABC-USD", price_low="50", price_high="150"),
    market("DEF-USD", partition=1, base_decimals=2, lot="0.01", tick="0.01", min_notional="10", maker_fee="-0.0001"),
]


class Street:
    """Two markets with their makers and takers. Time is the exchange's own."""

    def __init__(self, world: GatewayWorld, client: AsyncClient, keys: KeyFolder, seed: int) -> None:
        self.world, self.client, self.chance = world, client, Random(seed)
        self.operator = Operator(Key("ed25519", (10**9).to_bytes(32)), EXCHANGE)
        self.accounts = Accounts(client, keys, self.operator, EXCHANGE, 30)
        self.funds = Funds(client, self.operator, lambda: world.seconds)

    async def open(self) -> None:
        listed = (await self.client.send(calls.markets())).markets
        self.takers = [self._trader("taker-1")]
        self.desks = []
        for one in listed:
            makers = [self._trader(f"maker-{number}-{one.market.symbol}") for number in range(len(STYLES))]
            self.desks.append(Desk(self.client, one, None, makers, self.takers, self.chance))
        await self.accounts.open_all()
        await self.look_after()

    def _trader(self, name: str) -> Trader:
        account = self.accounts.named(name)
        account.signer = Signer(account.signer.key, EXCHANGE, clock=lambda: self.world.exchange.cluster.now_ms)
        return Trader(account)

    async def look_after(self) -> None:
        for desk in self.desks:
            for maker in desk.makers:
                await self._look_after(maker, makers_funds(desk.scale))
        for taker in self.takers:
            await self._look_after(taker, takers_funds([desk.scale for desk in self.desks]))

    async def _look_after(self, trader: Trader, usual: Any) -> None:
        trader.balances = await self.funds.looked_after(trader.account, usual)

    async def trade(self, seconds: int, takes_per_s: float = 0.5) -> None:
        """Everybody's steps, each at its time; after each second `self.seen` has what rests."""
        self.seen: list[tuple[int, int]] = []
        arrivals = [Arrivals(takes_per_s, self.chance) for _ in self.desks]
        due = [one.next_s() for one in arrivals]
        for second in range(seconds):
            self._pass_second()
            for number, desk in enumerate(self.desks):
                await desk.requote(REQUOTE_S)
                while due[number] <= second:
                    waited = arrivals[number].next_s()
                    due[number] += waited
                    await desk.take(waited)
            if second % 5 == 0:
                await self.look_after()
                await self.accounts.renew_mandates()
            self._look()

    def _pass_second(self) -> None:
        self.world.exchange.tick()
        self.world.seconds += 1
        self.world.be_healthy()
        self.world.settle()

    def _look(self) -> None:
        for desk in self.desks:
            book = self.world.market.book(desk.symbol)
            self.seen.append((len(book.bids), len(book.asks)))
            for maker in desk.makers:
                held = base_lots(self.world.exchange, maker.account, desk)
                assert abs(inventory(held, desk.scale)) < 1, "it never runs dry, and never holds twice what is usual"

    async def open_orders(self) -> list[Any]:
        traders = [*self.takers, *(maker for desk in self.desks for maker in desk.makers)]
        return [o for t in traders for o in (await self.client.send(t.account.open_orders())).orders]


def base_lots(exchange: Exchange, account: Account, desk: Desk) -> int:
    cores = [exchange.ledger_core(partition) for partition in range(exchange.account_partitions)]
    balances = next(core.accounts[account.id].balances for core in cores if account.id in core.accounts)
    return (
        balances[desk.scale.terms.base].free + balances[desk.scale.terms.base].reserved
    ) // desk.scale.terms.lot_minor


@asynccontextmanager
async def street(keys: Path, seed: int = 1, **genesis: Any) -> AsyncIterator[Street]:
    world = GatewayWorld(exchange=Exchange(MARKETS, **genesis))
    transport = httpx.ASGITransport(world.app, raise_app_exceptions=False)
    async with AsyncClient("http://gateway", transport) as client:
        found = Street(world, client, KeyFolder(keys), seed)
        await found.open()
        yield found


def sums(cores: list[LedgerCore]) -> Counter[str]:
    """Every asset's balances and books, all accounts and partitions together."""
    total: Counter[str] = Counter()
    for core in cores:
        for account in core.accounts.values():
            for asset, balance in account.balances.items():
                total[asset] += balance.free + balance.reserved
        for assets in core.books.amounts.values():
            total.update(assets)
    return total


def test_minutes_of_trading_without_a_refusal(tmp_path: Path):
    async def scene() -> None:
        async with street(tmp_path) as found:
            await found.trade(60)
            exchange = found.world.exchange
            assert [dict(desk.refused) for desk in found.desks] == [{}, {}]
            assert min(min(levels) for levels in found.seen[4:]) >= 2, "both sides are there at all times"
            assert fmean(min(levels) for levels in found.seen[4:]) > STYLES[0].levels
            assert {trade.symbol for trade in exchange.trades()} == {"ABC-USD", "DEF-USD"}
            assert 30 < len(exchange.trades()) < 1_000
            events = [event for entry in exchange.entries() for event in entry.events]
            cancelled = [e for e in events if isinstance(e, OrderClosed) and e.status is CloseStatus.CANCELLED]
            amended = [event for event in events if isinstance(event, OrderAmended)]
            assert len(amended) > 50 and cancelled == [], "an order is moved, not cancelled and placed anew"
            assert sum(isinstance(event, Deposited) for event in events) == 2 * 4 + 3, "nobody ran low"
            cores = [exchange.ledger_core(partition) for partition in range(exchange.account_partitions)]
            assert set(sums(cores).values()) == {0}
            assert len(await found.open_orders()) <= 2 * 2 * sum(style.levels for style in STYLES)
            await found.accounts.cancel_all()
            assert await found.open_orders() == []

    run(scene())


def test_a_start_goes_on_with_the_same_accounts_and_takes_back_what_was_left(tmp_path: Path):
    async def scene() -> None:
        async with street(tmp_path) as found:
            await found.trade(5)
            left = await found.open_orders()
            again = Street(found.world, found.client, KeyFolder(tmp_path), 2)
            await again.open()
            assert [t.account.id for t in again.takers] == [t.account.id for t in found.takers]
            assert left and await again.open_orders() == []
            await again.trade(5)
            assert await again.open_orders()

    run(scene())


def test_a_mandate_takes_back_what_a_dead_maker_left(tmp_path: Path):
    async def scene() -> None:
        async with street(tmp_path) as found:
            await found.trade(5)
            assert await found.open_orders()
            for _ in range(int(found.accounts.mandate_s) + 1):
                found._pass_second()
            assert await found.open_orders() == []

    run(scene())


def test_an_exchange_without_mandates_is_traded_on_all_the_same(tmp_path: Path):
    async def scene() -> None:
        async with street(tmp_path, engine_version=2) as found:
            await found.trade(5)
            await found.accounts.renew_mandates()
            assert await found.open_orders()

    run(scene())


def test_a_halted_market_is_left_alone_until_it_opens(tmp_path: Path):
    async def scene() -> None:
        async with street(tmp_path) as found:
            await found.trade(3)
            desk, exchange = found.desks[0], found.world.exchange
            exchange.list_market(market("ABC-USD", price_low="50", price_high="150", state="HALTED"), revision=2)
            found.world.settle()
            with pytest.raises(Closed, match="MARKET_NOT_OPEN"):
                for _ in range(50):
                    await desk.requote(100.0)
            listed = (await found.client.send(calls.markets())).markets
            desk.revise(next(one for one in listed if one.market.symbol == desk.symbol))
            assert not desk.is_open

    run(scene())


def test_who_ran_low_is_topped_up_once_a_minute(tmp_path: Path):
    async def scene() -> None:
        async with street(tmp_path) as found:
            maker, usual = found.desks[0].makers[0], makers_funds(found.desks[0].scale)
            given = []
            for _ in range(3):
                await _withdraw_all(found, maker)
                balances = await found.funds.looked_after(maker.account, usual)
                given.append({balance.asset: Decimal(balance.free) for balance in balances} == usual)
                found.world.seconds += AGAIN_S / 2
                found.world.be_healthy()
            assert given == [False, False, True]

    run(scene())


async def _withdraw_all(found: Street, maker: Trader) -> None:
    for balance in (await found.client.send(maker.account.balances())).balances:
        if balance.free != "0":
            withdrawn = await found.client.send(maker.account.withdraw(balance.asset, balance.free, "elsewhere"))
            settle = found.operator.settle_withdrawal(maker.account.id, withdrawn.command_id or "", paid=True)
            await found.client.send(settle)


def test_somebody_s_better_price_is_taken_and_not_quoted_through(tmp_path: Path):
    async def scene() -> None:
        async with street(tmp_path) as found:
            await found.trade(5)
            desk = found.desks[0]
            signer = found.world.exchange.open_account(USD="100000000")
            found.world.settle()
            ask = (await found.client.send(calls.book(desk.symbol, 1))).asks[0][0]
            price = desk.scale.terms.price_text(desk.scale.terms.price_ticks(ask) - 1)
            placed = await found.world.ask(
                "POST", "/api/v1/orders", headers={"content-type": "application/json"},
                content=_body(found.world.exchange, signer, price),
            )  # fmt: skip
            assert placed.json()["status"] == "OPEN"
            await found.trade(40)
            assert dict(desk.refused) == {}
            fills = [trade for trade in found.world.exchange.trades() if trade.maker_account == signer.account]
            assert fills and fills[0].aggressor_side is Side.SELL

    run(scene())


def _body(exchange: Exchange, signer: Any, price: str) -> bytes:
    return msgspec.json.encode(signer.sign(exchange.order(signer, "BUY", "500", price)))


def test_who_is_told_to_stop_while_the_gateway_is_away_stops(tmp_path: Path):
    asked = 0

    async def scene() -> None:
        stopping = asyncio.Event()

        def away(request: httpx.Request) -> httpx.Response:
            nonlocal asked
            asked += 1
            if asked == 2:
                stopping.set()
            if asked == 1:
                return httpx.Response(503, json={"code": "NOT_READY", "status": 503}, headers={"Retry-After": "1"})
            raise httpx.ConnectError("refused")

        async with AsyncClient("http://gateway", httpx.MockTransport(away)) as client, asyncio.timeout(20):
            await Service(client, KeyFolder(tmp_path), None, 30, Random(1), stopping).run()

    run(scene())
    assert asked == 2


def test_an_answer_that_waiting_does_not_help_ends_the_process(tmp_path: Path):
    async def scene() -> None:
        transport = httpx.MockTransport(lambda request: httpx.Response(404, json={"code": "NOT_FOUND", "status": 404}))
        async with AsyncClient("http://gateway", transport) as client:
            await Service(client, KeyFolder(tmp_path), None, 30, Random(1), asyncio.Event()).run()

    with pytest.raises(Refusal, match="NOT_FOUND"):
        run(scene())
