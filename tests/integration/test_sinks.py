"""The sink's process on the real broker and the real engine: tables fill, and fill again whatever is done to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Producer

from glassbook import groups
from glassbook.cluster import STAGES, Cluster
from glassbook.status import system_status
from schemas.codec import encode
from sinks.records import TOPICS
from sinks.store import Store
from sinks.tables import TABLES
from tests.conftest import StartCluster
from tests.integration.sink_rig import store
from tests.unit.sink_records import ALICE, NOON_MS, alert, candle, entry, posting, tick, trade
from tests.unit.test_sink_topic import OPENED

DEADLINE_S = 90
PARTITIONS = 2
INPUTS = {"sinks": TOPICS}


class Sunk:
    """A system of broker, ClickHouse and one sink; topics are written to straight."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.bootstrap = cluster.settings.bootstrap_servers
        self._producer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "log_level": 2})
        self._edges: dict[tuple[str, int], int] = {}
        self._written = 0

    def next(self, topic: str, partition: int = 0) -> int:
        edge = self._edges[topic, partition] = self._edges.get((topic, partition), 0) + 1
        return edge

    def write(self, topic: str, *records: Any, partition: int = 0) -> None:
        for record in records:
            value = record if isinstance(record, bytes) else encode(record)
            self._written += 1  # a compacted topic takes nothing without a key, and leaves each key only once
            self._producer.produce(topic, value, str(self._written), partition)
        assert self._producer.flush(30) == 0

    def trades(self, count: int, partition: int = 0) -> None:
        numbers = [self.next("trades", partition) for _ in range(count)]
        self.write("trades", *(trade(n, symbol=f"S{partition}-USD") for n in numbers), partition=partition)

    def counts(self) -> dict[str, int]:
        with store(self.cluster.settings, prepared=False) as asked:
            there = asked.identities()
            return {t.name: _count(asked, t.name) for t in TABLES if t.name in there}

    def until(self, condition: Callable[[], Any], what: str) -> None:
        until(condition, lambda: f"{what}; the log ends: {self.said()[-600:]}")

    def until_sunk(self) -> None:
        """Until all that is on the topics now is said to be in the tables."""
        view = groups.GroupView(self.bootstrap)
        ends = groups.ends(view, INPUTS)
        self.until(lambda: not groups.behind(view, INPUTS, ends), "it doesn't catch up")

    def said(self) -> str:
        return self.cluster.folder.log("sinks").read_text()

    def pid(self, program: str) -> int:
        return next(process.pid for process in self.cluster.supervisor.processes() if process.name == program)


def _count(asked: Store, table: str) -> int:
    return int(asked.rows(f"SELECT count() FROM {table}")[0][0])


