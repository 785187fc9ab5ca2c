"""The order book of one market: price levels in order, orders within a level in the order in which they came.

Prices are ticks, quantities lots, both integers. A level is a doubly linked list through its orders, so that adding,
removing and reducing an order costs O(1); a new or vanishing level costs O(log n) in the number of levels. The book
knows nothing of commands, fees or time: it never decides who trades, it only holds and moves orders.

Invariants (`check` asserts them): best bid below best ask; a level's total is the sum of its orders and above zero;
every order stands in exactly one level and among the partition's resting orders.
"""

from collections.abc import Iterator

from sortedcontainers import SortedList

from schemas.commands import SelfTrade, Side


class Order:
    """A live order. `remaining_lots` is what may still trade; `filled_lots` what has."""

    __slots__ = (
        "order_id", "account", "symbol", "is_buy", "price_ticks", "remaining_lots", "filled_lots", "maker_fee_ppm",
        "taker_fee_ppm", "self_trade", "post_only", "valid_until_ms", "entered", "level", "before", "behind",
    )  # fmt: skip

    def __init__(
        self, order_id: str, account: str, symbol: str, is_buy: bool, price_ticks: int, remaining_lots: int, maker_fee_ppm: int,
        taker_fee_ppm: int, self_trade: SelfTrade = SelfTrade.EXPIRE_TAKER, post_only: bool = False,
        valid_until_ms: int | None = None, entered: int = 0, filled_lots: int = 0,
    ) -> None:  # fmt: skip
        self.order_id = order_id
        self.account = account
        self.symbol = symbol
        self.is_buy = is_buy
        self.price_ticks = price_ticks
        self.remaining_lots = remaining_lots
        self.filled_lots = filled_lots
        self.maker_fee_ppm = maker_fee_ppm
        self.taker_fee_ppm = taker_fee_ppm
        self.self_trade = self_trade
        self.post_only = post_only
        self.valid_until_ms = valid_until_ms
        self.entered = entered
        self.level: Level | None = None
        self.before: Order | None = None  # nearer to the front of the level's queue
        self.behind: Order | None = None

    @property
    def side(self) -> Side:
        return Side.BUY if self.is_buy else Side.SELL


class Level:
    """All orders at one price, first come first."""

    __slots__ = ("price_ticks", "total_lots", "first", "last")

    def __init__(self, price_ticks: int) -> None:
        self.price_ticks = price_ticks
        self.total_lots = 0
        self.first: Order | None = None
        self.last: Order | None = None

    def __iter__(self) -> Iterator[Order]:
        order = self.first
        while order is not None:
            yield order
            order = order.behind


class BookSide:
    """One side's levels. A level's key is its price for asks and minus its price for bids: the best has the least."""

    __slots__ = ("sign", "levels", "keys", "best")

    def __init__(self, is_buy: bool) -> None:
        self.sign = -1 if is_buy else 1
        self.levels: dict[int, Level] = {}
        self.keys: SortedList[int] = SortedList()
        self.best: Level | None = None

    def __iter__(self) -> Iterator[Level]:
        """Levels from the best on. The side must not change meanwhile."""
        return (self.levels[key] for key in self.keys)

    def level_at(self, price_ticks: int) -> Level:
        """The level at this price, made if there is none."""
        key = price_ticks * self.sign
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = Level(price_ticks)
            self.keys.add(key)
            best = self.best
            if best is None or key < best.price_ticks * self.sign:
                self.best = level
        return level

    def drop(self, level: Level) -> None:
        key = level.price_ticks * self.sign
        del self.levels[key]
        self.keys.remove(key)
        if level is self.best:
            self.best = self.levels[self.keys[0]] if self.keys else None


