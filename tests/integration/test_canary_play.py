"""Manipulated logs on the real broker, and the canary's own process before them: one of each kind, and a deletion.

`python -m benchmarks canary` plays as many as one likes. The control, that an alert stops when its check is taken out,
is tests/simulation/test_canary_injections.py's.
"""

from collections.abc import Iterator
from itertools import count
from random import Random

import pytest

from glassbook.settings import Settings
from schemas.alerts import Severity
from simulator.canary_broker_plan import Entry, entries_of, plan
from simulator.canary_broker_play import play_honest, play_manipulated
from simulator.canary_campaign import injected
from simulator.canary_injections import INJECTIONS, Injection
from simulator.canary_log import judge
from simulator.canary_ways import honest
from simulator.workload import Workload
from tests.conftest import StartCluster

BY_NAME = {injection.name: injection for injection in INJECTIONS}
ONE_OF_EACH_KIND = [next(way.name for way in INJECTIONS if way.number == kind) for kind in range(1, 23)]
SIZE = (2, 2)
ALERT_MS = 5_000  # far more than it takes: two cores are shared by everything here


@pytest.fixture(scope="module")
def settings(start_cluster: StartCluster) -> Iterator[Settings]:
    yield start_cluster().settings


def of_one_size(injection: Injection) -> tuple[list[Entry], Workload]:
    """The first log that can be played, on as many partitions as the others: changing them costs a session time-out."""
    for seed in count(1):
        log, workload, _ = injected(injection, seed)
        entries = entries_of(log)
        if entries is not None and (workload.account_partitions, workload.order_partitions) == SIZE:
            return entries, workload
    raise AssertionError


def test_an_honest_log_is_judged_as_in_memory(settings: Settings) -> None:
    log, workload = honest(Random(1))
    entries = entries_of(log)
    assert entries is not None
    alerts = play_honest(settings, entries, workload)
    assert {alert.severity for alert in alerts} <= {Severity.NOTICE}
    assert {alert.alert_id for alert in alerts} == {alert.alert_id for alert in judge(log, workload).alerts}


@pytest.mark.parametrize("name", [*ONE_OF_EACH_KIND, "a trade deleted"])
def test_what_was_done_is_told_with_the_bad_record(settings: Settings, name: str) -> None:
    injection = BY_NAME[name]
    entries, workload = of_one_size(injection)
    assert any(entry.gap for entry in entries) == (name == "a trade deleted")
    expected = plan(entries, workload, injection.kinds)
    assert expected is not None
    seen = play_manipulated(settings, expected, workload, injection.kinds)
    assert seen is not None and seen.alert.kind in injection.kinds
    assert 0 < seen.after_ms - expected.waits_ms < ALERT_MS