def until(condition: Callable[[], Any], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def sunk(start_cluster: StartCluster) -> Iterator[Sunk]:
    stages = tuple(stage for stage in STAGES if stage.name in ("clickhouse", "sinks"))
    cluster = start_cluster(stages=stages, order_partitions=PARTITIONS, account_partitions=1, sink_batch_ms=200)
    made = Sunk(cluster)
    made.until(lambda: "partitions opened" in made.said(), "it never opened a partition")
    yield made
    cluster.stop()


def test_what_is_on_the_topics_is_in_the_tables(sunk: Sunk) -> None:
    for partition in range(PARTITIONS):
        sunk.trades(500, partition)
    sunk.write("trades", tick(sunk.next("trades")))
    sunk.write("candles", *(candle(n, NOON_MS + n * 60_000) for n in (1, 2)), candle(2, closed=False))
    sunk.write("ledger", entry(1, OPENED, postings=posting()), entry(2, OPENED, account=ALICE))
    sunk.write("alerts", alert("a"), alert("b"), alert("a"))
    sunk.until_sunk()
    counts = sunk.counts()
    assert counts == counts | {
        "trades": 1000, "candles": 2, "forming_candles": 1, "order_events": 2, "postings": 2, "alerts": 2
    }  # fmt: skip
    lag = [p.lag for p in groups.positions(groups.GroupView(sunk.bootstrap), "sinks", TOPICS)]
    assert sum(lag) == 0


def test_what_cannot_be_read_becomes_a_dead_letter_once_and_is_counted(sunk: Sunk) -> None:
    before = sunk.counts()["trades"]
    sunk.write("trades", b"\xff garbage", trade(sunk.next("trades"), symbol="S0-USD", price="1e99"))
    sunk.trades(3)
    sunk.until_sunk()
    assert sunk.counts()["trades"] == before + 3
    assert system_status(sunk.cluster.settings).dead_letters == 2
    os.kill(sunk.pid("sinks"), signal.SIGKILL)  # it may read them again
    sunk.trades(1)
    sunk.until_sunk()
    assert sunk.counts()["trades"] == before + 4
    assert system_status(sunk.cluster.settings).dead_letters == 2
    assert 'event="records can\'t be read" topic=trades records=' in sunk.said()


def test_a_table_that_is_dropped_under_it_is_an_alarm_and_is_filled_again(sunk: Sunk) -> None:
    before = sunk.counts()
    with store(sunk.cluster.settings, prepared=False) as operator:
        operator.run("DROP TABLE trades SYNC")
    sunk.until(lambda: sunk.counts().get("trades") == before["trades"], "the table isn't filled again")
    assert "table trades was dropped: it is made again and filled from the log" in sunk.said()
    sunk.trades(2)
    sunk.until_sunk()
    assert sunk.counts() == before | {"trades": before["trades"] + 2}


def test_all_tables_dropped_at_once_are_filled_again(sunk: Sunk) -> None:
    before = sunk.counts()
    with store(sunk.cluster.settings, prepared=False) as operator:
        for name, engine in operator.rows("SELECT name, engine FROM system.tables WHERE database = 'glassbook'"):
            operator.run(f"DROP {'VIEW' if engine == 'View' else 'TABLE'} {name} SYNC")
    sunk.until(lambda: sunk.counts() == before, "the tables aren't filled again")
    with store(sunk.cluster.settings, prepared=False) as operator:
        operator.rows("SELECT * FROM orders")


def test_while_clickhouse_is_away_the_lag_shows_and_then_it_catches_up(sunk: Sunk) -> None:
    before = sunk.counts()["trades"]
    sunk.cluster.supervisor.stop_group("clickhouse")
    try:
        sunk.trades(300)
        sunk.until(lambda: "ClickHouse is away" in sunk.said(), "it says nothing")
        view = groups.GroupView(sunk.bootstrap)
        sunk.until(
            lambda: any(
                p.lag >= 300 and "ClickHouse is away" in p.note for p in groups.positions(view, "sinks", TOPICS)
            ),
            "the lag doesn't show, or not why",
        )
    finally:
        sunk.cluster.supervisor.start_group("clickhouse")
    sunk.until_sunk()
    assert sunk.counts()["trades"] == before + 300 and "writing again" in sunk.said()
    assert not any(p.note for p in groups.positions(view, "sinks", TOPICS))


@contextmanager
def second_sink(sunk: Sunk) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | sunk.cluster.settings.environment() | {"GLASSBOOK_MEMBER": "second"}
    command = [sys.executable, "-P", "-m", "sinks"]
    with (sunk.cluster.folder.logs / "second-sinks.log").open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_second_sink_shares_the_partitions_and_a_stopped_one_wakes_to_no_harm(sunk: Sunk) -> None:
    before = sunk.counts()["trades"]
    with second_sink(sunk) as second:
        sunk.until(lambda: len(_owners(sunk)) == 2, "the second sink gets no partitions")
        for partition in range(PARTITIONS):
            sunk.trades(200, partition)
        sunk.until_sunk()
        second.send_signal(signal.SIGSTOP)
        for partition in range(PARTITIONS):
            sunk.trades(100, partition)
        sunk.until(lambda: _owners(sunk) == {"sinks-1"}, "its partitions aren't given away")
        sunk.until_sunk()
        assert sunk.counts()["trades"] == before + 600
        second.send_signal(signal.SIGCONT)
        sunk.until(lambda: len(_owners(sunk)) == 2, "it doesn't join again")
        for partition in range(PARTITIONS):
            sunk.trades(100, partition)
        sunk.until_sunk()
        assert sunk.counts()["trades"] == before + 800
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0
    sunk.until(lambda: _owners(sunk) == {"sinks-1"}, "nobody takes its partitions")
    sunk.trades(10)
    sunk.until_sunk()
    assert sunk.counts()["trades"] == before + 810


def _owners(sunk: Sunk) -> set[str]:
    return {p.owner for p in groups.positions(groups.GroupView(sunk.bootstrap), "sinks", TOPICS) if p.owner}
