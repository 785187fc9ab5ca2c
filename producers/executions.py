"""The newest journal entries, kept as the bytes that stood on `ledger`, to page through by account. Pure.

A cursor is an edge sequence of the account's ledger partition, so that it holds on every gateway and after any restart.
What has left memory is read back from the topic: see `history.py`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from producers.recent import Recent

MAX_ENTRIES = 50_000  # over all accounts of all partitions, about a kilobyte each


class Entry(NamedTuple):
    """A journal entry: `edge_sequence` is its partition's, `sequence` its account's."""

    edge_sequence: int
    sequence: int
    value: bytes


class Page(NamedTuple):
    """`next_after` goes on behind this page; `more` says that it already can."""

    values: list[bytes]
    next_after: int
    more: bool


class RecentEntries:
    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._recent: Recent[str, Entry] = Recent(max_entries)
        self._floor: dict[int, int] = {}  # partition -> nothing above this edge sequence is missing

    def __len__(self) -> int:
        return len(self._recent)

    def reset(self) -> None:
        self._recent.reset()
        self._floor = {}

    def start(self, partition: int, edge_sequence: int) -> None:
        """Entries of the partition are kept from behind this sequence on."""
        self._floor[partition] = edge_sequence
        # Repeats may push records back, never forward: edge sequence s stands at offset s - 1 or behind it.
        self._recent.start(partition, edge_sequence)

    def add(self, partition: int, offset: int, account: str, entry: Entry) -> None:
        dropped = self._recent.add(partition, offset, account, entry)
        if dropped is not None:
            self._floor[dropped.partition] = dropped.item.edge_sequence

    def skip(self, partition: int, offset: int) -> None:
        """The record at this offset is a copy of an earlier one."""
        self._recent.skip(partition, offset)

    def of(self, account: str) -> Sequence[Entry]:
        return self._recent.of(account)

    def floor(self, partition: int) -> int:
        """From this offset of the journal on, every entry of the partition is here."""
        return self._recent.floor(partition)

    def page(self, partition: int, account: str, after: int, limit: int, position: int) -> Page | None:
        """The account's entries behind `after`; None where some of them may have left memory. O(entries kept)."""
        if after < self._floor.get(partition, 0):
            return None
        newer = [entry for entry in self._recent.of(account) if entry.edge_sequence > after]
        if len(newer) > limit:
            return Page([entry.value for entry in newer[:limit]], newer[limit - 1].edge_sequence, True)
        return Page([entry.value for entry in newer], max(after, position), False)
