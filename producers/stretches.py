"""Reads a stretch of a topic back: what lies between the sink's position and memory, where the two don't meet.

Bounded, and one at a time: it is for the minutes in which the sink is away, not in place of ClickHouse.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

import msgspec
from aiokafka import TopicPartition

from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.topics import ACCOUNTS, CANDLES, LEDGER, ORDERS, TRADES
from stage.log_reader import SharedReader, read_from


class Numbered(Protocol):
    """Counts up by one with its neighbours of the same market or account."""

    @property
    def sequence(self) -> int: ...


RecordT = TypeVar("RecordT")
NumberedT = TypeVar("NumberedT", bound=Numbered)
MAX_STRETCH_RECORDS = 20_000
QUEUE_S = 2.0


class PlacedRecord(NamedTuple):
    offset: int
    value: bytes


class Stretches:
    """A reader of its own, so that what commands rest on never waits behind it."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._reader = SharedReader(bootstrap_servers, (ACCOUNTS, CANDLES, LEDGER, ORDERS, TRADES), QUEUE_S)

    async def close(self) -> None:
        await self._reader.close()

    async def read(self, topic: str, partition: int, start: int, end: int, needle: bytes) -> list[PlacedRecord]:
        """The records from `start` on and before `end` whose bytes hold `needle`. `Refused(HISTORY_UNAVAILABLE)` where
        they are too many, or the log doesn't answer."""
        if start >= end:
            return []
        check_length(topic, partition, start, end)
        found = []
        async with self._reader.turn() as consumer:
            place = TopicPartition(topic, partition)
            oldest = (await consumer.beginning_offsets([place]))[place]
            async for record in read_from(consumer, place, max(start, oldest), end - start):
                if record.offset >= end:
                    break
                if record.value is not None and needle in record.value:
                    found.append(PlacedRecord(record.offset, record.value))
        return found


def decoded(records: Iterable[PlacedRecord], decoder: msgspec.json.Decoder[RecordT]) -> Iterator[tuple[bytes, RecordT]]:
    """The records with their bytes. What can't be read was passed over when it was new, and is here."""
    for record in records:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            yield record.value, decoder.decode(record.value)


def joined(earlier: Iterable[NumberedT], tail: list[NumberedT], first: int) -> list[NumberedT]:
    """`tail`, which begins at `first`, behind those of the earlier ones that lead up to it without a gap."""
    by_sequence = {one.sequence: one for one in earlier}
    found: list[NumberedT] = []
    while (one := by_sequence.get(first - 1 - len(found))) is not None:
        found.append(one)
    return found[::-1] + tail


def check_length(topic: str, partition: int, start: int, end: int) -> None:
    if end - start > MAX_STRETCH_RECORDS:
        behind = f"ClickHouse has {topic}-{partition} up to offset {start}, this gateway from {end}"
        raise Refused(Reason.HISTORY_UNAVAILABLE, f"{behind}: more than {MAX_STRETCH_RECORDS} records between them")
