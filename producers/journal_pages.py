"""A page of an account's journal: its newest entries from memory, older ones from ClickHouse, without a seam.

An account's entries count up from 1, and the number of the newest is known. What memory has of them is contiguous up to
that one. Below, ClickHouse has everything if the sink's position has reached the offset from which memory holds all of
the partition; what lies between the two is read back from the topic.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from producers.executions import Entry
from producers.gateway import Gateway
from producers.history_store import Cursor, JournalAsk, StoreUnavailable, Table
from producers.recent import time_of
from producers.stretches import PlacedRecord, decoded, joined
from schemas.decimals import parse_decimal
from schemas.journal import LedgerEntry
from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.topics import LEDGER

DECIMALS = 18  # the finest that an amount can be
ItemT = TypeVar("ItemT")
StoredT = TypeVar("StoredT")


class JournalPage(NamedTuple, Generic[StoredT, ItemT]):
    """First what came from ClickHouse, then what was at hand; oldest first."""

    stored: list[StoredT]
    at_hand: list[ItemT]
    more: bool


class Kind(NamedTuple, Generic[StoredT, ItemT]):
    """What a page is of. `items` finds them in an entry, of one symbol or asset or of all, each with its cursor;
    `needle` is in the bytes of every entry that has any."""

    table: Table
    needle: bytes
    items: Callable[[LedgerEntry, str | None], Iterable[tuple[Cursor, ItemT]]]
    stored: Callable[[JournalAsk, int], Awaitable[list[StoredT]]]


class _Head(Struct):
    edge_sequence: int
    account: str
    sequence: int


_head_decoder = msgspec.json.Decoder(_Head)
_entry_decoder = msgspec.json.Decoder(LedgerEntry)


class JournalReading:
    """One answer's look at an account: `entries` are those at hand, up to `through`, as of the beginning."""

    def __init__(self, gateway: Gateway, account: str) -> None:
        known = gateway.view.accounts[account]
        self._gateway = gateway
        self.account = account
        self._partition = gateway.partition_of(account)
        self._floor = gateway.entries.floor(self._partition)
        self.through = known.sequence
        self._balances = dict(known.balances)
        self.entries = list(gateway.entries.of(account))
        while self.entries and not self.entries[0].sequence:
            del self.entries[0]  # refused before the account was registered
        if self.entries and [self.first, self.through] != [self.through + 1 - len(self.entries), self._last]:
            raise Refused(Reason.HISTORY_UNAVAILABLE, f"entries from {self.first} to {self.through} are not contiguous")

    @property
    def first(self) -> int:
        """From this entry on all are at hand."""
        return self.entries[0].sequence if self.entries else self.through + 1

    @property
    def _last(self) -> int:
        return self.entries[-1].sequence

    async def page(self, ask: JournalAsk, kind: Kind[StoredT, ItemT]) -> JournalPage[StoredT, ItemT]:
        try:
            return await self._page(ask, kind)
        except StoreUnavailable as error:
            detail = f"this gateway itself has the account's entries from {self.first} on; {error}"
            raise Refused(Reason.HISTORY_UNAVAILABLE, detail) from None

    async def _page(self, ask: JournalAsk, kind: Kind[StoredT, ItemT]) -> JournalPage[StoredT, ItemT]:
        found = self._take(ask, kind)
        stored: list[StoredT] = []
        whole = self._covers(ask)
        if not whole and (ask.ascending or len(found) < ask.limit):
            await self.meet(kind.table)
            found = self._take(ask, kind)
            whole = self._covers(ask)
            if not whole and (ask.ascending or len(found) < ask.limit):
                stored = await kind.stored(ask, self.first)
                whole = True
        # A full page from memory says that there may be more without asking for it.
        more = len(stored) + len(found) > ask.limit or not whole
        if ask.ascending:
            stored = stored[: ask.limit]
            return JournalPage(stored, found[: ask.limit - len(stored)], more)
        found = found[-ask.limit :]
        room = ask.limit - len(found)
        return JournalPage(stored[-room:] if room else [], found, more)

    # --- what is at hand

    def _covers(self, ask: JournalAsk) -> bool:
        """Nothing that was asked for is older than the entries at hand."""
        if self.first == 1 or (ask.after is not None and ask.after.sequence >= self.first):
            return True
        return ask.first_ms is not None and bool(self.entries) and _time(self.entries[0]) < ask.first_ms

    def _take(self, ask: JournalAsk, kind: Kind[StoredT, ItemT]) -> list[ItemT]:
        """The page as far as it is at hand, from the end that the answer begins at, and one more; oldest first."""
        wanted = ask.limit + 1
        found: list[ItemT] = []
        for entry in self._within(ask):
            if kind.needle not in entry.value or (ask.only is not None and ask.only.encode() not in entry.value):
                continue
            decoded = _entry_decoder.decode(entry.value)
            items = [item for cursor, item in kind.items(decoded, ask.only) if _is_between(cursor, ask)]
            found += items if ask.ascending else reversed(items)
            if len(found) >= wanted:
                break
        found = found[:wanted]
        return found if ask.ascending else found[::-1]

    def _within(self, ask: JournalAsk) -> Iterator[Entry]:
        low, high = 0, len(self.entries)
        if ask.after is not None:
            low = max(low, ask.after.sequence - self.first)
        if ask.before is not None:
            high = min(high, ask.before.sequence + 1 - self.first)
        if ask.first_ms is not None:
            low = max(low, bisect_left(self.entries, ask.first_ms, key=_time))
        if ask.end_ms is not None:
            high = min(high, bisect_left(self.entries, ask.end_ms, key=_time))
        places = range(low, high)
        return (self.entries[place] for place in (places if ask.ascending else reversed(places)))

    def balance_before(self, book: str, asset: str) -> int:
        """What stood on the account's free or reserved book in front of the entries at hand, in 10**-18."""
        needle = f'"asset":"{asset}"'.encode()
        for kept in self.entries:
            if needle in kept.value:
                entry = _entry_decoder.decode(kept.value)
                balances = [balance for balance in entry.balances if balance.asset == asset]
                if balances:
                    own = [p.amount for p in entry.postings if (p.book, p.asset) == (f"{book}:{self.account}", asset)]
                    return parse_amount(getattr(balances[0], book)) - sum(map(parse_amount, own))
        free, reserved = self._balances.get(asset, ("0", "0"))
        return parse_amount(free if book == "free" else reserved)

    # --- where memory and ClickHouse meet

    async def meet(self, table: Table) -> None:
        """Reads back what lies between the sink's position and memory, so that nothing is missing below `first`."""
        position = await self._gateway.store.position(table, self._partition, self._floor)
        needle = f'"account":"{self.account}"'.encode()
        records = await self._gateway.stretches.read(LEDGER, self._partition, position, self._floor, needle)
        earlier = [entry for entry in self._own(records) if entry.sequence > 0]
        self.entries = joined(earlier, self.entries, self.first)
        if cut_off := [entry.sequence for entry in earlier if entry.sequence < self.first]:
            gap = f"the account's entries behind {max(cut_off)} and before {self.first} are not at hand"
            raise Refused(Reason.HISTORY_UNAVAILABLE, gap)

    def _own(self, records: Iterable[PlacedRecord]) -> Iterator[Entry]:
        for value, head in decoded(records, _head_decoder):
            if head.account == self.account:
                yield Entry(head.edge_sequence, head.sequence, value)


def parse_amount(text: str) -> int:
    """A decimal with or without a minus, in 10**-18."""
    return -parse_decimal(text[1:], DECIMALS) if text.startswith("-") else parse_decimal(text, DECIMALS)


def _is_between(cursor: Cursor, ask: JournalAsk) -> bool:
    return (ask.after is None or cursor > ask.after) and (ask.before is None or cursor < ask.before)


def _time(entry: Entry) -> int:
    return time_of(entry.value)
