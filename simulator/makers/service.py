"""Runs the desks of all markets, until it is told to stop; leaves no order behind.

1. Open the accounts, arm their mandates, cancel what an earlier run left; then fund them.
2. Quote and take in each market at its pace; renew the mandates; look after funds and the markets' terms.
3. When told to stop, finish the steps under way, so that no order is on its way any more, and cancel everything.

Whoever is killed leaves step 3 to the mandates. However many markets there are, all of them together send no more than
the rates below. What the gateway can't do now is tried again later; anything else that is wrong ends the process, and
who started it starts it again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random
from typing import TypeVar

import structlog

from glassbook.client import answers, calls
from glassbook.client.calls import Operator
from glassbook.client.keys import Key
from glassbook.client.rest import AsyncClient, Refusal, Unreachable
from glassbook.key_folder import KeyFolder
from simulator.makers.accounts import MANDATE_PARTS, Accounts, is_temporary
from simulator.makers.desk import Closed, Desk, Trader
from simulator.makers.funds import Amounts, Funds, makers_funds, takers_funds
from simulator.makers.quoting import STYLES
from simulator.makers.taking import Arrivals

REQUOTE_S = 2.0  # of a market, where the sum of all allows it
REQUOTES_PER_S = 3.0  # of all markets together; each is a batch of at most a dozen commands
MARKET_TAKES_PER_S = 0.5
TAKES_PER_S = 3.0
TAKERS = 2
CARE_S = 10.0
LOOKED_INTO = 8  # makers whose funds are looked at each time, in turn
# Everybody acts on the same beat: commands that come together cost the stages and the broker one round, not several.
BEAT_S = 0.5
STEP_S = 10.0  # the longest that anything under way is waited for
CANCEL_S = 10.0
OPEN_S = 600.0  # with hundreds of markets there are a thousand accounts to open and to fund
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 15.0

ResultT = TypeVar("ResultT")

logger = structlog.get_logger()


class Stopped(Exception):
    """Told to stop before it was done."""


class Service:
    """Until `stopping` is set."""

    def __init__(
        self,
        client: AsyncClient,
        keys: KeyFolder,
        operator_key: Key | None,
        mandate_s: float,
        chance: Random,
        stopping: asyncio.Event,
    ) -> None:
        self._client, self._keys, self._operator_key, self._mandate_s = client, keys, operator_key, mandate_s
        self._chance, self._stopping = chance, stopping
        self._looked_into = 0  # makers so far
        self._waiting = False  # said once, however many steps wait

    async def run(self) -> None:
        with suppress(Stopped):
            listed = await self._insist(lambda: self._client.send(calls.markets()))
            operator = None if self._operator_key is None else Operator(self._operator_key, listed.exchange)
            accounts = Accounts(self._client, self._keys, operator, listed.exchange, self._mandate_s)
            takers = [Trader(accounts.named(f"taker-{number + 1}")) for number in range(TAKERS)]
            desks = [await self._desk(market, accounts, takers) for market in listed.markets]
            funds = Funds(self._client, operator, time.monotonic)
            try:
                await self._insist(accounts.open_all, OPEN_S)
                await self._trade(desks, accounts, takers, funds)
            finally:
                await self._leave_nothing(accounts)

    async def _desk(self, listed: answers.ListedMarket, accounts: Accounts, takers: list[Trader]) -> Desk:
        symbol = listed.market.symbol
        price = await self._insist(lambda: self._client.send(calls.price(symbol)))
        makers = [Trader(accounts.named(f"maker-{number + 1}-{symbol}")) for number in range(len(STYLES))]
        return Desk(self._client, listed, price.last, makers, takers, self._chance)

    async def _trade(self, desks: list[Desk], accounts: Accounts, takers: list[Trader], funds: Funds) -> None:
        logger.info("makers and takers trade", markets=len(desks), mandate_s=round(accounts.mandate_s))
        requote_s = max(REQUOTE_S, len(desks) / REQUOTES_PER_S)
        takes_per_s = min(MARKET_TAKES_PER_S, TAKES_PER_S / max(len(desks), 1))

        async def care(passed_s: float) -> None:
            await self._look_after(desks, takers, funds)

        async def renew(passed_s: float) -> None:
            await accounts.renew_mandates()

        await self._insist(lambda: care(0), OPEN_S)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(lambda: CARE_S, care))
            tasks.create_task(self._repeat(lambda: accounts.mandate_s / MANDATE_PARTS, renew))
            for desk in desks:
                arrivals = Arrivals(takes_per_s, self._chance)
                pace = partial(self._chance.uniform, 0.5 * requote_s, 1.5 * requote_s)
                tasks.create_task(self._repeat(pace, partial(self._at, desk, desk.requote)))
                tasks.create_task(self._repeat(arrivals.next_s, partial(self._at, desk, desk.take)))

    async def _at(self, desk: Desk, step: Callable[[float], Awaitable[None]], passed_s: float) -> None:
        """A step, where the market takes orders; one that doesn't is looked at again with all others."""
        if not desk.is_open:
            return
        try:
            await step(passed_s)
        except Closed as closed:
            desk.is_open = False
            logger.info("a market pauses", symbol=desk.symbol, code=str(closed))

    async def _look_after(self, desks: list[Desk], takers: list[Trader], funds: Funds) -> None:
        found = {listed.market.symbol: listed for listed in (await self._client.send(calls.markets())).markets}
        if found.keys() != {desk.symbol for desk in desks}:
            logger.info("other markets are listed: starting anew with them")
            self._stopping.set()
            return
        for desk in desks:
            desk.revise(found[desk.symbol])
        for trader, usual in self._in_turn(desks, takers):
            trader.balances = await funds.looked_after(trader.account, usual)
        self._looked_into += LOOKED_INTO

    def _in_turn(self, desks: list[Desk], takers: list[Trader]) -> list[tuple[Trader, Amounts]]:
        """Whose balances are asked for this time, with what they should be: everybody's at first, then of so many."""
        makers: list[tuple[Trader, Amounts]] = [
            (maker, makers_funds(desk.scale)) for desk in desks for maker in desk.makers
        ]
        first, count = self._looked_into % max(len(makers), 1), LOOKED_INTO if self._looked_into else len(makers)
        usual: Amounts = takers_funds([desk.scale for desk in desks])
        return [(taker, usual) for taker in takers] + (makers[first:] + makers[:first])[:count]

    async def _leave_nothing(self, accounts: Accounts) -> None:
        try:
            async with asyncio.timeout(CANCEL_S):
                await accounts.cancel_all()
        except (Refusal, Unreachable, TimeoutError) as error:
            logger.warning("orders may be open until their mandates run out", why=str(error) or type(error).__name__)

    # --- pace

    async def _repeat(self, pause_s: Callable[[], float], step: Callable[[float], Awaitable[None]]) -> None:
        """The step, again and again, told how long it is since the last one."""
        last_s = time.monotonic()
        with suppress(Stopped):
            while not await self._stopped_within(pause_s()):
                now_s = time.monotonic()
                await self._insist(partial(step, now_s - last_s))
                last_s = now_s

    async def _insist(self, call: Callable[[], Awaitable[ResultT]], patience_s: float = STEP_S) -> ResultT:
        """The call's result, however often the gateway has to be asked. `Stopped` if told to stop meanwhile."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                async with asyncio.timeout(patience_s):
                    result = await call()
                self._note_answer()
                return result
            except (Unreachable, TimeoutError) as error:
                why: Exception = error
            except Refusal as refusal:
                if not is_temporary(refusal):
                    raise
                why = refusal
            self._note_silence(str(why) or type(why).__name__)
            if await self._stopped_within(wait_s):
                raise Stopped
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _note_silence(self, why: str) -> None:
        if not self._waiting:
            logger.info("waiting for the gateway", why=why)
        self._waiting = True

    def _note_answer(self) -> None:
        if self._waiting:
            logger.info("the gateway answers again")
        self._waiting = False

    async def _stopped_within(self, seconds: float) -> bool:
        seconds += -(time.monotonic() + seconds) % BEAT_S
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True
