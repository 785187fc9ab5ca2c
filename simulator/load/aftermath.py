"""What is looked at once a load was sent: have the stages read it all, is everything there, what did the canary say."""

import time
from collections.abc import Callable, Iterable

import msgspec

from glassbook import groups
from glassbook.cluster import STAGES
from glassbook.settings import Settings
from schemas.alerts import Alert, Severity
from schemas.codec import ledger_decoder
from schemas.journal import LedgerEntry
from schemas.topics import ACCOUNTS, ALERTS, LEDGER
from simulator.load import log_span
from simulator.load.accounting import Accounting
from simulator.load.generator import digest_of
from simulator.load.plan import Acknowledged
from simulator.load.result import Settled
from simulator.load.verdict import MOST_SETTLE_S

MOST_WAIT_S = 180.0
POLL_S = 0.25
INPUTS = {stage.group: stage.inputs for stage in STAGES if stage.group}
LOOKED_AT = (ACCOUNTS, LEDGER, ALERTS)

Say = Callable[[str], None]


def settle(settings: Settings, say: Say) -> Settled:
    """Waits until every stage has committed what there is now, or for MOST_WAIT_S."""
    started, behind_then = time.monotonic(), ""
    view = groups.GroupView(settings.bootstrap_servers)
    end = groups.ends(view, INPUTS)
    while True:
        behind = groups.behind(view, INPUTS, end)
        passed_s = time.monotonic() - started
        if not behind:
            return Settled(passed_s, behind_then)
        if passed_s > MOST_SETTLE_S and not behind_then:
            behind_then = behind
        if passed_s > MOST_WAIT_S:
            return Settled(None, behind_then)
        say(f"waiting for the stages: {behind}")
        time.sleep(POLL_S)


def account(settings: Settings, before: log_span.Places, acknowledged: Iterable[Acknowledged], say: Say) -> Accounting:
    """Reads `accounts` and the journal from where they ended before the run."""
    accounting = Accounting(acknowledged, digest_of)
    say(f"accounting for {accounting.counted:,} acknowledged commands")
    decode = ledger_decoder().decode
    end = log_span.ends(settings.bootstrap_servers, (ACCOUNTS, LEDGER))
    for placed in log_span.records(settings.bootstrap_servers, before, end):
        if placed.topic == ACCOUNTS:
            accounting.take_command(placed.partition, placed.offset, placed.value)
        elif isinstance(entry := decode(placed.value), LedgerEntry):
            accounting.take_entry(entry)
    return accounting


def new_alerts(settings: Settings, before: log_span.Places) -> list[str]:
    """What the canary has said since that is more than a notice."""
    end = log_span.ends(settings.bootstrap_servers, (ALERTS,))
    new = log_span.records(settings.bootstrap_servers, before, end)
    alerts = [msgspec.json.decode(placed.value, type=Alert) for placed in new]
    return [
        f"{alert.severity} {alert.kind} {alert.symbol}: expected {alert.expected}, found {alert.found}"
        for alert in alerts
        if alert.severity is not Severity.NOTICE
    ]
