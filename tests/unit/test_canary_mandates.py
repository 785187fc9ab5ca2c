"""Mandates as the canary keeps them: what it tells of a ledger that treats them otherwise, and what it remembers."""

from typing import Any

import msgspec
import pytest

from canary.account_book import Mandate
from canary.core import Canary
from canary.ledger_mandates import Alarms
from canary.state import CanaryState
from schemas.alerts import Kind
from schemas.topics import LEDGER, ORDERS
from simulator import canary_insider_mandates as insiders
from simulator.canary_insiders import Insider
from tests.unit.canary_heard import Heard
from tests.unit.mandate_play import MandatePlay


@pytest.fixture
def play() -> MandatePlay:
    return MandatePlay()


def corrupted(play: MandatePlay, core: type[Any]) -> MandatePlay:
    """From here on an insider runs the ledger."""

    class Corrupted(core):  # type: ignore[misc]
        def __init__(self, partition: int) -> None:
            super().__init__(partition, Insider(0))

    play.exchange.ledger = play.exchange.start(Corrupted, ("ledger",), [0])
    return play


def test_it_goes_on_from_its_state_with_the_mandates_that_stand(play):
    order_id = play.buy(play.alice)
    armed = play.arm(play.alice)
    found = Heard(play.exchange)
    state = msgspec.msgpack.encode(found.canary.dump())
    found.canary = Canary.restored(msgspec.msgpack.decode(state, type=CanaryState))
    assert msgspec.msgpack.encode(found.canary.dump()) == state
    read = {place: len(records) for place, records in play.exchange.cluster.records.items()}
    play.tick_at(armed.due_ms)
    assert play.fired(play.alice)[0].order_ids == [order_id]
    assert found.told_since(play.exchange, read) == []
    assert not found.canary.ledgers[0].replica.accounts[play.alice.account].mandate


def test_a_state_of_before_mandates_is_read(play):
    canary = Heard(play.exchange).canary
    state = msgspec.to_builtins(canary.dump(), builtin_types=(bytes,))
    for _, ledger in state["ledgers"]:
        for account in ledger["accounts"]:
            del account["mandate"]
    restored = Canary.restored(msgspec.convert(state, CanaryState, builtin_types=(bytes,)))
    assert restored.dump() == canary.dump()


# --- alarms


def mandate(due_ms: int, offset: int) -> Mandate:
    return Mandate(due_ms, offset, b"")


def test_alarms_come_by_time_and_place_once_each():
    alarms = Alarms()
    for account, due_ms, offset in (("a", 50, 3), ("b", 40, 2), ("c", 40, 1), ("a", 50, 3), ("d", 90, 4)):
        alarms.set(account, mandate(due_ms, offset))
    alarms.set("e", None)
    assert alarms.until(39) == []
    assert [alarm.account for alarm in alarms.until(50)] == ["c", "b", "a"]
    alarms.drop_until(50)
    assert [alarm.account for alarm in alarms.until(1000)] == ["d"]


def test_mandates_that_were_replaced_leave_nothing_behind_once_their_time_is_over(play):
    for _ in range(20):
        last = play.arm(play.alice)
    canary = Heard(play.exchange).canary
    replica = canary.ledgers[0].replica
    assert len(replica.alarms.until(last.due_ms)) == 20
    play.tick_at(last.due_ms)
    replica = Heard(play.exchange).canary.ledgers[0].replica
    assert replica.alarms.until(2**63) == []


def test_who_renews_a_mandate_without_end_fills_no_memory(play, monkeypatch):
    monkeypatch.setattr("canary.ledger_replica.SPARE_ALARMS", 3)
    for _ in range(30):
        last = play.arm(play.alice)
    canary = Heard(play.exchange).canary
    replica = next(judge.replica for judge in canary.ledgers if play.alice.account in judge.replica.accounts)
    assert len(replica.alarms) <= 2 * len(replica.accounts) + 3
    assert replica.alarms.until(last.due_ms)[-1].due_ms == last.due_ms
    play.tick_at(last.due_ms)
    assert Heard(play.exchange).alerts == []


# --- a ledger that does otherwise


@pytest.mark.parametrize(
    ("core", "kind", "topic"),
    [
        (insiders.FiresLate, Kind.ORDER_DROPPED, LEDGER),
        (insiders.FiresEarly, Kind.OUTCOME_WRONG, LEDGER),
        (insiders.SparesOrders, Kind.ORDER_DROPPED, LEDGER),
        (insiders.NamesOtherOrders, Kind.ORDER_FORGED, ORDERS),
    ],
)
def test_it_is_told_with_the_record_that_shows_it(play, core, kind, topic):
    corrupted(play, core)
    play.buy(play.alice)
    play.buy(play.alice)
    armed = play.arm(play.alice)
    play.tick_at(armed.due_ms - 100)
    play.tick_at(armed.due_ms)
    for _ in range(5):
        play.buy(play.bob)
        play.tick_at(play.now_ms + 1_000)
    alerts = Heard(play.exchange).alerts
    assert alerts[0].kind == kind
    assert [place.topic for place in alerts[0].evidence] == [topic, "accounts"]


def test_one_that_is_let_go_is_one_alert(play):
    """And not one more each time that it isn't fired."""
    corrupted(play, insiders.NeverFires)
    play.buy(play.alice)
    armed = play.arm(play.alice)
    for number in range(4):
        play.tick_at(armed.due_ms + number * 1_000)
        play.buy(play.bob)
    alerts = Heard(play.exchange).alerts
    assert [alert.kind for alert in alerts] == [Kind.ORDER_DROPPED]
    assert "mandate_fired" in alerts[0].expected
