"""Values of a topic to records, and which of them have a place of their own on their edge. Pure."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from schemas.alerts import Alert
from schemas.candles import FormingCandle
from schemas.codec import candles_decoder, ledger_decoder, trades_decoder
from schemas.reasons import Reason
from schemas.records import DeadLetter, Source
from schemas.signing import encode_bytes
from schemas.topics import ALERTS, CANDLES, LEDGER, TRADES

STAGE = "sinks"
MAX_DEAD_LETTER_BYTES = 64 * 1024

DECODERS: dict[str, Callable[[bytes], Any]] = {
    TRADES: trades_decoder().decode,
    CANDLES: candles_decoder().decode,
    LEDGER: ledger_decoder().decode,
    ALERTS: msgspec.json.Decoder(Alert).decode,
}
TOPICS = tuple(DECODERS)


class Unreadable(NamedTuple):
    """A record that no row comes from, and why."""

    topic: str
    partition: int
    offset: int
    reason: Reason
    detail: str
    value: bytes


class Stretch(NamedTuple):
    """Consecutive records of one partition as they were fetched."""

    topic: str
    partition: int
    offsets: list[int]
    values: list[bytes | None]


class Read(NamedTuple):
    """The records that could be read, with their offsets, and those that couldn't."""

    records: list[Any]
    offsets: list[int]
    unreadable: list[Unreadable]


def read(stretch: Stretch) -> Read:
    decode = DECODERS[stretch.topic]
    try:
        return Read([decode(value) for value in stretch.values], stretch.offsets, [])  # type: ignore[arg-type]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
        return _read_one_by_one(stretch, decode)


def _read_one_by_one(stretch: Stretch, decode: Callable[[bytes], Any]) -> Read:
    found = Read([], [], [])
    for offset, value in zip(stretch.offsets, stretch.values, strict=True):
        try:
            if value is None:
                raise msgspec.ValidationError("the record has no value")
            record = decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            is_json = isinstance(error, msgspec.ValidationError)
            reason = Reason.UNKNOWN_RECORD if is_json else Reason.NOT_JSON
            place = (stretch.topic, stretch.partition, offset)
            found.unreadable.append(Unreadable(*place, reason, str(error), value or b""))
        else:
            found.records.append(record)
            found.offsets.append(offset)
    return found


def has_edge_place(record: Any) -> bool:
    """Candles that still form carry the sequence of the record before them; alerts have none."""
    return type(record) is not FormingCandle and type(record) is not Alert


def dead_letter(unreadable: Unreadable) -> DeadLetter:
    """A sink has no edge to the dead letters: one that comes twice, after a crash, is known by its source."""
    return DeadLetter(
        edge_sequence=0,
        source=Source(unreadable.partition, unreadable.offset, 0, ""),
        stage=STAGE,
        topic=unreadable.topic,
        reason=unreadable.reason,
        detail=unreadable.detail[:512],
        value=encode_bytes(unreadable.value[:MAX_DEAD_LETTER_BYTES]),
    )


DeadPlace = tuple[str, int, int]
"""Topic, partition and offset of a record that became a dead letter."""

_letters = msgspec.json.Decoder(DeadLetter)


def dead_place(value: bytes) -> DeadPlace | None:
    """Of which record a dead letter speaks, if a sink wrote it."""
    try:
        letter = _letters.decode(value)
    except msgspec.DecodeError:
        return None
    return (letter.topic, letter.source.partition, letter.source.offset) if letter.stage == STAGE else None
