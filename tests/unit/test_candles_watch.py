"""When a worker that stands still is told to end, and when not."""

import pytest

from candle_agg.watch import ROUNDS, BrokersView, Watch

BOTH = frozenset({0, 1})


def problems(*rounds: tuple[BrokersView | None, dict[int, int]]) -> list[str | None]:
    watch = Watch()
    return [watch.problem(view, positions) for view, positions in rounds]


def view(end: int = 10, owned: frozenset[int] = BOTH) -> BrokersView:
    return BrokersView(owned, {0: end, 1: end, 2: 0})


@pytest.mark.parametrize(
    "rounds",
    [
        # all is read
        [(view(), {0: 10, 1: 10})] * 9,
        # more workers than partitions
        [(view(owned=frozenset()), {})] * 9,
        # far behind, and one partition has to wait
        [(view(1000), {0: 10 * number, 1: 5}) for number in range(9)],
        # new records each time, and all of them read a moment later
        [(view(10 * number + 10), {0: 10 * number, 1: 10 * number}) for number in range(9)],
        # the broker is away
        [(view(), {0: 5, 1: 10}), *[(None, {0: 5, 1: 10})] * 9],
        # a rebalance now and then
        [*[(view(owned=frozenset()), {0: 10, 1: 10})] * (ROUNDS - 1), (view(), {0: 10, 1: 10})] * 3,
    ],
)
def test_nothing_is_wrong(rounds: list[tuple[BrokersView | None, dict[int, int]]]):
    assert set(problems(*rounds)) == {None}


@pytest.mark.parametrize(
    ("rounds", "why"),
    [
        ([(view(), {0: 5, 1: 10})] * (ROUNDS + 1), "nothing comes of partitions [0], though there is more"),
        ([(view(20), {0: 5, 1: 10})] * (ROUNDS + 1), "nothing comes of partitions [0, 1], though there is more"),
        ([(view(), {})] * ROUNDS, "has partitions [] open, and [0, 1] by its group"),
        ([(view(owned=frozenset()), {0: 10})] * ROUNDS, "has partitions [0] open, and [] by its group"),
        ([(view(), {0: 10})] * ROUNDS, "has partitions [0] open, and [0, 1] by its group"),
    ],
)
def test_what_stays_wrong_ends_the_worker(rounds: list[tuple[BrokersView | None, dict[int, int]]], why: str):
    said = problems(*rounds)
    assert said[-1] == why and set(said[:-1]) == {None}
