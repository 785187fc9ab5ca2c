"""Orders that have left memory: from ClickHouse or from the log, it is the same order. No command asks ClickHouse."""

from typing import Any

import pytest

from producers.view import Bounds
from schemas.commands import AmendOrder, TimeInForce
from tests.unit.gateway_world import GatewayWorld
from tests.unit.history_world import Market


class Story:
    """Orders with every kind of end, each by its name."""

    def __init__(self) -> None:
        self.market = Market()
        exchange, me, other = self.market.exchange, self.market.taker, self.market.maker
        self.me = me
        self.ids: dict[str, str] = {}

        def place(name: str, side: str, quantity: str | None, price: str | None, **more: Any) -> str:
            self.ids[name] = exchange.place(me, side, quantity, price, client_order_id=name, **more)
            return self.ids[name]

        exchange.place(other, "SELL", "4", "10")
        place("filled", "BUY", "3", "10")
        exchange.cancel(me, place("cancelled", "BUY", "3", "9"))
        exchange.cancel(me, place("partly", "BUY", "5", "10"))
        exchange.place(other, "SELL", "1", "12")
        place("expired", "BUY", "2", "12", time_in_force=TimeInForce.IOC)
        place("market", "BUY", None, None, max_quote="100")
        place("refused", "BUY", "1000000", "90")
        place("rejected", "BUY", "1", "10.005")
        place("amended", "BUY", "4", "8")
        exchange.send(me, AmendOrder, order_id=self.ids["amended"], quantity="2", price="8.50")
        exchange.cancel(me, self.ids["amended"])
        place("against-itself", "SELL", "3", "20")
        place("meets-itself", "BUY", "3", "20")
        place("open", "BUY", "6", "9.90")
        exchange.place(other, "SELL", "2", "9.90")
        self.market.tick()

    def seen(self, **options: Any) -> GatewayWorld:
        return self.market.seen(**options)

    def all(self, world: GatewayWorld) -> dict[str, Any]:
        found = {}
        for name, order_id in self.ids.items():
            answer = world.read(self.me, f"/api/v1/orders/{order_id}")
            assert answer.status_code == 200, (name, answer.json())
            found[name] = answer.json()
        return found


FORGETFUL = Bounds(closed_orders=0, results=0)


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def test_an_order_is_the_same_from_memory_from_clickhouse_and_from_the_log(story):
    in_memory = story.all(story.seen())
    stored = story.seen(bounds=FORGETFUL)
    read_back = story.seen(bounds=FORGETFUL)
    read_back.store.problem = "ClickHouse does not answer"
    assert story.all(stored) == story.all(read_back) == in_memory
    assert stored.past.orders_read == 0
    assert read_back.past.orders_read == sum(order["status"] != "OPEN" for order in in_memory.values())
    assert {order["status"] for order in in_memory.values()} == {
        "FILLED", "CANCELLED", "EXPIRED", "REJECTED", "OPEN",
    }  # fmt: skip


@pytest.mark.parametrize("late", [False, True])
def test_what_the_sink_has_not_taken_to_its_end_comes_from_the_log(story, late):
    """An order whose last events are missing in ClickHouse is not answered from there."""
    expected = story.all(story.seen(bounds=FORGETFUL, restored=late))
    lengths = {p: len(story.market.cluster.values("ledger", p)) for p in range(2)}
    for taken in range(0, max(lengths.values()), 3):
        world = story.seen(bounds=FORGETFUL, restored=late)
        world.store.positions = {("ledger", p): min(taken, length) for p, length in lengths.items()}
        assert story.all(world) == expected, taken


def test_an_open_order_gets_its_earlier_fills_from_clickhouse(story):
    world = story.market.seen_late(bounds=FORGETFUL)
    answer = world.read(story.me, f"/api/v1/orders/{story.ids['open']}").json()
    assert (answer["status"], len(answer["trades"]), answer.get("trades_truncated")) == ("OPEN", 1, None)
    assert world.past.orders_read == 0


