"""Play money for the accounts of makers and takers, where the operator's key is at hand.

An account that has next to nothing left of an asset is given what it should have; the same rule pays the first deposit.
No asset of an account is topped up twice within a minute.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

import structlog

from glassbook.client.answers import Balance
from glassbook.client.calls import Account, Operator
from glassbook.client.rest import AsyncClient
from simulator.makers.scale import Scale

Amounts = Mapping[str, Decimal]  # by asset

LOW = Decimal("0.1")  # of what an account should have
AGAIN_S = 60.0
TAKER_SHARE = 2  # of what a market maker has, for each market

logger = structlog.get_logger()


class Funds:
    def __init__(self, client: AsyncClient, operator: Operator | None, now_s: Callable[[], float]) -> None:
        self._client, self._operator, self._now_s = client, operator, now_s
        self._given_s: dict[tuple[str, str], float] = {}

    async def looked_after(self, account: Account, usual: Amounts) -> list[Balance]:
        """What the account has, with what it was given if it had run low."""
        found = (await self._client.send(account.balances())).balances
        return (
            (await self._client.send(account.balances())).balances if await self._give(account, found, usual) else found
        )

    async def _give(self, account: Account, found: list[Balance], usual: Amounts) -> bool:
        if self._operator is None:
            return False
        given = False
        for asset, amount in shortfall(held(found), usual).items():
            place = account.id, asset
            if place in self._given_s and self._now_s() - self._given_s[place] < AGAIN_S:
                continue
            self._given_s[place] = self._now_s()
            await self._client.send(self._operator.deposit(account.id, asset, amount))
            logger.info("topped up", account=account.id, asset=asset, amount=str(amount))
            given = True
        return given


def held(balances: list[Balance]) -> dict[str, Decimal]:
    """All that an account has, reserved or not."""
    return {balance.asset: Decimal(balance.free) + Decimal(balance.reserved) for balance in balances}


def shortfall(found: Amounts, usual: Amounts) -> dict[str, Decimal]:
    """What to give: whatever lacks of each asset that has run low."""
    lacking = {asset: amount - found.get(asset, Decimal(0)) for asset, amount in usual.items()}
    return {asset: missing for asset, missing in lacking.items() if missing > usual[asset] * (1 - LOW)}


def makers_funds(scale: Scale) -> dict[str, Decimal]:
    terms = scale.terms
    return {
        terms.base: Decimal(terms.base_text(scale.held_base_minor)),
        terms.quote: Decimal(terms.quote_text(scale.held_quote_minor)),
    }


def takers_funds(scales: list[Scale]) -> dict[str, Decimal]:
    """Of every market's assets: a taker trades in all of them."""
    total: dict[str, Decimal] = {}
    for scale in scales:
        for asset, amount in makers_funds(scale).items():
            total[asset] = total.get(asset, Decimal(0)) + TAKER_SHARE * amount
    return total
