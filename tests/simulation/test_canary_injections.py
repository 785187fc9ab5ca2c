"""A few of each manipulation. `python -m simulator canary` runs thousands, or replays one."""

import pytest

from simulator.canary_campaign import HONEST, try_injection
from simulator.canary_injections import INJECTIONS

KINDS = range(1, 23)
CASES = 2


@pytest.mark.parametrize("injection", INJECTIONS, ids=lambda injection: injection.name)
def test_it_is_told_by_its_kind_and_by_no_other_check(injection):
    for seed in range(CASES):
        tally = try_injection(injection, seed)
        assert tally.failures == []
        assert (tally.caught, tally.controls) == (1, 1)


@pytest.mark.parametrize("seed", [7012, 7183])  # the input is a repeated command, a bust
def test_a_mandate_fired_at_another_time_is_told_whatever_its_input_is(seed):
    early = next(injection for injection in INJECTIONS if injection.name == "insider fires a mandate early")
    tally = try_injection(early, seed)
    assert (tally.failures, tally.caught, tally.controls) == ([], 1, 1)


def test_every_kind_of_manipulation_is_tried():
    assert sorted({injection.number for injection in INJECTIONS}) == list(KINDS)


def test_each_has_a_name_of_its_own():
    names = [injection.name for injection in INJECTIONS]
    assert len(set(names)) == len(names) and HONEST not in names
