"""Whether it was true what the canary said of an honest exchange: nobody is to blame, and who was called late was late.

A stage that is killed or stopped may be late. So an alert that says no more is held against the log's own times.
"""

from collections.abc import Iterable

from canary.frames import origin_of
from schemas.alerts import Alert, Evidence, Severity
from simulator.audit import Log
from simulator.canary_campaign import CAUSED_BY


def false_alarms(alerts: Iterable[Alert], log: Log, late_ms: int) -> list[str]:
    """What was said wrongly, a line each."""
    alerts = list(alerts)
    causes = {alert.evidence[0] for alert in alerts if alert.severity is Severity.LATE}
    took_ms = _took_ms(causes, log) if causes else {}
    return [
        f"{alert.severity} {alert.kind} {alert.alert_id}: expected {alert.expected}, found {alert.found}"
        for alert in alerts
        if alert.severity is not Severity.LATE or took_ms.get(alert.evidence[0], 0) <= late_ms
    ]


def _took_ms(causes: set[Evidence], log: Log) -> dict[Evidence, int]:
    """How long it took until all that these inputs caused was on the log; of copies, the first counts. One pass."""
    took_ms: dict[Evidence, int] = {}
    for input_topic, outputs in CAUSED_BY.items():
        for place, records in log.items():
            last: dict[int, int] = {}  # by source partition
            for record in records if place[0] in outputs else ():
                origin = origin_of(record.value)
                if origin is None or origin.edge_sequence <= last.get(origin.source.partition, 0):
                    continue
                source = origin.source
                last[source.partition] = origin.edge_sequence
                cause = Evidence(input_topic, source.partition, source.offset)
                if cause in causes:
                    began_ms = log[(input_topic, source.partition)][source.offset].log_time_ms
                    took_ms[cause] = max(took_ms.get(cause, 0), record.log_time_ms - began_ms)
    return took_ms
