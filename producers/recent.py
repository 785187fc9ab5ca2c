"""The newest items of a topic by key, in bounds: what market history and account pages have at hand. Pure.

An item comes with its record's offset, so that it is known from which offset of a partition on nothing is missing. Over
all keys there are no more items than the bound; the oldest goes first.
"""

from collections import deque
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

KeyT = TypeVar("KeyT")
ItemT = TypeVar("ItemT")


class _Time(Struct):
    time_ms: int


_time_decoder = msgspec.json.Decoder(_Time)


def time_of(value: bytes) -> int:
    """The time that an item's record says. Nothing else of it is decoded."""
    return _time_decoder.decode(value).time_ms


class Dropped(NamedTuple, Generic[ItemT]):
    partition: int
    item: ItemT


class Recent(Generic[KeyT, ItemT]):
    """Adding an item and dropping the oldest are O(1)."""

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        self.reset()

    def reset(self) -> None:
        self._by_key: dict[KeyT, deque[ItemT]] = {}
        self._order: deque[tuple[int, int, KeyT]] = deque()  # partition, offset and key of each item, oldest first
        self._floors: dict[int, int] = {}
        self._begun: set[int] = set()

    def start(self, partition: int, offset: int) -> None:
        """The partition is read from this offset on."""
        self._floors[partition] = offset

    def skip(self, partition: int, offset: int) -> None:
        """The record here is passed over. Before the first one that isn't, it may be one that is missing here: a copy
        pushes those behind it to higher offsets than their sequence says."""
        if partition not in self._begun:
            self._floors[partition] = offset + 1

    def add(self, partition: int, offset: int, key: KeyT, item: ItemT) -> Dropped[ItemT] | None:
        """Keeps an item; returns the one that had to go for it."""
        items = self._by_key.get(key)
        if items is None:
            items = self._by_key[key] = deque()
        items.append(item)
        self._begun.add(partition)
        self._order.append((partition, offset, key))
        return self._drop_oldest() if len(self._order) > self._max_items else None

    def _drop_oldest(self) -> Dropped[ItemT]:
        partition, offset, key = self._order.popleft()
        self._floors[partition] = offset + 1
        items = self._by_key[key]
        item = items.popleft()
        if not items:
            del self._by_key[key]
        return Dropped(partition, item)

    def of(self, key: KeyT) -> Sequence[ItemT]:
        """The items of a key, oldest first. Reaching one in the middle is O(n)."""
        return self._by_key.get(key, ())

    def floor(self, partition: int) -> int:
        """From this offset on, every item of the partition is here."""
        return self._floors.get(partition, 0)

    def __len__(self) -> int:
        return len(self._order)
