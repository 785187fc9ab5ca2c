"""One edge as it is found on the log: what stands there and waits to be judged, and what stood there before.

Of the last records it keeps a hash each, so that a copy that comes later can be held against the first.
"""

import hashlib
from collections import deque
from typing import Any

from msgspec import Struct

from canary.frames import Origin, origin_of
from canary.ring import Ring
from schemas.alerts import Evidence

KEPT_COPIES = 2_048
HASH_BYTES = 16
OFFSET_BYTES = 8
KEPT_FORGED = 16

_UNREAD: Any = object()


class Found:
    """A record on an output partition. `forged`: its client's signature doesn't hold, so it has no place here."""

    __slots__ = ("_origin", "forged", "log_time_ms", "offset", "value")

    def __init__(self, offset: int, log_time_ms: int, value: bytes | None, forged: bool = False) -> None:
        self.offset = offset
        self.log_time_ms = log_time_ms
        self.value = value
        self.forged = forged
        self._origin: Any = _UNREAD

    @property
    def origin(self) -> Origin | None:
        """Where it says that it comes from, read when first asked for."""
        if self._origin is _UNREAD:
            self._origin = origin_of(self.value)
        found: Origin | None = self._origin
        return found


def hash_of(value: bytes | None) -> bytes:
    return hashlib.sha256(value or b"").digest()[:HASH_BYTES]


class Overdue(Struct):
    """A record that was given up waiting for. It may still come; if its edge goes on without it, it is missing."""

    record: Any
    offset: int  # of the input that should have caused it


class Reader:
    """What stands on one edge. `mark` is the highest sequence that was judged."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.edge = (topic, partition)
        self.mark = 0
        self.waiting: deque[Found] = deque()
        self.overdue: deque[Overdue] = deque()
        self.resolved = (-1, 0)  # the last input of which records were overdue and are no more, and how many
        self.forged: deque[Found] = deque(maxlen=KEPT_FORGED)  # without a place: a true one may be missing for them
        self.judged_from = 0  # of inputs below, not all that they caused here was kept: nothing of it is judged
        self.hole: Evidence | None = None  # where records were deleted, while nothing has been judged behind it
        self._kept = Ring(HASH_BYTES + OFFSET_BYTES, KEPT_COPIES)  # (hash, offset) of each, up to the mark

    def take(self, found: Found, sequence: int) -> None:
        """The record has been judged, under this sequence."""
        if sequence != self.mark + 1:
            if sequence <= self.mark:
                return
            self._kept.clear()
        self.mark = sequence
        self._kept.append(hash_of(found.value) + found.offset.to_bytes(OFFSET_BYTES))

    def first_copy(self, sequence: int) -> tuple[bytes, int] | None:
        """(hash, offset) of the first copy; None if it is kept no more."""
        back = self.mark - sequence
        if not 0 <= back < len(self._kept):
            return None
        kept = self._kept[back]
        return kept[:HASH_BYTES], int.from_bytes(kept[HASH_BYTES:])

    def given_up_of(self, offset: int) -> int:
        """How many records of this input were given up. Some may have come since, or be known to be missing: they are
        not due again."""
        resolved = self.resolved[1] if self.resolved[0] == offset else 0
        return resolved + sum(overdue.offset == offset for overdue in self.overdue)

    def resolve(self) -> Overdue:
        """Takes out the first that is overdue: it has come, or is missing."""
        overdue = self.overdue.popleft()
        before = self.resolved[1] if self.resolved[0] == overdue.offset else 0
        self.resolved = (overdue.offset, before + 1)
        return overdue

    def stray_of(self, offset: int) -> Found | None:
        """A record without a place that says it comes from this input."""
        for found in self.forged:
            if found.origin is not None and found.origin.source.offset == offset:
                return found
        return None

    # --- snapshots

    def copies(self) -> bytes:
        """(hash, offset) of the first copies that are kept, up to the mark."""
        return self._kept.dump()

    def restore_copies(self, copies: bytes) -> None:
        self._kept.extend(copies)
