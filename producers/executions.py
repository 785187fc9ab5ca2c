"""The newest journal entries, kept as the bytes that stood on `ledger`, to page through by account. Pure.

A cursor is an edge sequence of the account's ledger partition, so that it holds on every gateway and after any restart.
What has left memory is read back from the topic: see `history.py`.
"""

from collections import deque
from typing import NamedTuple

MAX_ENTRIES = 50_000  # over all accounts of all partitions, about a kilobyte each


class Entry(NamedTuple):
    edge_sequence: int
    value: bytes


class Page(NamedTuple):
    """`next_after` goes on behind this page; `more` says that it already can."""

    values: list[bytes]
    next_after: int
    more: bool


class RecentEntries:
    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self.reset()

    def reset(self) -> None:
        self._by_account: dict[str, deque[Entry]] = {}
        self._order: deque[tuple[int, str]] = deque()  # partition and account of each entry, oldest first
        self._floor: dict[int, int] = {}  # partition -> nothing above this edge sequence is missing

    def start(self, partition: int, edge_sequence: int) -> None:
        """Entries of the partition are kept from behind this sequence on."""
        self._floor[partition] = edge_sequence

    def add(self, partition: int, edge_sequence: int, account: str, value: bytes) -> None:
        self._by_account.setdefault(account, deque()).append(Entry(edge_sequence, value))
        self._order.append((partition, account))
        if len(self._order) > self._max_entries:
            partition, account = self._order.popleft()
            entries = self._by_account[account]
            self._floor[partition] = entries.popleft().edge_sequence
            if not entries:
                del self._by_account[account]

    def page(self, partition: int, account: str, after: int, limit: int, position: int) -> Page | None:
        """The account's entries behind `after`; None where some of them may have left memory. O(entries kept)."""
        if after < self._floor.get(partition, 0):
            return None
        newer = [entry for entry in self._by_account.get(account, ()) if entry.edge_sequence > after]
        if len(newer) > limit:
            return Page([entry.value for entry in newer[:limit]], newer[limit - 1].edge_sequence, True)
        return Page([entry.value for entry in newer], max(after, position), False)
