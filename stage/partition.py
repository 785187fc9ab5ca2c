"""One input partition of a stage: the deterministic part of the exactness protocol.

Owns what every stage needs besides its core: the next offset, the running digest of the input, the monotonic log time,
the marks of the edges read and the counters of the edges written. All of it is a function of the records fed so far,
and all of it is in the snapshot. Does no I/O.

Invariants: records are fed contiguously; an edge's sequence counts 1, 2, 3 …; the same record fed to the same state
gives the same bytes; nothing is emitted for a record below `emit_from`.
"""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Raw, Struct

from schemas.codec import encode
from schemas.reasons import Reason
from schemas.records import DeadLetter, Source
from schemas.signing import encode_bytes
from schemas.topics import DEAD_LETTERS, PUBLIC_TOPICS
from stage.published import LastPublished

MAX_DEAD_LETTER_BYTES = 64 * 1024


class StageStopped(Exception):
    """The log is not what this stage's own state says it must be. The process ends; nothing is guessed."""


class Gap(StageStopped):
    """An edge jumped ahead: records are missing, or one was forged."""


class LogRewritten(StageStopped):
    """The input was cut or rewritten, or the output isn't what the input gives."""


class Emission(NamedTuple):
    """A record for the log."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    edge_sequence: int


class Step(Protocol):
    """What a core sees of the input record that it is given, and how it answers."""

    partition: int
    offset: int
    time_ms: int

    def emit(self, topic: str, partition: int, key: bytes, record: Callable[..., Any], /, **fields: Any) -> None: ...
    def is_repeat(self, edge: int, edge_sequence: int) -> bool: ...
    def dead_letter(self, reason: Reason, detail: str, value: bytes | None) -> None: ...


class Core(Protocol):
    """A pure state machine. `apply` answers through `step`; `dump` gives the whole state, `restore` takes it back."""

    stage: str
    input_topic: str

    def apply(self, step: Step, value: bytes | None) -> None: ...
    def dump(self) -> Struct: ...
    def restore(self, raw: bytes) -> None: ...


class PartitionState(Struct):
    """All of a stage's state of one input partition. `core` is the core's own."""

    partition: int
    next_offset: int
    time_ms: int
    digest: str
    marks: dict[int, int]  # edge (the writer's input partition) -> last edge sequence accepted
    counters: dict[str, int]  # "topic:partition" -> last edge sequence written
    core: Raw


class StagePartition:
    """Feeds records to a core, and stamps what comes out. Complexity per record: constant, besides the core's own."""

    def __init__(self, core: Core, partition: int) -> None:
        self.core = core
        self.partition = partition
        self.next_offset = 0
        self.offset = -1
        self.time_ms = 0
        self.emit_from = 0
        self._digest = bytes(32)
        self._digest_text: str | None = None
        self._marks: dict[int, int] = {}
        self._counters: dict[str, int] = {}
        self._published: dict[str, LastPublished] = {}
        self._emissions: list[Emission] = []
        self._indexes: dict[str, int] = {}

    # --- start

    def restore(self, state: PartitionState) -> None:
        """Takes a snapshot's state. The core's own part is not copied: the snapshot's bytes are used once."""
        if state.partition != self.partition:
            raise StageStopped(f"snapshot of partition {state.partition} given to partition {self.partition}")
        self.next_offset = self.emit_from = state.next_offset
        self.offset = state.next_offset - 1
        self.time_ms = state.time_ms
        self._digest = bytes.fromhex(state.digest)
        self._marks = state.marks
        self._counters = state.counters
        self.core.restore(bytes(state.core))

    def resume(self, emit_from: int, published: dict[tuple[str, int], LastPublished]) -> None:
        """Says below which offset all outputs are on the log, and what stands last on the public topics."""
        self.emit_from = max(self.emit_from, emit_from)
        self._published = {f"{topic}:{partition}": last for (topic, partition), last in published.items()}

    def dump(self) -> PartitionState:
        core = Raw(encode(self.core.dump()))
        return PartitionState(
            self.partition, self.next_offset, self.time_ms, self._digest.hex(), self._marks, self._counters, core
        )

    @property
    def is_replaying(self) -> bool:
        """True while what comes out lies on the log already."""
        behind = (self._counters.get(edge, 0) < last.edge_sequence for edge, last in self._published.items())
        return self.next_offset < self.emit_from or any(behind)

    # --- each record

    def feed(self, offset: int, log_time_ms: int, value: bytes | None) -> list[Emission]:
        """What the record at `offset` causes and isn't on the log yet, in order."""
        if offset != self.next_offset:
            raise LogRewritten(f"expected offset {self.next_offset} of partition {self.partition}, got {offset}")
        self.offset = offset
        self.next_offset = offset + 1
        if log_time_ms > self.time_ms:
            self.time_ms = log_time_ms
        place = offset.to_bytes(8) + log_time_ms.to_bytes(8)
        self._digest = hashlib.sha256(self._digest + place + (value or b"")).digest()
        self._digest_text = None
        self._emissions = []
        self._indexes.clear()
        self.core.apply(self, value)
        return self._emissions

    def emit(self, topic: str, partition: int, key: bytes, record: Callable[..., Any], /, **fields: Any) -> None:
        """Writes the next record of the edge to this output partition, unless it is there already."""
        edge = f"{topic}:{partition}"
        sequence = self._counters.get(edge, 0) + 1
        self._counters[edge] = sequence
        index = self._indexes.get(edge, 0)
        self._indexes[edge] = index + 1
        if self.offset < self.emit_from and edge not in self._published:
            return
        if self._digest_text is None:
            self._digest_text = encode_bytes(self._digest)
        source = Source(self.partition, self.offset, index, self._digest_text)
        value = encode(record(edge_sequence=sequence, source=source, **fields))
        if topic in PUBLIC_TOPICS and self._is_published(edge, sequence, value):
            return
        if self.offset >= self.emit_from:
            self._emissions.append(Emission(topic, partition, key, value, sequence))

    def _is_published(self, edge: str, sequence: int, value: bytes) -> bool:
        last = self._published.get(edge)
        if last is None:
            return False
        if sequence >= last.edge_sequence:
            del self._published[edge]
        if sequence == last.edge_sequence and value != last.value:
            where = f"{edge}, edge sequence {sequence}"
            raise LogRewritten(f"the record on {where} differs from what offset {self.offset} of the input gives")
        return sequence <= last.edge_sequence

    def last_place(self, topic: str, partition: int) -> tuple[int, Source]:
        """The edge's last sequence, and the last input: what a record says that takes no place of its own."""
        source = Source(self.partition, self.offset, 0, encode_bytes(self._digest))
        return self._counters.get(f"{topic}:{partition}", 0), source

    def is_repeat(self, edge: int, edge_sequence: int) -> bool:
        """True for a copy of what was taken already; takes the next one; raises `Gap` beyond it."""
        mark = self._marks.get(edge, 0)
        if edge_sequence == mark + 1:
            self._marks[edge] = edge_sequence
            return False
        if edge_sequence <= mark:
            return True
        where = f"offset {self.offset} of {self.core.input_topic}-{self.partition}"
        raise Gap(f"{where}: edge {edge} jumps from sequence {mark} to {edge_sequence}")

    def dead_letter(self, reason: Reason, detail: str, value: bytes | None) -> None:
        self.emit(
            DEAD_LETTERS, 0, f"{self.core.stage}-{self.partition}".encode(), DeadLetter,
            stage=self.core.stage, topic=self.core.input_topic, reason=reason, detail=detail[:512],
            value=encode_bytes((value or b"")[:MAX_DEAD_LETTER_BYTES]),
        )  # fmt: skip


_state_decoder = msgspec.json.Decoder(PartitionState)


def encode_state(state: PartitionState) -> bytes:
    return encode(state)


def decode_state(data: bytes) -> PartitionState:
    return _state_decoder.decode(data)
