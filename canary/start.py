"""Where a canary that begins to lead goes on: its state from `snapshots`, and the alerts that stand already."""

from collections.abc import Iterator, Mapping

import msgspec
import structlog

from canary.core import Canary
from canary.frames import origin_of
from canary.judge import Limits
from canary.kafka_looker import Looker
from canary.log import Place
from canary.own_alert import is_own
from canary.snapshots import PARTITION, decode_state, grown, newest_snapshot_between
from schemas.alerts import Alert
from schemas.topics import ACCOUNTS, ALERTS, DEPTH, JUDGED, ORDERS, SNAPSHOTS

TAIL_ALERTS = 20_000  # of each partition: as many as the canary remembers


logger = structlog.get_logger()


def restored_canary(looker: Looker, limits: Limits) -> tuple[Canary, int]:
    """The canary, and the number of the newest snapshot. Without one, or with one of another version of the canary, it
    knows nothing, and judges the log from its beginning."""
    counts = looker.partitions(JUDGED)
    snapshot_place = (SNAPSHOTS, PARTITION)
    low, high = looker.bounds([snapshot_place])[snapshot_place]

    def read(start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
        for record in looker.read({snapshot_place: start}, {snapshot_place: end}):
            yield record.key or b"", record.value or b""

    snapshot = newest_snapshot_between(read, low, high)
    if snapshot is None:
        return Canary(counts[ACCOUNTS], counts[ORDERS], limits=limits), 0
    try:
        state = grown(decode_state(snapshot.state), counts[ACCOUNTS], counts[ORDERS])
    except msgspec.DecodeError as error:
        logger.warning("the snapshot is of another version: all is judged anew", number=snapshot.number, why=str(error))
        return Canary(counts[ACCOUNTS], counts[ORDERS], limits=limits), snapshot.number
    return Canary.restored(state, limits=limits), snapshot.number


def skip_lost_depth(canary: Canary, looker: Looker) -> None:
    """`depth` alone is kept for a while only. Where its records that are to be read next are gone, it goes on with the
    oldest that are left, and blames nobody."""
    wanted = {place.partition: place.next_offset for place in canary.dump().partitions if place.topic == DEPTH}
    bounds = looker.bounds([(topic, partition) for partition in wanted for topic in (DEPTH, ORDERS)])
    lost = {p: bounds[DEPTH, p] for p, offset in wanted.items() if bounds[DEPTH, p][0] > offset}
    oldest = {p: (DEPTH, p) for p, (low, high) in lost.items() if low < high}
    starts = {place: bounds[place][0] for place in oldest.values()}
    first: dict[int, bytes | None] = {}
    for record in looker.read(starts, {place: low + 1 for place, low in starts.items()}):
        first.setdefault(record.partition, record.value)
    for partition, (low, _) in lost.items():
        judged_from = depth_judged_from(first.get(partition), partition, bounds[ORDERS, partition][1])
        canary.begin_depth(partition, low, judged_from)
        logger.warning("older records of depth are gone, and not judged", partition=partition, first_kept=low)


def depth_judged_from(oldest: bytes | None, partition: int, orders_end: int) -> int:
    """From which offset of `orders` on `depth` is judged: behind the input of the oldest record that is kept, of which
    there may have been others; if that can't be told, behind all that is on `orders` now."""
    origin = origin_of(oldest)
    if origin is None or origin.source.partition != partition:
        return orders_end
    return min(origin.source.offset + 1, orders_end)


def kept_from(positions: Mapping[Place, int], looker: Looker) -> dict[Place, int]:
    """Where reading begins: not before the oldest record that is kept. What is missing there the canary tells."""
    bounds = looker.bounds(list(positions))
    return {place: max(offset, bounds[place][0]) for place, offset in positions.items()}


def standing_alerts(looker: Looker, partitions: int, public_key: str) -> list[str]:
    """The ids of the last alerts by this key on the log, oldest first in each partition. Another's don't count: with
    the id of an alert that is to come, that one would never be told."""
    bounds = looker.bounds([(ALERTS, partition) for partition in range(partitions)])
    starts = {place: max(low, high - TAIL_ALERTS) for place, (low, high) in bounds.items()}
    ends = {place: high for place, (_, high) in bounds.items()}
    records = (record.value or b"" for record in looker.read(starts, ends))
    return [msgspec.json.decode(value, type=Alert).alert_id for value in records if is_own(value, public_key)]
