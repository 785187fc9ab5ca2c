"""What was found of one input, by edge, as records."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from canary.frames import Unreadable, origin_of
from canary.steps import Edge
from schemas.journal import LedgerRecord
from schemas.records import BustReport, Depth, ExecutionReport, Funded, TradesRecord
from schemas.topics import ACCOUNTS, DEPTH, LEDGER, ORDERS, TRADES

_READ: dict[str, Callable[[bytes], Any]] = {
    TRADES: msgspec.json.Decoder(TradesRecord).decode,
    DEPTH: msgspec.json.Decoder(Depth).decode,
    LEDGER: msgspec.json.Decoder(LedgerRecord).decode,
    ORDERS: msgspec.json.Decoder(Funded).decode,
    ACCOUNTS: msgspec.json.Decoder(ExecutionReport | BustReport).decode,
}


def read_record(topic: str, value: bytes | None) -> Any:
    """The record as what stages write to its topic; None if it is nothing of the kind."""
    try:
        return _READ[topic](value or b"")
    except Unreadable:
        return None


def symbol_of(topic: str, value: bytes | None) -> str:
    """The market that a record is about, as far as it says so."""
    return getattr(read_record(topic, value), "symbol", "")


class Published:
    """`watched` are the topics that are read at all: of the others nothing is known."""

    def __init__(self, records: dict[Edge, list[bytes]], watched: frozenset[str]) -> None:
        self._records = records
        self._watched = watched

    def watches(self, topic: str) -> bool:
        return topic in self._watched

    @property
    def says_anything(self) -> bool:
        return any(self._records.values())

    def last_sequence(self, edge: Edge, before: int) -> int:
        """The last sequence found on an edge; `before` if nothing was."""
        found = self._records.get(edge)
        origin = origin_of(found[-1]) if found else None
        return origin.edge_sequence if origin is not None else before

    def of(self, topic: str) -> Iterator[Any]:
        """The records on a topic that can be read."""
        for (name, _), values in self._records.items():
            if name == topic:
                records = (read_record(topic, value) for value in values)
                yield from (record for record in records if record is not None)