def test_an_order_by_a_client_order_id_that_memory_has_forgotten(story):
    world = story.seen(bounds=FORGETFUL, max_entries=1)
    for name, order_id in story.ids.items():
        answer = world.read(story.me, f"/api/v1/orders/by-client-id/{name}")
        # What had no price on the grid used no id up; what is asked for by it is not known.
        assert answer.status_code == 200, (name, answer.json())
        assert answer.json()["order_id"] == order_id
    assert "order_named" in world.store.asked
    for unknown in ("never", "c1", "x" * 37, "a'b", "%20"):
        answer = world.read(story.me, f"/api/v1/orders/by-client-id/{unknown}")
        assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_ORDER"), unknown


def test_of_two_orders_with_one_client_order_id_it_is_the_newer(monkeypatch):
    """The ledger forgets an id after 1,024 commands, so that it can come again."""
    market = Market()
    me = market.taker
    monkeypatch.setattr("ledger.account.RECENT_COMMANDS", 2)
    ids = []
    for _ in range(2):
        ids.append(market.exchange.place(me, "BUY", "1", "9", client_order_id="again"))
        market.exchange.cancel(me, ids[-1])
        for _ in range(3):
            market.exchange.cancel(me, market.exchange.place(me, "BUY", "1", "9"))
    assert len(market.exchange.entries()) > 20
    for options in ({}, {"max_entries": 1}):
        world = market.seen(bounds=FORGETFUL, **options)
        found = world.read(me, "/api/v1/orders/by-client-id/again").json()
        assert (found["order_id"], found["status"]) == (ids[1], "CANCELLED")
    behind = market.seen(bounds=FORGETFUL, max_entries=1)
    for place in list(behind.store.positions):
        behind.store.positions[place] = min(behind.store.positions[place], 14)
    assert behind.read(me, "/api/v1/orders/by-client-id/again").json()["order_id"] == ids[1], "read back from the topic"


def test_nobody_says_unknown_without_knowing(story):
    """Without ClickHouse, an order may be too old to be known; of an account that forgot nothing it is not."""
    world = story.seen(bounds=FORGETFUL)
    world.store.problem = "ClickHouse does not answer: refused"
    answer = world.read(story.me, "/api/v1/orders/by-client-id/never")
    assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE")
    assert answer.json()["detail"].endswith("ClickHouse does not answer: refused")
    assert world.read(story.me, "/api/v1/orders/by-client-id/open").status_code == 200
    remembers = story.seen()
    remembers.store.problem = "ClickHouse does not answer: refused"
    answer = remembers.read(story.me, "/api/v1/orders/by-client-id/never")
    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_ORDER")


def test_no_command_waits_for_clickhouse():
    """Orders, repeats of forgotten ones, cancels and amends are answered from the view and the log alone."""
    market = Market()
    world, me = market.seen(bounds=Bounds(closed_orders=0, results=1)), market.taker
    order = market.exchange.order(me, "BUY", "1", "9", client_order_id="mine")
    placed = world.submit(me, "POST", "/api/v1/orders", order)
    cancel = world.place(me, "BUY", "1", "9").json()
    assert world.read(me, f"/api/v1/orders/{cancel['order_id']}").json()["status"] == "OPEN"
    market.exchange.cancel(me, placed.json()["order_id"])
    world.pump()
    world.store.asked.clear()
    again = world.submit(me, "POST", "/api/v1/orders", order)
    assert (again.status_code, again.json()["status"]) == (200, "CANCELLED")
    assert again.json()["original_id"] == placed.json()["order_id"]
    assert world.store.asked == []
    assert world.past.orders_read > 0


def test_readyz_says_what_is_degraded_and_stays_ready(story):
    world = story.seen()
    assert world.request("GET", "/readyz").json()["degraded"] == []
    world.store.problem = "ClickHouse does not answer: refused"
    ready = world.request("GET", "/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert ready.json()["degraded"] == ["ClickHouse does not answer: refused"]
