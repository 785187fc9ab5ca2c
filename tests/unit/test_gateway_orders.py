"""Orders through the gateway: placed, filled, cancelled, amended, in batches, asked for, and after a restart."""

import asyncio

import pytest

from producers.view import Bounds
from schemas.commands import AmendOrder, CancelAll, CancelOrder
from schemas.reasons import Reason
from schemas.refusal import Refused
from tests.exchange import Signer, market
from tests.unit.gateway_world import GatewayWorld, run


@pytest.fixture
def world() -> GatewayWorld:
    return GatewayWorld()


def funded(world: GatewayWorld) -> Signer:
    signer = world.exchange.open_account(USD="100000", ABC="1000")
    world.pump()
    return signer


def test_an_order_that_rests_is_answered_as_open(world):
    me = funded(world)
    answer = world.place(me, "BUY", "10", "9.50")
    order = answer.json()
    assert answer.status_code == 200, order
    assert (order["status"], order["filled"], order["remaining"]) == ("OPEN", "0", "10")
    assert order["order_id"] == order["command_id"]
    partition = world.gateway.partition_of(me.account)
    assert answer.headers["glassbook-position"] == f"{partition}-{world.view.partition(partition).edge_sequence}"


def test_a_fill_is_in_the_answer_with_its_trades_average_and_fee(world):
    maker, taker = funded(world), funded(world)
    world.place(maker, "SELL", "10", "9.50")
    world.place(maker, "SELL", "20", "9.60")
    order = world.place(taker, "BUY", "30", "9.70").json()
    assert (order["status"], order["filled"], order["filled_quote"]) == ("FILLED", "30", "287")
    assert order["average_price"] == "9.5666666667"
    assert [trade["price"] for trade in order["trades"]] == ["9.5", "9.6"]
    assert (order["fee"], order["fee_asset"]) == ("0.287", "USD")


def test_what_was_answered_is_read_at_once(world):
    me = funded(world)
    order = world.place(me, "BUY", "10", "9.50").json()
    by_id = world.read(me, f"/api/v1/orders/{order['order_id']}")
    assert by_id.status_code == 200, by_id.json()
    by_client_id = world.read(me, f"/api/v1/orders/by-client-id/{order['client_order_id']}")
    assert by_id.json() == by_client_id.json() == {k: v for k, v in order.items() if k != "command_id"}
    listed = world.read(me, "/api/v1/orders?status=open").json()["orders"]
    assert [one["order_id"] for one in listed] == [order["order_id"]]
    balances = world.read(me, "/api/v1/balances").json()["balances"]
    assert {one["asset"]: (one["free"], one["reserved"]) for one in balances} == {
        "ABC": ("1000", "0"),
        "USD": ("99904.905", "95.095"),
    }


@pytest.mark.parametrize("method, suffix", [("DELETE", ""), ("POST", "/cancel")])
@pytest.mark.parametrize("by_client_id", [False, True])
def test_a_cancel_answers_with_the_cancelled_order(world, method, suffix, by_client_id):
    me = funded(world)
    order = world.place(me, "BUY", "10", "9.50").json()
    named = {"client_order_id": order["client_order_id"]} if by_client_id else {"order_id": order["order_id"]}
    command = CancelOrder(**named, **world.exchange.window(me))
    answer = world.submit(me, method, f"/api/v1/orders/{next(iter(named.values()))}{suffix}", command)
    assert answer.status_code == 200, answer.json()
    assert (answer.json()["status"], answer.json()["order_id"]) == ("CANCELLED", order["order_id"])
    again = CancelOrder(order_id=order["order_id"], **world.exchange.window(me))
    refused = world.submit(me, "DELETE", f"/api/v1/orders/{order['order_id']}", again)
    assert (refused.status_code, refused.json()["code"], refused.json()["stage"]) == (409, "ORDER_CLOSED", "ledger")


