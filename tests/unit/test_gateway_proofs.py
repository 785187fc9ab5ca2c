"""What proves a trade: the signed commands that it was made of, byte for byte, and nothing else."""

from typing import Any

import msgspec
import pytest

from producers import proofs
from schemas.authority import open_signed
from schemas.commands import AmendOrder, decode_command
from schemas.records import Funded, SignedCommand, Submitted
from tests.exchange import Signer
from tests.unit.gateway_world import GatewayWorld

PATH = "/api/v1/markets/ABC-USD/trades/{}/proof"


@pytest.fixture
def world() -> GatewayWorld:
    return GatewayWorld()


def funded(world: GatewayWorld) -> Signer:
    signer = world.exchange.open_account(USD="100000", ABC="1000")
    world.pump()
    return signer


def proof(world: GatewayWorld, sequence: int = 1) -> dict[str, Any]:
    answer = world.request("GET", PATH.format(sequence))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def signed_in(record: dict[str, Any]) -> SignedCommand:
    found: Submitted | Funded = msgspec.json.decode(record["value"], type=Submitted | Funded)
    return found.signed


def amend(world: GatewayWorld, signer: Signer, order_id: str, quantity: str, price: str) -> None:
    window = world.exchange.window(signer)
    command = AmendOrder(**window, order_id=order_id, quantity=quantity, price=price)
    answer = world.submit(signer, "PUT", f"/api/v1/orders/{order_id}", command)
    assert answer.status_code == 200, answer.text


def test_both_orders_and_the_cause_stand_in_it_byte_for_byte(world):
    maker, taker = funded(world), funded(world)
    resting = world.place(maker, "SELL", "10", "9.50").json()["order_id"]
    taking = world.place(taker, "BUY", "4", "9.60").json()["order_id"]
    found = proof(world)
    assert (found["trade"]["price"], found["trade"]["maker_account"]) == ("9.5", maker.account)
    placed, cause, made = found["records"]
    assert [(r["role"], r["topic"]) for r in found["records"]] == [
        ("TAKER", "accounts"), ("TAKER", "orders"), ("MAKER", "accounts"),
    ]  # fmt: skip
    assert f"{placed['partition']}-{placed['offset']}" == taking
    assert f"{made['partition']}-{made['offset']}" == resting
    assert found["trade"]["trade_id"].startswith(f"{cause['partition']}-{cause['offset']}-")
    assert found["complete"] is True
    for record, owner in ((placed, taker), (cause, taker), (made, maker)):
        stands = world.exchange.cluster.values(record["topic"], record["partition"])[record["offset"]]
        assert record["value"].encode() == stands
        assert open_signed(signed_in(record)).command.account == owner.account  # type: ignore[union-attr]


def test_the_makers_amends_before_the_trade_are_in_it(world):
    maker, taker = funded(world), funded(world)
    resting = world.place(maker, "SELL", "10", "9.50").json()["order_id"]
    for price in ("9.60", "9.70"):
        amend(world, maker, resting, "10", price)
    world.place(taker, "BUY", "4", "9.80")
    amend(world, maker, resting, "10", "9.90")
    amends = [decode_command(bytes(signed_in(record).command)) for record in proof(world)["records"][3:]]
    prices = [amend.price for amend in amends if isinstance(amend, AmendOrder)]
    assert prices == ["9.60", "9.70"]


def test_a_taker_that_amended_into_the_book_is_shown_with_its_amend(world):
    maker, taker = funded(world), funded(world)
    world.place(maker, "SELL", "10", "9.50")
    waiting = world.place(taker, "BUY", "4", "9").json()["order_id"]
    amend(world, taker, waiting, "4", "9.60")
    placed, cause, *_ = proof(world)["records"]
    assert isinstance(decode_command(bytes(signed_in(cause).command)), AmendOrder)
    assert f"{placed['partition']}-{placed['offset']}" == waiting


def test_more_amends_than_are_shown_leave_it_incomplete(world):
    maker, taker = funded(world), funded(world)
    resting = world.place(maker, "SELL", "10", "9.50").json()["order_id"]
    for cents in range(60, 60 + proofs.MAX_AMENDS + 1):
        amend(world, maker, resting, "10", f"9.{cents}")
    world.place(taker, "BUY", "4", "9.99")
    found = proof(world)
    assert len(found["records"]) == 3 + proofs.MAX_AMENDS
    assert found["complete"] is False


def test_what_lies_too_far_back_is_not_looked_for(world, monkeypatch):
    monkeypatch.setattr(proofs, "REACHES", (2, 4))
    maker, taker = funded(world), funded(world)
    resting = world.place(maker, "SELL", "10", "9.50").json()["order_id"]
    amend(world, maker, resting, "10", "9.60")
    for _ in range(6):
        world.exchange.tick()
    world.settle()
    world.place(taker, "BUY", "4", "9.70")
    found = proof(world)
    assert len(found["records"]) == 3
    assert found["complete"] is False


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (PATH.format(2), 404, "UNKNOWN_TRADE"),
        (PATH.format(0), 400, "BAD_PARAMETER"),
        (PATH.format("x"), 400, "BAD_PARAMETER"),
        (PATH.format(1) + "?more=1", 400, "BAD_PARAMETER"),
        (PATH.format(1).replace("ABC-USD", "XYZ"), 404, "UNKNOWN_SYMBOL"),
    ],
)
def test_what_there_is_no_proof_of_is_refused(world, path, status, code):
    maker, taker = funded(world), funded(world)
    world.place(maker, "SELL", "10", "9.50")
    world.place(taker, "BUY", "4", "9.60")
    answer = world.request("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
