"""The log that Faust brings: whatever it brings twice, late or not at all, each partition's records come once."""

import asyncio
from collections.abc import Iterator, Mapping
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from candle_agg.faust_log import FaustLog
from stage.partition import LogRewritten


class FakeMessage:
    """As confluent-kafka has it."""

    def __init__(self, partition: int, offset: int) -> None:
        self._place = (partition, offset)

    def topic(self) -> str:
        return "trades"

    def partition(self) -> int:
        return self._place[0]

    def offset(self) -> int:
        return self._place[1]

    def timestamp(self) -> tuple[int, int]:
        return (1, 1000 + self._place[1])

    def value(self) -> bytes:
        return b"%d-%d" % self._place


class FakeReader:
    """A log of so many records a partition, some of them gone."""

    def __init__(self, ends: Mapping[int, int], gone: frozenset[tuple[int, int]] = frozenset()) -> None:
        self.ends = dict(ends)
        self.gone = gone
        self.reads: list[dict[int, tuple[int, int]]] = []

    def read(self, starts: dict[Any, int], bounds: dict[Any, tuple[int, int]]) -> Iterator[FakeMessage]:
        if starts:
            self.reads.append({p: (start, bounds[topic, p][1]) for (topic, p), start in starts.items()})
        for (_, partition), start in starts.items():
            for offset in range(start, self.ends[partition]):  # beyond what was asked for, like a batch of records
                if (partition, offset) not in self.gone:
                    yield FakeMessage(partition, offset)


class Worker:
    def __init__(self, reader: FakeReader, committed: bool = True) -> None:
        self.reader = reader
        self.asked: list[dict[TP, int]] = []
        self.committed = committed
        self.log = FaustLog("127.0.0.1:1", "candle_agg", "trades", "test", self.commit)
        self.log._reader = reader  # type: ignore[assignment]

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        await asyncio.sleep(0)
        self.asked.append(dict(offsets))
        return self.committed

    def deliver(self, partition: int, *offsets: int) -> None:
        self.log.deliver(
            SimpleNamespace(partition=partition, offset=o, timestamp=1000 + o, value=b"%d-%d" % (partition, o))
            for o in offsets
        )

    def fetched(self, max_records: int = 1000) -> list[tuple[int, int]]:
        records = self.log.fetch(max_records)
        for record in records:
            assert (record.log_time_ms, record.value) == (1000 + record.offset, b"%d-%d" % record[:2])
        return [(record.partition, record.offset) for record in records]


def test_records_come_in_order_and_known_ones_are_dropped():
    worker = Worker(FakeReader({0: 9, 1: 9}))
    worker.log.start_at({0: 0, 1: 4}, {0: 0, 1: 4})
    worker.deliver(0, 0, 1, 2)
    worker.deliver(1, 2, 3, 4, 5)
    worker.deliver(0, 1, 2, 3)
    assert worker.fetched() == [(0, 0), (0, 1), (0, 2), (1, 4), (1, 5), (0, 3)]
    assert worker.reader.reads == []


def test_what_is_there_at_the_start_is_read_from_the_log():
    worker = Worker(FakeReader({0: 9, 1: 9}))
    worker.log.start_at({0: 2, 1: 5}, {0: 5, 1: 5})
    assert worker.fetched(2) == [(0, 2), (0, 3)]
    worker.deliver(0, 5, 6)
    assert worker.fetched() == [(0, 4), (0, 5), (0, 6)]
    assert worker.reader.reads == [{0: (2, 5)}]


def test_what_faust_brought_before_it_was_wanted_is_read_from_the_log():
    worker = Worker(FakeReader({0: 9}))
    worker.deliver(0, 0, 1, 2)
    assert worker.fetched() == []
    worker.log.start_at({0: 0}, {0: 3})
    assert worker.fetched() == [(0, 0), (0, 1), (0, 2)]
    assert worker.reader.reads == [{0: (0, 3)}]


def test_what_faust_left_out_is_read_from_the_log():
    worker = Worker(FakeReader({0: 100}))
    worker.log.start_at({0: 0}, {0: 0})
    worker.deliver(0, 0, 1, 7, 8)
    assert worker.fetched() == [(0, offset) for offset in range(9)]
    assert worker.reader.reads == [{0: (2, 7)}]


def test_a_record_that_the_log_lacks_stops_the_worker():
    worker = Worker(FakeReader({0: 100}, frozenset({(0, 3)})))
    worker.log.start_at({0: 0}, {0: 0})
    worker.deliver(0, 0, 1, 7)
    with pytest.raises(LogRewritten, match="trades-0 has no record at 3"):
        worker.fetched()


def test_partitions_that_were_given_away_bring_nothing_more():
    worker = Worker(FakeReader({0: 9, 1: 9}))
    worker.log.start_at({0: 0, 1: 0}, {0: 4, 1: 0})
    worker.deliver(1, 0, 1)
    assert worker.fetched(1) == [(0, 0)]
    worker.log.forget([0])
    worker.deliver(0, 4, 5)
    assert worker.fetched() == [(1, 0), (1, 1)]
    worker.log.start_at({0: 3}, {0: 4})  # and back, at another place
    worker.deliver(0, 4, 5)
    assert worker.fetched() == [(0, 3), (0, 4), (0, 5)]


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_delivered_each_record_comes_once_and_in_order(seed: int):
    random = Random(seed)
    ends = {partition: random.randint(0, 60) for partition in range(3)}
    worker = Worker(FakeReader(ends))
    starts = {partition: random.randint(0, end) for partition, end in ends.items()}
    worker.log.start_at(starts, {p: random.randint(start, ends[p]) for p, start in starts.items()})
    found: list[tuple[int, int]] = []
    for _ in range(60):
        partition = random.randrange(3)
        first = random.randint(0, ends[partition])
        offsets = range(first, min(ends[partition], first + random.randint(0, 9)))
        worker.deliver(partition, *(offset for offset in offsets if random.random() < 0.8))
        found += worker.fetched(random.randint(1, 20))
    for partition, end in ends.items():
        worker.deliver(partition, *range(max(end - 1, 0), end))
    while more := worker.fetched():
        found += more
    for partition, start in starts.items():
        assert [offset for p, offset in found if p == partition] == list(range(start, ends[partition]))


# --- commits


def test_commits_are_asked_for_one_at_a_time_and_again_where_a_rebalance_lost_them():
    worker = Worker(FakeReader({}), committed=False)

    async def work() -> None:
        worker.log.commit({0: 5})
        await asyncio.sleep(0)  # that request is under way
        worker.log.commit({0: 6, 1: 3})
        await worker.log.finish_commits(1)
        worker.committed = True
        worker.log.commit({})
        await worker.log.finish_commits(1)
        worker.log.commit({})
        await worker.log.finish_commits(1)

    asyncio.run(work())
    both = {TP("trades", 0): 6, TP("trades", 1): 3}
    assert worker.asked[0] == {TP("trades", 0): 5}
    assert worker.asked[1:-1] == [both] * (len(worker.asked) - 2)
    assert worker.asked[-1] == both and len(worker.asked) <= 5


def test_nothing_is_committed_for_a_partition_that_is_gone():
    worker = Worker(FakeReader({}), committed=False)

    async def work() -> None:
        worker.log.commit({0: 5})
        await worker.log.finish_commits(1)
        worker.log.forget([0])
        before = len(worker.asked)
        worker.log.commit({})
        await worker.log.finish_commits(1)
        assert len(worker.asked) == before

    asyncio.run(work())
