"""Notices a member that fell out of its consumer group and doesn't come back.

librdkafka's members can hang for good after a broker stood still for longer than their session time-out: the group
is empty, and the client neither joins again nor says anything. It was seen where a client had been told of no broker
at all and kept to that. A stage has one way to start again, so such a process is told to end. Fed with the client's
own statistics; does no I/O.
"""

from collections.abc import Callable

import msgspec
from msgspec import Struct

STATISTICS_MS = 2_000


class _Group(Struct, frozen=True):
    state: str
    join_state: str
    rebalance_cnt: int


class _Statistics(Struct):
    cgrp: _Group | None = None


_decoder = msgspec.json.Decoder(_Statistics)


class GroupWatch:
    """`patience_ms` is how long a member may stand still outside its group while the broker answers; `answers` asks."""

    def __init__(self, patience_ms: int, now_ms: Callable[[], int], answers: Callable[[], bool]) -> None:
        self._patience_ms = patience_ms
        self._now_ms = now_ms
        self._answers = answers
        self._standing: _Group | None = None
        self._since_ms = 0

    def problem(self, statistics: str | bytes) -> str | None:
        """What is wrong, if the member has made no step back into its group for too long.

        Time is that of the telling: while the process itself was busy or stopped, nothing was told.
        """
        group = _decoder.decode(statistics).cgrp
        if group is None or group.join_state == "steady":
            self._standing = None
            return None
        now_ms = self._now_ms()
        if group != self._standing:
            self._standing, self._since_ms = group, now_ms
        if now_ms - self._since_ms < self._patience_ms:
            return None
        self._since_ms = now_ms
        if not self._answers():  # there is no broker to come back to
            return None
        where = f"{group.state}, {group.join_state}"
        return f"outside its consumer group for {self._patience_ms} ms while the broker answers ({where})"
