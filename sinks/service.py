"""The loop of a sink: take records, write them in batches, say how far it is; wait where ClickHouse doesn't take them.

Each topic has a lane of its own, so that what is wrong with one doesn't hold up the others. A lane that can't write
lets its partitions stand still, forgets what it had taken, and opens them anew after a growing wait: nothing piles up,
and nothing is lost, since everything is read again from where ClickHouse is.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from msgspec import Struct

from sinks.lane import FIRST_WAIT_MS, Lane, Start
from sinks.log import SinkLog
from sinks.migrations import Migration, migrate
from sinks.port import UNKNOWN_TABLE, StoreFailed
from sinks.records import Stretch
from sinks.retention import apply_retention
from sinks.store import Store
from stage.kafka_reader import Place

logger = structlog.get_logger()
FETCH_RECORDS = 20_000


class Cadence(Struct, frozen=True):
    """When a batch is written: at so many rows, or when its first record is so old."""

    batch_rows: int = 100_000
    batch_ms: int = 1_000
    batch_bytes: int = 64 * 1024 * 1024
    idle_ms: int = 500  # the longest that the loop waits for records
    positions_ms: int = 10_000  # how often the positions that no row says are written
    look_ms: int = 5_000  # how often it looks whether the tables are still there
    longest_wait_ms: int = 10_000
    remind_ms: int = 30_000  # how often a lasting trouble is said again


def in_a_thread(topic: str) -> Start:
    """A thread of the topic's own, for one thing at a time."""
    return ThreadPoolExecutor(1, topic).submit


