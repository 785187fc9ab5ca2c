"""A halted market over HTTP: 503 with the reason, cancels, what `/api/v1/markets` says; and busts in its view."""

from typing import Any

import pytest

from schemas.commands import BustTrade, CancelOrder, Command, HaltMarket, ResumeMarket
from schemas.market import MarketState
from tests.exchange import EXCHANGE, market
from tests.unit.gateway_world import GatewayWorld

ORDERS = "/api/v1/orders"
MEANT: dict[str, Any] = {
    "exchange": EXCHANGE,
    "symbol": "ABC-USD",
    "partition": 0,
    "reason": "a divergence",
    "time_ms": 1,
}


class Floor:
    """A world of the second engine version, with two funded accounts."""

    def __init__(self) -> None:
        self.world = GatewayWorld([market()], engine_version=2)
        self.exchange = self.world.exchange
        self.me, self.other = (self.exchange.open_account(USD="10000", ABC="1000") for _ in range(2))
        self.world.pump()

    def everywhere(self, command: Command, *, accounts: bool = True) -> None:
        signed = self.exchange.operator.sign(command)
        self.exchange.submit_to("orders", 0, signed)
        for partition in range(self.exchange.account_partitions if accounts else 0):
            self.exchange.submit_to("accounts", partition, signed)
        self.exchange.run()
        self.world.pump()

    def halt(self, halt_id: str = "trades-0-7") -> None:
        self.everywhere(HaltMarket(**MEANT, halt_id=halt_id, evidence=[]))

    def order(self) -> Any:
        return self.world.submit(self.me, "POST", ORDERS, self.exchange.order(self.me, "BUY", "10", "5"))

    def market(self) -> Any:
        (listed,) = self.world.request("GET", "/api/v1/markets").json()["markets"]
        return listed


@pytest.fixture
def floor() -> Floor:
    return Floor()


def test_an_order_is_answered_503_with_the_reason_and_nothing_is_sent(floor):
    floor.halt()
    sent = floor.world.log.appended
    answer = floor.order()
    assert (answer.status_code, answer.json()["code"]) == (503, "MARKET_HALTED")
    assert answer.json()["detail"] == "a divergence" and "retry-after" in answer.headers
    assert floor.world.log.appended == sent


def test_an_order_that_the_log_refuses_is_answered_the_same(floor):
    """The gateway has not heard of the halt yet."""
    signed = floor.exchange.operator.sign(HaltMarket(**MEANT, halt_id="one", evidence=[]))
    for partition in range(floor.exchange.account_partitions):
        floor.exchange.submit_to("accounts", partition, signed)
    answer = floor.order()
    assert (answer.status_code, answer.json()["code"]) == (503, "MARKET_HALTED")
    assert answer.json()["stage"] == "ledger"


def test_cancels_work(floor):
    order_id = floor.order().json()["order_id"]
    floor.halt()
    command = CancelOrder(**floor.exchange.window(floor.me), order_id=order_id)
    answer = floor.world.submit(floor.me, "DELETE", f"{ORDERS}/{order_id}", command)
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")


def test_markets_say_why_and_since_when(floor):
    assert (floor.market()["state"], floor.market()["halts"]) == ("OPEN", [])
    floor.halt("one")
    floor.halt("two")
    found = floor.market()
    assert (found["state"], found["market"]["state"]) == ("HALTED", "OPEN")
    assert [(halt["halt_id"], halt["reason"]) for halt in found["halts"]] == [
        ("one", "a divergence"), ("two", "a divergence"),
    ]  # fmt: skip
    assert all(halt["time_ms"] > 0 for halt in found["halts"])


def test_a_delisted_market_stays_delisted(floor):
    floor.halt()
    floor.exchange.list_market(market(state=MarketState.DELISTED), 2)
    floor.exchange.run()
    floor.world.pump()
    assert floor.market()["state"] == "DELISTED"


def test_a_resumed_market_trades(floor):
    floor.halt()
    floor.everywhere(ResumeMarket(**MEANT, halt_ids=["trades-0-7"]))
    assert floor.market()["state"] == "OPEN"
    assert floor.order().status_code == 200


def test_a_busted_trade_is_in_the_balances_and_the_order_keeps_its_fill(floor):
    floor.exchange.place(floor.other, "SELL", "10", "5")
    order_id = floor.order().json()["order_id"]
    (trade,) = floor.exchange.trades()
    bust = BustTrade(exchange=EXCHANGE, partition=0, trade=trade.published(), reason="a wrong price", time_ms=1)
    floor.everywhere(bust, accounts=False)
    balances = floor.world.read(floor.me, "/api/v1/balances").json()["balances"]
    assert {each["asset"]: each["free"] for each in balances} == {"USD": "10000", "ABC": "1000"}
    assert floor.world.read(floor.me, f"{ORDERS}/{order_id}").json()["filled"] == "10"
    events = [event for one in floor.world.read(floor.me, "/api/v1/executions").json()["executions"]
              for event in one["events"]]  # fmt: skip
    assert events[-1]["event"] == "trade_reversed" and events[-1]["loss"] == "0"
