"""Reading a public topic (`trades`, `depth`, `ledger`) straight from Kafka, each record once.

After a crash its writer goes on behind its last record, so a plain consumer sees each record once. Only a process that
was stopped and wakes after its partition was given away, or a request in flight at the crash, can write a record again,
byte for byte with its old edge sequence. Who cares drops what isn't above the last one, as on every exchange's feed.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from schemas.records import Derived

RecordT = TypeVar("RecordT", bound=Derived)


def fresh(records: Iterable[RecordT], last: int = 0) -> Iterator[RecordT]:
    """The records of one partition without the repeats. `last` is the edge sequence of the last one seen before."""
    for record in records:
        if record.edge_sequence > last:
            last = record.edge_sequence
            yield record
