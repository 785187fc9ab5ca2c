"""Alerts in the real ClickHouse: the gateway's SQL gives what the adapter written by hand gives, whatever is asked."""

import asyncio
import random
from typing import Any

import pytest

from glassbook.settings import Settings
from producers.history_store import Table
from producers.recent_alerts import AlertAsk, key_of
from schemas.alerts import Alert, Severity
from schemas.codec import encode
from schemas.topics import ALERTS
from tests.integration.sunk_market import gateway_store, sink
from tests.unit.history_world import Market
from tests.unit.memory_history import MemoryStore
from tests.unit.test_gateway_alerts import START_MS, alert

ASKS = 60


def made_up_ask(random: random.Random, alerts: list[Alert]) -> AlertAsk:
    def maybe(value: Any) -> Any:
        return value if random.random() < 0.4 else None

    bound = maybe(key_of(random.choice(alerts)))
    return AlertAsk(
        after=bound, before=None if bound else maybe(key_of(random.choice(alerts))),
        first_ms=maybe(START_MS + random.randrange(45_000)), end_ms=maybe(START_MS + random.randrange(45_000)),
        symbol=maybe("ABC-USD"), severity=maybe(random.choice(list(Severity))), limit=random.randrange(1, 50),
        up_to=maybe(key_of(random.choice(alerts))),
    )  # fmt: skip


@pytest.mark.parametrize("seed", [1])
def test_both_adapters_say_the_same(clickhouse: Settings, seed: int) -> None:
    made_up = random.Random(seed)
    alerts = [alert(number, found="5 at 'other' \\ \n") for number in range(1, 41)]
    market = Market()
    for one in [*made_up.choices(alerts, k=200), *alerts[::-1], alert(41)]:
        market.cluster.append(ALERTS, 0, one.symbol.encode(), encode(one))
    by_hand = MemoryStore(market.exchange)
    by_hand.sink()
    with asyncio.Runner() as runner, gateway_store(clickhouse, runner) as store:
        assert runner.run(store.alerts(AlertAsk(limit=10))) == [], "there is no table yet"
        sink(clickhouse, market, ALERTS)
        end = len(market.cluster.values(ALERTS, 0))
        assert runner.run(store.position(Table.ALERTS, 0, end)) == end
        for _ in range(ASKS):
            ask = made_up_ask(made_up, alerts)
            assert runner.run(store.alerts(ask)) == runner.run(by_hand.alerts(ask)), (seed, ask)
