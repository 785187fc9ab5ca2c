"""What the gateway lends to connections: order entry as over REST, and an account's own stream."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from producers.account_stream import TARGET, AccountStreams
from producers.entry import order_entry
from producers.intake import Batch
from producers.limits import Rates
from schemas.commands import CancelAll, CancelOrder, DelegateKey, RevokeKey
from schemas.reasons import Reason
from schemas.records import SignedCommand
from schemas.refusal import Refused
from tests.exchange import Signer
from tests.unit.gateway_world import GatewayWorld, run


class Asked(NamedTuple):
    body: bytes
    wait: str | None = None
    timeout_ms: int | None = None
    address: str = "127.0.0.1"


def enter(world: GatewayWorld, method: str, body: bytes | SignedCommand | Batch, **more: Any) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)

    async def call() -> tuple[int, bytes]:
        return await order_entry(world.gateway)[method](Asked(raw, **more))

    status, document = run(call())
    return status, msgspec.json.decode(document)


@pytest.fixture
def world() -> GatewayWorld:
    return GatewayWorld()


def trader(world: GatewayWorld) -> Signer:
    signer = world.exchange.open_account(USD="100000", ABC="1000")
    world.settle()
    return signer


def test_orders_go_the_same_way_as_over_rest(world):
    maker, taker = trader(world), trader(world)
    signed = maker.sign(world.exchange.order(maker, "SELL", "5", "10"))
    status, placed = enter(world, "order.place", signed)
    assert (status, placed["status"]) == (200, "OPEN")
    assert world.send("POST", "/api/v1/orders", signed).json()["original_id"] == placed["order_id"]
    status, filled = enter(world, "order.place", taker.sign(world.exchange.order(taker, "BUY", "2", "10")))
    assert (status, filled["status"]) == (200, "FILLED")
    cancel = CancelOrder(order_id=placed["order_id"], **world.exchange.window(maker))
    status, cancelled = enter(world, "order.cancel", maker.sign(cancel))
    assert (status, cancelled["status"]) == (200, "CANCELLED")
    batch = world.batch(maker, [world.exchange.order(maker, "SELL", "1", price) for price in ("20", "0.123")])
    status, results = enter(world, "order.batch", batch)
    assert (status, [one["status"] for one in results["results"]]) == (200, [200, 422])
    status, gone = enter(world, "order.cancel_all", maker.sign(CancelAll(**world.exchange.window(maker))))
    assert (status, [one["status"] for one in gone["orders"]]) == (200, ["CANCELLED"])


def test_the_logs_word_is_enough_if_that_is_wanted(world):
    maker = trader(world)
    signed = maker.sign(world.exchange.order(maker, "SELL", "5", "10"))
    status, receipt = enter(world, "order.place", signed, wait="log")
    assert (status, receipt["outcome"]) == (202, "PENDING")


@pytest.mark.parametrize(
    ("body", "more", "status", "code"),
    [
        (b"{", {}, 400, "NOT_JSON"),
        (b"{}", {}, 422, "MISSING_FIELD"),
        (b'{"command":{},"command":{}}', {}, 400, "DUPLICATE_FIELD"),
        (b"{}", {"wait": "forever"}, 400, "BAD_PARAMETER"),
        (b"{}", {"timeout_ms": 0}, 400, "BAD_PARAMETER"),
        (b"{}", {"timeout_ms": 30_001}, 400, "BAD_PARAMETER"),
    ],
)
def test_refusals_are_those_of_rest(world, body, more, status, code):
    found, document = enter(world, "order.place", body, **more)
    assert (found, document["code"], document["instance"]) == (status, code, "order.place")
    assert not world.log.appended - len(world.view.results)


def test_a_method_takes_its_own_kind_of_command_and_only_with_its_signature(world):
    maker, other = trader(world), trader(world)
    order = world.exchange.order(maker, "SELL", "5", "10")
    status, document = enter(world, "order.cancel", maker.sign(order))
    assert (status, document["code"]) == (422, "UNKNOWN_RECORD")
    status, document = enter(world, "order.place", other.sign(order))
    assert (status, document["code"]) == (401, "WRONG_ACCOUNT")


def test_rates_are_those_of_rest():
    world = GatewayWorld(rates=Rates(account=2, address=4))
    maker = trader(world)
    codes = []
    for _ in range(5):
        _, document = enter(world, "order.place", maker.sign(world.exchange.order(maker, "SELL", "1", "10")))
        codes.append(document.get("detail", "").rpartition(" ")[2])
    assert codes == ["", "", "account", "account", "address"]


def test_a_programmers_error_is_an_answer_too(world, monkeypatch):
    maker = trader(world)
    monkeypatch.setattr("producers.submit.check_command", lambda *args: 1 / 0)
    status, document = enter(world, "order.place", maker.sign(world.exchange.order(maker, "SELL", "1", "10")))
    assert (status, document["code"]) == (500, "INTERNAL_ERROR")


# --- an account's stream


class Heard:
    def __init__(self) -> None:
        self.documents: list[Any] = []

    def __call__(self, data: bytes) -> None:
        self.documents.append(msgspec.json.decode(data))


def auth(world: GatewayWorld, signer: Signer, account: str | None = None) -> bytes:
    headers = world.read_headers(signer, TARGET, account)
    return msgspec.json.encode(
        {
            "account": headers["Glassbook-Account"],
            "key": headers["Glassbook-Key"],
            "time_ms": int(headers["Glassbook-Time"]),
            "signature": headers["Glassbook-Signature"],
        }
    )


def listen(world: GatewayWorld, signer: Signer) -> tuple[Any, Heard, Callable[[], None]]:
    heard = Heard()
    first, end = AccountStreams(world.gateway, world.listeners).open(auth(world, signer), heard)
    return msgspec.json.decode(first), heard, end


def test_the_owner_is_told_all_that_happens_in_order(world):
    maker, taker = trader(world), trader(world)
    resting = world.place(maker, "SELL", "5", "10").json()
    first, heard, end = listen(world, maker)
    assert first["type"] == "snapshot" and [order["order_id"] for order in first["orders"]] == [resting["order_id"]]
    assert {one["asset"]: (one["free"], one["reserved"]) for one in first["balances"]}["ABC"] == ("995", "5")
    world.place(taker, "BUY", "2", "10")
    world.submit(maker, "POST", "/api/v1/orders/cancel", CancelAll(**world.exchange.window(maker)))
    sequences = [document["sequence"] for document in heard.documents]
    assert sequences == list(range(first["sequence"] + 1, first["sequence"] + 1 + len(sequences)))
    filled = next(one for one in heard.documents if one["events"][0]["event"] == "order_filled")
    assert (filled["orders"][0]["filled"], filled["orders"][0]["status"]) == ("2", "OPEN")
    assert heard.documents[-1]["orders"][0]["status"] == "CANCELLED"
    read = world.read(maker, "/api/v1/executions?after=0").json()["executions"]
    assert heard.documents[-1]["events"] == read[-1]["events"]
    assert heard.documents[-1]["balances"] == read[-1]["balances"]
    count = len(heard.documents)
    end()
    world.place(maker, "SELL", "5", "10")
    assert len(heard.documents) == count


def test_others_are_told_nothing(world):
    maker, other = trader(world), trader(world)
    _, heard, _ = listen(world, other)
    world.place(maker, "SELL", "5", "10")
    assert heard.documents == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"signature": "x"}, Reason.BAD_SIGNATURE),
        ({"time_ms": 5}, Reason.BAD_SIGNATURE),
        ({"account": "f" * 40}, Reason.BAD_SIGNATURE),
        ({"key": None}, Reason.NO_SIGNATURE),
        ({"more": 1}, Reason.NO_SIGNATURE),
    ],
)
def test_only_the_owners_signature_opens_it(world, change, reason):
    maker = trader(world)
    wrong = msgspec.json.encode(msgspec.json.decode(auth(world, maker)) | change)
    with pytest.raises(Refused) as refused:
        AccountStreams(world.gateway, world.listeners).open(wrong, Heard())
    assert refused.value.reason is reason


def test_a_signature_is_good_for_seconds_only(world):
    maker = trader(world)
    old = auth(world, maker)
    world.exchange.cluster.now_ms += 11_000
    with pytest.raises(Refused) as refused:
        AccountStreams(world.gateway, world.listeners).open(old, Heard())
    assert refused.value.reason is Reason.TOO_OLD
    with pytest.raises(Refused) as refused:
        AccountStreams(world.gateway, world.listeners).open(auth(world, maker, trader(world).account), Heard())
    assert refused.value.reason is Reason.KEY_REVOKED


def test_a_revoked_key_hears_of_it_and_of_nothing_more(world):
    me, trading = trader(world), Signer(10**6)
    until_ms = world.exchange.cluster.now_ms + 10**9
    delegate = DelegateKey(trade_key=trading.key, valid_until_ms=until_ms, **world.exchange.window(me))
    assert world.submit(me, "POST", "/api/v1/keys", delegate).status_code == 200
    heard = Heard()
    AccountStreams(world.gateway, world.listeners).open(auth(world, trading, me.account), heard)
    revoke = RevokeKey(trade_key=trading.key, **world.exchange.window(me))
    assert world.submit(me, "POST", "/api/v1/keys/revoke", revoke).status_code == 200
    world.place(me, "SELL", "5", "10")
    assert [document["type"] for document in heard.documents] == ["update", "ended"]
    assert heard.documents[-1]["code"] == "KEY_REVOKED"


def test_a_view_that_is_read_anew_begins_again(world):
    maker = trader(world)
    first, heard, _ = listen(world, maker)
    world.listeners.restored()
    assert heard.documents == [first]
