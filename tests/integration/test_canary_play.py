"""Manipulated logs on the real broker, and the canary's own process before them. `python -m benchmarks canary` plays
some of every kind."""

from collections.abc import Iterator
from random import Random

import pytest

from glassbook.settings import Settings
from schemas.alerts import Severity
from simulator.canary_broker_plan import entries_of, plan
from simulator.canary_broker_play import play_honest, play_manipulated
from simulator.canary_campaign import injected
from simulator.canary_injections import INJECTIONS
from simulator.canary_log import judge
from simulator.canary_ways import honest
from tests.conftest import StartCluster

BY_NAME = {injection.name: injection for injection in INJECTIONS}
ALERT_MS = 5_000  # far more than it takes: two cores are shared by everything here


@pytest.fixture(scope="module")
def settings(start_cluster: StartCluster) -> Iterator[Settings]:
    yield start_cluster().settings


def test_an_honest_log_is_judged_as_in_memory(settings: Settings) -> None:
    log, workload = honest(Random(1))
    entries = entries_of(log)
    assert entries is not None
    alerts = play_honest(settings, entries, workload)
    assert {alert.severity for alert in alerts} <= {Severity.NOTICE}
    assert {alert.alert_id for alert in alerts} == {alert.alert_id for alert in judge(log, workload).alerts}


@pytest.mark.parametrize("name", ["a trade's price edited", "a trade deleted"])
def test_what_was_done_is_told_with_the_bad_record(settings: Settings, name: str) -> None:
    injection = BY_NAME[name]
    log, workload, _ = injected(injection, 1)
    entries = entries_of(log)
    assert entries is not None
    assert any(entry.gap for entry in entries) == (name == "a trade deleted")
    expected = plan(entries, workload, injection.kinds)
    assert expected is not None and expected.is_told_at_once
    seen = play_manipulated(settings, expected, workload, injection.kinds)
    assert seen is not None and seen.alert.kind in injection.kinds
    assert 0 < seen.after_ms < ALERT_MS
