"""The canary's alerts over HTTP: paging both ways, from memory and from ClickHouse, and every bad question."""

from typing import Any

import httpx
import pytest

from producers.recent_alerts import RecentAlerts, key_of
from schemas.alerts import Alert, Evidence, Kind, Severity
from schemas.codec import encode
from tests.unit.gateway_world import GatewayWorld

PATH = "/api/v1/alerts"
START_MS = 1_800_000_000_000
KINDS = [Severity.WRONG, Severity.LATE, Severity.NOTICE]


def alert(number: int, **changes: Any) -> Alert:
    fields = {
        "alert_id": f"orders-0-{number:04}", "kind": Kind.PRICE_ALTERED, "severity": KINDS[number % 3],
        "symbol": "ABC-USD" if number % 2 else "", "time_ms": START_MS + number * 1000, "expected": "5 at 10",
        "found": "5 at 11", "evidence": [Evidence("trades", 0, number), Evidence("orders", 0, number)],
    }  # fmt: skip
    return Alert(**(fields | changes))


def world_with(alerts: list[Alert], max_alerts: int = 1000, sunk: bool = True) -> GatewayWorld:
    world = GatewayWorld(max_alerts=max_alerts)
    for one in alerts:
        world.exchange.cluster.append("alerts", 0, one.symbol.encode(), encode(one))
    world.pump()
    if sunk:
        world.store.sink()
    return world


def ask(world: GatewayWorld, **params: Any) -> httpx.Response:
    return world.request("GET", PATH, params=params)


def numbers(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.json()
    return [int(one["alert_id"].rpartition("-")[2]) for one in answer.json()["alerts"]]


def test_an_alert_is_told_as_it_stands_on_the_topic():
    world = world_with([alert(1)])
    assert ask(world).json() == {
        "alerts": [{
            "cursor": f"{START_MS + 1000}-orders-0-0001", "alert_id": "orders-0-0001", "kind": "PRICE_ALTERED",
            "severity": "LATE", "symbol": "ABC-USD", "time_ms": START_MS + 1000, "expected": "5 at 10",
            "found": "5 at 11", "evidence": [
                {"topic": "trades", "partition": 0, "offset": 1}, {"topic": "orders", "partition": 0, "offset": 1},
            ],
        }],
        "more": False,
    }  # fmt: skip


def cursor(number: int) -> str:
    return key_of(alert(number)).text


@pytest.mark.parametrize("max_alerts", [1, 7, 24, 1000])
@pytest.mark.parametrize(
    "params, expected, more",
    [
        ({}, range(1, 26), False),
        ({"limit": 5}, range(21, 26), True),
        ({"after": "0-0", "limit": 4}, range(1, 5), True),
        ({"after": cursor(21), "limit": 4}, range(22, 26), False),
        ({"after": cursor(20), "limit": 4}, range(21, 25), True),
        ({"after": cursor(25)}, [], False),
        ({"before": cursor(11), "limit": 4}, range(7, 11), True),
        ({"before": cursor(1)}, [], False),
        ({"from": START_MS + 5_000, "limit": 3}, range(5, 8), True),
        ({"from": START_MS + 5_000, "to": START_MS + 7_000}, range(5, 7), False),
        ({"to": START_MS + 7_000, "limit": 2}, range(5, 7), True),
        ({"symbol": "ABC-USD"}, range(1, 26, 2), False),
        ({"symbol": "NO-SUCH"}, [], False),
        ({"severity": "WRONG"}, range(3, 26, 3), False),
        ({"severity": "WRONG", "symbol": "ABC-USD", "limit": 2}, [15, 21], True),
    ],
)
def test_pages(max_alerts, params, expected, more):
    answer = ask(world_with([alert(number) for number in range(1, 26)], max_alerts), **params)
    assert numbers(answer) == list(expected)
    assert answer.json()["more"] is more


@pytest.mark.parametrize("max_alerts", [3, 1000])
def test_what_is_found_late_takes_its_place_by_its_moment_and_a_copy_none(max_alerts):
    world = world_with([alert(number) for number in (5, 2, 9, 2, 7, 1, 9)], max_alerts)
    assert numbers(ask(world)) == [1, 2, 5, 7, 9]
    assert numbers(ask(world, after=cursor(2), limit=2)) == [5, 7]


def test_what_only_clickhouse_has_is_refused_while_it_is_away_or_behind():
    behind = world_with([alert(number) for number in range(1, 26)], max_alerts=5, sunk=False)
    for params in ({}, {"after": "0-0"}, {"before": cursor(21)}):
        answer = ask(behind, **params)
        assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE"), params
    assert numbers(ask(behind, limit=3)) == [23, 24, 25]
    assert numbers(ask(behind, after=cursor(22))) == [23, 24, 25]
    behind.store.sink()
    assert numbers(ask(behind)) == list(range(1, 26))
    behind.store.problem = "ClickHouse does not answer"
    assert ask(behind).json()["code"] == "HISTORY_UNAVAILABLE"


@pytest.mark.parametrize(
    "params, code",
    [
        ({"after": "1"}, "BAD_PARAMETER"),
        ({"after": "1-"}, "BAD_PARAMETER"),
        ({"after": "1-a b"}, "BAD_PARAMETER"),
        ({"before": "x-1"}, "BAD_PARAMETER"),
        ({"after": "0-0", "before": "1-1"}, "BAD_RANGE"),
        ({"from": "2", "to": "1"}, "BAD_RANGE"),
        ({"symbol": "abc"}, "BAD_PARAMETER"),
        ({"severity": "wrong"}, "BAD_PARAMETER"),
        ({"limit": "0"}, "BAD_PARAMETER"),
        ({"limit": "1001"}, "BAD_PARAMETER"),
        ({"kind": "PRICE_ALTERED"}, "BAD_PARAMETER"),
    ],
)
def test_bad_questions(params, code):
    answer = ask(world_with([alert(1)]), **params)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_what_is_no_alert_is_passed_over():
    world = world_with([alert(1)])
    for garbage in (b"", b"[]", b"\xff", b'{"record":"trade"}'):
        world.exchange.cluster.append("alerts", 0, b"", garbage)
    world.pump()
    assert numbers(ask(world)) == [1]


def test_memory_is_bounded():
    kept = RecentAlerts(10)
    for number in range(100):
        kept.add(number % 3, number, alert(number))
    assert kept.floor == key_of(alert(89))
    assert kept.dropped == {0: 88, 1: 89, 2: 90}
