"""The streams' process on a real broker: records on the topics, frames on the sockets.

First the latency: 100 readers of single trades, 200 trades a second; a frame counts from when its trade was handed to
the broker's client until a reader has it, so the broker's part and the reader's own are in the figure. Then a busy
symbol: 1,000 readers of its book in frames of 100 ms, one of which stops reading. At last the most frames: trades that
come as fast as the broker takes them, to 100 readers each; frames that follow at once share a write, and cost less than
single ones. All readers share one process and the machine's cores.
"""

import asyncio
import gc
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import httpx
import psutil
import uvloop

from benchmarks.feeds_load import SYMBOL, Market, Reader, trade_sequence
from benchmarks.local_broker import local_cluster
from benchmarks.machine import Report, percentile, percentiles
from glassbook.cluster import STAGES
from glassbook.settings import HOST, Settings

READERS, TRADES_PER_S = 100, 200
CROWD, BUSY_PER_S = 1_000, 500
BURST_TRADES, BURSTS = 1_000, 3
PATIENCE_S = 60
WARM_UP_S, WARM_UP_PER_S = 20, 1_000  # a fresh broker is slow until Java has compiled what is busy


def run(seconds: float, seed: int, as_json: bool) -> None:
    report = Report("feeds", seed, as_json)
    report.say(
        f"mix      one symbol; {READERS} readers of single trades at {TRADES_PER_S}/s; {CROWD} readers of depth frames"
        f" at {BUSY_PER_S} trades/s and as many changes of the book; {BURST_TRADES} trades at once to {READERS} readers"
    )
    only_topics = tuple(stage for stage in STAGES if stage.name == "clock")
    limits = {"feed_connections_per_address": 2 * CROWD}
    with local_cluster(only_topics, **limits) as cluster, _feeds(cluster.settings) as process:
        bench = Bench(report, cluster.settings, process, seed)
        figures = uvloop.run(bench.run(seconds))
    report.end(figures)


