"""What is known of a view that follows topics: where it is, whether it may speak for the log, and what it is fed. Pure.

A view is fresh while everything that stood on the log at one probe has been read by the next.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from stage.snapshots import Snapshot

STALE_S = 3  # a view that has not been fresh for so long answers nothing

Place = tuple[str, int]  # topic and partition


class Gap(Exception):
    """A topic jumped ahead: the view has missed records and must be restored."""


class Projection(Protocol):
    """What a follower feeds."""

    stage: str | None  # whose snapshots it is restored from; without any, from what the topics hold of `since_ms`
    topics: Sequence[str]
    since_ms: Mapping[str, int]  # topic -> at least so much of the past is read

    def reset(self) -> None: ...
    def restore(self, partition: int, snapshot: Snapshot | None) -> dict[Place, int]:
        """Takes a partition's snapshot; returns where to read on, where that isn't the beginning."""
        ...

    def apply(self, topic: str, partition: int, offset: int, value: bytes) -> None: ...
    def restored(self, positions: Mapping[Place, int], now_ms: int) -> None:
        """All partitions have been restored. `positions` are where they are read on from; `now_ms` is the host's time
        that `since_ms` was counted back from."""
        ...


class Freshness:
    """One follower's."""

    def __init__(self) -> None:
        self.fresh_at: float | None = None  # None until it has caught up for the first time
        self.behind = 0
        self._ends: Mapping[Place, int] | None = None

    def probed(self, ends: Mapping[Place, int], positions: Mapping[Place, int], now: float) -> None:
        earlier = self._ends if self._ends is not None else ends
        missing = sum(max(0, end - positions.get(place, 0)) for place, end in earlier.items())
        if not missing and positions:
            self.fresh_at = now
        self.behind = missing
        self._ends = ends

    def lost(self) -> None:
        """The follower starts over: what it had is no longer the log's."""
        self.fresh_at = None
        self._ends = None

    def is_fresh(self, now: float) -> bool:
        return self.fresh_at is not None and now - self.fresh_at <= STALE_S
