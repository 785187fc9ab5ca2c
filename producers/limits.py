"""How often somebody may ask: per account once its signature holds, per client address before that."""

from typing import NamedTuple

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from schemas.reasons import Reason
from schemas.refusal import Refused

RETRY_AFTER_S = 1  # the windows are a second long


class Rates(NamedTuple):
    """Requests a second. A batch counts its commands."""

    account: int = 2_000
    address: int = 10_000


class Limiter:
    """Counts in this process: each gateway allows this much."""

    def __init__(self, rates: Rates) -> None:
        self._windows = FixedWindowRateLimiter(MemoryStorage())
        self._account = RateLimitItemPerSecond(rates.account, namespace="account")
        self._address = RateLimitItemPerSecond(rates.address, namespace="address")

    def count_address(self, address: str) -> None:
        if not self._windows.hit(self._address, address):
            raise Refused(Reason.RATE_LIMITED, f"{self._address.amount} requests a second for one address")

    def count_account(self, account: str, commands: int = 1) -> None:
        if not self._windows.hit(self._account, account, cost=commands):
            raise Refused(Reason.RATE_LIMITED, f"{self._account.amount} commands a second for one account")
