"""The watch over a member's place in its group, by the client's statistics."""

import json

import pytest

from stage.group_watch import GroupWatch

STEADY = {"state": "up", "join_state": "steady", "rebalance_cnt": 1}
JOINING = {"state": "up", "join_state": "wait-join", "rebalance_cnt": 1}
SEARCHING = {"state": "query-coord", "join_state": "init", "rebalance_cnt": 1}


def told(*seen: tuple[float, dict[str, object] | None], answers: bool = True) -> list[str | None]:
    """What the watch says to each (seconds, group) in turn."""
    now = iter([at for at, group in seen if group not in (None, STEADY)])
    watch = GroupWatch(12_000, lambda: int(1000 * next(now)), lambda: answers)
    return [watch.problem(json.dumps({"name": "x", "cgrp": group} if group else {"name": "x"})) for _, group in seen]


@pytest.mark.parametrize(
    "seen",
    [
        [(0, STEADY), (100, STEADY)],
        [(0, JOINING), (11.9, JOINING), (13, STEADY), (14, JOINING), (25, JOINING)],
        [(0, SEARCHING), (11, JOINING), (12.5, STEADY)],
        # Each step is a sign of life, and so is each new attempt.
        [(0, SEARCHING), (11, JOINING), (22, JOINING | {"rebalance_cnt": 2}), (33, SEARCHING)],
        [(0, None), (100, None)],
        # A process that was busy is told of it all at once afterwards.
        [(100, JOINING), (100, JOINING), (100, JOINING), (100.1, STEADY)],
    ],
)
def test_a_member_in_its_group_and_one_that_soon_comes_back_are_left_alone(seen):
    assert told(*seen) == [None] * len(seen)


@pytest.mark.parametrize("where", [JOINING, SEARCHING])
def test_a_member_that_stays_outside_while_the_broker_answers_is_told_to_end(where):
    *before, last = told((0, STEADY), (2, where), (8, where), (14, where))
    assert before == [None] * 3
    assert last is not None and last.startswith("outside its consumer group for 12000 ms while the broker answers")


def test_without_a_broker_there_is_nothing_to_come_back_to():
    assert told(*[(at, SEARCHING) for at in range(0, 100, 2)], answers=False) == [None] * 50


def test_once_the_broker_is_back_the_member_has_its_time_to_join():
    answers = iter([False, True])
    watch = GroupWatch(12_000, iter([0, 12_000, 23_000, 24_000]).__next__, lambda: next(answers))
    assert [watch.problem(json.dumps({"cgrp": SEARCHING})) is None for _ in range(4)] == [True, True, True, False]
