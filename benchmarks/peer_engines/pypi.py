"""The matching engines on PyPI, one adapter each. A peer is imported only when it is made."""

from collections.abc import Iterable
from typing import Any

from benchmarks.engine import SYMBOL
from benchmarks.peer_engines.engines import BookState, Engine
from benchmarks.peer_engines.workload import Fill, Step, Submit


class LightMatchingEngine(Engine):
    """It numbers orders from 1 itself, as the workload does."""

    distribution = "lightmatchingengine"

    def __init__(self) -> None:
        super().__init__()
        from lightmatchingengine.lightmatchingengine import LightMatchingEngine, Side

        self._engine, self._buy, self._sell = LightMatchingEngine(), Side.BUY, Side.SELL

    def run(self, steps: Iterable[Step]) -> None:
        add, cancel, buy, sell, tell = (
            self._engine.add_order, self._engine.cancel_order, self._buy, self._sell, self.told.append,
        )  # fmt: skip
        for step in steps:
            if isinstance(step, Submit):
                tell(add(SYMBOL, step.price_ticks, step.lots, buy if step.is_buy else sell))
            else:
                cancel(step.number, SYMBOL)

    def fills(self, told: list[Any]) -> list[Fill]:
        """It says a level's trades once for the taker, then for each maker."""
        return [
            Fill(trade.order_id, order.order_id, trade.trade_price, trade.trade_qty)
            for order, trades in told
            for trade in trades
            if trade.order_id != order.order_id
        ]


class LimitOrderBook(Engine):
    """It says nothing of fills: only what its book is afterwards can be asked."""

    distribution = "limit-order-book"
    tells_fills = False

    def __init__(self) -> None:
        super().__init__()
        from limit_order_book import LimitOrderBook

        self._book = LimitOrderBook()

    def run(self, steps: Iterable[Step]) -> None:
        limit, cancel = self._book.limit, self._book.cancel
        for step in steps:
            if isinstance(step, Submit):
                limit(step.is_buy, step.number, step.lots, step.price_ticks)
            else:
                cancel(step.number)

    def book(self) -> BookState:
        book, bid, ask = self._book, self._book.best_buy(), self._book.best_sell()
        return BookState(
            (bid, book.volume_buy(bid)) if book.count_buy() else None,
            (ask, book.volume_sell(ask)) if book.count_sell() else None,
            book.count(),
        )


class Liquibook(Engine):
    """The C++ library behind SWIG; fills come as calls to a listener."""

    distribution = "liquibook"

    def __init__(self) -> None:
        super().__init__()
        import liquibook

        tell = self.told

        class Listener(liquibook.OrderListener):  # type: ignore[misc]
            def on_accept(self, order: Any) -> None: ...
            def on_cancel(self, order: Any) -> None: ...

            def on_fill(self, order: Any, matched: Any, quantity: int, price: int) -> None:
                tell.append((order.order_id_, matched.order_id_, quantity, price))

        self._make = liquibook.SimpleOrder
        self._listener = Listener()
        self._book = liquibook.DepthOrderBook()
        self._book.set_order_listener(self._listener)
        self._orders: dict[int, Any] = {}  # the book doesn't keep them alive
        self._first = 0  # it numbers the orders of all books together

    def run(self, steps: Iterable[Step]) -> None:
        make, add, cancel, orders = self._make, self._book.add, self._book.cancel, self._orders
        for step in steps:
            if isinstance(step, Submit):
                order = make(step.is_buy, step.price_ticks, step.lots)
                orders[step.number] = order
                add(order)
            else:
                cancel(orders[step.number])

    def take_fills(self) -> list[Fill]:
        """The listener goes on with the same list."""
        if not self._first and self._orders:
            number, order = next(iter(self._orders.items()))
            self._first = order.order_id_ - number
        told = list(self.told)
        self.told.clear()
        return [Fill(maker - self._first, taker - self._first, price, quantity)
                for taker, maker, quantity, price in told]  # fmt: skip


class CythonOrderBook(Engine):
    distribution = "cython-orderbook"

    def __init__(self) -> None:
        super().__init__()
        from cython_orderbook import Order, OrderBook, OrderSide

        self._make, self._book, self._bid, self._ask = Order, OrderBook(), OrderSide.BID, OrderSide.ASK
        self._ids: dict[int, str] = {}
        self._numbers: dict[str, int] = {}

    def run(self, steps: Iterable[Step]) -> None:
        make, add, cancel = self._make, self._book.add_limit_order, self._book.cancel_order
        bid, ask, ids, numbers = self._bid, self._ask, self._ids, self._numbers
        for step in steps:
            if isinstance(step, Submit):
                order = make(bid if step.is_buy else ask, step.lots, step.price_ticks)
                ids[step.number] = order_id = order.order_id
                numbers[order_id] = step.number
                add(order)
            else:
                cancel(ids[step.number])

    def take_fills(self) -> list[Fill]:
        told, self._book.trade_log = self._book.trade_log, []
        return [Fill(self._numbers[one.filler_id], self._numbers[one.aggressor_id], one.price, one.quantity_filled)
                for one in told]  # fmt: skip


