"""Mandates to cancel all as the gateway takes and shows them: over REST, over WebSocket, in an account's stream."""

from typing import Any

import msgspec
import pytest

from producers.account_stream import AccountStreams
from producers.entry import order_entry
from schemas.commands import CancelAll, CancelAllAfter
from schemas.records import SignedCommand
from tests.exchange import Signer
from tests.unit.gateway_world import GatewayWorld, run
from tests.unit.test_gateway_streams import Asked, Heard, auth

PATH = "/api/v1/orders/cancel-all-after"
METHOD = "order.cancel_all_after"


@pytest.fixture
def world() -> GatewayWorld:
    return GatewayWorld(account_partitions=1)


@pytest.fixture
def me(world) -> Signer:
    return trader(world)


def trader(world: GatewayWorld) -> Signer:
    signer = world.exchange.open_account(USD="100000", ABC="1000")
    world.settle()
    return signer


def signed(world: GatewayWorld, signer: Signer, timeout_ms: int = 5_000) -> SignedCommand:
    return signer.sign(CancelAllAfter(timeout_ms=timeout_ms, **world.exchange.window(signer)))


def standing(world: GatewayWorld, signer: Signer) -> Any:
    return world.read(signer, "/api/v1/orders").json()["mandate"]


def let_time_pass(world: GatewayWorld, until_ms: int) -> None:
    world.exchange.tick(until_ms - world.exchange.cluster.now_ms)
    world.settle()


def test_it_is_answered_shown_and_gone_when_it_has_fired(world, me):
    order_id = world.place(me, "BUY", "1", "5").json()["order_id"]
    assert standing(world, me) is None
    answer = world.send("POST", PATH, signed(world, me))
    assert answer.status_code == 200, answer.json()
    event = answer.json()["event"]
    command_id, due_ms = answer.json()["command_id"], event["due_ms"]
    assert event == {"event": "mandate_armed", "command_id": command_id, "due_ms": due_ms}
    assert standing(world, me) == {"command_id": command_id, "due_ms": due_ms}
    let_time_pass(world, due_ms)
    assert standing(world, me) is None
    assert world.read(me, f"/api/v1/orders/{order_id}").json()["status"] == "CANCELLED"
    told = [event for one in world.read(me, "/api/v1/executions").json()["executions"] for event in one["events"]]
    assert told[-2:] == [
        {"event": "mandate_fired", "command_id": command_id, "order_ids": [order_id]},
        {
            "event": "order_closed", "order_id": order_id, "status": "CANCELLED", "cause": None,
            "command_id": command_id,
        },
    ]  # fmt: skip


def test_with_zero_it_is_ended(world, me):
    world.send("POST", PATH, signed(world, me))
    answer = world.send("POST", PATH, signed(world, me, 0))
    assert answer.json()["event"] == {"event": "mandate_disarmed", "command_id": answer.json()["command_id"]}
    assert standing(world, me) is None


def test_the_same_bytes_are_answered_as_the_first_time(world, me):
    """Also when the mandate has fired since."""
    command = signed(world, me)
    first = world.send("POST", PATH, command).json()
    let_time_pass(world, first["event"]["due_ms"])
    again = world.send("POST", PATH, command).json()
    assert (again["original_id"], again["event"]) == (first["command_id"], first["event"])
    assert standing(world, me) is None


def test_a_gateway_that_starts_later_shows_it_too(world, me):
    answer = world.send("POST", PATH, signed(world, me)).json()
    later = GatewayWorld(exchange=world.exchange, restored=True)
    assert standing(later, me) == {"command_id": answer["command_id"], "due_ms": answer["event"]["due_ms"]}


def test_the_account_s_stream_tells_of_it(world, me):
    order_id = world.place(me, "BUY", "1", "5").json()["order_id"]
    heard = Heard()
    streams = AccountStreams(world.gateway, world.listeners)
    assert msgspec.json.decode(streams.open(auth(world, me), heard)[0])["mandate"] is None
    armed = world.send("POST", PATH, signed(world, me)).json()
    first = msgspec.json.decode(streams.open(auth(world, me), Heard())[0])
    assert first["mandate"] == {"command_id": armed["command_id"], "due_ms": armed["event"]["due_ms"]}
    let_time_pass(world, armed["event"]["due_ms"])
    events = [event["event"] for document in heard.documents for event in document["events"]]
    assert events == ["mandate_armed", "mandate_fired", "order_closed"]
    assert heard.documents[-1]["orders"][0]["order_id"] == order_id


# --- over WebSocket


def enter(world: GatewayWorld, body: SignedCommand) -> tuple[int, dict[str, object]]:
    async def call() -> tuple[int, bytes]:
        return await order_entry(world.gateway)[METHOD](Asked(msgspec.json.encode(body)))

    status, document = run(call())
    return status, msgspec.json.decode(document)


def test_order_entry_takes_it_as_rest_does(world, me):
    status, document = enter(world, signed(world, me))
    assert (status, document["event"]) == (200, standing(world, me) | {"event": "mandate_armed"})


def test_order_entry_refuses_it_as_rest_does(world, me):
    other = trader(world)
    command = CancelAllAfter(timeout_ms=5_000, **world.exchange.window(me))
    cases = [
        (signed(world, me, 999), 422, "BAD_TIMEOUT"),
        (other.sign(command), 401, "WRONG_ACCOUNT"),
        (me.sign(CancelAll(**world.exchange.window(me))), 422, "UNKNOWN_RECORD"),
    ]
    for body, status, code in cases:
        found, document = enter(world, body)
        assert (found, document["code"], document["instance"]) == (status, code, METHOD)
        assert "stage" not in document, "nothing was sent"
        assert world.send("POST", PATH, body).json()["code"] == code
    assert standing(world, me) is None


def test_under_rules_without_mandates_the_log_refuses_it():
    world = GatewayWorld(engine_version=2)
    me = trader(world)
    answer = world.send("POST", PATH, signed(world, me))
    assert (answer.status_code, answer.json()["code"], answer.json()["stage"]) == (422, "UNKNOWN_RECORD", "ledger")
