"""The matcher's state of one partition, as it stands in a snapshot. Gateways restore their books from it.

A book may hold a million orders, so they stand column by column: that is a quarter of the bytes, and columns are made
and read several times as fast as rows. What is the same for many orders in a row stands once, with how many.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, repeat, starmap
from typing import Any, TypeVar

from msgspec import Struct, field

from schemas.commands import Genesis, SelfTrade, Side
from schemas.halts import HaltState
from schemas.ledger_state import Halter
from schemas.market import Market

T = TypeVar("T")
Runs = list[tuple[T, int]]
"""A column as values and how often each comes in a row."""


class RestingOrder(Struct, array_like=True, gc=False):
    """An order by itself, as snapshots held them before `RestingOrders`. Read, never written."""

    order_id: str
    account: str
    side: Side
    price_ticks: int
    remaining_lots: int
    filled_lots: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    self_trade: SelfTrade
    post_only: bool
    valid_until_ms: int | None
    entered: int


class RestingOrders(Struct):
    """One side of a book, in the order in which the orders took their places. Prices in ticks, quantities in lots."""

    order_ids: list[str] = []
    accounts: list[str] = []  # each once
    account_places: list[int] = []  # of each order, in `accounts`
    price_ticks: list[int] = []
    remaining_lots: list[int] = []
    entered: list[int] = []  # the offset in `orders` at which it took its place
    filled_lots: Runs[int] = []
    maker_fee_ppm: Runs[int] = []
    taker_fee_ppm: Runs[int] = []
    self_trade: Runs[SelfTrade] = []
    post_only: Runs[bool] = []
    valid_until_ms: Runs[int | None] = []


class BookState(Struct):
    revision: int
    market: Market
    trade_sequence: int
    depth_sequence: int
    last_price_ticks: int | None
    bids: RestingOrders = field(default_factory=RestingOrders)
    asks: RestingOrders = field(default_factory=RestingOrders)
    halts: HaltState | None = None
    busted: dict[str, int] = {}  # trade id -> trade sequence
    orders: list[RestingOrder] = []  # in older snapshots, instead of `bids` and `asks`

    def side(self, side: Side) -> RestingOrders:
        if self.orders:
            rows = sorted((order for order in self.orders if order.side is side), key=lambda order: order.entered)
            return resting_orders(rows)
        return self.bids if side is Side.BUY else self.asks

    def levels(self) -> Iterator[tuple[Side, int, int]]:
        """(side, price in ticks, total in lots) of each level, in no order."""
        for side in Side:
            totals: dict[int, int] = {}
            orders = self.side(side)
            for price_ticks, lots in zip(orders.price_ticks, orders.remaining_lots, strict=True):
                totals[price_ticks] = totals.get(price_ticks, 0) + lots
            yield from ((side, price_ticks, lots) for price_ticks, lots in totals.items())


class MatcherState(Struct):
    genesis: Genesis | None
    books: list[BookState]
    halter: Halter = Halter()


def resting_orders(orders: Sequence[Any]) -> RestingOrders:
    """The columns of these orders of one side, which are the matcher's or `RestingOrder`. O(n)."""
    places: dict[str, int] = {}
    return RestingOrders(
        order_ids=[order.order_id for order in orders],
        account_places=[places.setdefault(order.account, len(places)) for order in orders],
        accounts=list(places),
        price_ticks=[order.price_ticks for order in orders],
        remaining_lots=[order.remaining_lots for order in orders],
        entered=[order.entered for order in orders],
        filled_lots=_runs([order.filled_lots for order in orders]),
        maker_fee_ppm=_runs([order.maker_fee_ppm for order in orders]),
        taker_fee_ppm=_runs([order.taker_fee_ppm for order in orders]),
        self_trade=_runs([order.self_trade for order in orders]),
        post_only=_runs([order.post_only for order in orders]),
        valid_until_ms=_runs([order.valid_until_ms for order in orders]),
    )


def spread(runs: Runs[T]) -> Iterator[T]:
    """One value for each order."""
    return chain.from_iterable(starmap(repeat, runs))


def _runs(values: Iterable[T]) -> Runs[T]:
    return [(value, len(list(same))) for value, same in groupby(values)]
