"""The three lines that drop repeats."""

import pytest

from glassbook.client.topics import fresh
from schemas.records import Source, TradesTick


def tick(sequence: int) -> TradesTick:
    return TradesTick(edge_sequence=sequence, source=Source(0, sequence, 0, ""), time_ms=0)


@pytest.mark.parametrize(
    ("came", "last", "taken"),
    [
        ([1, 2, 3], 0, [1, 2, 3]),
        ([1, 2, 2, 3], 0, [1, 2, 3]),
        ([1, 2, 3, 2, 3, 4], 0, [1, 2, 3, 4]),
        ([5, 6, 7], 6, [7]),
        ([], 4, []),
    ],
)
def test_each_record_once(came, last, taken):
    assert [record.edge_sequence for record in fresh(map(tick, came), last)] == taken
