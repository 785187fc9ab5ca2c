"""A gateway takes no more than it can answer in time, and lets out who wants out."""

import asyncio
from typing import Any

import pytest

from feeds.ports import Request
from producers.admission import LATE_S, TICK_S, Admission, Urgency
from producers.entry import order_entry
from schemas.commands import CancelOrder
from schemas.reasons import Reason
from schemas.refusal import Refused
from tests.unit.gateway_world import GatewayWorld

ORDERS = "/api/v1/orders"


def taken(admission: Admission, now: float, urgency: Urgency) -> bool:
    try:
        with admission.request(now, urgency):
            return True
    except Refused as refused:
        assert refused.reason is Reason.OVERLOADED
        return False


def test_as_many_wait_as_the_bound_says_and_what_ends_orders_four_times_as_many():
    admission = Admission(2)
    admission.in_flight = 1
    assert taken(admission, 0.0, Urgency.USUAL)
    admission.in_flight = 2
    assert not taken(admission, 0.0, Urgency.USUAL)
    admission.in_flight = 7
    assert taken(admission, 0.0, Urgency.ENDS_ORDERS)
    admission.in_flight = 8
    assert not taken(admission, 0.0, Urgency.ENDS_ORDERS)
    assert taken(admission, 0.0, Urgency.ALWAYS)
    assert admission.in_flight == 8, "each has left, refused or not"


def test_a_batch_counts_its_commands(monkeypatch):
    world = GatewayWorld()
    alice = world.exchange.open_account(USD="1000")
    world.settle()
    batch = world.batch(alice, [world.exchange.order(alice, "BUY", "1", "5") for _ in range(20)])
    seen = []
    append = world.log.append

    async def watched(*record: Any) -> Any:
        seen.append(world.gateway.admission.in_flight)
        return await append(*record)

    monkeypatch.setattr(world.log, "append", watched)
    assert world.send("POST", f"{ORDERS}/batch", batch).status_code == 200
    assert seen == [20] * 20
    assert world.gateway.admission.in_flight == 0


def test_who_fails_leaves_too():
    admission = Admission(1)
    with pytest.raises(ZeroDivisionError), admission.request(0.0, Urgency.USUAL):
        raise ZeroDivisionError
    assert taken(admission, 0.0, Urgency.USUAL)


def test_a_late_event_loop_takes_what_ends_orders_last():
    admission = Admission(10)
    assert admission.late_s(1e9) == 0.0, "nothing is known before the first tick"
    admission.ticked(100.0)
    on_time, late = 100.0 + TICK_S + LATE_S * 0.99, 100.0 + TICK_S + LATE_S * 1.01
    very_late = 100.0 + TICK_S + LATE_S * Urgency.ENDS_ORDERS.value * 1.01
    assert taken(admission, on_time, Urgency.USUAL)
    assert not taken(admission, late, Urgency.USUAL)
    assert taken(admission, late, Urgency.ENDS_ORDERS)
    assert not taken(admission, very_late, Urgency.ENDS_ORDERS)
    assert taken(admission, very_late, Urgency.ALWAYS)
    admission.ticked(late)
    assert taken(admission, late, Urgency.USUAL)


# --- through the gateway's doors


def overloaded_world():
    world = GatewayWorld()
    alice = world.exchange.open_account(USD="1000")
    world.settle()
    world.gateway.admission.ticked(world.seconds - TICK_S - 2 * LATE_S)
    return world, alice


def test_over_http_nothing_is_sent_and_the_answer_says_when_to_come_back():
    world, alice = overloaded_world()
    order = world.exchange.order(alice, "BUY", "1", "5")
    answer = world.submit(alice, "POST", ORDERS, order)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "OVERLOADED", "1")
    assert world.request("GET", "/api/v1/markets").json()["code"] == "OVERLOADED"
    assert world.log.appended == 0
    assert world.request("GET", "/readyz").status_code == world.request("GET", "/healthz").status_code == 200
    world.gateway.admission.ticked(world.seconds)
    assert world.submit(alice, "POST", ORDERS, order).status_code == 200


def test_cancels_go_through_meanwhile():
    world, alice = overloaded_world()
    world.gateway.admission.ticked(world.seconds)
    order_id = world.submit(alice, "POST", ORDERS, world.exchange.order(alice, "BUY", "1", "5")).json()["order_id"]
    world.gateway.admission.ticked(world.seconds - TICK_S - 2 * LATE_S)
    cancel = CancelOrder(order_id=order_id, **world.exchange.window(alice))
    assert world.submit(alice, "DELETE", f"{ORDERS}/{order_id}", cancel).status_code == 200


def test_order_entry_without_http_is_bounded_alike():
    world, _ = overloaded_world()

    async def answers(*names: str) -> list[tuple[int, bytes]]:
        asked = Request(b"{}", None, None, "127.0.0.1")
        return [await order_entry(world.gateway)[name](asked) for name in names]

    place, cancel = asyncio.run(answers("order.place", "order.cancel"))
    assert (place[0], b"OVERLOADED" in place[1]) == (503, True)
    assert (cancel[0], b"OVERLOADED" in cancel[1]) == (422, False), "it was read, and lacks its fields"
