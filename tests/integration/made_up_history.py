"""A made-up market's history as rows for ClickHouse's tables, from a seed: orders, trades, postings and candles.

It is no exchange: whoever was drawn trades with whoever was drawn. What holds is what the tables promise: contiguous
sequences, order events that agree with the trades, postings that sum to zero, candles of the trades.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
SECONDS = {"1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400}
START = datetime(2026, 2, 28, 20, 30, tzinfo=UTC)  # a day and a month end soon


@dataclass
class Order:
    account: str
    order_id: str
    symbol: str
    side: str
    quantity: Decimal
    filled: Decimal = Decimal(0)
    events: list[Row] = field(default_factory=list)


class History:
    """Rows by table. Every method appends."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.now = START
        self.trades: list[Row] = []
        self.postings: list[Row] = []
        self.orders: list[Order] = []
        self.lost: set[int] = set()  # candles that begin with these sequences are not in the table
        self._sequences: dict[str, int] = {}
        self._entries: dict[str, int] = {}

    def wait(self, seconds: float) -> None:
        self.now += timedelta(milliseconds=round(seconds * 1000))

    def order(
        self, account: str, symbol: str, side: str, size: str, event: str = "order_opened", **fields: Any
    ) -> Order:
        order = Order(account, f"0-{len(self.orders)}", symbol, side, Decimal(size))
        self.orders.append(order)
        given = {"quantity": order.quantity, "symbol": symbol, "side": side, "type": "LIMIT", "time_in_force": "GTC"}
        self.event(order, event, **(given | fields))
        return order

    def event(self, order: Order, event: str, **fields: Any) -> None:
        row = {"account": order.account, "order_id": order.order_id, "event": event, "time": self.now} | fields
        order.events.append(row | {"log_offset": len(order.events), "entry_sequence": self._entry(order.account)})

    def trade(self, taker: Order, maker: Order, price: str, quantity: str, maker_fee: str = "0") -> Row:
        """A fill at the maker's price, with its events and postings; the taker pays a thousandth."""
        symbol, size = taker.symbol, Decimal(quantity)
        quote = Decimal(price) * size
        sequence = self._sequences[symbol] = self._sequences.get(symbol, 0) + 1
        row = {
            "symbol": symbol, "sequence": sequence, "trade_id": f"{symbol}-{sequence}", "time": self.now,
            "price": Decimal(price), "quantity": size, "quote_quantity": quote, "aggressor_side": taker.side,
            "taker_order_id": taker.order_id, "taker_account": taker.account, "taker_fee": quote / 1000,
            "maker_order_id": maker.order_id, "maker_account": maker.account, "maker_fee": Decimal(maker_fee),
            "fee_asset": symbol.partition("-")[2], "log_offset": len(self.trades),
        }  # fmt: skip
        self.trades.append(row)
        for order, role in ((taker, "TAKER"), (maker, "MAKER")):
            self._settle(order, row, role)
        return row

    def _settle(self, order: Order, trade: Row, role: str) -> None:
        fee, asset = trade[f"{role.lower()}_fee"], trade["fee_asset"]
        size, quote = trade["quantity"], trade["quote_quantity"]
        order.filled += size
        self.event(
            order, "order_filled", symbol=order.symbol, side=order.side, price=trade["price"], quantity=size,
            quote_quantity=quote, fee=fee, fee_asset=asset, role=role, trade_id=trade["trade_id"],
            trade_sequence=trade["sequence"],
        )  # fmt: skip
        if order.filled == order.quantity:
            self.event(order, "order_closed", status="FILLED")
        sign = 1 if order.side == "BUY" else -1
        base, clearing, free = order.symbol.partition("-")[0], f"clearing:{order.symbol}", f"free:{order.account}"
        legs = [(free, base, sign * size), (clearing, base, -sign * size), (free, asset, -sign * quote - fee)]
        self.entry(order.account, [*legs, (clearing, asset, sign * quote), ("fees", asset, fee)])

    def deposit(self, account: str, asset: str, amount: str) -> None:
        self.entry(account, [(f"free:{account}", asset, Decimal(amount)), ("world", asset, -Decimal(amount))])

    def entry(self, account: str, postings: Iterable[tuple[str, str, Decimal]]) -> None:
        sequence = self._entry(account)
        for line, (book, asset, amount) in enumerate(postings):
            place = {"account": account, "entry_sequence": sequence, "line": line, "time": self.now}
            self.postings.append(place | {"book": book, "asset": asset, "amount": amount})

    def _entry(self, account: str) -> int:
        self._entries[account] = self._entries.get(account, 0) + 1
        return self._entries[account]

    def cancel(self, order: Order) -> None:
        self.event(order, "order_closed", status="CANCELLED", command_id=f"c{order.order_id}")

    def trade_at_random(self, count: int, symbols: list[str], accounts: list[str]) -> None:
        """So many trades, with orders that rest, are amended and cancelled between them, and quiet times."""
        draw = self.random
        prices = {symbol: draw.randrange(1000, 9000) for symbol in symbols}
        for account in accounts:
            for asset in sorted({asset for symbol in symbols for asset in symbol.split("-")}):
                self.deposit(account, asset, "1000000")
        for _ in range(count):
            self.wait(draw.choice((0, 0.004, 0.3, 2.5, 40, 400)))
            symbol, side = draw.choice(symbols), draw.choice(("BUY", "SELL"))
            prices[symbol] = max(1, prices[symbol] + draw.randrange(-30, 31))
            size = draw.randrange(1, 50)
            maker = self.order(draw.choice(accounts), symbol, "SELL" if side == "BUY" else "BUY", str(size + 7))
            if draw.random() < 0.2:
                self.event(maker, "order_amended", price=Decimal(prices[symbol]) / 100, quantity=maker.quantity)
            taker = self.order(draw.choice(accounts), symbol, side, str(size))
            self.trade(taker, maker, f"{Decimal(prices[symbol]) / 100}", str(size), maker_fee="-0.01")
            if draw.random() < 0.5:
                self.cancel(maker)
            if draw.random() < 0.3:
                self.order(draw.choice(accounts), symbol, side, "5")

    def tables(self) -> dict[str, list[Row]]:
        events = [event for order in self.orders for event in order.events]
        candles = [candle for interval in SECONDS for candle in candles_of(self.trades, interval)]
        candles = [candle for candle in candles if candle["first_sequence"] not in self.lost]
        return {"trades": self.trades, "order_events": events, "postings": self.postings, "candles": candles}


def candles_of(trades: Iterable[Row], interval: str) -> list[Row]:
    """Candles by plain loops, for tests: nothing of it is shared with those that it is compared with."""
    buckets: dict[tuple[str, datetime], list[Row]] = {}
    for trade in trades:
        second = int(trade["time"].timestamp())
        opens = datetime.fromtimestamp(second - second % SECONDS[interval], UTC)
        buckets.setdefault((trade["symbol"], opens), []).append(trade)
    return [
        {
            "symbol": symbol, "interval": interval, "open_time": opens, "open": inside[0]["price"],
            "high": max(trade["price"] for trade in inside), "low": min(trade["price"] for trade in inside),
            "close": inside[-1]["price"], "volume": sum(trade["quantity"] for trade in inside),
            "quote_volume": sum(trade["quote_quantity"] for trade in inside), "trades": len(inside),
            "first_sequence": inside[0]["sequence"], "last_sequence": inside[-1]["sequence"],
        }
        for (symbol, opens), inside in buckets.items()
    ]  # fmt: skip