class PyOrderBook(Engine):
    distribution = "pyorderbook"

    def __init__(self) -> None:
        super().__init__()
        from pyorderbook import Book, ask, bid

        self._book, self._bid, self._ask = Book(), bid, ask
        self._orders: dict[int, Any] = {}
        self._numbers: dict[Any, int] = {}

    def run(self, steps: Iterable[Step]) -> None:
        match, cancel, orders, numbers = self._book.match, self._book.cancel, self._orders, self._numbers
        tell, bid, ask = self.told.append, self._bid, self._ask
        for step in steps:
            if isinstance(step, Submit):
                order = (bid if step.is_buy else ask)(SYMBOL, step.price_ticks, step.lots)
                orders[step.number] = order
                numbers[order.id] = step.number
                tell(match(order))
            else:
                cancel(orders[step.number])

    def fills(self, told: list[Any]) -> list[Fill]:
        return [
            Fill(self._numbers[trade.standing_order_id], self._numbers[trade.incoming_order_id],
                 int(trade.fill_price), trade.fill_quantity)
            for blotter in told for trade in blotter.trades
        ]  # fmt: skip


class Litebook(Engine):
    """Rust; prices and quantities are floats."""

    distribution = "litebook"

    def __init__(self) -> None:
        super().__init__()
        from litebook import OrderBook, OrderType

        self._book, self._buy, self._sell = OrderBook(tick_size=1.0), OrderType.Buy, OrderType.Sell
        self._ids: dict[int, str] = {}
        self._numbers: dict[str, int] = {}

    def run(self, steps: Iterable[Step]) -> None:
        make, add, cancel = self._book.create_order, self._book.add, self._book.cancel
        ids, numbers, tell, buy, sell = self._ids, self._numbers, self.told.append, self._buy, self._sell
        for step in steps:
            if isinstance(step, Submit):
                order = make(buy if step.is_buy else sell, price=float(step.price_ticks), quantity=float(step.lots))
                ids[step.number] = order_id = order.id
                numbers[order_id] = step.number
                tell((step.is_buy, add(order)))
            else:
                cancel(ids[step.number])

    def fills(self, told: list[Any]) -> list[Fill]:
        found = []
        for is_buy, fills in told:
            for one in fills:
                buy, sell = self._numbers[one.buy_id], self._numbers[one.sell_id]
                maker, taker = (sell, buy) if is_buy else (buy, sell)
                found.append(Fill(maker, taker, round(one.price), round(one.quantity)))
        return found


class OrderlyChaos(Engine):
    distribution = "orderly-chaos"

    def __init__(self) -> None:
        super().__init__()
        from orderly_chaos import LimitOrderBook, Side

        self._book, self._buy, self._sell = LimitOrderBook(on_trade=self._tell), Side.BUY, Side.SELL

    def _tell(self, trade: Any) -> None:
        self.told.append(trade)

    def run(self, steps: Iterable[Step]) -> None:
        limit, cancel, buy, sell = self._book.limit, self._book.cancel, self._buy, self._sell
        for step in steps:
            if isinstance(step, Submit):
                limit(buy if step.is_buy else sell, step.number, step.lots, step.price_ticks)
            else:
                cancel(step.number)

    def fills(self, told: list[Any]) -> list[Fill]:
        return [Fill(one.maker_id, one.taker_id, one.price, one.quantity) for one in told]


class Obook(Engine):
    """Go behind ctypes; what happened is fetched after each step."""

    distribution = "obook"

    def __init__(self) -> None:
        super().__init__()
        import obook

        self._book, self._buy, self._sell = obook.Book(max_orders=1_000_000), obook.BUY, obook.SELL
        self._trade = obook.EventKind.TRADE
        self._ids: dict[int, int] = {}
        self._numbers: dict[int, int] = {}

    def run(self, steps: Iterable[Step]) -> None:
        submit, cancel, events, tell = self._book.submit, self._book.cancel, self._book.events, self.told.append
        ids, numbers, buy, sell = self._ids, self._numbers, self._buy, self._sell
        for step in steps:
            number = step.number
            if isinstance(step, Submit):
                order_id = submit(number, buy if step.is_buy else sell, step.price_ticks, step.lots).order_id
                ids[number] = order_id
                numbers[order_id] = number
            else:
                cancel(ids[number], number)
            tell(events())

    def fills(self, told: list[Any]) -> list[Fill]:
        return [
            Fill(self._numbers[one.maker_id], self._numbers[one.taker_id], one.price, one.qty)
            for events in told for one in events if one.kind is self._trade
        ]  # fmt: skip


class Nanobook(Engine):
    """Rust; it numbers orders from 1 itself, as the workload does."""

    distribution = "nanobook"

    def __init__(self) -> None:
        super().__init__()
        from nanobook import Exchange

        self._exchange = Exchange()

    def run(self, steps: Iterable[Step]) -> None:
        submit, cancel, tell = self._exchange.submit_limit, self._exchange.cancel, self.told.append
        for step in steps:
            if isinstance(step, Submit):
                tell(submit("buy" if step.is_buy else "sell", step.price_ticks, step.lots).trades)
            else:
                cancel(step.number)

    def fills(self, told: list[Any]) -> list[Fill]:
        return [Fill(one.passive_order_id, one.aggressor_order_id, one.price, one.quantity)
                for trades in told for one in trades]  # fmt: skip


PEERS: tuple[type[Engine], ...] = (
    LightMatchingEngine, LimitOrderBook, Liquibook, CythonOrderBook, PyOrderBook, Litebook, OrderlyChaos, Obook,
    Nanobook,
)  # fmt: skip