class Resting:
    """All resting orders of a partition: by id, and by when they expire. Shared by its books, which keep it true."""

    __slots__ = ("orders", "due")

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.due: SortedList[tuple[int, int, str]] = SortedList()  # (valid_until_ms, entered, order id)

    def add(self, order: Order) -> None:
        self.orders[order.order_id] = order
        if order.valid_until_ms is not None:
            self.due.add((order.valid_until_ms, order.entered, order.order_id))

    def remove(self, order: Order) -> None:
        del self.orders[order.order_id]
        if order.valid_until_ms is not None:
            self.due.remove((order.valid_until_ms, order.entered, order.order_id))


class Book:
    """Both sides of a market, and which levels changed since `take_changes`."""

    __slots__ = ("bids", "asks", "resting", "_changed")

    def __init__(self, resting: Resting) -> None:
        self.bids = BookSide(is_buy=True)
        self.asks = BookSide(is_buy=False)
        self.resting = resting
        self._changed: dict[tuple[bool, int], int] = {}  # (is bid, price) -> total before

    def side(self, is_buy: bool) -> BookSide:
        return self.bids if is_buy else self.asks

    def add(self, order: Order) -> None:
        """Puts an order behind all others at its price."""
        level = (self.bids if order.is_buy else self.asks).level_at(order.price_ticks)
        self._note(order.is_buy, level)
        last = level.last
        order.level, order.before = level, last
        if last is None:
            level.first = order
        else:
            last.behind = order
        level.last = order
        level.total_lots += order.remaining_lots
        self.resting.add(order)

    def remove(self, order: Order) -> None:
        level = order.level
        assert level is not None
        self._note(order.is_buy, level)
        before, behind = order.before, order.behind
        if before is None:
            level.first = behind
        else:
            before.behind = behind
        if behind is None:
            level.last = before
        else:
            behind.before = before
        level.total_lots -= order.remaining_lots
        order.level = order.before = order.behind = None
        self.resting.remove(order)
        if level.first is None:
            (self.bids if order.is_buy else self.asks).drop(level)

    def reduce(self, order: Order, lots: int) -> None:
        """Takes lots off a resting order, which keeps its place; at zero it leaves the book."""
        level = order.level
        assert level is not None and 0 < lots <= order.remaining_lots
        if lots == order.remaining_lots:
            self.remove(order)
            order.remaining_lots = 0
            return
        self._note(order.is_buy, level)
        order.remaining_lots -= lots
        level.total_lots -= lots

    def take_changes(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """(bids, asks) as (price, new total) of levels whose total changed since the last call, best first."""
        changed = self._changed
        if not changed:
            return [], []
        self._changed = {}
        bids, asks = [], []
        for (is_bid, price), before in changed.items():
            level = self.bids.levels.get(-price) if is_bid else self.asks.levels.get(price)
            total = level.total_lots if level is not None else 0
            if total != before:
                (bids if is_bid else asks).append((price, total))
        bids.sort(reverse=True)
        asks.sort()
        return bids, asks

    def _note(self, is_buy: bool, level: Level) -> None:
        key = (is_buy, level.price_ticks)
        if key not in self._changed:
            self._changed[key] = level.total_lots

    def __iter__(self) -> Iterator[Order]:
        """All orders: bids, then asks; best price first, oldest first within a price."""
        for side in (self.bids, self.asks):
            for level in side:
                yield from level

    def check(self) -> None:
        """Asserts the invariants; O(n), for tests."""
        if self.bids.best is not None and self.asks.best is not None:
            assert self.bids.best.price_ticks < self.asks.best.price_ticks, "the book is crossed"
        for side, is_buy in ((self.bids, True), (self.asks, False)):
            assert len(side.keys) == len(side.levels)
            assert side.best is (side.levels[side.keys[0]] if side.keys else None)
            for level in side:
                orders = list(level)
                assert orders and level.first is orders[0] and level.last is orders[-1]
                assert level.total_lots == sum(order.remaining_lots for order in orders)
                for order in orders:
                    assert order.remaining_lots > 0 and order.level is level and order.is_buy is is_buy
                    assert self.resting.orders[order.order_id] is order
