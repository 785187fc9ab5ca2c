"""A random order flow against one book, kept at a given number of resting orders.

Half of all operations are passive limit orders, a quarter aggressive ones, a quarter cancels; the share of passive
orders moves a little to hold the number. Passive prices follow the best opposite price: half lie within a few ticks of
it, half are spread so that a level holds about 50 orders. Aggressive orders reach up to two ticks through the best
price and are half as large, so that most meet one or two resting ones. Cancels take any resting order of an account.

Operations come in short runs made before they are timed: making them needs the book's state, which the run then moves.
Deterministic: a seed, and books that answer alike, give the same flow.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

START_TICKS = 1_000_000
ACCOUNTS = 1_000
MAX_LOTS = 100
NEAR_TICKS = 5
ORDERS_PER_LEVEL = 50
MIX = "50% passive limit orders, 25% aggressive, 25% cancels; 1 to 100 lots; 1,000 accounts"


class Place(NamedTuple):
    order_id: str
    account: str
    is_buy: bool
    price_ticks: int
    lots: int


class Cancel(NamedTuple):
    order_id: str
    account: str


Operation = Place | Cancel


class Book(Protocol):
    """What the flow asks of a book that it is made for."""

    def best_ticks(self, is_buy: bool) -> int | None: ...
    def rests(self, order_id: str) -> bool: ...
    def resting_orders(self) -> int: ...
    def run(self, operations: list[Operation]) -> object: ...


class OrderFlow:
    """Operations for `book`, in runs of `run_length`; each account sends `burst` of them in a row."""

    def __init__(
        self, book: Book, resting_orders: int, seed: int, accounts: Sequence[str] | None = None, burst: int = 1
    ) -> None:
        self.target = resting_orders
        self._book = book
        self._random = random.Random(seed)
        self._accounts = accounts or [f"{self._random.getrandbits(160):040x}" for _ in range(ACCOUNTS)]
        self._burst = burst
        self._left = 0  # of the present account's burst
        self._account = ""
        self._placed: dict[str, list[str]] = {account: [] for account in self._accounts}  # what may still rest
        self._fresh: list[Place] = []  # of the present run: not on the book yet
        self._next_id = 0
        self._far_ticks = max(NEAR_TICKS, resting_orders // (2 * ORDERS_PER_LEVEL))
        # Short enough that the book at the start of a run still tells the truth at its end.
        self.run_length = max(100, min(1000, resting_orders // 10))

    def filling_runs(self) -> Iterator[list[Operation]]:
        """Passive orders only, up to the wanted number. The caller gives each run to the book before the next."""
        while (missing := self.target - self._book.resting_orders()) > 0:
            run: list[Operation] = []
            for _ in range(min(missing, self.run_length)):
                self._draw_account()
                run.append(self._passive())
            yield run
            self._end_run()

    def runs(self) -> Iterator[list[Operation]]:
        """Endless. The caller gives each run to the book before it asks for the next."""
        while True:
            drift = (self.target - self._book.resting_orders()) / max(self.target, 1)
            passive = min(0.6, max(0.4, 0.5 + drift))
            yield [self._operation(passive) for _ in range(self.run_length)]
            self._end_run()

    def _end_run(self) -> None:
        for place in self._fresh:
            self._placed[place.account].append(place.order_id)
        self._fresh.clear()

    def _draw_account(self) -> None:
        if not self._left:
            self._account = self._accounts[self._random.randrange(len(self._accounts))]
            self._left = self._burst
        self._left -= 1

    def _operation(self, passive: float) -> Operation:
        self._draw_account()
        draw = self._random.random()
        if draw < 0.25:
            return self._aggressive()
        return self._passive() if draw < 0.25 + passive else self._cancel()

    def _cancel(self) -> Operation:
        placed, book = self._placed[self._account], self._book
        while placed:
            at = self._random.randrange(len(placed))
            order_id, placed[at] = placed[at], placed[-1]
            placed.pop()
            if book.rests(order_id):
                return Cancel(order_id, self._account)
        return self._passive()

    def _passive(self) -> Place:
        is_buy = self._random.random() < 0.5
        opposite = self._book.best_ticks(not is_buy)
        if opposite is None:
            opposite = START_TICKS + (1 if is_buy else 0)
        mean = NEAR_TICKS if self._random.random() < 0.5 else self._far_ticks
        distance = 1 + int(self._random.expovariate(1 / mean))
        return self._place(is_buy, opposite - distance if is_buy else opposite + distance, MAX_LOTS)

    def _aggressive(self) -> Place:
        is_buy = self._random.random() < 0.5
        opposite = self._book.best_ticks(not is_buy) or START_TICKS
        reach = self._random.randrange(3)
        return self._place(is_buy, opposite + reach if is_buy else opposite - reach, MAX_LOTS // 2)

    def _place(self, is_buy: bool, price_ticks: int, max_lots: int) -> Place:
        self._next_id += 1
        lots = self._random.randint(1, max_lots)
        place = Place(f"0-{self._next_id}", self._account, is_buy, max(1, price_ticks), lots)
        self._fresh.append(place)
        return place
