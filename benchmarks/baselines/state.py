"""What the baseline's exchange holds: accounts with their balances, markets with their books, and what has changed."""

from collections import deque
from typing import NamedTuple

from msgspec import Struct

from benchmarks.baselines.book import Book, Order
from glassbook.client.history import Trade
from schemas.market import Market, Terms

TRADES_KEPT = 1_000  # of a market


class Balance(Struct):
    free: int = 0
    reserved: int = 0


class Account:
    def __init__(self) -> None:
        self.balances: dict[str, Balance] = {}
        self.open: dict[int, Order] = {}
        self.by_client_id: dict[str, Order] = {}
        self.transfers: set[str] = set()

    def balance(self, asset: str) -> Balance:
        found = self.balances.get(asset)
        if found is None:
            found = self.balances[asset] = Balance()
        return found


class ListedMarket:
    """A market with its book, and what was traded since the start."""

    def __init__(self, market: Market) -> None:
        self.terms = Terms(market)
        self.book = Book()
        self.sequence = 0  # of the last trade
        self.changes = 0  # of the book
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.lots = self.notional_minor = 0
        self.open = self.last = self.high = self.low = 0  # in ticks

    def count(self, trade: Trade, price_ticks: int, lots: int, notional_minor: int) -> None:
        """Takes a trade that was made."""
        self.sequence = trade.sequence
        self.trades.append(trade)
        if not self.lots:
            self.open = self.high = self.low = price_ticks
        self.last = price_ticks
        self.high, self.low = max(self.high, price_ticks), min(self.low, price_ticks)
        self.lots += lots
        self.notional_minor += notional_minor


class Changes(NamedTuple):
    accounts: list[str]
    transfers: list[tuple[str, str]]
    balances: dict[tuple[str, str], Balance]
    orders: dict[int, Order]
    trades: list[tuple[str, Trade]]
