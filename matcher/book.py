"""The order book of one market: price levels in order, orders within a level in the order in which they came.

Prices are ticks, quantities lots, both integers. A level is a doubly linked list through its orders, so that adding,
removing and reducing an order costs O(1). A new or vanishing level costs a search, and a move of 8 bytes for each
better level: at the best price less than any tree, anywhere in a side of 100,000 levels about 9 us. The book knows
nothing of commands, fees or time: it never decides who trades, it only holds and moves orders.

Invariants (`check` asserts them): best bid below best ask; a level's total is the sum of its orders and above zero;
every order stands in exactly one level and among the partition's resting orders, and there, as in its level, behind
those that took their places before it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from operator import attrgetter

from msgspec import Struct
from sortedcontainers import SortedList

from schemas.commands import SelfTrade, Side


class Order(Struct, eq=False):
    """A live order. `remaining_lots` is what may still trade; `filled_lots` what has. Two orders are never equal."""

    order_id: str
    account: str
    symbol: str
    is_buy: bool
    price_ticks: int
    remaining_lots: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    self_trade: SelfTrade = SelfTrade.EXPIRE_TAKER
    post_only: bool = False
    valid_until_ms: int | None = None
    entered: int = 0
    filled_lots: int = 0
    # Its place on the book; None where it doesn't rest.
    level: "Level | None" = None
    before: "Order | None" = None  # nearer to the front of the level's queue
    behind: "Order | None" = None

    @property
    def side(self) -> Side:
        return Side.BUY if self.is_buy else Side.SELL

    def __repr__(self) -> str:
        # Not the neighbours, and theirs, and theirs.
        return f"Order({self.order_id}, {self.side} {self.remaining_lots} at {self.price_ticks})"


class Level:
    """All orders at one price, first come first."""

    __slots__ = ("first", "last", "price_ticks", "side", "total_before", "total_lots")

    def __init__(self, side: "BookSide", price_ticks: int) -> None:
        self.side = side
        self.price_ticks = price_ticks
        self.total_lots = 0
        self.total_before: int | None = None  # the total at the last `take_changes`, if it changed since
        self.first: Order | None = None
        self.last: Order | None = None

    def __iter__(self) -> Iterator[Order]:
        order = self.first
        while order is not None:
            yield order
            order = order.behind


class BookSide:
    """One side's levels. A level's key is its price for bids and minus its price for asks: the best has the greatest.

    The keys are a plain sorted list with the best at its end, where levels come and go most: there a change costs O(1),
    and elsewhere the list's move of what lies behind it, 8 bytes a level.
    """

    __slots__ = ("best", "is_buy", "keys", "levels", "sign")

    def __init__(self, is_buy: bool) -> None:
        self.is_buy = is_buy
        self.sign = 1 if is_buy else -1
        self.levels: dict[int, Level] = {}  # by key
        self.keys: list[int] = []
        self.best: Level | None = None

    def __iter__(self) -> Iterator[Level]:
        """Levels from the best on. The side must not change meanwhile."""
        return map(self.levels.__getitem__, reversed(self.keys))

    def meets(self, limit_ticks: int | None) -> bool:
        """Whether an order of the other side with this limit, or at market, trades with the best level."""
        best = self.best
        if best is None or limit_ticks is None:
            return best is not None
        return best.price_ticks >= limit_ticks if self.is_buy else best.price_ticks <= limit_ticks

    def within(self, limit_ticks: int | None) -> Iterator[Level]:
        """The levels from the best on with which an order of the other side and this limit trades."""
        levels = self.levels
        last = None if limit_ticks is None else limit_ticks * self.sign
        for key in reversed(self.keys):
            if last is not None and key < last:
                return
            yield levels[key]

    def level_at(self, price_ticks: int) -> Level:
        """The level at this price, made if there is none."""
        key = price_ticks * self.sign
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = Level(self, price_ticks)
            keys = self.keys
            if not keys or key > keys[-1]:
                keys.append(key)
                self.best = level
            else:
                insort(keys, key)
        return level

    def fill(self, orders: Sequence[Order]) -> None:
        """Queues orders on a side that has none. The keys are sorted once, not searched for each level."""
        assert not self.keys
        levels, sign = self.levels, self.sign
        for order in orders:
            key = order.price_ticks * sign
            level = levels.get(key)
            if level is None:
                level = levels[key] = Level(self, order.price_ticks)
                level.first = order
            else:
                before = level.last
                assert before is not None
                order.before = before
                before.behind = order
            level.last = order
            level.total_lots += order.remaining_lots
            order.level = level
        self.keys = sorted(levels)
        self.best = levels[self.keys[-1]] if self.keys else None

    def drop(self, level: Level) -> None:
        key = level.price_ticks * self.sign
        del self.levels[key]
        keys = self.keys
        if level is self.best:
            keys.pop()
            self.best = self.levels[keys[-1]] if keys else None
        else:
            del keys[bisect_left(keys, key)]


class Resting:
    """All resting orders of a partition: by id, and by when they expire. Shared by its books, which keep it true."""

    __slots__ = ("due", "orders")

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.due: SortedList[tuple[int, int, str]] = SortedList()  # (valid_until_ms, entered, order id)

    def add_due(self, order: Order) -> None:
        assert order.valid_until_ms is not None
        self.due.add((order.valid_until_ms, order.entered, order.order_id))

    def remove_due(self, order: Order) -> None:
        assert order.valid_until_ms is not None
        self.due.remove((order.valid_until_ms, order.entered, order.order_id))


class Book:
    """Both sides of a market, and which levels changed since `take_changes`."""

    __slots__ = ("_changed", "asks", "bids", "resting")

    def __init__(self, resting: Resting) -> None:
        self.bids = BookSide(is_buy=True)
        self.asks = BookSide(is_buy=False)
        self.resting = resting
        self._changed: list[Level] = []  # each once; one that vanished and came back may stand here twice

    def side(self, is_buy: bool) -> BookSide:
        return self.bids if is_buy else self.asks

    def add(self, order: Order) -> None:
        """Puts an order behind all others at its price."""
        level = (self.bids if order.is_buy else self.asks).level_at(order.price_ticks)
        if level.total_before is None:
            level.total_before = level.total_lots
            self._changed.append(level)
        last = level.last
        order.level = level
        if last is None:
            level.first = order
        else:
            order.before = last
            last.behind = order
        level.last = order
        level.total_lots += order.remaining_lots
        self.resting.orders[order.order_id] = order
        if order.valid_until_ms is not None:
            self.resting.add_due(order)

    def fill(self, is_buy: bool, orders: Sequence[Order]) -> None:
        """Puts orders onto a side that has none, in the order in which they took their places. No level
        counts as changed. O(n)."""
        self.side(is_buy).fill(orders)
        self.resting.orders.update(zip(map(attrgetter("order_id"), orders), orders, strict=True))
        self.resting.due.update(
            [(o.valid_until_ms, o.entered, o.order_id) for o in orders if o.valid_until_ms is not None]
        )

    def remove(self, order: Order) -> None:
        level = order.level
        assert level is not None
        if level.total_before is None:
            level.total_before = level.total_lots
            self._changed.append(level)
        level.total_lots -= order.remaining_lots
        before, behind = order.before, order.behind
        order.level = None
        if before is None:
            level.first = behind
        else:
            before.behind = behind
            order.before = None
        if behind is None:
            level.last = before
        else:
            behind.before = before
            order.behind = None
        del self.resting.orders[order.order_id]
        if order.valid_until_ms is not None:
            self.resting.remove_due(order)
        if behind is None and before is None:
            level.side.drop(level)

    def reduce(self, order: Order, lots: int) -> None:
        """Takes lots off a resting order, which keeps its place; at zero it leaves the book."""
        level = order.level
        assert level is not None and 0 < lots <= order.remaining_lots
        if lots == order.remaining_lots:
            self.remove(order)
            order.remaining_lots = 0
            return
        if level.total_before is None:
            level.total_before = level.total_lots
            self._changed.append(level)
        order.remaining_lots -= lots
        level.total_lots -= lots

    def take_changes(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """(bids, asks) as (price, new total) of levels whose total changed since the last call, best first."""
        changed = self._changed
        if not changed:
            return [], []
        self._changed = []
        if len(changed) == 1:  # most often
            return _split(changed)
        bids, asks = _split(_joined(changed))
        bids.sort(reverse=True)
        asks.sort()
        return bids, asks

    def __iter__(self) -> Iterator[Order]:
        """All orders: bids, then asks; best price first, oldest first within a price."""
        for side in (self.bids, self.asks):
            for level in side:
                yield from level

    def check(self) -> None:
        """Asserts the invariants; O(n), for tests."""
        if self.bids.best is not None and self.asks.best is not None:
            assert self.bids.best.price_ticks < self.asks.best.price_ticks, "the book is crossed"
        places = {order_id: place for place, order_id in enumerate(self.resting.orders)}
        for side, is_buy in ((self.bids, True), (self.asks, False)):
            assert side.keys == sorted(side.levels)
            assert side.best is (side.levels[side.keys[-1]] if side.keys else None)
            for level in side:
                orders = list(level)
                assert orders and level.first is orders[0] and level.last is orders[-1]
                assert level.total_lots == sum(order.remaining_lots for order in orders)
                queue = [places[order.order_id] for order in orders]
                assert queue == sorted(queue), "the partition's orders are not in the order of the queue"
                for order in orders:
                    assert order.remaining_lots > 0 and order.level is level and order.is_buy is is_buy
                    assert self.resting.orders[order.order_id] is order


def _joined(changed: list[Level]) -> list[Level]:
    """One level for each price: one that vanished and came back counts as the same."""
    levels: dict[tuple[bool, int], Level] = {}
    for level in changed:
        earlier = levels.get((level.side.is_buy, level.price_ticks))
        if earlier is not None:
            level.total_before = earlier.total_before
        levels[(level.side.is_buy, level.price_ticks)] = level
    return list(levels.values())


def _split(changed: list[Level]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    bids: list[tuple[int, int]] = []
    asks: list[tuple[int, int]] = []
    for level in changed:
        if level.total_lots != level.total_before:
            (bids if level.side.is_buy else asks).append((level.price_ticks, level.total_lots))
        level.total_before = None
    return bids, asks
