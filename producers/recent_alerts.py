"""The newest alerts of the canary, in the order of the moments that they are about. Pure.

An alert may be found long after an earlier one, and be about an earlier moment: it takes its place by that, and not by
when it was written. The same divergence has the same id, so a copy is the alert that is here already.
"""

from bisect import insort
from typing import NamedTuple

from msgspec import Struct

from schemas.alerts import Alert, Severity

MAX_ALERTS = 5_000  # about 2 KB each, at most


class AlertKey(NamedTuple):
    """An alert's place in the order. As a cursor, `TIME-ID`."""

    time_ms: int
    alert_id: str

    @property
    def text(self) -> str:
        return f"{self.time_ms}-{self.alert_id}"


class AlertAsk(Struct, frozen=True, kw_only=True):
    """What lies behind `after` and before `before`, from `first_ms` on and before `end_ms`: the first `limit` of it if
    `ascending`, else the last. `up_to` is where memory begins: alerts behind it aren't wanted."""

    after: AlertKey | None = None
    before: AlertKey | None = None
    first_ms: int | None = None
    end_ms: int | None = None
    symbol: str | None = None
    severity: Severity | None = None
    limit: int
    up_to: AlertKey | None = None

    @property
    def ascending(self) -> bool:
        return self.before is None and (self.after is not None or self.first_ms is not None)

    def wants(self, alert: Alert) -> bool:
        key = key_of(alert)
        return (
            (self.after is None or key > self.after)
            and (self.before is None or key < self.before)
            and (self.up_to is None or key <= self.up_to)
            and (self.first_ms is None or alert.time_ms >= self.first_ms)
            and (self.end_ms is None or alert.time_ms < self.end_ms)
            and self.symbol in (None, alert.symbol)
            and self.severity in (None, alert.severity)
        )


class RecentAlerts:
    """Adding one is O(n) at worst, and O(log n) where it is the newest."""

    def __init__(self, max_alerts: int = MAX_ALERTS) -> None:
        self._max_alerts = max_alerts
        self.reset()

    def reset(self) -> None:
        self._keys: list[AlertKey] = []
        self._by_key: dict[AlertKey, tuple[int, int, Alert]] = {}  # with partition and offset
        self.floor: AlertKey | None = None  # at and before it, some aren't here
        self.dropped: dict[int, int] = {}  # partition → offset below which those that aren't here lie

    def add(self, partition: int, offset: int, alert: Alert) -> None:
        key = key_of(alert)
        if key in self._by_key:
            return
        insort(self._keys, key)
        self._by_key[key] = (partition, offset, alert)
        if len(self._keys) > self._max_alerts:
            self._drop_first()

    def _drop_first(self) -> None:
        key = self._keys.pop(0)
        partition, offset, _ = self._by_key.pop(key)
        self.floor = key if self.floor is None else max(self.floor, key)
        self.dropped[partition] = max(self.dropped.get(partition, 0), offset + 1)

    def wanted(self, ask: AlertAsk) -> list[Alert]:
        """All that is asked for and is here, whatever the limit, in order."""
        alerts = (self._by_key[key][2] for key in self._keys if self.floor is None or key > self.floor)
        return [alert for alert in alerts if ask.wants(alert)]


def key_of(alert: Alert) -> AlertKey:
    return AlertKey(alert.time_ms, alert.alert_id)
