"""What a view makes of the records of a public topic."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
import structlog

from stage.partition import PartitionState

logger = structlog.get_logger()
RecordT = TypeVar("RecordT")


def readable(decode: Callable[[bytes], RecordT], topic: str, partition: int, value: bytes) -> RecordT | None:
    """The record; None for what the stage that owns the topic never wrote. Whoever put it there, the next edge sequence
    comes behind it; were it the stage's after all, that sequence would be a gap, and the view be restored."""
    try:
        return decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        logger.error("an unreadable record is passed over", topic=topic, partition=partition, why=str(error)[:200])
        return None


def edge_counter(state: PartitionState, topic: str) -> int:
    """The last edge sequence that the snapshot's stage had written to its public partition."""
    return state.counters.get(f"{topic}:{state.partition}", 0)
