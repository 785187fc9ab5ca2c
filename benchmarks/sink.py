"""The sinks as a process: trades on a real broker, rows in the embedded ClickHouse.

First the rate: all trades lie on the topic when the sink starts; rows are counted as they appear, from the first batch
on, so that starting Python and joining the group don't count. Then the lag: trades come at 2,000 a second, and each
counts from its append until a reader of ClickHouse sees it.
"""

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
from confluent_kafka import Producer
from msgspec import Struct

from benchmarks.local_broker import local_cluster
from benchmarks.machine import Report, percentile, percentiles
from glassbook.clickhouse import access
from glassbook.cluster import CLICKHOUSE, STAGES
from glassbook.settings import Settings
from schemas.topics import TRADES
from simulator.candle_load import flows, records

SYMBOLS, PARTITIONS = 40, 8
GUESSED_PER_S = 100_000
LAG_PER_S = 2_000
LOOK_S = 0.1
PATIENCE_S = 180


class Rate(Struct):
    rows: int
    per_s: float
    sink_s: float  # processor time from its start
    clickhouse_s: float


def run(seconds: float, seed: int, as_json: bool) -> None:
    report = Report("sink", seed, as_json)
    report.say(f"mix      {SYMBOLS} symbols on {PARTITIONS} partitions, 500 bytes a trade")
    stages = tuple(stage for stage in STAGES if stage.name == CLICKHOUSE)
    with local_cluster(stages, order_partitions=PARTITIONS) as cluster:
        settings = cluster.settings
        engine = psutil.Process(next(p.pid for p in cluster.supervisor.processes() if p.name == CLICKHOUSE))
        load = Load(settings, int(seconds * 0.4 * GUESSED_PER_S), seed)
        load.write(load.trades)
        with sink(settings) as process:
            rate = _rate(settings, load.trades, process, engine)
            report.say(
                f"{rate.rows:,} rows, {rate.per_s:,.0f}/s; processor time of the sink {rate.sink_s:.1f} s,"
                f" of ClickHouse {rate.clickhouse_s:.1f} s"
            )
            lags = _lags(settings, load, seconds * 0.4)
    report.say(f"lag at {LAG_PER_S:,} trades/s: {percentiles(lags, 's')}")
    ordered = sorted(lags)
    report.end({"rows_per_s": rate.per_s, "lag_s": percentile(ordered, 0.99), "lag_s_p50": percentile(ordered, 0.5)})


class Load:
    """Trades made beforehand: so many at once, then at a steady rate."""

    def __init__(self, settings: Settings, trades: int, seed: int) -> None:
        self.trades = trades
        most = trades + int(PATIENCE_S * LAG_PER_S)
        self._streams = [records(flow) for flow in flows(most, SYMBOLS, PARTITIONS, seed)]
        self._producer = Producer(
            {
                "bootstrap.servers": settings.bootstrap_servers, "linger.ms": 2, "compression.type": "lz4",
                "enable.idempotence": True, "queue.buffering.max.messages": 2_000_000,
            }
        )  # fmt: skip
        self.written = 0

    def write(self, trades: int) -> None:
        """So many, dealt out over the partitions; returns when they are appended."""
        wanted = self.written + trades
        while self.written < wanted:
            for partition, stream in enumerate(self._streams):
                value = next(stream)
                self._producer.produce(TRADES, value, b"", partition)
                self.written += value.startswith(b'{"record":"trade"')
            self._producer.poll(0)
        assert self._producer.flush(PATIENCE_S) == 0, "the broker didn't take the trades"


@contextmanager
def sink(settings: Settings) -> Iterator[psutil.Process]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "sinks"], env=os.environ | settings.environment(), stdout=subprocess.DEVNULL
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


class Reader:
    """Counts rows as anybody may, over one connection."""

    def __init__(self, settings: Settings) -> None:
        self._address = access(settings).address
        self._http = httpx.Client(trust_env=False, timeout=30)

    def rows(self) -> int:
        query = f"SELECT count() FROM {self._address.database}.trades"
        answer = self._http.post(f"{self._address}/", content=query)
        return int(answer.text) if answer.status_code == 200 else 0  # the table isn't there yet


def _rate(settings: Settings, wanted: int, process: psutil.Process, engine: psutil.Process) -> Rate:
    reader, deadline = Reader(settings), time.monotonic() + PATIENCE_S
    before = _processor_s(engine)
    while not (first := reader.rows()):
        assert time.monotonic() < deadline, "the sink wrote nothing"
        time.sleep(LOOK_S / 2)
    began = time.monotonic()
    while (rows := reader.rows()) < wanted:
        assert time.monotonic() < deadline, f"{rows} of {wanted} rows"
        time.sleep(LOOK_S)
    seconds = time.monotonic() - began
    return Rate(rows, (rows - first) / seconds, _processor_s(process), _processor_s(engine) - before)


def _lags(settings: Settings, load: Load, seconds: float) -> list[float]:
    """From append to being seen, of each group of trades."""
    appended: deque[tuple[int, float]] = deque()  # trades written by then, when
    stopping = threading.Event()

    def write() -> None:
        began, per_group = time.monotonic(), LAG_PER_S // 100
        for group in range(int(seconds * 100)):
            stopping.wait(max(0.0, began + group / 100 - time.monotonic()))
            load.write(per_group)
            appended.append((load.written, time.monotonic()))

    reader, lags = Reader(settings), list[float]()
    deadline = time.monotonic() + PATIENCE_S
    writing = threading.Thread(target=write)
    writing.start()
    while writing.is_alive() or appended:
        assert time.monotonic() < deadline, "the sink falls behind"
        rows, now = reader.rows(), time.monotonic()
        while appended and appended[0][0] <= rows:
            lags.append(now - appended.popleft()[1])
        time.sleep(LOOK_S)
    writing.join()
    return lags


def _processor_s(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)
