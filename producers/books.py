"""Price levels of every market from `depth`, last and average prices from `trades`. Pure.

Prices and quantities are counted in 10**-18 here, so that a record is understood without its market's terms, which come
by another topic. A book drops what isn't above its sequence and raises `Gap` beyond the next one.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from msgspec import Struct
from sortedcontainers import SortedDict

from schemas.commands import Side
from schemas.decimals import format_decimal, parse_decimal
from schemas.market import PPM, Terms
from schemas.matcher_state import BookState
from schemas.reasons import Reason
from schemas.records import Depth, Trade
from schemas.refusal import Refused
from stage.followed import Gap

DECIMALS = 18
WINDOW_S = 300


class Book:
    """One market's levels. An update costs O(log levels), the best `n` levels O(n)."""

    __slots__ = ("asks", "bids", "sequence", "time_ms")

    def __init__(self) -> None:
        self.sequence = 0
        self.time_ms = 0
        self.bids: SortedDict[int, int] = SortedDict()  # minus the price, so that the best comes first on both sides
        self.asks: SortedDict[int, int] = SortedDict()

    def apply(self, depth: Depth) -> None:
        if depth.sequence <= self.sequence:
            return
        if depth.sequence != self.sequence + 1:
            raise Gap(f"depth of {depth.symbol} jumps from sequence {self.sequence} to {depth.sequence}")
        self.sequence, self.time_ms = depth.sequence, depth.time_ms
        for price, quantity in depth.bids:
            _set(self.bids, -parse_decimal(price, DECIMALS), parse_decimal(quantity, DECIMALS))
        for price, quantity in depth.asks:
            _set(self.asks, parse_decimal(price, DECIMALS), parse_decimal(quantity, DECIMALS))

    def restore(self, state: BookState) -> None:
        """Takes the levels of a matcher's snapshot."""
        terms = Terms(state.market)
        self.sequence = state.depth_sequence
        price_scale = 10 ** (DECIMALS - terms.price_decimals) * terms.tick_units
        lot_scale = 10 ** (DECIMALS - state.market.base_decimals) * terms.lot_minor
        for side, price_ticks, lots in state.levels():
            levels, sign = (self.bids, -1) if side is Side.BUY else (self.asks, 1)
            levels[sign * price_ticks * price_scale] = lots * lot_scale

    def levels(self, side: Side, limit: int | None = None) -> Iterator[tuple[int, int]]:
        """(price, quantity) in 10**-18, best first."""
        levels = self.bids if side is Side.BUY else self.asks
        return ((abs(price), quantity) for price, quantity in islice(levels.items(), limit))

    def texts(self, side: Side, limit: int) -> list[tuple[str, str]]:
        return [(_text(price), _text(quantity)) for price, quantity in self.levels(side, limit)]


class Prices:
    """One market's last trade, and its volume by second for the moving average."""

    __slots__ = ("_seconds", "last", "sequence", "time_ms")

    def __init__(self) -> None:
        self.sequence = 0
        self.time_ms = 0
        self.last: str | None = None
        self._seconds: deque[tuple[int, int, int]] = deque()  # second, sum of quote, sum of base

    def apply(self, trade: Trade) -> None:
        if trade.sequence <= self.sequence:
            return
        self.sequence, self.time_ms, self.last = trade.sequence, trade.time_ms, trade.price
        second = trade.time_ms // 1000
        quote, base = parse_decimal(trade.quote_quantity, DECIMALS), parse_decimal(trade.quantity, DECIMALS)
        if self._seconds and self._seconds[-1][0] == second:
            _, earlier_quote, earlier_base = self._seconds.pop()
            quote, base = quote + earlier_quote, base + earlier_base
        self._seconds.append((second, quote, base))
        self._expire(second)

    def restore(self, state: BookState) -> None:
        if state.last_price_ticks is not None:
            self.last = Terms(state.market).price_text(state.last_price_ticks)

    def average(self, now_ms: int, decimals: int) -> str | None:
        """Volume-weighted over the last five minutes of log time; the last price if nothing traded in them."""
        self._expire(now_ms // 1000)
        if not self._seconds:
            return self.last
        quote = sum(second[1] for second in self._seconds)
        base = sum(second[2] for second in self._seconds)
        return format_decimal(_divide(quote * 10**decimals, base), decimals)

    def _expire(self, second: int) -> None:
        while self._seconds and self._seconds[0][0] <= second - WINDOW_S:
            self._seconds.popleft()


class MarketData:
    """All books and prices that a gateway follows."""

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}
        self.prices: dict[str, Prices] = {}
        self.time_ms = 0  # the newest log time seen on `trades`
        self.times: dict[int, int] = {}  # the same by partition: every trade up to it has been seen

    def reset(self) -> None:
        self.books.clear()
        self.prices.clear()
        self.times.clear()

    def book(self, symbol: str) -> Book:
        return self.books.setdefault(symbol, Book())

    def price(self, symbol: str) -> Prices:
        return self.prices.setdefault(symbol, Prices())

    def restore(self, state: BookState) -> None:
        self.book(state.market.symbol).restore(state)
        self.price(state.market.symbol).restore(state)


