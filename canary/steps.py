"""The place of things: which input a derived record comes from, and which number it has on its edge."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from msgspec import Struct

from canary.authority import Opened
from canary.signatures import base64url
from schemas.records import Source

Edge = tuple[str, int]
"""A topic and partition that a stage writes to from one of its input partitions."""
Series = tuple[str, str]
"""A topic and a symbol whose records there are counted."""
ReadInput = Callable[[bytes | None], tuple[Any, Opened | None]]


@lru_cache(maxsize=65536)
def partition_of(account: str, partitions: int) -> int:
    """Where all about an account lies: the first 32 bits of its id, modulo the number of partitions."""
    return int(account[:8], 16) % partitions


class Input:
    """A record of an input partition, as the broker has it. What it says is read when it is first asked for, and again
    after `forget`: read, it takes several times the memory of its bytes."""

    __slots__ = ("_read", "_said", "log_time_ms", "offset", "value")

    def __init__(self, offset: int, log_time_ms: int, value: bytes | None, read: ReadInput) -> None:
        self.offset = offset
        self.log_time_ms = log_time_ms
        self.value = value
        self._read = read
        self._said: tuple[Any, Opened | None] | None = None

    @property
    def said(self) -> tuple[Any, Opened | None]:
        """(the record, None if it can't be read; the signed command in it, opened, if there is one)."""
        if self._said is None:
            self._said = self._read(self.value)
        return self._said

    def forget(self) -> None:
        self._said = None


class Stamps(Struct):
    """How far an input partition has come, and the numbers that its outputs carry."""

    digest: bytes = bytes(32)  # running, over the input
    counters: dict[Edge, int] = {}  # edge -> the last sequence on it
    sequences: dict[Series, int] = {}  # of each symbol's trades and depth, the last
    marks: dict[int, int] = {}  # of the edges that are read: the writer's input partition -> the last sequence taken

    def advanced(self, given: Input) -> bytes:
        """The digest with this record in it."""
        place = given.offset.to_bytes(8, "big") + given.log_time_ms.to_bytes(8, "big")
        return hashlib.sha256(self.digest + place + (given.value or b"")).digest()

    def advance(self, digest: bytes, step: "Step") -> None:
        """Takes a record, with which the digest is this, and what it caused."""
        self.digest = digest
        for edge, records in step.outputs.items():
            self.counters[edge] = self.counters.get(edge, 0) + len(records)
        for series, count in step.numbered.items():
            self.sequences[series] = self.sequences.get(series, 0) + count
        if step.mark is not None:
            self.marks[step.mark[0]] = step.mark[1]

    def copied(self) -> "Stamps":
        return Stamps(self.digest, dict(self.counters), dict(self.sequences), dict(self.marks))


class Step:
    """What one input causes: the records that must appear, by edge, in their order."""

    __slots__ = ("_stamps", "digest", "digest_text", "mark", "numbered", "offset", "outputs", "partition", "time_ms")

    def __init__(self, partition: int, offset: int, time_ms: int, digest: bytes, stamps: Stamps) -> None:
        self.partition = partition
        self.offset = offset
        self.time_ms = time_ms
        self.digest = digest
        self.digest_text = base64url(digest)
        self.outputs: dict[Edge, list[Any]] = {}
        self.numbered: dict[Series, int] = {}
        self.mark: tuple[int, int] | None = None
        self._stamps = stamps

    def takes(self, edge: int, sequence: int) -> bool:
        """Whether a record with this place on its edge is new, and no repeat."""
        if sequence <= self._stamps.marks.get(edge, 0):
            return False
        self.mark = (edge, sequence)
        return True

    def emit(self, topic: str, partition: int, record: Callable[..., Any], /, **fields: Any) -> None:
        edge = (topic, partition)
        outputs = self.outputs.get(edge)
        if outputs is None:
            outputs = self.outputs[edge] = []
        index = len(outputs)
        source = Source(self.partition, self.offset, index, self.digest_text)
        sequence = self._stamps.counters.get(edge, 0) + index + 1
        outputs.append(record(edge_sequence=sequence, source=source, **fields))

    def last_number(self, topic: str, symbol: str) -> int:
        """The last number of a symbol's own sequence before this input."""
        return self._stamps.sequences.get((topic, symbol), 0)

    def number(self, topic: str, symbol: str) -> int:
        """The next number of a symbol's own sequence."""
        series = (topic, symbol)
        count = self.numbered[series] = self.numbered.get(series, 0) + 1
        return self._stamps.sequences.get(series, 0) + count