class SinkService:
    def __init__(
        self,
        log: SinkLog,
        make_store: Callable[[], Store],
        topics: Sequence[str],
        migrations: Sequence[Migration],
        retention_days: Mapping[str, int],
        cadence: Cadence,
        now_ms: Callable[[], int],
        threads: Callable[[str], Start] = in_a_thread,
    ) -> None:
        self._log = log
        self._store = make_store()
        # A lane's batch is under way while the rest goes on: it needs a connection of its own.
        self._lanes = {topic: Lane(topic, make_store(), threads(topic)) for topic in topics}
        self._migrations = migrations
        self._retention_days = retention_days
        self._cadence = cadence
        self._now_ms = now_ms
        self._prepared = False
        self._recorded_ms = self._looked_ms = now_ms()

    # --- membership, told inside `fetch`

    def assigned(self, places: Sequence[Place]) -> None:
        for topic, partition in places:
            self._lanes[topic].waiting.add(partition)

    def taken(self, places: Sequence[Place], in_order: bool) -> None:
        """Partitions go to another member. In good order, what was taken of them is written before."""
        for lane in self._lanes.values():
            gone = [partition for topic, partition in places if topic == lane.topic]
            if in_order and lane.positions.keys() & set(gone):
                self._write_out(lane)
                self._commit([lane], wait=True)
            lane.drop(gone)

    # --- the loop

    def step(self) -> None:
        # 1. Open the partitions that wait, once their time has come.
        for lane in self._lanes.values():
            if lane.waiting and self._now_ms() >= lane.retry_at_ms:
                self._open(lane)
        # 2. Take what is there, and make rows of it.
        began_ms = self._now_ms()
        fetched = self._log.fetch(FETCH_RECORDS, self._patience_ms(began_ms) / 1000)
        for stretch in fetched.stretches:
            self._take(self._lanes[stretch.topic], stretch, began_ms)
        for topic, partition in fetched.gone:
            failure = StoreFailed(f"the log no longer has {topic}-{partition} from where ClickHouse is")
            self._fail(self._lanes[topic], failure)
        # 3. Say of what is written that it is, and send off what is due.
        for lane in self._lanes.values():
            if lane.has_written or (lane.is_writing and self._is_due(lane)):
                self._finish(lane)
            if self._is_due(lane):
                self._begin(lane)
        # 4. Now and then: the positions that no row says, and whether the tables are still there.
        if self._now_ms() - self._recorded_ms >= self._cadence.positions_ms:
            self._record_positions()
        if self._now_ms() - self._looked_ms >= self._cadence.look_ms:
            self._look()

    def close(self) -> None:
        """In good order: what was taken is written, and the next start begins behind it."""
        for lane in self._lanes.values():
            self._write_out(lane)
        self._record_positions()
        self._commit(list(self._lanes.values()), wait=True)
        for store in (self._store, *(lane.store for lane in self._lanes.values())):
            store.close()

    def _patience_ms(self, now_ms: int) -> int:
        """How long to wait for records: until the next thing that has its time."""
        times = [lane.oldest_ms + self._cadence.batch_ms for lane in self._lanes.values() if lane.oldest_ms is not None]
        times += [lane.retry_at_ms for lane in self._lanes.values() if lane.waiting]
        return max(0, min([now_ms + self._cadence.idle_ms, *times]) - now_ms)

    def _is_due(self, lane: Lane) -> bool:
        if lane.oldest_ms is None:
            return False
        full = lane.sink.pending_rows >= self._cadence.batch_rows or lane.bytes >= self._cadence.batch_bytes
        return full or self._now_ms() - lane.oldest_ms >= self._cadence.batch_ms

    # --- a lane's life

    def _open(self, lane: Lane) -> None:
        partitions = sorted(lane.waiting)
        try:
            self._prepare()
            positions = lane.sink.open(partitions)
            starts = self._starts(lane.topic, positions)
        except StoreFailed as failure:
            self._fail(lane, failure)
            return
        self._log.start({(lane.topic, partition): offset for partition, offset in starts.items()})
        lane.waiting -= set(partitions)
        lane.positions |= starts
        logger.info("partitions opened", topic=lane.topic, partitions=",".join(f"{p}@{o}" for p, o in starts.items()))
        if not lane.trouble:
            self._commit([lane])

    def _prepare(self) -> None:
        """The tables, as the files and the settings say; once, and again when one is gone."""
        if not self._prepared:
            migrate(self._store, self._migrations)
            apply_retention(self._store, self._retention_days)
            self._prepared = True

    def _starts(self, topic: str, positions: Mapping[int, int]) -> dict[int, int]:
        """The positions, as far as the log has them."""
        bounds = self._log.bounds([(topic, partition) for partition in positions])
        starts: dict[int, int] = {}
        for partition, position in positions.items():
            low, high = bounds[topic, partition]
            if position > high:
                raise StoreFailed(
                    f"ClickHouse has {topic}-{partition} up to offset {position}, but the log ends at {high}: it is not"
                    " the log that these tables were filled from"
                )
            if position < low:
                logger.warning("records are gone from the log", topic=topic, partition=partition, first=position,
                               behind_last=low)  # fmt: skip
            starts[partition] = max(position, low)
        return starts

    def _take(self, lane: Lane, stretch: Stretch, fetched_ms: int) -> None:
        if stretch.partition not in lane.positions:
            return  # it was fetched before the partition was closed or given away
        try:
            lane.hold(stretch, fetched_ms)
        except StoreFailed as failure:
            self._fail(lane, failure)

    def _begin(self, lane: Lane) -> None:
        try:
            lane.begin()
        except StoreFailed as failure:
            self._fail(lane, failure)

    def _finish(self, lane: Lane) -> None:
        """1. The rows are in. 2. What can't be read stands on the dead letters. 3. Only then it is said to be done."""
        try:
            batch = lane.finish()
        except StoreFailed as failure:
            self._fail(lane, failure)
            return
        self._log.bury(batch.unreadable)
        if batch.unreadable:
            first = batch.unreadable[0]
            logger.warning("records can't be read", topic=lane.topic, records=len(batch.unreadable),
                           partition=first.partition, offset=first.offset, reason=first.reason,
                           detail=first.detail)  # fmt: skip
        lane.positions |= {p: o for p, o in batch.positions.items() if p in lane.positions}
        lane.wait_ms = FIRST_WAIT_MS
        if lane.trouble:
            seconds = round((self._now_ms() - lane.since_ms) / 1000, 1)
            logger.info("writing again", topic=lane.topic, after_s=seconds, trouble=lane.trouble)
            lane.trouble = ""
        self._commit([lane])

    def _write_out(self, lane: Lane) -> None:
        """All that was taken, and waits for it."""
        if lane.is_writing:
            self._finish(lane)
        if lane.oldest_ms is not None:
            self._begin(lane)
        if lane.is_writing:
            self._finish(lane)

    def _fail(self, lane: Lane, failure: StoreFailed) -> None:
        """Everything of the lane stands still until it is opened anew; nothing of it is kept in memory."""
        now_ms = self._now_ms()
        partitions = list(lane.positions)
        lane.abandon()
        self._log.stop([(lane.topic, partition) for partition in partitions])
        lane.drop(partitions)
        lane.clear()
        lane.waiting |= set(partitions)
        if failure.is_gone:
            self._prepared = False
        if failure.is_fenced:
            logger.info("partitions are opened anew", topic=lane.topic, why=str(failure))
        else:
            self._alarm(lane, failure, now_ms)
        lane.retry_at_ms = now_ms + lane.wait_ms
        lane.wait_ms = min(2 * lane.wait_ms, self._cadence.longest_wait_ms)

    def _alarm(self, lane: Lane, failure: StoreFailed, now_ms: int) -> None:
        """In the log, now and again while it lasts; and in the group's commits, where `glassbook status` sees it."""
        if not lane.trouble:
            lane.since_ms = now_ms
        if failure.code != lane.trouble_code or not lane.trouble or now_ms - lane.said_ms >= self._cadence.remind_ms:
            logger.error("nothing is written", topic=lane.topic, why=str(failure), retry_ms=lane.wait_ms)
            lane.said_ms = now_ms
            self._log.note([(lane.topic, partition) for partition in lane.waiting], str(failure))
        lane.trouble, lane.trouble_code = str(failure), failure.code

    def _look(self) -> None:
        """A table that was dropped, or made again by somebody else, is noticed without anything to write."""
        self._looked_ms = self._now_ms()
        watched = [lane for lane in self._lanes.values() if lane.positions]
        if not watched:
            return
        try:
            there = self._store.identities()
        except StoreFailed as failure:
            for lane in watched:
                self._fail(lane, failure)
            return
        for lane in watched:
            gone = [name for name, identity in lane.sink.identities.items() if there.get(name) != identity]
            if gone:
                what = f"table {', '.join(gone)} was dropped: it is made again and filled from the log"
                self._fail(lane, StoreFailed(what, UNKNOWN_TABLE))

    # --- saying how far it is

    def _commit(self, lanes: Sequence[Lane], wait: bool = False) -> None:
        self._log.commit({(lane.topic, p): o for lane in lanes for p, o in lane.positions.items()}, wait)

    def _record_positions(self) -> None:
        """What no row says. Nothing depends on it but how much of the log a start reads again."""
        self._recorded_ms = self._now_ms()
        for lane in self._lanes.values():
            moved = {p: o for p, o in lane.positions.items() if o != lane.recorded.get(p, 0)}
            identities = lane.sink.identities
            try:
                self._store.record_positions(
                    (table, identities[table.name], p, o) for table in lane.sink.tables for p, o in moved.items()
                )
            except StoreFailed as failure:
                self._fail(lane, failure)
                continue
            lane.recorded |= moved
