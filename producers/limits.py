"""How often somebody may ask: per account once its signature holds, per client address before that."""

import time
from typing import NamedTuple

from limits import RateLimitItemPerSecond
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from schemas.reasons import Reason
from schemas.refusal import Refused

RETRY_AFTER_S = 1  # the windows are a second long
MAX_WINDOWS = 10_000


class Rates(NamedTuple):
    """Requests a second. A batch counts its commands."""

    account: int = 2_000
    address: int = 10_000


class Limiter:
    """Counts in this process: each gateway allows this much."""

    def __init__(self, rates: Rates) -> None:
        self._windows = FixedWindowRateLimiter(OneLoopStorage())
        self._account = RateLimitItemPerSecond(rates.account, namespace="account")
        self._address = RateLimitItemPerSecond(rates.address, namespace="address")

    def count_address(self, address: str) -> None:
        if not self._windows.hit(self._address, address):
            raise Refused(Reason.RATE_LIMITED, f"{self._address.amount} requests a second for one address")

    def count_account(self, account: str, commands: int = 1) -> None:
        if not self._windows.hit(self._account, account, cost=commands):
            raise Refused(Reason.RATE_LIMITED, f"{self._account.amount} commands a second for one account")


class OneLoopStorage(Storage):
    """Windows in memory for a single event loop, without locks. The library's own storage cleans up in a new thread, up
    to a hundred times a second, which cost a tenth of a request; here windows that are over go when there are many.
    """

    STORAGE_SCHEME = ["one-loop"]  # noqa: RUF012  # the library declares it so

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, tuple[float, int]] = {}  # key -> end, count

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = time.time()
        end, count = self._windows.get(key, (0.0, 0))
        if end <= now:
            end, count = now + expiry, 0
            if len(self._windows) >= MAX_WINDOWS:
                self._windows = {key: window for key, window in self._windows.items() if window[0] > now}
        self._windows[key] = end, count + amount
        return count + amount

    def get(self, key: str) -> int:
        end, count = self._windows.get(key, (0.0, 0))
        return count if end > time.time() else 0

    def get_expiry(self, key: str) -> float:
        return self._windows.get(key, (time.time(), 0))[0]

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)