# --- what a market order would pay now


class Quote(Struct, frozen=True, kw_only=True):
    """What a market order of this size would pay or get on this book. The fee is the taker's, on the whole amount; the
    real one is rounded down fill by fill."""

    symbol: str
    side: Side
    quantity: str
    quote_quantity: str
    average_price: str
    worst_price: str
    fee: str
    fee_asset: str
    book_sequence: int
    book_time_ms: int


def quote_market_order(
    book: Book, terms: Terms, side: Side, quantity_lots: int | None, max_quote_minor: int | None
) -> Quote:
    """Walks the other side's levels. `Refused(NO_LIQUIDITY)` where they end before the size is reached."""
    lots_left = quantity_lots
    lots = notional = worst = 0
    for price, ticks, available in _levels_in_ticks(book, terms, side.opposite):
        take = available if lots_left is None else min(available, lots_left)
        if max_quote_minor is not None:
            take = min(take, _affordable(terms, side, ticks, notional, max_quote_minor))
        if take:
            lots, notional, worst = lots + take, notional + terms.notional_minor(ticks, take), price
            lots_left = None if lots_left is None else lots_left - take
        if lots_left == 0 or take < available:
            break
    else:
        raise Refused(Reason.NO_LIQUIDITY, f"the book ends after {terms.quantity_text(lots)} {terms.base}")
    if not lots:
        raise Refused(Reason.NO_LIQUIDITY, "max_quote does not pay for one lot at the best price")
    average = _divide(notional * 10 ** (terms.market.base_decimals + DECIMALS), lots * terms.lot_minor)
    average_decimals = min(terms.price_decimals + 8, DECIMALS)
    average = _divide(average, 10 ** (terms.market.quote_decimals + DECIMALS - average_decimals))
    return Quote(
        symbol=terms.symbol, side=side, quantity=terms.quantity_text(lots), quote_quantity=terms.quote_text(notional),
        average_price=format_decimal(average, average_decimals), worst_price=_text(worst),
        fee=terms.quote_text(notional * terms.taker_fee_ppm // PPM), fee_asset=terms.quote,
        book_sequence=book.sequence, book_time_ms=book.time_ms,
    )  # fmt: skip


def _levels_in_ticks(book: Book, terms: Terms, side: Side) -> Iterator[tuple[int, int, int]]:
    """(price in 10**-18, ticks, lots) of each level, best first."""
    price_scale = 10 ** (DECIMALS - terms.price_decimals) * terms.tick_units
    lot_scale = 10 ** (DECIMALS - terms.market.base_decimals) * terms.lot_minor
    for price, quantity in book.levels(side):
        yield price, price // price_scale, quantity // lot_scale


def _affordable(terms: Terms, side: Side, ticks: int, spent: int, max_quote_minor: int) -> int:
    """Lots at this price that a budget still covers: a buy pays its fee out of it, a sell stops at it."""
    fee_ppm = terms.taker_fee_ppm if side is Side.BUY else 0
    # What may be spent without its fee, the fee being taken on the whole.
    whole: int = max_quote_minor * PPM // (PPM + fee_ppm)
    return max(0, (whole - spent) // terms.notional_minor(ticks, 1))


def _set(levels: "SortedDict[int, int]", price: int, quantity: int) -> None:
    if quantity:
        levels[price] = quantity
    else:
        levels.pop(price, None)


def _text(units: int) -> str:
    return format_decimal(units, DECIMALS)


def _divide(numerator: int, denominator: int) -> int:
    """Rounded to the nearest, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)
