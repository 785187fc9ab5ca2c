"""The Faust app: Faust joins the group, is given partitions, and brings their records; the service does the rest.

No table, no changelog, no acknowledgement of Faust's is used. A rebalance of Faust's takes all partitions and gives
all anew; each time they are closed and opened like after any start. What goes wrong ends the process: the next start
goes on from the log, so there is nothing that Faust's own way of stopping could save.
"""

import asyncio
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import faust
import structlog
from faust.types import TP

from candle_agg.core import CandleCore
from candle_agg.faust_log import FaustLog
from candle_agg.runs import RunConsumer, RunSchema, RunTransport
from candle_agg.service import CandleService
from candle_agg.watch import BrokersView, Owned, Watch
from schemas.topics import CANDLES
from stage.kafka_reader import LogFailed
from stage.partition import StageStopped

POLL_S = 0.1  # how often commits, snapshots and forming candles are looked at when no record comes
GATHER_S = 0.002  # what comes within it is flushed together, however many partitions it is of
RUN_RECORDS = 1000
WAITING_RUNS = 16  # in Faust's hands
WAITING_RECORDS = 4 * RUN_RECORDS  # in ours
METADATA_S = 5  # until new partitions are noticed
COMMIT_S = 2.0
REBALANCE_S = 10.0  # how long the others wait for a worker that lives and doesn't join again
WATCH_S = 5.0

logger = structlog.get_logger()


class CandleApp(faust.App):
    def _create_directories(self) -> None:
        """None: they would be for tables."""


class CandleWorker:
    """One worker. `app` is what Faust runs; `owned` asks the broker what it has by its group."""

    def __init__(
        self, bootstrap_servers: str, member: str, session_timeout_ms: int, *, web_port: int, owned: Owned
    ) -> None:
        self.app = _app(bootstrap_servers, member, session_timeout_ms, web_port)
        self.log = FaustLog(bootstrap_servers, CandleCore.stage, CandleCore.input_topic, member, self._commit)
        self.service = CandleService(CandleCore, (CANDLES,), self.log, _now_ms)
        self._owned = owned
        self._given: list[int] = []  # partitions that Faust has given and that aren't open yet
        self._arrived = asyncio.Event()
        self._fetched = asyncio.Event()
        self._connect()

    def _connect(self) -> None:
        app = self.app
        app.agent(app.topic(CandleCore.input_topic, acks=False, schema=RunSchema()), name="candles")(self._take)
        app.task(self._work)
        app.task(self._watch)
        app.on_partitions_assigned.connect(self._on_assigned)
        app.on_partitions_revoked.connect(self._close)
        app.on_before_shutdown.connect(self._close)

    # --- what Faust brings

    async def _take(self, runs: Any) -> None:
        async for run in runs:
            self.log.deliver(run)
            self._arrived.set()
            while self.log.waiting > WAITING_RECORDS:
                self._fetched.clear()
                await self._fetched.wait()

    async def _on_assigned(self, app: Any, /, *assigned: Any, **_: Any) -> None:
        # Opened by the worker's own task: the member's heartbeats begin only when this has returned.
        self._given = sorted(place.partition for places in assigned for place in places)
        self._arrived.set()

    # --- the loop

    async def _work(self) -> None:
        while True:
            with _ends_the_process():
                self._open()
                while self.service.step(RUN_RECORDS):
                    self._fetched.set()
                    await asyncio.sleep(0)
            self._fetched.set()
            try:
                await asyncio.wait_for(self._arrived.wait(), POLL_S)
                await asyncio.sleep(GATHER_S)
            except TimeoutError:
                continue
            self._arrived.clear()

    def _open(self) -> None:
        given, self._given = self._given, []
        if given:
            start = self.service.open(given)
            # All that there is by now is read from the log itself: Faust may have brought some of it before it was
            # wanted, and brings nothing twice.
            self.log.start_at(start, self.log.end_offsets(given))

    async def _close(self, *_: Any, **__: Any) -> None:
        """Gives all partitions back: between two steps, so what was fed is on the log."""
        with _ends_the_process():
            self._given = []
            partitions = list(self.service.partitions)
            self.service.close(partitions)
            await self.log.finish_commits(COMMIT_S)
            self.log.forget(partitions)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        consumer = self.app.consumer
        assert isinstance(consumer, RunConsumer)
        return await consumer.commit_offsets(offsets)

    async def _watch(self) -> None:
        watch = Watch()
        while True:
            await asyncio.sleep(WATCH_S)
            with _ends_the_process():
                problem = watch.problem(await asyncio.to_thread(self._view), self.log.positions)
                if problem:
                    raise StageStopped(problem)

    def _view(self) -> BrokersView | None:
        owned = self._owned()
        try:
            return None if owned is None else BrokersView(owned, self.log.end_offsets(sorted(owned)))
        except LogFailed:
            return None  # the broker is away


def _app(bootstrap_servers: str, member: str, session_timeout_ms: int, web_port: int) -> CandleApp:
    app = CandleApp(
        CandleCore.stage,
        broker=[f"kafka://{address}" for address in bootstrap_servers.split(",")],
        broker_client_id=f"{CandleCore.stage}-{member}",
        # No static membership: a static leader that has started again is not told that it leads (Kafka's JoinGroup
        # before version 9, and aiokafka's is 5), and then nobody notices new partitions of the topic.
        broker_session_timeout=session_timeout_ms / 1000,
        broker_heartbeat_interval=max(session_timeout_ms / 12_000, 0.2),
        broker_rebalance_timeout=REBALANCE_S,
        broker_max_poll_records=RUN_RECORDS,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=METADATA_S * 1000,
        stream_buffer_maxsize=WAITING_RUNS,
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
        table_standby_replicas=0,  # and so Kafka's own round robin instead of Faust's assignor
        web_enabled=web_port > 0,
        web_host="127.0.0.1",
        web_port=web_port or None,
        worker_redirect_stdouts=False,
    )
    app.transport = RunTransport(app.conf.broker_consumer, app)
    return app


@contextmanager
def _ends_the_process() -> Iterator[None]:
    """An exception here must not reach Faust, which would start the agent again and go on behind what failed."""
    try:
        yield
    except StageStopped as stopped:
        logger.error("stage stopped", stage=CandleCore.stage, why=str(stopped), kind=type(stopped).__name__)
    except Exception:
        logger.error("stage failed", stage=CandleCore.stage, why=traceback.format_exc())
    else:
        return
    sys.stdout.flush()
    os._exit(1)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
