"""Which records are surely new, and which must be looked up because they may be repeats.

Pure. Records of an edge come with contiguous sequences, each first copy behind the one before it. So in a run of
contiguous sequences the repeats come first: what follows a new record in the same run is new. Anything else, such as
the first record after a start, a jump back or a jump ahead, is doubtful and asked about in the table itself. Nothing
depends on a mark that would have to survive, and a forged sequence costs a question, not a record.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Run(NamedTuple):
    """Records from `start` up to `end` whose edge sequences are contiguous."""

    start: int
    end: int
    goes_on: bool  # from the record before it


class Edge:
    """Follows the edge sequences of one log partition."""

    def __init__(self) -> None:
        self._last: int | None = None

    def runs(self, sequences: Sequence[int]) -> list[Run]:
        """Cuts the next records into runs. One comparison where they are all contiguous."""
        if not sequences:
            return []
        last, self._last = self._last, sequences[-1]
        first = sequences[0]
        goes_on = last is not None and first == last + 1
        if sequences == list(range(first, first + len(sequences))):
            return [Run(0, len(sequences), goes_on)]
        return list(_cut(sequences, goes_on))


def _cut(sequences: Sequence[int], goes_on: bool) -> Iterator[Run]:
    start = 0
    for index in range(1, len(sequences)):
        if sequences[index] != sequences[index - 1] + 1:
            yield Run(start, index, goes_on)
            start, goes_on = index, False
    yield Run(start, len(sequences), goes_on)
