"""Stages under the supervisor: ready once they own their partitions, started again when they die, seen in status."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from glassbook import groups
from glassbook.cluster import Cluster, Stage
from glassbook.errors import GlassbookError
from glassbook.topics_admin import create_topics
from schemas.topics import Topic
from simulator.own_system import own_settings

ORDER_PARTITIONS = 3
READING = Stage("reading", "tests.integration.reading_stage", group="reading", inputs=("orders",))
DYING = Stage("dying", "tests.integration.no_such_stage", group="dying", inputs=("orders",))


class SmallCluster(Cluster):
    """With a topic `orders` and nothing on it."""

    def _topics(self, say: Callable[[str], None]) -> None:
        create_topics(self.settings.bootstrap_servers, [Topic("orders", "", ORDER_PARTITIONS, 1, {})])

    def _initialise(self, say: Callable[[str], None]) -> None:
        return


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    made: list[Cluster] = []

    def make(*stages: Stage) -> Cluster:
        made.append(SmallCluster(own_settings(tmp_path / "data"), 1, stages))
        return made[-1]

    yield make
    for cluster in made:
        cluster.stop()


def test_a_stage_owns_its_partitions_comes_back_and_is_seen(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(READING)
    cluster.start()
    bootstrap = cluster.settings.bootstrap_servers
    assert groups.unready_groups(bootstrap, {"reading": ("orders",)}) == ""

    producer = Producer({"bootstrap.servers": bootstrap})
    for _ in range(5):
        producer.produce("orders", b"{}", partition=1)
    assert producer.flush(10) == 0
    wait_until_read(bootstrap, 5)

    first = next(process for process in cluster.supervisor.processes() if process.name == "reading")
    os.kill(first.pid, signal.SIGKILL)
    producer.produce("orders", b"{}", partition=1)
    assert producer.flush(10) == 0
    wait_until_read(bootstrap, 6)
    again = next(process for process in cluster.supervisor.processes() if process.name == "reading")
    assert again.pid != first.pid


def wait_until_read(bootstrap: str, count: int) -> None:
    view, deadline = groups.GroupView(bootstrap), time.monotonic() + 30
    while True:
        seen = groups.positions(view, "reading", ["orders"])
        if [(p.partition, p.committed, p.end, p.lag) for p in seen][1] == (1, count, count, 0):
            assert [(p.partition, p.end) for p in seen] == [(0, 0), (1, count), (2, 0)]
            return
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)


def test_a_stage_that_keeps_dying_ends_the_start_with_its_last_words(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(DYING)
    with pytest.raises(GlassbookError, match=r"dying keeps dying: see .*dying\.log, which ends: .*No module named"):
        cluster.start()
    with pytest.raises(OSError, match=r"No such file|refused"):
        cluster.supervisor.processes()
