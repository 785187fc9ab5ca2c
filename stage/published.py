"""What of an output partition says how far its edge has come: the record with the highest edge sequence.

Records without a place of their own on the edge (candles that still form) carry the sequence of the record before
them, and don't count. Nor do bytes that a stranger wrote. Pure.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec import Struct

from schemas.records import Source


class LastPublished(NamedTuple):
    """The record with the highest edge sequence on a public output partition, as found at the start."""

    edge_sequence: int
    offset: int  # of the input record that caused it
    value: bytes


class _Origin(Struct):
    """What of a derived record says where it comes from."""

    edge_sequence: int
    source: Source
    closed: bool = True  # false only for what is still forming


_decoder = msgspec.json.Decoder(_Origin)


def place_on_edge(value: bytes) -> LastPublished | None:
    """The record's place on its edge; None if it takes none."""
    try:
        origin = _decoder.decode(value)
    except msgspec.DecodeError:
        return None
    return LastPublished(origin.edge_sequence, origin.source.offset, value) if origin.closed else None


def last_published(values: Iterable[bytes]) -> LastPublished | None:
    """The one with the highest edge sequence: a late repeat may lie behind it."""
    best: LastPublished | None = None
    for value in values:
        place = place_on_edge(value)
        if place is not None and (best is None or place.edge_sequence > best.edge_sequence):
            best = place
    return best
