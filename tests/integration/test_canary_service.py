"""The canary's process on the real broker: silent while all is well, loud at once, and never blind after a start."""

import time
from collections.abc import Iterator

import msgspec
import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic

from glassbook.status import system_status
from glassbook.topics_admin import admin_client
from schemas.alerts import Alert, Evidence, Kind, Severity
from schemas.topics import ALERTS, DEPTH, TRADES
from tests.conftest import StartCluster
from tests.integration.canary_rig import WATCHED, Watched, until, watched

ALERT_S = 5.0  # far more than it takes: two cores are shared by everything here


@pytest.fixture(scope="module")
def system(start_cluster: StartCluster) -> Iterator[Watched]:
    # Records are forged here, and trading goes on.
    with watched(start_cluster(stages=WATCHED, canary_halts=False)) as running:
        yield running


def test_an_honest_system_gives_no_alert_under_kills(system: Watched) -> None:
    for program in ("matcher", "ledger", "canary", "broker-1", "canary", "producers"):
        assert system.trade()["status"] == "FILLED"
        system.kill(program)
        assert system.trade()["status"] == "FILLED"
    system.until_judged()
    assert system.alerts() == []


def test_the_status_shows_up_to_where_it_has_judged(system: Watched) -> None:
    system.trade()
    system.until_judged()
    positions = system_status(system.cluster.settings).groups["canary"]
    assert {position.owner for position in positions} == {"canary-1"}
    assert {position.topic for position in positions} == {"accounts", "orders", "trades", "depth", "ledger"}


def test_a_forged_price_is_told_at_once_and_once(system: Watched) -> None:
    system.trade()
    system.until_judged()
    before = {alert.alert_id for alert in system.alerts()}
    partition, offset = system.forge_price("123.45")
    began = time.monotonic()
    system.until_alerts(len(before) + 1)
    assert time.monotonic() - began < ALERT_S
    (alert,) = [alert for alert in system.alerts() if alert.alert_id not in before]
    assert (alert.severity, alert.evidence[0]) == (Severity.WRONG, Evidence(TRADES, partition, offset))
    assert f"alert_id={alert.alert_id}" in system.said()


def test_started_again_it_judges_every_offset_and_repeats_nothing(system: Watched) -> None:
    system.trade()
    system.until_judged()
    if not system.alerts():
        system.forge_price("77")
        system.until_alerts(1)
    alerts = system.alerts()
    before = system.pid("canary")
    system.kill("canary")
    partition, offset = system.forge_price("55.5")  # while nobody looks
    system.until_alerts(len(alerts) + 1)
    assert system.pid("canary") != before
    system.until_judged()
    ids = [alert.alert_id for alert in system.alerts()]
    assert len(ids) == len(set(ids))
    (fresh,) = [alert for alert in system.alerts() if alert not in alerts]
    assert fresh.evidence[0] == Evidence(TRADES, partition, offset)


def test_a_second_canary_stands_by_and_takes_over(system: Watched) -> None:
    with system.second_canary() as second:
        system.trade()
        system.until_judged()
        assert set(system.owners()) == {"canary-1"}
        before = len(system.alerts())
        system.cluster.supervisor.stop_group("history")  # of what these tests start, it has the canary alone
        system.forge_price("44.4")
        system.until_alerts(before + 1)
        system.until_judged()
        assert set(system.owners()) == {"canary-2"}
        assert second.poll() is None
    system.cluster.supervisor.start_group("history")
    system.trade()
    system.until_judged()
    assert set(system.owners()) == {"canary-1"}
    assert len(system.alerts()) == before + 1


def test_of_what_happens_while_it_is_away_it_blames_whom_it_should(system: Watched) -> None:
    """Depth is kept no more, which is nobody's fault; a price is forged, and an alert under the id to come."""
    system.trade()
    system.until_judged()
    before = system.alerts()
    system.cluster.supervisor.stop_group("history")  # of what these tests start, it has the canary alone
    system.trade()
    partition, offset = system.forge_price("33.3")
    assert drop(system, DEPTH, partition) > 0
    place = Evidence(TRADES, partition, offset)
    hushed = Alert(
        alert_id=f"{TRADES}-{partition}-{offset}", kind=Kind.COPIES_DIFFER, severity=Severity.NOTICE, symbol="",
        time_ms=0, expected="", found="nothing to see here", evidence=[place],
    )  # fmt: skip
    system.append(ALERTS, partition, msgspec.json.encode(hushed))
    system.cluster.supervisor.start_group("history")
    system.trade()
    system.until_alerts(len(before) + 2)
    system.until_judged()
    fresh = [alert for alert in system.alerts() if alert not in before]
    assert [(alert.alert_id, alert.severity) for alert in fresh] == [
        (hushed.alert_id, Severity.NOTICE), (hushed.alert_id, Severity.WRONG),
    ]  # fmt: skip
    assert "older records of depth are gone" in system.said()


def test_a_topic_that_was_made_anew_is_told_and_stops_it(system: Watched) -> None:
    """The last one: the exchange isn't whole any more."""
    system.trade()
    system.until_judged()
    partition, _ = system.last_trade()
    _, end = system.judged()[DEPTH, partition]
    make_anew(system, DEPTH)
    until(lambda: f"but was read up to {end}" in system.said(), "why it stopped")
    cut = [alert for alert in system.alerts() if alert.kind == Kind.LOG_TRUNCATED]
    assert {(alert.severity, alert.evidence[0].topic) for alert in cut} == {(Severity.WRONG, DEPTH)}


def drop(system: Watched, topic: str, partition: int) -> int:
    """Deletes all that stands on a partition now, as retention does in time; up to where."""
    end = next(p.end for p in system.positions() if (p.topic, p.partition) == (topic, partition))
    place, admin = TopicPartition(topic, partition, end), admin_client(system.bootstrap)
    return int(admin.delete_records([place])[place].result(10).low_watermark)


def make_anew(system: Watched, topic: str) -> None:
    """Deletes it and makes it again, with as many partitions."""
    admin = admin_client(system.bootstrap)
    partitions = len({p.partition for p in system.positions() if p.topic == topic})
    admin.delete_topics([topic])[topic].result(10)

    def made() -> bool:
        try:
            admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(10)
        except KafkaException:  # the old one isn't gone yet
            return False
        return True

    until(made, f"{topic} made anew")
