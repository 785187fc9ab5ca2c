"""The matcher of one `orders` partition, derived: its books, and how they follow what was decided.

Beside its own books it may hold books as the exchange states them, for markets where the two came to differ; judge.py
says when.
"""

from collections import OrderedDict
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from canary.authority import Opened
from canary.engines import check_engine
from canary.halts import Halter, Halts, HaltsState, dump_halts, restored_halts
from canary.market_terms import MarketTerms
from canary.matcher_busts import Busted
from canary.matcher_decision import Decision, Moves
from canary.matching import happen
from canary.order_book import BookState, MarketBook
from canary.published import Published
from canary.steps import Step, partition_of
from schemas.commands import Genesis, ListMarket
from schemas.records import Closed, CloseStatus, ExecutionReport, OrderEvent
from schemas.topics import ACCOUNTS

REMEMBERED_CLOSED = 10_000


class ClosedOrder(Struct, array_like=True):
    """An order that is gone: by which input, and how."""

    offset: int
    status: CloseStatus


class MatcherState(Struct):
    genesis: Genesis | None
    books: list[BookState]
    stated: list[BookState]
    closed: dict[str, ClosedOrder]
    halter: Halter
    halts: list[HaltsState]
    busted: dict[str, dict[str, int]]  # of each market: trade id -> sequence


class MatcherReplica:
    stage = "matcher"

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.genesis: Genesis | None = None
        self.books: dict[str, MarketBook] = {}
        self.stated: dict[str, MarketBook] = {}
        # The last that closed, to tell a dead order from an unknown one.
        self.closed: OrderedDict[str, ClosedOrder] = OrderedDict()
        self.halter = Halter()
        self.halts: dict[str, Halts] = {}
        self.busted: dict[str, Busted] = {}

    def decide(self, step: Step, record: Any, opened: Opened | None, stated: bool, heeds_halts: bool = True) -> Moves:
        """What the input does and must cause; `stated`: with the exchange's books in place of ours, where it has."""
        books = self.books | self.stated if stated else self.books
        return Decision(self, books, step, heeds_halts).of(record, opened)

    # --- what was decided, done

    def apply(self, moves: Moves, offset: int) -> None:
        """Does it to our own books."""
        if moves.genesis is not None:
            self.genesis = moves.genesis
        for symbol, happened in moves.markets.items():
            self._remember_closed(happened.events, offset)
            happen(self.books[symbol], happened.events, happened.incoming, offset)
        if moves.listing is not None:
            self._list(moves.listing)
        if moves.halter is not None:
            self.halter = moves.halter
        if moves.halts:
            self.halts |= moves.halts
        if moves.busted is not None:
            self.busted.setdefault(moves.busted.symbol, Busted()).add(moves.busted)

    def apply_stated(self, moves: Moves, offset: int) -> None:
        """Does it to the books as stated: those that `moves` was decided on."""
        for symbol, happened in moves.markets.items():
            if symbol in self.stated:
                happen(self.stated[symbol], happened.events, happened.incoming, offset)

    def _list(self, listing: ListMarket) -> None:
        symbol, terms = listing.market.symbol, MarketTerms(listing.market)
        if symbol not in self.books:
            self.books[symbol] = MarketBook(listing.revision, terms)
        for book in (self.books[symbol], self.stated.get(symbol)):
            if book is not None:
                book.revision, book.terms = listing.revision, terms

    def _remember_closed(self, events: list[OrderEvent], offset: int) -> None:
        for event in events:
            if isinstance(event, Closed):
                self.closed[event.order_id] = ClosedOrder(offset, event.status)
        while len(self.closed) > REMEMBERED_CLOSED:
            self.closed.popitem(last=False)

    def partition_of(self, account: str) -> int:
        return partition_of(account, self.genesis.account_partitions) if self.genesis is not None else 0

    # --- the exchange's word

    @property
    def own(self) -> dict[str, MarketBook]:
        """Our own of what `stated` has."""
        return self.books

    def units(self, moves: Moves) -> set[str]:
        return set(moves.markets)

    def state(self, moves: Moves | None, published: Published, offset: int) -> None:
        """Keeps, beside our books, those that the records found of this input lead to. Called before `apply`.

        `moves` is what we decided, None for a record too many.
        """
        markets = moves.markets if moves is not None else {}
        told: dict[str, list[OrderEvent]] = {symbol: [] for symbol in markets}
        for report in published.of(ACCOUNTS):
            if isinstance(report, ExecutionReport):
                told.setdefault(report.symbol, []).extend(report.events)
        for symbol in told:
            book, happened = self.stated.get(symbol) or self.books.get(symbol), markets.get(symbol)
            if book is None:
                continue
            stated = self.stated[symbol] = book.copied()
            events, incoming = told[symbol], None
            if happened is not None:
                incoming = replace(happened.incoming) if happened.incoming is not None else None
                events = events if published.watches(ACCOUNTS) else happened.events
            happen(stated, events, incoming, offset)

    # --- snapshots

    def dump(self) -> MatcherState:
        """Shares what it holds: to be encoded at once."""
        books, stated = ([book.dump() for book in each.values()] for each in (self.books, self.stated))
        busted = {symbol: its.ids for symbol, its in self.busted.items()}
        return MatcherState(self.genesis, books, stated, self.closed, self.halter, dump_halts(self.halts), busted)

    def restore(self, state: MatcherState) -> None:
        self.genesis, self.closed = state.genesis, OrderedDict(state.closed)
        self.halter, self.halts = state.halter, restored_halts(state.halts)
        self.busted = {symbol: Busted.restored(ids) for symbol, ids in state.busted.items()}
        if state.genesis is not None:
            check_engine(state.genesis.engine_version)
        self.books = {book.market.symbol: MarketBook.restored(book) for book in state.books}
        self.stated = {book.market.symbol: MarketBook.restored(book) for book in state.stated}
