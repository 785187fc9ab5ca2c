"""The log port of `stage/log.py`, with Faust as the one that brings the records.

Nothing depends on where Faust reads. Each partition has its position here: what lies below it is known and dropped,
and what is missing before a record that Faust brought is read from the log itself. So a seek, a lost message or a
rebalance inside Faust can cost time, and never a trade. Writing and looking at the log is `stage/`'s.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from faust.types import TP

from stage.kafka_producer import Failure, KafkaProducer
from stage.kafka_reader import LATEST, KafkaReader, client_config, offset_of, place_of
from stage.log import InputRecord
from stage.partition import LogRewritten
from stage.snapshots import Snapshot

Commit = Callable[[Mapping[TP, int]], Awaitable[bool]]


class FaustLog:
    """One worker's handle. `commit` is Faust's consumer's; it answers False where a rebalance came before."""

    def __init__(self, bootstrap: str, group: str, topic: str, member: str, commit: Commit) -> None:
        common = client_config(bootstrap, f"{group}-{member}")
        self._group = group
        self._topic = topic
        self._commit = commit
        self._failure = Failure()
        self._producer = KafkaProducer(common, self._failure, self._failure.on_error)
        self._reader = KafkaReader(common)
        self.positions: dict[int, int] = {}
        self._delivered: deque[InputRecord] = deque()
        self._missed: Iterator[InputRecord] = iter(())  # read from the log itself, before what was delivered
        self._uncommitted: dict[int, int] = {}
        self._committing: asyncio.Task[None] | None = None

    # --- Faust's side

    def deliver(self, records: Iterable[Any]) -> None:
        """The next records of a partition, as Faust's driver has them."""
        self._delivered += [InputRecord(r.partition, r.offset, r.timestamp, r.value) for r in records]

    @property
    def waiting(self) -> int:
        """How many delivered records wait to be fetched."""
        return len(self._delivered)

    def start_at(self, positions: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """Partitions given to this worker. What lies between the two offsets doesn't wait for Faust to bring it."""
        self.positions.update(positions)
        self._missed = self._read({p: (start, ends[p]) for p, start in positions.items() if start < ends[p]})

    def forget(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self.positions.pop(partition, None)
            self._uncommitted.pop(partition, None)

    # --- the port

    def fetch(self, max_records: int) -> Sequence[InputRecord]:
        self._failure.check()
        return list(islice(self._next_records(), max_records))

    def _next_records(self) -> Iterator[InputRecord]:
        """Each partition's records from its position on, without a gap."""
        while True:
            record = next(self._missed, None)
            if record is None:
                if not self._delivered:
                    return
                record = self._delivered.popleft()
            position = self.positions.get(record.partition)
            if position is None or record.offset < position:
                continue  # not this worker's any more, or known
            if record.offset > position:
                self._delivered.appendleft(record)
                self._missed = self._read({record.partition: (position, record.offset)})
                continue
            self.positions[record.partition] = position + 1
            yield record

    def _read(self, ranges: Mapping[int, tuple[int, int]]) -> Iterator[InputRecord]:
        """The records of these ranges of offsets, straight from the log."""
        starts = {(self._topic, p): start for p, (start, _) in ranges.items()}
        bounds = {(self._topic, p): bound for p, bound in ranges.items()}
        for message in self._reader.read(starts, bounds):
            partition, offset = place_of(message)[1], offset_of(message)
            if offset < ranges[partition][1]:
                yield InputRecord(partition, offset, message.timestamp()[1], message.value())
        for partition, (_, end) in ranges.items():
            if self.positions.get(partition, end) < end:
                raise LogRewritten(f"{self._topic}-{partition} has no record at {self.positions[partition]}")

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        self._producer.append(topic, partition, key, value)

    def flush(self) -> None:
        self._producer.flush()

    def commit(self, offsets: dict[int, int]) -> None:
        """Asynchronous, one request at a time: what a rebalance loses is asked for again with the next."""
        self._uncommitted |= offsets
        if self._uncommitted and (self._committing is None or self._committing.done()):
            self._committing = asyncio.get_running_loop().create_task(self._commit_now())

    async def _commit_now(self) -> None:
        asked = dict(self._uncommitted)
        if await self._commit({TP(self._topic, partition): offset for partition, offset in asked.items()}):
            for partition, offset in asked.items():
                if self._uncommitted.get(partition) == offset:
                    del self._uncommitted[partition]

    async def finish_commits(self, patience_s: float) -> None:
        """Waits for the request under way, and for one more with what it did not have."""
        for _ in range(2):
            self.commit({})
            if self._committing is not None:
                await asyncio.wait([self._committing], timeout=patience_s)

    def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        return self._reader.committed(self._group, self._topic, partitions)

    def end_offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        return {p: end for (_, p), end in self._reader.offsets([(self._topic, p) for p in partitions], LATEST).items()}

    def tails(self, topics: Iterable[str], partitions: Sequence[int]) -> dict[tuple[str, int], list[bytes]]:
        return self._reader.tails([(topic, partition) for topic in topics for partition in partitions])

    def newest_snapshots(self, stage: str, partitions: Sequence[int]) -> dict[int, Snapshot]:
        return self._reader.newest_snapshots(stage, partitions)
