"""Signed reads: who may see what, for how long, and from which key."""

import httpx
import msgspec
import pytest

from schemas.commands import DelegateKey, RevokeKey, SettleWithdrawal, Withdraw
from schemas.signing import encode_bytes
from tests.exchange import EXCHANGE, Signer
from tests.unit.gateway_world import GatewayWorld

BALANCES = "/api/v1/balances"


@pytest.fixture
def world() -> GatewayWorld:
    return GatewayWorld()


@pytest.fixture
def me(world: GatewayWorld) -> Signer:
    signer = world.exchange.open_account(USD="1000")
    world.pump()
    return signer


def told(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


def test_the_root_key_reads(world, me):
    answer = world.read(me, BALANCES)
    assert (answer.status_code, answer.json()["balances"]) == (200, [{"asset": "USD", "free": "1000", "reserved": "0"}])


@pytest.mark.parametrize("missing", ["Account", "Key", "Time", "Signature"])
def test_each_header_is_needed(world, me, missing):
    headers = world.read_headers(me, BALANCES)
    del headers[f"Glassbook-{missing}"]
    assert told(world.request("GET", BALANCES, headers=headers)) == (401, "NO_SIGNATURE")


@pytest.mark.parametrize(
    "change, status, code",
    [
        ({"Glassbook-Time": "soon"}, 400, "BAD_PARAMETER"),
        ({"Glassbook-Time": "-1"}, 400, "BAD_PARAMETER"),
        ({"Glassbook-Time": "1"}, 401, "BAD_SIGNATURE"),
        ({"Glassbook-Signature": "AAAA"}, 401, "BAD_SIGNATURE"),
        ({"Glassbook-Account": "0" * 40}, 401, "BAD_SIGNATURE"),
        ({"Glassbook-Key": "ed25519:AAAA"}, 401, "BAD_KEY"),
    ],
)
def test_changed_headers(world, me, change, status, code):
    headers = world.read_headers(me, BALANCES) | change
    assert told(world.request("GET", BALANCES, headers=headers)) == (status, code)


def test_a_signature_is_for_one_path_with_its_query(world, me):
    headers = world.read_headers(me, "/api/v1/orders?status=open")
    assert world.request("GET", "/api/v1/orders?status=open", headers=headers).status_code == 200
    assert told(world.request("GET", "/api/v1/orders", headers=headers)) == (401, "BAD_SIGNATURE")
    assert told(world.request("GET", "/api/v1/orders?status=open&limit=5", headers=headers)) == (401, "BAD_SIGNATURE")


@pytest.mark.parametrize("off_ms, code", [(10_001, "TOO_OLD"), (-10_001, "TOO_NEW")])
def test_a_signature_is_good_for_ten_seconds(world, me, off_ms, code):
    headers = world.read_headers(me, BALANCES)
    world.exchange.cluster.now_ms += off_ms
    assert told(world.request("GET", BALANCES, headers=headers)) == (422, code)


def test_a_trade_key_reads_until_it_expires_or_is_revoked(world, me):
    trader, until = Signer(77), world.exchange.cluster.now_ms + 5_000

    def read() -> tuple[int, str | None]:
        return told(world.request("GET", BALANCES, headers=world.read_headers(trader, BALANCES, account=me.account)))

    assert read() == (403, "KEY_REVOKED")
    command = DelegateKey(trade_key=trader.key, valid_until_ms=until, **world.exchange.window(me))
    assert world.submit(me, "POST", "/api/v1/keys", command).status_code == 200
    assert read() == (200, None)
    world.exchange.cluster.now_ms = until + 1
    assert read() == (401, "DELEGATION_EXPIRED")
    revoke = RevokeKey(trade_key=trader.key, **world.exchange.window(me))
    assert world.submit(me, "POST", "/api/v1/keys/revoke", revoke).status_code == 200
    assert read() == (403, "KEY_REVOKED")


def test_somebody_elses_orders_are_unknown(world, me):
    other = world.exchange.open_account(USD="1000")
    world.pump()
    order = world.place(me, "BUY", "1", "9.50").json()
    for target in (order["order_id"], f"by-client-id/{order['client_order_id']}", "0-1", "7-1", "0-99999"):
        assert told(world.read(other, f"/api/v1/orders/{target}")) == (404, "UNKNOWN_ORDER")
    assert told(world.read(me, "/api/v1/orders/nonsense")) == (400, "BAD_PARAMETER")


def test_an_account_that_is_not_registered(world):
    assert told(world.read(Signer(4000), BALANCES)) == (404, "UNKNOWN_ACCOUNT")


def test_a_position_that_never_comes(world, me, monkeypatch):
    monkeypatch.setattr("producers.account_routes.READ_AFTER_S", 0.01)
    for position, expected in (("0-999999", (503, "NOT_READY")), ("9-1", (400, "BAD_PARAMETER")), ("x", (400, None))):
        status, code = told(world.read(me, BALANCES, **{"Glassbook-Read-After": position}))
        assert (status, code) == (expected[0], expected[1] or "BAD_PARAMETER")
    assert world.waiting._by_position.get(0, []) == []


def test_open_orders_are_paged_and_filtered(world, me):
    ids = [world.place(me, "BUY", "1", f"9.{i}").json()["order_id"] for i in range(1, 6)]
    page = world.read(me, "/api/v1/orders?limit=2").json()
    assert ([one["order_id"] for one in page["orders"]], page["next_after"]) == (ids[:2], ids[1])
    assert "trades" not in page["orders"][0]
    rest = world.read(me, f"/api/v1/orders?status=open&after={page['next_after']}").json()
    assert ([one["order_id"] for one in rest["orders"]], rest["next_after"]) == (ids[2:], None)
    assert world.read(me, "/api/v1/orders?symbol=NONE").json()["orders"] == []


@pytest.mark.parametrize("paid, free", [(True, "900"), (False, "1000")])
def test_a_withdrawal_is_reserved_at_once_and_settled_by_the_operator(world, me, paid, free):
    withdraw = Withdraw(asset="USD", amount="100", destination="bank", **world.exchange.window(me))
    opened = world.submit(me, "POST", "/api/v1/withdrawals", withdraw).json()
    withdrawal_id = opened["event"]["withdrawal_id"]
    assert opened["balances"] == [{"asset": "USD", "free": "900", "reserved": "100"}]
    waiting = world.read(me, BALANCES).json()["withdrawals"]
    assert waiting == [{"withdrawal_id": withdrawal_id, "asset": "USD", "amount": "100", "destination": "bank"}]
    settle = SettleWithdrawal(
        exchange=EXCHANGE, account=me.account, withdrawal_id=withdrawal_id, paid=paid, time_ms=1
    )  # fmt: skip
    path = f"/api/v1/withdrawals/{withdrawal_id}/settlement"
    closed = world.submit(world.exchange.operator, "POST", path, settle).json()
    assert closed["balances"] == [{"asset": "USD", "free": free, "reserved": "0"}]
    assert world.read(me, BALANCES).json()["withdrawals"] == []


def test_the_signed_bytes_are_as_documented(world, me):
    """`docs/api.md` says them in words; this is the same by hand."""
    time_ms = str(world.exchange.cluster.now_ms)
    message = f"glassbook read v1\n{EXCHANGE}\nGET\n{BALANCES}\n{me.account}\n{time_ms}".encode()
    headers = {
        "Glassbook-Account": me.account,
        "Glassbook-Key": me.key,
        "Glassbook-Time": time_ms,
        "Glassbook-Signature": encode_bytes(me._key.sign(message).signature),
    }
    answer = world.request("GET", BALANCES, headers=headers)
    assert msgspec.json.decode(answer.content)["account"] == me.account
