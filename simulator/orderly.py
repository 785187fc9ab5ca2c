"""The one case in which a disturbed run must equal the undisturbed one: kills alone, which change no order of arrival.

Each partition has a process of its own, and they take turns, each until it has nothing more to do, however often it
is killed meanwhile. So every record arrives first in the same order and at the same time, and all that traders can
see must be the same, but for the places of records, which repeats shift.
"""

import re
from functools import partial
from random import Random

import msgspec
from msgspec import Struct

from schemas.codec import encode
from schemas.records import Tick
from schemas.topics import PUBLIC_TOPICS
from simulator.group import Group, MakeService
from simulator.memory_log import Cluster
from simulator.workload import Delivery, Workload
from simulator.world import Odds, SimulationFailed, World
from stage.service import StageService

COMMANDS_A_ROUND = 5
_SOURCE = re.compile(rb'"source":\{[^}]*\},')
_DETAIL = re.compile(rb'"detail":"[^"]*"')
_PLACE_ID = re.compile(rb'"(?:orders-)?[0-9]+-[0-9]+(?:-[0-9]+)?"')


def compare_with_undisturbed(random: Random, workload: Workload, make_service: MakeService = StageService) -> World:
    """Raises `SimulationFailed` where the killed run shows traders something else."""
    kills = Odds(kill=random.choice([0.005, 0.02, 0.05]), lose_commit=0.3)
    killed = _run(random, workload, kills, make_service)
    undisturbed = _run(random, workload, Odds(), StageService)
    for ours, theirs in zip(visible(killed.cluster), visible(undisturbed.cluster), strict=False):
        if ours != theirs:
            raise SimulationFailed(f"killed: {ours[:300]!r}; undisturbed: {theirs[:300]!r}")
    if len(visible(killed.cluster)) != len(visible(undisturbed.cluster)):
        raise SimulationFailed("one run has more records than the other")
    return killed


def _run(random: Random, workload: Workload, odds: Odds, make_service: MakeService) -> World:
    world = World(random, workload, odds, make_service)
    for start in range(0, len(workload.commands), COMMANDS_A_ROUND):
        # A repeat moves a partition's time on like any record, so the time of each round begins with a tick.
        world.cluster.now_ms += 400
        for topic, partition in workload.ticked:
            world.arrivals.append(Delivery(topic, partition, encode(Tick())))
        for delivery in workload.commands[start : start + COMMANDS_A_ROUND]:
            world.arrivals.append(delivery)
        while sum(_settle(world, group, partition) for group in world.groups for partition in group.owners):
            pass
    return world


def _settle(world: World, group: Group, partition: int) -> int:
    """Lets a partition's process work until it has nothing to do; starts it anew each time it dies."""
    moved = 0
    while True:
        if world.arrivals.under_way and world.random.random() < 0.3:
            world.arrivals.arrive()
        owner = group.owners[partition]
        if owner is None:
            owner = group.owners[partition] = world.join(group)
            world.guard(owner, partial(owner.open, partition))
            continue
        taken = world.step(owner, world.random.choice([1, 3, 100]))
        moved += taken
        if not taken and owner.alive:
            return moved


class _Sequence(Struct):
    edge_sequence: int


def visible(cluster: Cluster) -> list[bytes]:
    """The first copies on the public topics, with ids numbered in the order in which they come up."""
    names: dict[bytes, bytes] = {}
    result = []
    for (topic, _), records in sorted(cluster.records.items()):
        last = 0
        for record in records if topic in PUBLIC_TOPICS else []:
            sequence = msgspec.json.decode(record.value, type=_Sequence).edge_sequence
            if sequence == last + 1:
                last = sequence
                text = _DETAIL.sub(b"", _SOURCE.sub(b"", record.value))
                result.append(_PLACE_ID.sub(lambda found: names.setdefault(found[0], b"#%d" % len(names)), text))
    return result
