"""History page by page: what to ask first, what is on a page, and what to ask next. Sends nothing itself.

    for candle in client.walk(pages.candles("AMZN-USD", "1m", start=monday)):
        ...

`Client.walk` and `AsyncClient.walk` go through the pages, oldest first, so that each kind is written once for both. Of
what has expired, they begin with the oldest that is kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from glassbook.client import calls, history
from glassbook.client.calls import Account, Call, Moment

PageT = TypeVar("PageT")
ItemT = TypeVar("ItemT")
PAGE = 1000
BEGINNING = "0-0"


@dataclass(frozen=True)
class Pages(Generic[PageT, ItemT]):
    """`next` gives the call for the page behind this one, or None behind the last."""

    first: Call[PageT]
    items: Callable[[PageT], Sequence[ItemT]]
    next: Callable[[PageT], Call[PageT] | None]


def candles(
    symbol: str, interval: str, start: Moment = 0, end: Moment | None = None, fill: bool = False
) -> Pages[history.Candles, history.Candle]:
    def page(begin: Moment) -> Call[history.Candles]:
        return calls.candles(symbol, interval, begin, end, PAGE, fill)

    def following(last: history.Candles) -> Call[history.Candles] | None:
        return page(last.candles[-1].open_time_ms + 1) if last.more and last.candles else None

    return Pages(page(start), lambda found: found.candles, following)


def trades(
    symbol: str, after: int = 0, start: Moment | None = None, end: Moment | None = None
) -> Pages[history.Trades, history.Trade]:
    def page(behind: int) -> Call[history.Trades]:
        return calls.trades(symbol, after=behind, start=start, end=end, limit=PAGE)

    def following(last: history.Trades) -> Call[history.Trades] | None:
        return page(last.trades[-1].sequence) if last.more and last.trades else None

    return Pages(page(after), lambda found: found.trades, following)


def account_trades(
    account: Account,
    symbol: str | None = None,
    after: str = BEGINNING,
    start: Moment | None = None,
    end: Moment | None = None,
) -> Pages[history.AccountTrades, history.AccountTrade]:
    def page(behind: str) -> Call[history.AccountTrades]:
        return account.trades(symbol, after=behind, start=start, end=end, limit=PAGE)

    def following(last: history.AccountTrades) -> Call[history.AccountTrades] | None:
        return page(last.trades[-1].cursor) if last.more and last.trades else None

    return Pages(page(after), lambda found: found.trades, following)


def statement(
    account: Account,
    asset: str | None = None,
    after: str = BEGINNING,
    start: Moment | None = None,
    end: Moment | None = None,
) -> Pages[history.Statement, history.StatementLine]:
    def page(behind: str) -> Call[history.Statement]:
        return account.statement(asset, after=behind, start=start, end=end, limit=PAGE)

    def following(last: history.Statement) -> Call[history.Statement] | None:
        return page(last.lines[-1].cursor) if last.more and last.lines else None

    return Pages(page(after), lambda found: found.lines, following)
