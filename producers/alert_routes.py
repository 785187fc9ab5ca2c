"""What the canary found, for anybody: from memory, and what has left it from ClickHouse. A page is whole or refused."""

import re

import msgspec
from msgspec import Struct
from starlette.requests import Request

from producers.gateway import Gateway
from producers.health import Part
from producers.history_store import StoreUnavailable, Table
from producers.recent_alerts import AlertAsk, AlertKey
from producers.web import Answer, query, time_range, whole_number
from schemas.alerts import Alert, Severity
from schemas.documents import AlertAnswer, alert_answer
from schemas.reasons import Reason
from schemas.refusal import Refused

DEFAULT_ALERTS = 200
MAX_ALERTS = 1000
CURSOR = re.compile(r"([0-9]{1,15})-([A-Za-z0-9._-]{1,100})", re.ASCII)
SYMBOL = re.compile(r"[A-Z0-9.-]{1,32}", re.ASCII)


class AlertsAnswer(Struct, frozen=True):
    """Alerts by the moments that they are about, the newest last. `more`: there are more behind the last one where
    `after` or `from` was given, before the first one otherwise."""

    alerts: list[AlertAnswer]
    more: bool


async def alerts(gateway: Gateway, request: Request) -> Answer:
    params = query(request, "after", "before", "from", "to", "symbol", "severity", "limit")
    after, before = (_cursor(params.get(name), name) for name in ("after", "before"))
    if after is not None and before is not None:
        raise Refused(Reason.BAD_RANGE, "after goes on behind a place, before leads up to one: give one of them")
    first_ms, end_ms = time_range(params)
    limit = whole_number(params, "limit", DEFAULT_ALERTS, 1, MAX_ALERTS)
    symbol, severity = params.get("symbol"), _severity(params.get("severity"))
    if symbol is not None and SYMBOL.fullmatch(symbol) is None:
        raise Refused(Reason.BAD_PARAMETER, "symbol is no name such as BTC-USD")
    gateway.health.check_read(Part.ALERTS, gateway.now())
    ask = AlertAsk(
        after=after, before=before, first_ms=first_ms, end_ms=end_ms, symbol=symbol, severity=severity, limit=limit
    )
    found = await _read(gateway, ask)
    page = found[:limit] if ask.ascending else found[-limit:]
    return Answer(200, AlertsAnswer([alert_answer(alert) for alert in page], len(found) > limit))


async def _read(gateway: Gateway, ask: AlertAsk) -> list[Alert]:
    """All from memory, and before them as many from ClickHouse as the page may need."""
    recent = gateway.alerts
    at_hand, floor = recent.wanted(ask), recent.floor
    if floor is None or (ask.after or floor) > floor or (ask.first_ms or 0) > floor.time_ms:
        return at_hand
    if not ask.ascending and len(at_hand) > ask.limit:
        return at_hand
    try:
        for partition, behind in sorted(recent.dropped.items()):
            sunk = await gateway.store.position(Table.ALERTS, partition, behind)
            if sunk < behind:
                raise Refused(Reason.HISTORY_UNAVAILABLE, f"alerts of partition {partition}: ClickHouse is behind")
        stored = await gateway.store.alerts(msgspec.structs.replace(ask, up_to=floor))
    except StoreUnavailable as error:
        detail = f"alerts: this gateway itself has those behind {floor.text}; {error}"
        raise Refused(Reason.HISTORY_UNAVAILABLE, detail) from None
    if ask.ascending and len(stored) > ask.limit:
        return stored  # there may be some between these and memory
    return stored + at_hand


def _cursor(text: str | None, name: str) -> AlertKey | None:
    if text is None:
        return None
    found = CURSOR.fullmatch(text)
    if found is None:
        raise Refused(Reason.BAD_PARAMETER, f"{name} is an alert's cursor; begin with 0-0")
    return AlertKey(int(found[1]), found[2])


def _severity(text: str | None) -> Severity | None:
    if text is None:
        return None
    try:
        return Severity(text)
    except ValueError:
        raise Refused(Reason.BAD_PARAMETER, f"severity is one of {', '.join(Severity)}") from None
