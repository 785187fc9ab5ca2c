"""candle_agg as processes on the real broker: `trades` log in, `candles` log out.

Workers are started as `glassbook up` starts them. When each has its partition they are held still (SIGSTOP), all trades
are written, and they are let go. The rate is taken from the log's own times on `candles`, from the first candle to the
last. What lies there is compared with a new count.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psutil
from confluent_kafka import KafkaException, Producer
from msgspec import Struct

from benchmarks.local_broker import local_system
from benchmarks.machine import Report
from glassbook import groups
from glassbook.settings import Settings
from glassbook.topics_admin import admin_client, create_topics
from schemas.topics import CANDLES, TRADES, topics
from simulator.candle_load import Flow, flows, records
from simulator.candle_recount import Verdict, compare
from simulator.topic_reader import read_topics

SYMBOLS = 40
GUESSED_PER_S = 25_000
PATIENCE_S = 180
HELD_MS = 60_000  # a worker that is held still is not given up sooner
GROUP = {"candle_agg": (TRADES,)}


class Outcome(Struct):
    verdict: Verdict
    per_s: float
    processor_s: float  # of all workers


def run(seconds: float, seed: int, as_json: bool) -> None:
    report = Report("candles", seed, as_json)
    report.say(f"mix      {SYMBOLS} symbols, seven intervals, 2,000 trades a second by their own time")
    trades = int(seconds * 0.4 * GUESSED_PER_S)
    outcomes = {}
    for workers in (1, 2):
        outcomes[workers] = outcome = _measure(workers, trades, seed)
        report.say(
            f"{workers} worker(s) on {workers} partition(s): {outcome.verdict.trades:,} trades, {outcome.per_s:,.0f}/s;"
            f" {outcome.verdict.closed:,} closed candles, {len(outcome.verdict.differences)} differences;"
            f" processor time {outcome.processor_s:.1f} s"
        )
    report.end(
        {
            "trades_per_s": outcomes[1].per_s,
            "trades_per_s_two_workers": outcomes[2].per_s,
            "workers": 1,
            "differences": sum(len(outcome.verdict.differences) for outcome in outcomes.values()),
        }
    )


def _measure(workers: int, trades: int, seed: int) -> Outcome:
    with local_system(session_timeout_ms=HELD_MS) as settings, ExitStack() as running:
        create_topics(settings.bootstrap_servers, topics(1, workers, 1))
        written = [(flow.partition, record) for flow in _flows(workers, trades, seed) for record in records(flow)]
        processes = [running.enter_context(_worker(settings, f"{number}")) for number in range(workers)]
        _wait(lambda: _apart(settings.bootstrap_servers, workers))
        before = sum(_processor_s(process) for process in processes)
        for process in processes:
            process.suspend()
        _write(settings, written)
        for process in processes:
            process.resume()
        view = groups.GroupView(settings.bootstrap_servers)
        _wait(lambda: groups.behind(view, GROUP, groups.ends(view, GROUP)))
        spent = sum(_processor_s(process) for process in processes) - before
        log = read_topics(settings.bootstrap_servers, (TRADES, CANDLES))
    verdict, times = Verdict(), []
    for partition in range(workers):
        given, found = log[TRADES, partition], log[CANDLES, partition]
        verdict += compare([record.value for record in given], [record.value for record in found])
        times += [record.log_time_ms for record in found]
    return Outcome(verdict, trades / (max(times) - min(times)) * 1000, spent)


def _flows(partitions: int, trades: int, seed: int) -> list[Flow]:
    return flows(trades, SYMBOLS, partitions, seed, trades_per_s=2000 // partitions)


def _processor_s(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def _apart(bootstrap: str, workers: int) -> str:
    """Empty once each worker has a partition of its own."""
    try:
        owners = set(groups.owners(admin_client(bootstrap), "candle_agg").values())
    except KafkaException as error:  # the coordinator is just starting
        return str(error)
    return "" if len(owners) == workers else f"{len(owners)} of {workers} workers have a partition"


def _write(settings: Settings, written: list[tuple[int, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "acks": "all", "linger.ms": 20,
                         "enable.idempotence": True, "queue.buffering.max.messages": 2_000_000,
                         "compression.type": "lz4"})  # fmt: skip
    for partition, record in written:
        producer.produce(TRADES, record, b"", partition)
        producer.poll(0)
    assert producer.flush(PATIENCE_S) == 0, "the broker didn't take the trades"


@contextmanager
def _worker(settings: Settings, member: str) -> Iterator[psutil.Process]:
    environment = os.environ | settings.environment() | {"GLASSBOOK_MEMBER": member}
    process = subprocess.Popen([sys.executable, "-P", "-m", "candle_agg"], env=environment, stdout=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _wait(missing: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while reason := missing():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the workers did not get there: {reason}")
        time.sleep(0.5)
