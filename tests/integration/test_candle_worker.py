"""candle_agg's worker on a real broker: how it starts, shares, grows, stops and ends; and what the log says to it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewPartitions

from glassbook import groups
from glassbook.cluster import Cluster
from glassbook.topics_admin import admin_client, create_topics
from schemas.topics import CANDLES, DEAD_LETTERS, TRADES, topics
from simulator.candle_recount import compare
from simulator.topic_reader import read_topics
from stage.kafka_reader import TAIL_RECORDS, KafkaReader, client_config
from stage.published import last_published
from tests.conftest import StartCluster
from tests.unit.candle_play import CandlePlay

PARTITIONS = 4
DEADLINE_S = 60
GROUP = {"candle_agg": (TRADES,)}

pytestmark = pytest.mark.timeout(180)


class System:
    """A broker with the topics, and workers that end with the test."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.bootstrap = cluster.settings.bootstrap_servers
        self.workers: list[subprocess.Popen[str]] = []
        self._producer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True})
        create_topics(self.bootstrap, topics(1, PARTITIONS, 1))

    def start(self, member: str, **settings: object) -> subprocess.Popen[str]:
        environment = os.environ | self.cluster.settings.environment() | {"GLASSBOOK_MEMBER": member}
        environment |= {name: str(value) for name, value in settings.items()}
        worker = subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", "candle_agg"], env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def write(self, play: CandlePlay, from_record: int = 0) -> None:
        for value in play.values[from_record:]:
            self._producer.produce(TRADES, value, b"", play.partition)
        assert self._producer.flush(DEADLINE_S) == 0

    def until(self, wrong: Callable[[], Any]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while said := wrong():
            assert time.monotonic() < deadline, said
            time.sleep(0.05)

    def until_read(self) -> None:
        self.until(lambda: groups.unready_groups(self.bootstrap, GROUP))
        view = groups.GroupView(self.bootstrap)
        ends = groups.ends(view, GROUP)
        self.until(lambda: groups.behind(view, GROUP, ends))

    def owners(self) -> dict[int, str]:
        found = groups.owners(admin_client(self.bootstrap), "candle_agg")
        return {partition: owner for (_, partition), owner in found.items()}

    def values(self, topic: str, partition: int) -> list[bytes]:
        return [record.value for record in read_topics(self.bootstrap, (topic,))[topic, partition]]

    def check(self, partition: int) -> None:
        found = compare(self.values(TRADES, partition), self.values(CANDLES, partition))
        assert found.differences == [] and found.closed and not found.repeats

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()
        self.workers.clear()


@pytest.fixture
def system(start_cluster: StartCluster) -> Iterator[System]:
    cluster = start_cluster()
    running = System(cluster)
    yield running
    running.end()
    cluster.stop()


def test_workers_share_the_partitions_and_give_them_back(system: System):
    plays = [CandlePlay(partition) for partition in range(PARTITIONS)]
    first = system.start("first")
    system.until(lambda: groups.unready_groups(system.bootstrap, GROUP))
    system.start("second")
    system.until(lambda: "not shared" if len(set(system.owners().values())) < 2 else "")
    for play in plays:
        play.trade(100, "10")
        play.trade(200, "12")
        play.tick(60_000)
        system.write(play)
    system.until_read()
    positions = groups.positions(groups.GroupView(system.bootstrap), "candle_agg", [TRADES])
    assert [position.lag for position in positions] == [0] * PARTITIONS
    first.terminate()
    said, _ = first.communicate(timeout=DEADLINE_S)
    assert first.returncode == 0, said
    system.until(lambda: "not taken over" if set(system.owners().values()) != {"candle_agg-second"} else "")
    for play in plays:
        written = len(play.values)
        play.trade(60_100, "9")
        play.tick(86_400_000)
        system.write(play, written)
    system.until_read()
    for partition in range(PARTITIONS):
        system.check(partition)


def test_new_partitions_are_noticed_after_a_kill_too(system: System):
    system.start("1").kill()
    worker = system.start("1")
    system.until(lambda: groups.unready_groups(system.bootstrap, GROUP))
    worker.kill()
    system.start("1")
    system.until(lambda: groups.unready_groups(system.bootstrap, GROUP))
    admin = admin_client(system.bootstrap)
    for topic in (CANDLES, TRADES):
        admin.create_partitions([NewPartitions(topic, PARTITIONS + 2)])[topic].result()
    play = CandlePlay(PARTITIONS + 1)
    play.trade(0)
    play.tick(86_400_000)
    system.write(play)
    system.until_read()
    system.check(PARTITIONS + 1)


def test_a_gap_on_the_log_ends_the_worker_and_it_says_where(system: System):
    play = CandlePlay()
    play.trade(0)
    play.edge += 1
    play.values.append(play.values[0].replace(b'"edge_sequence":1,', b'"edge_sequence":3,'))
    system.write(play)
    worker = system.start("1")
    said, _ = worker.communicate(timeout=DEADLINE_S)
    assert worker.returncode == 1
    line = said.strip().splitlines()[-1]
    assert re.match(r'timestamp=\S+ level=error event="stage stopped" stage=candle_agg ', line), said
    assert 'why="offset 1 of trades-0: edge 0 jumps from sequence 1 to 3" kind=Gap' in line
    assert "Traceback" not in said


def test_strange_records_become_dead_letters_and_the_rest_goes_on(system: System):
    play = CandlePlay(3)
    play.trade(0)
    play.put(b"{")
    play.trade(1, "NaN")
    play.trade(2)
    play.tick(86_400_000)
    system.write(play)
    system.start("1")
    system.until_read()
    assert [reason for reason in (b"NOT_JSON", b"BAD_DECIMAL") if reason in b"".join(system.values(DEAD_LETTERS, 0))]
    assert len(system.values(DEAD_LETTERS, 0)) == 2
    closed = [value for value in system.values(CANDLES, 3) if b'"closed":true' in value]
    assert len(closed) == 7 and all(b'"trades":2,' in value for value in closed)


def test_trades_repeated_by_a_zombie_change_nothing(system: System):
    play = CandlePlay()
    system.start("1")
    system.until(lambda: groups.unready_groups(system.bootstrap, GROUP))
    for number in range(50):
        play.trade(number * 777, str(10 + number % 7))
        system.write(play, len(play.values) - 1)
        if number % 5 == 4:
            system.write(play, len(play.values) - 4)
    play.tick(86_400_000)
    system.write(play, len(play.values) - 1)
    system.until_read()
    assert len(system.values(TRADES, 0)) == 51 + 40
    system.check(0)


def test_the_last_closed_candle_is_found_however_many_forming_ones_lie_behind_it(system: System):
    producer = Producer({"bootstrap.servers": system.bootstrap, "enable.idempotence": True})
    play = CandlePlay(1)
    play.trade(0)
    closed = (
        b'{"record":"candle","edge_sequence":7,"source":{"partition":1,"offset":3,"index":0,"digest":""},"closed":true}'
    )
    producer.produce(CANDLES, closed, b"closed", 1)
    for value in [value for play.edge in range(3 * TAIL_RECORDS // 7) for value in [b"x", *_forming(play)]]:
        producer.produce(CANDLES, value, b"forming", 1)
    assert producer.flush(DEADLINE_S) == 0
    tails = KafkaReader(client_config(system.bootstrap, "test")).tails([(CANDLES, 1), (CANDLES, 2)])
    assert len(tails[CANDLES, 1]) > 3 * TAIL_RECORDS and (CANDLES, 2) not in tails
    found = last_published(tails[CANDLES, 1])
    assert found is not None and (found.edge_sequence, found.offset, found.value) == (7, 3, closed)


def _forming(play: CandlePlay) -> list[bytes]:
    edge, source = play.stage.last_place(CANDLES, 1)
    play.core._changed["ABC-USD"] = None
    return [value for _, value in play.core.forming(edge, source)]


def test_fausts_own_view_is_there_if_asked_for(system: System):
    port = system.cluster.settings.gateway_port
    system.start("1", GLASSBOOK_CANDLE_WEB_PORT=port)

    def not_there() -> str:
        try:
            return "" if httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 200 else "no answer"
        except httpx.HTTPError as error:
            return str(error)

    system.until(not_there)