@contextmanager
def _feeds(settings: Settings) -> Iterator[psutil.Process]:
    port = settings.gateway_port
    environment = os.environ | settings.environment() | {"GLASSBOOK_FEED_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "feeds"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not _is_ready(f"http://{HOST}:{port}/readyz"):
            assert time.monotonic() < deadline and process.poll() is None, "feeds does not come up"
            time.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


class Bench:
    def __init__(self, report: Report, settings: Settings, process: psutil.Process, seed: int) -> None:
        self._report = report
        self._port = settings.gateway_port
        self._process = process
        self._draw = random.Random(seed)
        self._market = Market(settings.bootstrap_servers)

    async def run(self, seconds: float) -> dict[str, float]:
        await self._begin()
        gc.freeze()
        gc.disable()
        latency = await self._latency(seconds)
        crowd = await self._crowd(max(seconds, 14))
        burst = await self._bursts()
        return latency | {"clients": CROWD} | crowd | burst

    async def _begin(self) -> None:
        """The market is known from its first records on."""
        self._market.trade()
        self._market.depth()
        self._market.flush()
        async with httpx.AsyncClient(trust_env=False) as http:
            deadline = time.monotonic() + PATIENCE_S
            url = f"http://{HOST}:{self._port}/api/v1/markets/{SYMBOL}/ticker"
            while (await http.get(url)).status_code != 200:
                assert time.monotonic() < deadline, "the market isn't seen"
                await asyncio.sleep(0.05)

    async def _readers(self, count: int, stream: str, take: Callable[[bytes], None]) -> list[Reader]:
        loop = asyncio.get_running_loop()
        readers = []
        for _ in range(count):
            _, reader = await loop.create_connection(lambda: Reader(f"/ws/{stream}", take), HOST, self._port)
            readers.append(reader)
        await self._connected(lambda connected: connected == count)
        return readers

    async def _connected(self, wanted: Callable[[int], bool]) -> None:
        """Until the process says so of its connections: a reader by path has its stream as soon as it counts."""
        async with httpx.AsyncClient(trust_env=False) as http:
            deadline = time.monotonic() + PATIENCE_S
            while True:
                answer = (await http.get(f"http://{HOST}:{self._port}/readyz")).json()
                if wanted(answer.get("connections", -1)):
                    return
                assert time.monotonic() < deadline, answer
                await asyncio.sleep(0.02)

    async def _write(self, per_s: int, seconds: float, write: Callable[[], None]) -> None:
        """Poisson arrivals, however late the last one was."""
        due = time.perf_counter()
        until = due + seconds
        while due < until:
            due += self._draw.expovariate(per_s)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            write()
            self._market.poll()

    # --- single trades

    async def _latency(self, seconds: float) -> dict[str, float]:
        times: list[float] = []
        sent_at = self._market.sent_at
        measured_from = float("inf")

        def take(text: bytes) -> None:
            sent = sent_at[trade_sequence(text)]
            if sent >= measured_from:
                times.append((time.perf_counter() - sent) * 1000)

        readers = await self._readers(READERS, f"trades@{SYMBOL}", take)
        first = self._market.trades
        await self._write(WARM_UP_PER_S, WARM_UP_S, self._market.trade)
        await self._until(lambda: readers[-1].frames == self._market.trades - first)
        measured_from, began_s = time.perf_counter(), self._processor_s()
        await self._write(TRADES_PER_S, seconds, self._market.trade)
        await self._until(lambda: all(reader.frames == self._market.trades - first for reader in readers))
        spent_s = self._processor_s() - began_s
        await self._leave(readers)
        times.sort()
        share = spent_s / seconds
        self._report.say(
            f"trade to socket, {READERS} readers at {TRADES_PER_S}/s: {percentiles(times, 'ms')}; no frame missing;"
            f" feeds' processor {share:.0%}"
        )
        return {
            "p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99), "latency_clients": READERS,
            "cpu_us_per_single_frame": spent_s / len(times) * 1e6,
        }  # fmt: skip

    # --- a crowd

    async def _crowd(self, seconds: float) -> dict[str, float]:
        readers = await self._readers(CROWD, f"depth@{SYMBOL}", lambda text: None)
        watched = readers[1]
        arrived: list[float] = []
        last: list[int] = []

        def watch(text: bytes) -> None:
            arrived.append(time.perf_counter())
            data = json.loads(text)["data"]
            assert not last or data["first"] == last[-1] + 1, "a gap"
            last.append(data.get("last", data.get("sequence")))

        await self._until(lambda: all(reader.frames for reader in readers))
        last.append(self._market.depths)
        watched._take = watch
        readers[0].transport.pause_reading()
        began_s, before = self._processor_s(), sum(reader.frames for reader in readers)

        def write() -> None:
            self._market.trade()
            self._market.depth()

        await self._write(BUSY_PER_S, seconds, write)
        await self._until(lambda: last[-1] == self._market.depths)
        # All began before the first frame, so all others have as many frames as the one whose sequences were checked.
        await self._until(lambda: all(reader.frames == watched.frames for reader in readers[1:]))
        spent_s = self._processor_s() - began_s
        frames = sum(reader.frames for reader in readers) - before
        readers[0].transport.resume_reading()
        await self._until(lambda: readers[0].close_code is not None or readers[0].lost)
        late = sorted((b - a) * 1000 for a, b in pairwise(arrived))
        self._report.say(
            f"{CROWD} readers of frames at {BUSY_PER_S} trades/s: {frames / seconds:,.0f} frames/s; between two frames"
            f" {percentiles(late, 'ms')}; feeds' processor {spent_s / seconds:.0%}; the one that stopped reading was"
            f" closed with {readers[0].close_code}, the others have every frame"
        )
        await self._leave(readers)
        return {
            "crowd_frames_per_s": frames / seconds, "crowd_frame_gap_p99_ms": percentile(late, 0.99),
            "stalled_close_code": readers[0].close_code or 0,
        }  # fmt: skip

    # --- the most

    async def _bursts(self) -> dict[str, float]:
        rates, costs = [], []
        for _ in range(BURSTS):
            readers = await self._readers(READERS, f"trades@{SYMBOL}", lambda text: None)
            began_s, began = self._processor_s(), time.perf_counter()
            for _ in range(BURST_TRADES):
                self._market.trade()
            self._market.flush()
            await self._until(lambda: all(reader.frames == BURST_TRADES for reader in readers))  # noqa: B023
            frames = READERS * BURST_TRADES
            rates.append(frames / (time.perf_counter() - began))
            costs.append((self._processor_s() - began_s) / frames * 1e6)
            await self._leave(readers)
        self._report.say(
            f"bursts of {BURST_TRADES} trades to {READERS} readers: "
            + ", ".join(f"{rate:,.0f}" for rate in rates)
            + " frames/s; processor of a frame "
            + ", ".join(f"{cost:.1f} µs" for cost in costs)
        )
        return {"frames_per_s": sorted(rates)[BURSTS // 2], "cpu_us_per_frame": sorted(costs)[BURSTS // 2]}

    async def _until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, "not within a minute"
            await asyncio.sleep(0.01)

    async def _leave(self, readers: list[Reader]) -> None:
        for reader in readers:
            reader.transport.abort()
        await self._connected(lambda count: not count)

    def _processor_s(self) -> float:
        spent = self._process.cpu_times()
        return float(spent.user + spent.system)
