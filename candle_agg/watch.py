"""Notices a worker that stands still without a word, which Faust and its driver can do after a rebalance.

Compares what the broker says (whose partitions these are, where they end) with how far the worker is. Pure: it is fed
with both every few seconds.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

ROUNDS = 6  # that something must be wrong, one after another: rebalances and restarts of the broker pass


class BrokersView(NamedTuple):
    """`owned` are the partitions that this worker has by its group; `ends` are those of all."""

    owned: frozenset[int]
    ends: Mapping[int, int]


Owned = Callable[[], frozenset[int] | None]
"""Asks the broker which partitions this worker has by its group; None where it doesn't answer."""


class Watch:
    def __init__(self) -> None:
        self._positions: Mapping[int, int] = {}
        self._ends: Mapping[int, int] = {}
        self._problem_rounds = 0

    def problem(self, view: BrokersView | None, positions: Mapping[int, int]) -> str | None:
        """What is wrong, once it has been for `ROUNDS`. `positions` are of the open partitions."""
        wrong = None if view is None else self._wrong(view, positions)
        self._positions = dict(positions)
        self._ends = {} if view is None else view.ends
        self._problem_rounds = self._problem_rounds + 1 if wrong else 0
        return wrong if self._problem_rounds >= ROUNDS else None

    def _wrong(self, view: BrokersView, positions: Mapping[int, int]) -> str | None:
        if not view.owned and not positions:
            return None  # there are more workers than partitions
        if view.owned != positions.keys():
            return f"has partitions {sorted(positions)} open, and {sorted(view.owned)} by its group"
        # One that waits while others move may only be far behind.
        behind = [p for p, position in positions.items() if position < self._ends.get(p, 0)]
        if behind and all(positions[p] == self._positions.get(p) for p in behind):
            return f"nothing comes of partitions {behind}, though there is more"
        return None