def test_an_amend_answers_with_the_amended_order(world):
    me = funded(world)
    order = world.place(me, "BUY", "10", "9.50").json()
    command = AmendOrder(order_id=order["order_id"], quantity="4", **world.exchange.window(me))
    amended = world.submit(me, "PUT", f"/api/v1/orders/{order['order_id']}", command).json()
    assert (amended["status"], amended["quantity"], amended["remaining"]) == ("OPEN", "4", "4")
    command = AmendOrder(order_id=order["order_id"], quantity="4", price="9.40", **world.exchange.window(me))
    amended = world.submit(me, "POST", f"/api/v1/orders/{order['order_id']}/amend", command).json()
    assert (amended["status"], amended["price"]) == ("OPEN", "9.4")


def test_an_amend_that_takes_answers_with_its_fills(world):
    maker, me = funded(world), funded(world)
    order = world.place(me, "BUY", "10", "9.50").json()
    world.place(maker, "SELL", "10", "9.60")
    command = AmendOrder(order_id=order["order_id"], quantity="10", price="9.60", **world.exchange.window(me))
    amended = world.submit(me, "PUT", f"/api/v1/orders/{order['order_id']}", command).json()
    assert (amended["status"], amended["average_price"]) == ("FILLED", "9.6")


@pytest.mark.parametrize("method, path", [("DELETE", "/api/v1/orders"), ("POST", "/api/v1/orders/cancel")])
def test_a_mass_cancel_ends_when_all_its_orders_are_closed(method, path):
    world = GatewayWorld([market(), market("XYZ-USD", 1)])
    me = funded(world)
    ids = [world.place(me, "BUY", "1", price).json()["order_id"] for price in ("9.1", "9.2")]
    other = world.place(me, "BUY", "1", "9.3", symbol="XYZ-USD").json()["order_id"]
    one = world.submit(me, method, path, CancelAll(symbol="XYZ-USD", **world.exchange.window(me))).json()
    assert one["orders"] == [{"order_id": other, "status": "CANCELLED"}]
    rest = world.submit(me, method, path, CancelAll(**world.exchange.window(me))).json()
    assert rest["orders"] == [{"order_id": order_id, "status": "CANCELLED"} for order_id in ids]
    nothing = world.submit(me, method, path, CancelAll(**world.exchange.window(me)))
    assert (nothing.status_code, nothing.json()["orders"]) == (200, [])


def test_a_batch_gives_each_command_its_own_result(world):
    me = funded(world)
    resting = world.place(me, "BUY", "10", "9.50").json()["order_id"]
    commands = [
        world.exchange.order(me, "BUY", "1", "9.10"),
        world.exchange.order(me, "BUY", "1", "9.105"),
        CancelOrder(order_id=resting, **world.exchange.window(me)),
        AmendOrder(order_id="0-999", quantity="1", **world.exchange.window(me)),
        world.exchange.order(me, "BUY", "1000000", "9.10"),
    ]
    answer = world.send("POST", "/api/v1/orders/batch", world.batch(me, commands))
    results = answer.json()["results"]
    assert answer.status_code == 200, answer.json()
    told = [(one["status"], one["answer"].get("code") or one["answer"]["status"]) for one in results]
    assert told == [
        (200, "OPEN"),
        (422, "OFF_TICK"),
        (200, "CANCELLED"),
        (404, "UNKNOWN_ORDER"),
        (422, "INSUFFICIENT_FUNDS"),
    ]


def test_the_same_bytes_again_give_the_first_result(world):
    me = funded(world)
    command = world.exchange.order(me, "BUY", "10", "9.50")
    first = world.submit(me, "POST", "/api/v1/orders", command).json()
    world.exchange.cluster.now_ms = command.deadline_ms + 1
    again = world.submit(me, "POST", "/api/v1/orders", command).json()
    assert again["order_id"] == again["original_id"] == first["order_id"]
    assert again["command_id"] != first["command_id"]
    copy = world.read(me, f"/api/v1/orders/{again['command_id']}").json()
    assert copy["order_id"] == first["order_id"]


