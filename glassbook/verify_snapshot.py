"""A verification over topics, begun with the canary's newest snapshot that lies before the range, if there is one."""

from collections.abc import Mapping

import msgspec

from canary.snapshots import PARTITION, SLOTS, STAGE, Snapshot, decode_state, newest_snapshot
from canary.state import CanaryState
from glassbook.errors import GlassbookError
from glassbook.verify import Verification, Wanted
from glassbook.verify_source import Bounds, Place
from glassbook.verify_topics import TopicSource
from schemas.topics import JUDGED, ORDERS, SNAPSHOTS


def verification_of_topics(bootstrap_servers: str, wanted: Wanted) -> tuple[Verification, TopicSource]:
    source = TopicSource(bootstrap_servers, JUDGED)
    state = None if wanted.start is None else _state_before(bootstrap_servers, wanted, source.bounds)
    return Verification(source, wanted, state), source


def _state_before(bootstrap_servers: str, wanted: Wanted, bounds: Mapping[Place, Bounds]) -> CanaryState | None:
    """The newest state in which no partition that the range may begin in was read behind its beginning."""
    try:
        topic = TopicSource(bootstrap_servers, (SNAPSHOTS,))
    except GlassbookError:  # a reader may have no right to it, and can do without
        return None
    records = [
        (record.key or b"", record.value or b"")
        for record in topic.unordered((SNAPSHOTS,))
        if record.partition == PARTITION
    ]
    for _ in range(SLOTS):
        newest = newest_snapshot(records)
        if newest is None:
            return None
        state = _readable(newest)
        if state is not None and _lies_before(state, wanted, bounds):
            return state
        own = f"{STAGE}/{newest.number % SLOTS}/".encode()
        records = [(key, value) for key, value in records if not key.startswith(own)]
    return None


def _readable(snapshot: Snapshot) -> CanaryState | None:
    """None of a snapshot that another version of the canary has written."""
    try:
        return decode_state(snapshot.state)
    except msgspec.MsgspecError:
        return None


def _lies_before(state: CanaryState, wanted: Wanted, bounds: Mapping[Place, Bounds]) -> bool:
    """Whether it is of this log, and read into the range in no partition."""
    assert wanted.start is not None
    read = {(place.topic, place.partition): place.next_offset for place in state.partitions}
    if read.keys() != bounds.keys() or any(offset > bounds[place].end for place, offset in read.items()):
        return False
    return all(offset <= wanted.start for place, offset in read.items() if _counts(state, place, wanted.symbol))


def _counts(state: CanaryState, place: Place, symbol: str) -> bool:
    """Whether the range may begin in this partition."""
    topic, partition = place
    if topic != ORDERS:
        return False
    _, matcher = state.matchers[partition]
    return not symbol or any(book.market.symbol == symbol for book in matcher.books)
