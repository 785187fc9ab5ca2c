"""Somebody rewrites or cuts the input while the stages are down: a stage must stop, not go on from another history."""

from simulator.group import Group
from simulator.memory_log import MemoryLog, StoredRecord
from simulator.world import SimulationFailed, World
from stage.partition import LogRewritten
from stage.published import last_published
from stage.service import StageService


def check_tampering(world: World) -> None:
    """Takes a run that has come to rest, and ends its processes. Each partition's input is rewritten, then cut."""
    for group in world.groups:
        for partition in group.owners:
            _rewrite(world, group, partition)
            _cut(world, group, partition)


def _rewrite(world: World, group: Group, partition: int) -> None:
    """Changes bytes without changing what they mean, where a start replays them and has published since."""
    log = MemoryLog(world.cluster, group.stage, group.topic)
    snapshot = log.newest_snapshots(group.stage, [partition]).get(partition)
    first = snapshot.next_offset if snapshot is not None else 0
    published = [last_published(values) for values in log.tails(group.outputs, [partition]).values()]
    last = max((record.offset for record in published if record is not None), default=-1)
    if first > last:
        return  # all that it published is behind its snapshot: only who reads it all from the start can see it
    records = world.cluster.records[(group.topic, partition)]
    offset = world.random.randint(first, last)
    original = records[offset]
    records[offset] = StoredRecord(original.log_time_ms, original.key, original.value + b" ", late=False)
    _must_stop(world, group, partition, f"{group.topic}-{partition} was rewritten at {offset}")
    records[offset] = original
    world.count("rewritten logs")


def _cut(world: World, group: Group, partition: int) -> None:
    known = world.cluster.committed.get((group.stage, group.topic, partition), 0)
    if not known:
        return
    records = world.cluster.records[(group.topic, partition)]
    kept = records[:]
    del records[world.random.randrange(known) :]
    _must_stop(world, group, partition, f"{group.topic}-{partition} was cut to {len(records)} of {known} read")
    records[:] = kept
    world.count("cut logs")


def _must_stop(world: World, group: Group, partition: int, what: str) -> None:
    log = MemoryLog(world.cluster, group.stage, group.topic)
    service = StageService(group.make_core, group.outputs, log, lambda: world.cluster.now_ms)
    try:
        log.positions = service.open([partition])
        while service.step():
            pass
    except LogRewritten:
        return
    raise SimulationFailed(f"{what}, and {group.stage} went on")