def test_a_repeated_cancel_gives_the_first_result_even_when_late(world):
    me = funded(world)
    order_id = world.place(me, "BUY", "10", "9.50").json()["order_id"]
    command = CancelOrder(order_id=order_id, **world.exchange.window(me))
    world.submit(me, "DELETE", f"/api/v1/orders/{order_id}", command)
    world.exchange.cluster.now_ms = command.deadline_ms + 1
    again = world.submit(me, "DELETE", f"/api/v1/orders/{order_id}", command)
    assert (again.status_code, again.json()["status"]) == (200, "CANCELLED"), again.json()


# --- what is not known in time


def test_wait_log_gives_a_receipt(world):
    me = funded(world)
    world.log.settles = False
    command = world.exchange.order(me, "BUY", "10", "9.50")
    answer = world.submit(me, "POST", "/api/v1/orders?wait=log", command)
    receipt = answer.json()
    assert (answer.status_code, receipt["outcome"], receipt["topic"]) == (202, "PENDING", "accounts")
    assert receipt["order_id"] == f"{receipt['partition']}-{receipt['offset']}"
    pending = world.read(me, receipt["ask"]).json()
    assert (pending["status"], pending["client_order_id"]) == ("PENDING", command.client_order_id)
    world.settle()
    assert world.read(me, receipt["ask"]).json()["status"] == "OPEN"


def test_past_its_timeout_an_accepted_order_is_never_hidden(world):
    me = funded(world)
    world.log.settles = False
    command = world.exchange.order(me, "BUY", "10", "9.50")
    answer = world.submit(me, "POST", "/api/v1/orders?timeout_ms=20", command)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "UNKNOWN")
    world.settle()
    assert world.read(me, answer.json()["ask"]).json()["status"] == "OPEN"


def test_without_an_acknowledgement_the_answer_names_the_client_order_id(world):
    me = funded(world)
    world.log.settles = world.log.acknowledges = False
    answer = world.submit(me, "POST", "/api/v1/orders?timeout_ms=20", world.exchange.order(me, "BUY", "10", "9.50"))
    assert answer.status_code == 202
    assert "order_id" not in answer.json()
    world.settle()
    assert world.read(me, answer.json()["ask"]).json()["status"] == "OPEN"


def test_the_outcome_may_come_before_or_after_the_acknowledgement(world):
    """Side by side: one waits while the journal comes late, the other finds it in the view already."""
    me = funded(world)
    world.log.settles = False

    async def late() -> list[str]:
        headers = {"content-type": "application/json"}
        from schemas.codec import encode

        bodies = [encode(me.sign(world.exchange.order(me, "BUY", "1", "9.10"))) for _ in range(3)]
        asked = [
            asyncio.create_task(world.ask("POST", "/api/v1/orders", content=body, headers=headers)) for body in bodies
        ]
        while world.log.appended < 3:
            await asyncio.sleep(0)
        world.settle()
        return [response.json()["status"] for response in await asyncio.gather(*asked)]

    assert run(late()) == ["OPEN"] * 3


