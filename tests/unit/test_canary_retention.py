"""`depth` is kept for a month: a canary that begins later blames nobody for what is gone, and judges all the rest."""

from random import Random

import msgspec
import pytest

from canary.core import Canary
from canary.start import depth_judged_from
from canary.state import CanaryState
from schemas.alerts import Alert, Evidence, Severity
from schemas.topics import DEPTH, ORDERS
from simulator.canary_log import Log, Recording, interleaved, places
from simulator.workload import Workload, make_workload


def recorded(seed: int) -> tuple[Workload, Log]:
    random = Random(seed)
    workload = make_workload(random, 60)
    return workload, Recording(workload).play(random)


def begun(log: Log, workload: Workload, kept: dict[int, int]) -> Canary:
    """A canary that begins on a log whose `depth` is kept from these offsets on."""
    canary = Canary(workload.account_partitions, workload.order_partitions)
    for partition, low in kept.items():
        values = (record.value for record in log[DEPTH, partition][low:])
        canary.begin_depth(
            partition, low, depth_judged_from(next(values, None), partition, len(log[ORDERS, partition]))
        )
    return canary


def judged(log: Log, workload: Workload, kept: dict[int, int], random: Random) -> list[Alert]:
    canary, alerts = begun(log, workload, kept), []
    for (topic, partition), record in interleaved(log, random):
        if topic == DEPTH and record.offset < kept[partition]:
            continue
        alerts += canary.feed(topic, partition, *record)
        if random.random() < 0.01:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(canary.dump()), type=CanaryState)
            canary = Canary.restored(state)
    for _ in range(2):
        alerts += canary.at_ends(places(workload))
    assert canary.judged() == {place: len(log.get(place, [])) for place in places(workload)}
    return alerts


@pytest.mark.parametrize("seed", range(12))
def test_nobody_is_blamed_for_what_is_kept_no_more(seed: int) -> None:
    workload, log = recorded(seed)
    random = Random(seed)
    for _ in range(5):
        kept = {p: random.randint(0, len(log[DEPTH, p])) for p in range(workload.order_partitions)}
        assert {alert.severity for alert in judged(log, workload, kept, random)} <= {Severity.NOTICE}, kept


@pytest.mark.parametrize("seed", range(6))
def test_what_is_kept_is_judged(seed: int) -> None:
    workload, log = recorded(seed)
    random = Random(seed)
    partition = max(range(workload.order_partitions), key=lambda p: len(log[DEPTH, p]))
    records = log[DEPTH, partition]
    low = len(records) // 2
    bad = random.randrange(low + 3, len(records))  # behind what the first kept input caused
    value = msgspec.json.encode(msgspec.json.decode(records[bad].value) | {"sequence": 1})
    log[DEPTH, partition] = [*records[:bad], records[bad]._replace(value=value), *records[bad + 1 :]]
    kept = dict.fromkeys(range(workload.order_partitions), 0) | {partition: low}
    wrong = [alert for alert in judged(log, workload, kept, random) if alert.severity is Severity.WRONG]
    assert [alert.evidence[0] for alert in wrong] == [Evidence(DEPTH, partition, bad)]


def test_a_stranger_can_not_blind_it_for_long() -> None:
    """What is not judged ends with `orders` as it is when reading begins, whatever the first record says."""
    _, log = recorded(1)
    ends = len(log[ORDERS, 0])
    far = msgspec.json.encode(msgspec.json.decode(log[DEPTH, 0][0].value))
    source = msgspec.json.decode(far)["source"] | {"offset": ends + 1000}
    forged = msgspec.json.encode(msgspec.json.decode(far) | {"source": source})
    assert depth_judged_from(forged, 0, ends) == ends
    assert depth_judged_from(b"no record", 0, ends) == ends
    assert depth_judged_from(None, 0, ends) == ends
