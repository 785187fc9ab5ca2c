"""The accounts of makers and takers: their keys, their mandates, and that nothing of theirs is left open.

Keys lie in the data folder, so that each start goes on with the same accounts. A mandate has the log itself cancel all
that is open, should nobody renew it; an exchange whose engine is too old for mandates is traded on without.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from glassbook.client.calls import Account, Operator
from glassbook.client.keys import Key
from glassbook.client.rest import AsyncClient, Refusal
from glassbook.client.signer import Signer
from glassbook.key_folder import KeyFolder
from schemas.reasons import Reason

RENEWALS_PER_S = 3.0
MANDATE_PARTS = 3  # a mandate is renewed so often while it lasts
SIDE_BY_SIDE = 16  # calls at once, where there is one to make for each account

logger = structlog.get_logger()


class Accounts:
    """All that were opened here, in the order in which they were."""

    def __init__(
        self, client: AsyncClient, keys: KeyFolder, operator: Operator | None, exchange: str, shortest_mandate_s: float
    ) -> None:
        self._client, self._keys, self._operator, self._exchange = client, keys, operator, exchange
        self._shortest_mandate_s = shortest_mandate_s
        self._opened: list[Account] = []
        self._has_mandates = True

    def named(self, name: str) -> Account:
        """The account of the key of this name, which is made if there is none."""
        if not self._keys.path(name).exists():
            self._keys.save(name, Key.new())
        account = Account(Signer(self._keys.load(name).open(), self._exchange))
        self._opened.append(account)
        return account

    @property
    def mandate_s(self) -> float:
        """How long a mandate lasts: with many accounts longer, so that renewing all of them stays cheap."""
        return max(self._shortest_mandate_s, MANDATE_PARTS * len(self._opened) / RENEWALS_PER_S)

    async def open_all(self) -> None:
        """Registers who isn't registered, arms the mandates and cancels what an earlier run left."""
        await self._each(self._open)

    async def renew_mandates(self) -> None:
        await self._each(self._renew)

    async def cancel_all(self) -> None:
        await self._each(self._cancel)

    async def _open(self, account: Account) -> None:
        try:
            await self._client.send(account.balances())
        except Refusal as refusal:
            if refusal.code != Reason.UNKNOWN_ACCOUNT:
                raise
            key = account.signer.key.public
            await self._client.send(self._operator.register(key) if self._operator else account.register())
            await self._renew(account)
        else:
            await self._renew(account)
            await self._cancel(account)

    async def _renew(self, account: Account) -> None:
        if not self._has_mandates:
            return
        try:
            await self._client.send(account.cancel_all_after(round(self.mandate_s * 1000)))
        except Refusal as refusal:
            if is_temporary(refusal):
                raise
            if self._has_mandates:
                logger.warning("no mandates here: if this process is killed, its orders stay open", code=refusal.code)
            self._has_mandates = False

    async def _cancel(self, account: Account) -> None:
        await self._client.send(account.cancel_all())

    async def _each(self, do: Callable[[Account], Awaitable[None]]) -> None:
        """For all of them, whatever happens with some; then raises what happened first."""
        room = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(account: Account) -> None:
            async with room:
                await do(account)

        for error in await asyncio.gather(*map(one, self._opened), return_exceptions=True):
            if error is not None:
                raise error


def is_temporary(refusal: Refusal) -> bool:
    """Too many requests, or not ready: the same may be asked again later."""
    return refusal.status in (429, 503)