def test_an_error_behind_the_log_does_not_hide_the_order(world, monkeypatch):
    me = funded(world)

    async def fails(*args: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("producers.submit._document", fails)
    answer = world.place(me, "BUY", "10", "9.50")
    assert (answer.status_code, answer.json()["outcome"]) == (202, "UNKNOWN")
    assert "order_id" in answer.json()


# --- another gateway, or the same one restarted


def test_a_restarted_gateway_answers_the_same(world):
    maker, me = funded(world), funded(world)
    world.place(maker, "SELL", "4", "9.50")
    partly = world.place(me, "BUY", "10", "9.50").json()
    filled = world.place(me, "SELL", "1000", "1000").json()
    world.submit(
        me, "DELETE", f"/api/v1/orders/{filled['order_id']}",
        CancelOrder(order_id=filled["order_id"], **world.exchange.window(me)),
    )  # fmt: skip
    refused = world.place(me, "BUY", "1000000", "9.50").json()
    before = [world.read(me, f"/api/v1/orders/{order_id}").json() for order_id in _ids(partly, filled, refused)]
    for service in (world.exchange.ledger, world.exchange.matcher):
        service.close(list(service.partitions))
    again = GatewayWorld(exchange=world.exchange, restored=True)
    after = [again.read(me, f"/api/v1/orders/{order_id}").json() for order_id in _ids(partly, filled, refused)]
    for one, other in zip(before, after, strict=True):
        times = ("created_ms", "updated_ms", "detail")
        assert {k: v for k, v in one.items() if k not in times} == {k: v for k, v in other.items() if k not in times}
    assert again.read(me, "/api/v1/balances").json() == world.read(me, "/api/v1/balances").json()
    assert again.request("GET", "/api/v1/markets/ABC-USD/book").json()["bids"] == [["9.5", "6"]]
    assert again.request("GET", "/api/v1/markets/ABC-USD/price").json()["last"] == "9.5"
    by_client_id = again.read(me, f"/api/v1/orders/by-client-id/{filled['client_order_id']}").json()
    assert by_client_id["status"] == "CANCELLED"


def _ids(partly: dict[str, str], filled: dict[str, str], refused: dict[str, str]) -> list[str]:
    return [partly["order_id"], filled["order_id"], refused["command_id"]]


def test_a_refused_order_is_found_by_both_ids(world):
    me = funded(world)
    command = world.exchange.order(me, "BUY", "1000000", "9.50")
    refused = world.submit(me, "POST", "/api/v1/orders", command).json()
    for target in (refused["command_id"], f"by-client-id/{command.client_order_id}"):
        order = world.read(me, f"/api/v1/orders/{target}").json()
        assert (order["status"], order["cause"]) == ("REJECTED", "INSUFFICIENT_FUNDS"), order


def test_forgotten_orders_are_read_back_and_stay_within_bounds():
    world = GatewayWorld(bounds=Bounds(closed_orders=2, results=3))
    maker, me = funded(world), funded(world)
    orders = []
    for _ in range(5):
        world.place(maker, "SELL", "1", "9.50")
        orders.append(world.place(me, "BUY", "1", "9.50").json())
    assert len(world.view.orders) == 2
    assert len(world.view.accounts[me.account].client_ids) == 1
    old = world.read(me, f"/api/v1/orders/{orders[0]['order_id']}").json()
    assert old == {k: v for k, v in orders[0].items() if k != "command_id"}
    assert world.past.orders_read == 1
    world.past.unavailable = Refused(Reason.HISTORY_UNAVAILABLE)
    assert world.read(me, f"/api/v1/orders/{orders[0]['order_id']}").json()["code"] == "HISTORY_UNAVAILABLE"


def test_read_after_waits_for_another_gateways_position(world):
    me = funded(world)
    other = GatewayWorld(exchange=world.exchange)
    position = world.place(me, "BUY", "10", "9.50").headers["glassbook-position"]

    async def read() -> tuple[bool, str]:
        target = "/api/v1/orders"
        headers = other.read_headers(me, target) | {"Glassbook-Read-After": position}
        asked = asyncio.create_task(other.ask("GET", target, headers=headers))
        for _ in range(20):
            await asyncio.sleep(0)
        waited = not asked.done()
        other.pump()
        return waited, (await asked).json()["orders"][0]["status"]

    assert run(read()) == (True, "OPEN")


def test_executions_resume_from_a_cursor_from_memory_or_from_the_log():
    world = GatewayWorld(max_entries=3)
    me = funded(world)
    for price in ("9.1", "9.2", "9.3"):
        world.place(me, "BUY", "1", price)
    first = world.read(me, "/api/v1/executions?limit=4").json()
    assert first["more"]
    assert [one["sequence"] for one in first["executions"]] == [1, 2, 3, 4]
    second = world.read(me, f"/api/v1/executions?after={first['next_after']}").json()
    assert [one["sequence"] for one in second["executions"]] == [5, 6, 7, 8, 9]
    assert not second["more"]
    end = world.read(me, f"/api/v1/executions?after={second['next_after']}").json()
    assert (end["executions"], end["next_after"], end["more"]) == ([], second["next_after"], False)
    last = second["executions"][-1]
    assert last["events"] == [{"event": "order_rested", "order_id": last["events"][0]["order_id"], "remaining": "1"}]
