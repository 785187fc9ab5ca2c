"""The halt that an alert asks for, as a command to be signed by the halter, and where its record goes.

Pure: the same alert gives the same halt, so that a canary that tells it twice halts once.
"""

from schemas.alerts import Alert
from schemas.commands import MAX_EVIDENCE, HaltMarket, RecordPlace
from schemas.topics import ACCOUNTS, ORDERS

_MAX_REASON = 128


def halt_of_alert(alert: Alert, exchange: str, partition: int) -> HaltMarket:
    """Halts the alert's market, which is on this partition of `orders`. Its time is that of the first bad record."""
    places = [RecordPlace(place.topic, place.partition, place.offset) for place in alert.evidence[:MAX_EVIDENCE]]
    return HaltMarket(
        exchange=exchange, symbol=alert.symbol, partition=partition, halt_id=alert.alert_id, reason=_reason(alert),
        evidence=places, time_ms=alert.time_ms,
    )  # fmt: skip


def halt_places(partition: int, account_partitions: int) -> list[tuple[str, int]]:
    """(topic, partition) of each log that a halt or its resumption is written to, the matcher's first."""
    return [(ORDERS, partition), *((ACCOUNTS, number) for number in range(account_partitions))]


def _reason(alert: Alert) -> str:
    """Printable ASCII, as commands have it; the alert itself says it in full."""
    text = f"{alert.kind}: expected {alert.expected}, found {alert.found}"
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return plain if len(plain) <= _MAX_REASON else f"{plain[: _MAX_REASON - 3]}..."
