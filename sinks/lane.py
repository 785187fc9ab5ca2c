"""One topic's lane: its partitions, what was fetched of them, the batch under way, and what is wrong, if anything."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait

from sinks.records import Stretch
from sinks.store import Store
from sinks.topic_sink import Batch, TopicSink

CHUNK_RECORDS = 10_000  # become rows at once; more would only fill memory
FIRST_WAIT_MS = 200

Start = Callable[[Callable[[], None]], Future[None]]
"""Starts something that goes on by itself."""


class Lane:
    """One topic: its partitions, what was fetched of them and isn't rows yet, and what is wrong, if anything."""

    def __init__(self, topic: str, store: Store, start: Start) -> None:
        self.topic = topic
        self.store = store
        self.sink = TopicSink(topic, store, self._settle)
        self._start = start
        self._under_way: tuple[Future[None], Batch] | None = None
        self.waiting: set[int] = set()  # partitions that are ours and not open
        self.positions: dict[int, int] = {}  # of open partitions: all below is written
        self.recorded: dict[int, int] = {}  # of them: what `sink_positions` says
        self.trouble = ""  # until something is written again
        self.trouble_code: int | None = None
        self.said_ms = 0
        self.since_ms = 0
        self.wait_ms = FIRST_WAIT_MS
        self.retry_at_ms = 0
        self.clear()

    def clear(self) -> None:
        """Forgets what was fetched."""
        self._held: dict[int, Stretch] = {}
        self._held_records = 0
        self.bytes = 0  # fetched since the last batch was written
        self.oldest_ms: int | None = None

    def hold(self, stretch: Stretch, fetched_ms: int) -> None:
        """Takes what was fetched of an open partition. `fetched_ms`: no record of it is older."""
        if self.oldest_ms is None:
            self.oldest_ms = fetched_ms
        held = self._held.get(stretch.partition)
        if held is None:
            self._held[stretch.partition] = stretch
        else:
            held.offsets.extend(stretch.offsets)
            held.values.extend(stretch.values)
        self._held_records += len(stretch.offsets)
        self.bytes += sum(len(value) for value in stretch.values if value is not None)
        if self._held_records >= CHUNK_RECORDS:
            self.convert()

    # --- writing, while the next records are taken

    def begin(self) -> None:
        """Sends off all that was taken."""
        assert self._under_way is None
        self.convert()
        self._settle()
        batch = self.sink.batch()
        self.clear()
        self._under_way = self._start(lambda: self.sink.insert(batch)), batch

    @property
    def is_writing(self) -> bool:
        return self._under_way is not None

    @property
    def has_written(self) -> bool:
        return self._under_way is not None and self._under_way[0].done()

    def finish(self) -> Batch:
        """The batch that was sent off, once it is in the tables; raises StoreFailed if that is in doubt."""
        assert self._under_way is not None
        self._settle()
        _, batch = self._under_way
        self._under_way = None
        return batch

    def abandon(self) -> None:
        """Waits until nothing is under way any more, whatever became of it."""
        if self._under_way is not None:
            wait([self._under_way[0]])
            self._under_way = None

    def _settle(self) -> None:
        if self._under_way is not None:
            self._under_way[0].result()

    def convert(self) -> None:
        """Makes rows of what is held."""
        held, self._held, self._held_records = self._held, {}, 0
        for stretch in held.values():
            self.sink.take(stretch)

    def drop(self, partitions: Sequence[int]) -> None:
        """Partitions that are no longer ours, or to be opened anew."""
        self.sink.forget(partitions)
        for partition in partitions:
            self.waiting.discard(partition)
            self.positions.pop(partition, None)
            self.recorded.pop(partition, None)
            self._held.pop(partition, None)
