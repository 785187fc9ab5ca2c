"""The hash of what was checked: the same for everybody who checked the same records, from topics or from files.

Each partition has a SHA-256 of its own over its records in the order of their offsets; the hash is the SHA-256 over the
list of these, by topic and partition. So two who don't agree see at once in which partition. docs/verify.md has the
bytes.
"""

import hashlib
import struct
from collections.abc import Iterable

from msgspec import Struct

from glassbook.verify_source import LogRecord, Place

TAG = b"glassbook-checked-v1\n"
NO_VALUE = -1
_head = struct.Struct(">qqi")


class PartitionHash(Struct, frozen=True):
    """`sha256` is over the records; `first` and `end` are offsets, both 0 of an empty partition."""

    topic: str
    partition: int
    records: int
    first: int
    end: int
    sha256: str

    @property
    def line(self) -> bytes:
        return f"{self.topic} {self.partition} {self.records} {self.first} {self.end} {self.sha256}\n".encode()


class RunningHash:
    """Of one partition, record after record."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._sha256 = hashlib.sha256()
        self._records = 0
        self._first = 0
        self._end = 0

    def add(self, record: LogRecord) -> None:
        value = record.value
        length = NO_VALUE if value is None else len(value)
        self._sha256.update(_head.pack(record.offset, record.log_time_ms, length) + (value or b""))
        if not self._records:
            self._first = record.offset
        self._records += 1
        self._end = record.offset + 1

    def result(self) -> PartitionHash:
        return PartitionHash(*self._place, self._records, self._first, self._end, self._sha256.hexdigest())


def hash_of_all(partitions: Iterable[PartitionHash]) -> str:
    """Over the partitions in order, whichever way they come in."""
    ordered = sorted(partitions, key=lambda one: (one.topic, one.partition))
    return hashlib.sha256(TAG + b"".join(one.line for one in ordered)).hexdigest()
