"""Every row of docs/refusals.md: through the gateway, and for rows that the log checks, with the command put straight
there."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from producers.limits import Rates
from producers.problems import STATUS
from schemas.codec import encode
from schemas.commands import (
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    DelegateKey,
    Deposit,
    NewOrder,
    OrderType,
    RegisterAccount,
    RevokeKey,
    SettleWithdrawal,
    TimeInForce,
    Withdraw,
    encode_command,
)
from schemas.journal import CommandRefused
from schemas.market import MarketState
from schemas.reasons import TEXTS, Reason
from schemas.records import Delegation, SignedCommand
from schemas.signing import decode_bytes, encode_bytes
from tests.exchange import EXCHANGE, Signer, market
from tests.unit.gateway_world import GatewayWorld

ORDERS = "/api/v1/orders"
DOCS = Path(__file__).parents[2] / "docs" / "refusals.md"
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


class Scene:
    """A world with two funded accounts."""

    def __init__(self, **world: Any) -> None:
        genesis: dict[str, Any] = {"max_open_orders": 3}
        fine = {"base_decimals": 18, "quote_decimals": 18, "lot": "0.01", "min_quantity": "0.01", "max_quantity": "9"}
        markets = [
            market(),
            market("HALT-USD", 0, state=MarketState.HALTED),
            market("FINE-BIG", 0, price_high="1000000", **fine),
        ]
        self.world = GatewayWorld(markets, **(genesis | world))
        self.exchange = self.world.exchange
        self.me, self.other = (self.exchange.open_account(USD="10000", ABC="1000") for _ in range(2))
        self.trade_key = Signer(77)
        self.world.pump()

    def order(self, **changes: Any) -> NewOrder:
        return self.exchange.order(self.me, **({"side": "BUY", "quantity": "10", "price": "9.50"} | changes))

    def window(self) -> dict[str, Any]:
        return self.exchange.window(self.me)

    def place(self, **changes: Any) -> Any:
        answer = self.world.submit(self.me, "POST", ORDERS, self.order(**changes))
        assert answer.status_code == 200, answer.json()
        return answer.json()

    def delegation(self, signer: Signer | None = None, account: str | None = None, valid_ms: int = 10**9) -> Delegation:
        root = signer or self.me
        window = self.exchange.window(root) | ({"account": account} if account else {})
        until = self.exchange.cluster.now_ms + valid_ms
        signed = root.sign(DelegateKey(**window, trade_key=self.trade_key.key, valid_until_ms=until))
        return Delegation(signed.command, signed.key, signed.signature)

    def by_trade_key(self, command: Command, delegation: Delegation) -> SignedCommand:
        signed = self.trade_key.sign(command)
        return SignedCommand(signed.command, signed.key, signed.signature, delegation)

    def register_trade_key(self, valid_ms: int = 10**9) -> Delegation:
        delegation = self.delegation(valid_ms=valid_ms)
        signed = SignedCommand(delegation.command, delegation.key, delegation.signature)
        assert self.world.send("POST", "/api/v1/keys", signed).status_code == 200
        return delegation

    def filled(self) -> str:
        """An order of mine that is filled."""
        self.exchange.place(self.other, "SELL", "10", "9.50")
        return str(self.place()["order_id"])

    def deposit(self, **changes: Any) -> Deposit:
        fields = {"exchange": EXCHANGE, "account": self.me.account, "asset": "USD", "amount": "1", "transfer_id": "x"}
        return Deposit(**(fields | {"time_ms": 1} | changes))


@dataclasses.dataclass
class Sent:
    """A request; `signed` is what goes straight onto the log."""

    body: SignedCommand
    target: str = ORDERS
    method: str = "POST"


Make = Callable[[Scene], Sent]


@dataclasses.dataclass
class Row:
    reason: Reason
    what: str
    make: Make


def order(**changes: Any) -> Make:
    return lambda scene: Sent(scene.me.sign(scene.order(**changes)))


def edited(edit: Callable[[bytes], bytes], sign: bool = True) -> Make:
    """The canonical bytes changed before they are signed, or behind the signature."""

    def make(scene: Scene) -> Sent:
        raw = encode_command(scene.order())
        changed = edit(raw)
        assert changed != raw
        signature = encode_bytes(scene.me._key.sign(changed if sign else raw).signature)
        return Sent(SignedCommand(Raw(changed), scene.me.key, signature))

    return make


def replaced(old: bytes, new: bytes, sign: bool = True) -> Make:
    return edited(lambda raw: raw.replace(old, new, 1), sign)


def price(text: str) -> Make:
    return replaced(b'"9.50"', text.encode())


def signature_of(change: Callable[[SignedCommand], SignedCommand]) -> Make:
    return lambda scene: Sent(change(scene.me.sign(scene.order())))


def malleated(signed: SignedCommand) -> SignedCommand:
    """The other s that verifies where nobody checks its range: s + the group's order."""
    data = decode_bytes(signed.signature)
    s = int.from_bytes(data[32:], "little") + ED25519_ORDER
    return SignedCommand(signed.command, signed.key, encode_bytes(data[:32] + s.to_bytes(32, "little")))


def by_key(key: str) -> Callable[[SignedCommand], SignedCommand]:
    return lambda signed: SignedCommand(signed.command, key, signed.signature)


def market_order(**changes: Any) -> Make:
    return order(type=OrderType.MARKET, time_in_force=TimeInForce.IOC, **changes)


def cancel(order_id: Callable[[Scene], str]) -> Make:
    def make(scene: Scene) -> Sent:
        named = order_id(scene)
        return Sent(scene.me.sign(CancelOrder(order_id=named, **scene.window())), f"{ORDERS}/{named}", "DELETE")

    return make


def amend(order_id: Callable[[Scene], str], **changes: Any) -> Make:
    def make(scene: Scene) -> Sent:
        named = order_id(scene)
        command = AmendOrder(order_id=named, **({"quantity": "5"} | changes), **scene.window())
        return Sent(scene.me.sign(command), f"{ORDERS}/{named}", "PUT")

    return make


def command(target: str, make: Callable[[Scene], Command], method: str = "POST", operator: bool = False) -> Make:
    def sent(scene: Scene) -> Sent:
        signer = scene.exchange.operator if operator else scene.me
        return Sent(signer.sign(make(scene)), target, method)

    return sent


def mandate(timeout_ms: int) -> Make:
    return command(f"{ORDERS}/cancel-all-after", lambda scene: CancelAllAfter(timeout_ms=timeout_ms, **scene.window()))


def late(scene: Scene) -> Sent:
    signed = scene.me.sign(scene.order())
    scene.exchange.cluster.now_ms += 6000
    return Sent(signed)


def with_fields(**changes: Any) -> Make:
    """Fields of the window itself."""

    def make(scene: Scene) -> Sent:
        fields = scene.window()
        shifted = {name: fields["time_ms"] + value for name, value in changes.items()}
        return Sent(scene.me.sign(msgspec.structs.replace(scene.order(), **shifted)))

    return make


def after(prepare: Callable[[Scene], Any], make: Make) -> Make:
    def sent(scene: Scene) -> Sent:
        prepare(scene)
        return make(scene)

    return sent


def same_nonce(scene: Scene) -> Sent:
    nonce = scene.window()["nonce"]
    scene.place(nonce=nonce)
    return Sent(scene.me.sign(msgspec.structs.replace(scene.order(), nonce=nonce)))


def old_nonce(scene: Scene) -> Sent:
    placed = scene.order()
    scene.world.submit(scene.me, "POST", ORDERS, msgspec.structs.replace(placed, nonce=placed.nonce + 1024))
    return Sent(scene.me.sign(msgspec.structs.replace(scene.order(client_order_id="n"), nonce=placed.nonce)))


def same_client_id(scene: Scene) -> Sent:
    return Sent(scene.me.sign(scene.order(client_order_id=scene.place()["client_order_id"], quantity="11")))


def with_trade_key(delegation: Callable[[Scene], Delegation], make: Callable[[Scene], Command] = Scene.order) -> Make:
    def sent(scene: Scene) -> Sent:
        given = delegation(scene)
        return Sent(scene.by_trade_key(make(scene), given))

    return sent


def revoked(scene: Scene) -> Delegation:
    delegation = scene.register_trade_key()
    command = RevokeKey(trade_key=scene.trade_key.key, **scene.window())
    assert scene.world.submit(scene.me, "DELETE", "/api/v1/keys", command).status_code == 200
    return delegation


def expired(scene: Scene) -> Delegation:
    delegation = scene.register_trade_key(valid_ms=1000)
    scene.exchange.cluster.now_ms += 2000
    return delegation


def withdrawal(scene: Scene) -> Command:
    return Withdraw(asset="USD", amount="1", destination="here", **scene.window())


def theirs(scene: Scene) -> str:
    return scene.exchange.place(scene.other, "SELL", "1", "99")


def mine(scene: Scene) -> str:
    return str(scene.place()["order_id"])


def resting_market_order_is_never(scene: Scene) -> str:
    """A market order that the ledger has opened and the matcher has not seen yet."""
    scene.world.log.settles = False
    answer = scene.world.submit(
        scene.me, "POST", f"{ORDERS}?wait=log", scene.exchange.order(scene.me, "BUY", None, None, max_quote="10")
    )
    scene.world.log.settles = True
    return str(answer.json()["order_id"])


def partly_filled(scene: Scene) -> str:
    scene.exchange.place(scene.other, "SELL", "6", "9.50")
    return str(scene.place()["order_id"])


def key(seed: int) -> str:
    return Signer(seed).key


def register(seed: int = 5000) -> Callable[[Scene], Command]:
    return lambda scene: RegisterAccount(exchange=EXCHANGE, root_key=Signer(seed).key, time_ms=1)


def many(scene: Scene) -> None:
    for _ in range(3):
        scene.place(quantity="1")


def unsettled(scene: Scene) -> SettleWithdrawal:
    return SettleWithdrawal(exchange=EXCHANGE, account=scene.me.account, withdrawal_id="0-1", paid=True, time_ms=1)


GATEWAY_AND_LOG = [
    Row(Reason.NOT_JSON, "no JSON", edited(lambda raw: raw[:-1])),
    Row(Reason.DUPLICATE_FIELD, "a field twice", replaced(b'"price":"9.50"', b'"price":"9.50","price":"9.60"')),
    Row(Reason.UNKNOWN_FIELD, "an unknown field", replaced(b'"price":', b'"prise":"1","price":')),
    Row(Reason.MISSING_FIELD, "a field missing", replaced(b'"side":"BUY",', b"")),
    Row(Reason.MISSING_FIELD, "a limit order without a price", replaced(b'"price":"9.50",', b"")),
    Row(Reason.MISSING_FIELD, "a market buy without max_quote", market_order(price=None)),
    Row(Reason.WRONG_TYPE, "a JSON float", price("9.5")),
    Row(Reason.WRONG_TYPE, "a JSON integer", price("9")),
    Row(Reason.WRONG_TYPE, "NaN, bare", price("NaN")),
    Row(Reason.WRONG_TYPE, "an unknown side", replaced(b'"BUY"', b'"BUYS"')),
    Row(Reason.BAD_DECIMAL, "NaN", price('"NaN"')),
    Row(Reason.BAD_DECIMAL, "Infinity", price('"Infinity"')),
    Row(Reason.BAD_DECIMAL, "1e400", price('"1e400"')),
    Row(Reason.BAD_DECIMAL, "other digits", price('"\u0669.\u0665"')),
    Row(Reason.NOT_POSITIVE, "price zero", price('"0"')),
    Row(Reason.NOT_POSITIVE, "price negative", price('"-9.50"')),
    Row(Reason.NOT_POSITIVE, "quantity zero", order(quantity="0")),
    Row(Reason.NOT_POSITIVE, "quantity negative", order(quantity="-1")),
    Row(Reason.TOO_LARGE, "price above 2^63", price(f'"{2**63}.00"')),
    Row(Reason.TOO_LARGE, "quantity above 2^63", order(quantity=str(2**63))),
    Row(Reason.WRONG_TYPE, "nonce above 2^63", replaced(b'"nonce":', b'"nonce":92233720368547758080')),
    Row(Reason.BAD_CLIENT_ORDER_ID, "a newline in a client id", order(client_order_id="a\nb")),
    Row(Reason.BAD_COMBINATION, "a market order with a price", market_order(max_quote="10")),
    Row(Reason.BAD_COMBINATION, "post-only and IOC", order(post_only=True, time_in_force=TimeInForce.IOC)),
    Row(Reason.RECORD_TOO_LARGE, "4,097 bytes", replaced(b'"c1"', b'"' + b"c" * 4000 + b'"')),
    Row(Reason.NO_SIGNATURE, "an empty signature", signature_of(lambda s: SignedCommand(s.command, s.key, ""))),
    Row(Reason.BAD_SIGNATURE, "another signature", replaced(b'"10"', b'"11"', sign=False)),
    Row(Reason.BAD_SIGNATURE, "signed for another symbol", replaced(b"ABC-USD", b"XYZ-USD", sign=False)),
    Row(Reason.BAD_SIGNATURE, "malleated", signature_of(malleated)),
    Row(Reason.BAD_SIGNATURE, "too short", signature_of(lambda s: SignedCommand(s.command, s.key, s.signature[:40]))),
    Row(Reason.WRONG_ACCOUNT, "another account's key", lambda scene: Sent(scene.other.sign(scene.order()))),
    Row(Reason.WRONG_ACCOUNT, "another account's delegation", with_trade_key(lambda s: s.delegation(s.other))),
    Row(Reason.WRONG_ACCOUNT, "a delegation by no root key", with_trade_key(
        lambda s: s.delegation(s.other, account=s.me.account))),
    Row(Reason.BAD_SIGNATURE, "a delegation with a wrong signature", with_trade_key(
        lambda s: msgspec.structs.replace(s.delegation(), signature=s.me.sign(s.order()).signature))),
    Row(Reason.WRONG_EXCHANGE, "another exchange", order(exchange="elsewhere")),
    Row(Reason.ROOT_KEY_REQUIRED, "a trade key withdraws", lambda s: dataclasses.replace(
        with_trade_key(Scene.register_trade_key, withdrawal)(s), target="/api/v1/withdrawals")),
    Row(Reason.NOT_OPERATOR, "a deposit by somebody", command("/api/v1/deposits", Scene.deposit)),
    Row(Reason.NOT_OPERATOR, "registered by somebody", command("/api/v1/accounts", register())),
    Row(Reason.TOO_OLD, "past its deadline", late),
    Row(Reason.TOO_NEW, "made in the future", with_fields(time_ms=1001, deadline_ms=2000)),
    Row(Reason.WINDOW_TOO_LONG, "a window above a minute", with_fields(deadline_ms=60_001)),
    Row(Reason.WINDOW_TOO_LONG, "a deadline before the time", with_fields(deadline_ms=0)),
    Row(Reason.UNKNOWN_SYMBOL, "no such market", order(symbol="NONE-USD")),
    Row(Reason.MARKET_NOT_OPEN, "a halted market", order(symbol="HALT-USD")),
    Row(Reason.OFF_TICK, "off tick", price('"9.505"')),
    Row(Reason.OFF_LOT, "off lot", order(quantity="1.5")),
    Row(Reason.BELOW_MIN_QUANTITY, "below the minimum", order(symbol="HALF-USD", quantity="1")),
    Row(Reason.ABOVE_MAX_QUANTITY, "above the maximum", order(quantity="1000001")),
    Row(Reason.BELOW_MIN_NOTIONAL, "below the minimum notional", price('"0.01"')),
    Row(Reason.OUTSIDE_PRICE_BAND, "outside the band", price('"100000.01"')),
    Row(Reason.NOTIONAL_OVERFLOW, "too much", order(symbol="FINE-BIG", price="1000000", quantity="9")),
    Row(Reason.ALREADY_EXPIRED, "valid until the past", order(time_in_force=TimeInForce.GTD, valid_until_ms=1)),
    Row(Reason.BAD_TIMEOUT, "a mandate of less than a second", mandate(999)),
    Row(Reason.BAD_TIMEOUT, "a mandate of more than a day", mandate(86_400_001)),
]  # fmt: skip
LOG_ONLY = [
    Row(Reason.DELEGATION_EXPIRED, "an expired trade key", with_trade_key(expired)),
    Row(Reason.KEY_REVOKED, "a revoked trade key", with_trade_key(revoked)),
    Row(Reason.KEY_REVOKED, "a trade key never registered", with_trade_key(Scene.delegation)),
    Row(Reason.NONCE_REUSED, "a nonce again", same_nonce),
    Row(Reason.NONCE_TOO_OLD, "a nonce far below", old_nonce),
    Row(Reason.DUPLICATE_CLIENT_ORDER_ID, "a client id again, other bytes", same_client_id),
    Row(Reason.DUPLICATE_TRANSFER, "a transfer again", after(
        lambda s: s.world.submit(s.exchange.operator, "POST", "/api/v1/deposits", s.deposit(amount="2")),
        command("/api/v1/deposits", Scene.deposit, operator=True))),
    Row(Reason.UNKNOWN_ACCOUNT, "an account not registered", lambda s: Sent(Signer(5001).sign(
        s.exchange.order(Signer(5001), "BUY", "10", "9.50")))),
    Row(Reason.ACCOUNT_EXISTS, "registered twice", command(
        "/api/v1/accounts", lambda s: RegisterAccount(exchange=EXCHANGE, root_key=s.me.key, time_ms=1), operator=True)),
    Row(Reason.UNKNOWN_ASSET, "no market has this asset", command(
        "/api/v1/deposits", lambda s: s.deposit(asset="GOLD"), operator=True)),
    Row(Reason.INSUFFICIENT_FUNDS, "more than is free", order(quantity="2000")),
    Row(Reason.INSUFFICIENT_FUNDS, "two orders race for one balance", after(
        lambda s: s.place(quantity="1000"), order(quantity="100"))),
    Row(Reason.BALANCE_OVERFLOW, "a balance above 2^63", command(
        "/api/v1/deposits", lambda s: s.deposit(amount=str((2**63 - 1) // 10**4)), operator=True)),
    Row(Reason.TOO_MANY_OPEN_ORDERS, "the fourth of three", after(many, order(quantity="1"))),
    Row(Reason.UNKNOWN_KEY, "no such trade key", command(
        "/api/v1/keys", lambda s: RevokeKey(trade_key=key(9), **s.window()), "DELETE")),
    Row(Reason.UNKNOWN_WITHDRAWAL, "nothing to settle", command(
        "/api/v1/withdrawals/0-1/settlement", unsettled, operator=True)),
    Row(Reason.UNKNOWN_ORDER, "cancel of no order", cancel(lambda s: "0-99999")),
    Row(Reason.UNKNOWN_ORDER, "cancel of somebody else's order", cancel(theirs)),
    Row(Reason.ORDER_CLOSED, "cancel of a filled order", cancel(Scene.filled)),
    Row(Reason.ORDER_CLOSED, "amend of a filled order", amend(Scene.filled)),
    Row(Reason.AMEND_BELOW_FILLED, "amend to less than is filled", amend(partly_filled)),
    Row(Reason.NOT_AMENDABLE, "amend of a market order", amend(resting_market_order_is_never)),
]  # fmt: skip
WOULD_TAKE = Row(
    Reason.WOULD_TAKE,
    "post-only that would take",
    after(lambda s: s.exchange.place(s.other, "SELL", "1", "9.50"), order(post_only=True)),
)


def names(row: Row) -> str:
    return f"{row.reason}-{row.what}"


def scene_for(row: Row) -> Scene:
    scene = Scene()
    if row.reason is Reason.BELOW_MIN_QUANTITY:
        scene.exchange.list_market(market("HALF-USD", 0, min_quantity="5"))
        scene.world.settle()
    return scene


@pytest.mark.parametrize("row", [*GATEWAY_AND_LOG, *LOG_ONLY, WOULD_TAKE], ids=names)
def test_the_gateway_says_no_with_the_reason(row: Row):
    scene = scene_for(row)
    sent = row.make(scene)
    before = scene.world.log.appended
    answer = scene.world.send(sent.method, sent.target, encode(sent.body))
    said = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (said["code"], answer.status_code) == (row.reason, STATUS[row.reason]), said
    assert (said["title"], said["status"]) == (TEXTS[row.reason], answer.status_code)
    assert (said["type"], said["instance"]) == (f"/refusals#{row.reason}", sent.target)
    if row in GATEWAY_AND_LOG:
        assert scene.world.log.appended == before, "refused before anything is sent"
    else:
        assert said["stage"] == ("matcher" if row is WOULD_TAKE else "ledger")
        assert "command_id" in said


@pytest.mark.parametrize("row", [*GATEWAY_AND_LOG, *LOG_ONLY], ids=names)
def test_put_straight_onto_the_log_it_is_refused_there(row: Row):
    scene = scene_for(row)
    sent = row.make(scene)
    trades = len(scene.exchange.trades())
    account = sent.body.key and _account(scene, sent)
    partition = scene.world.gateway.partition_of(account)
    offset = scene.exchange.submit_to("accounts", partition, sent.body)
    scene.exchange.run()
    told = [
        event.reason
        for entry in scene.exchange.entries()
        for event in entry.events
        if isinstance(event, CommandRefused) and event.command_id == f"{partition}-{offset}"
    ]
    letters = [msgspec.json.decode(value)["reason"] for value in scene.exchange.cluster.values("dead-letters", 0)]
    # A record that is no JSON at all can't even say whose it is: it becomes a dead letter.
    assert told == [row.reason] or (not told and letters in ([row.reason], [Reason.NOT_JSON])), (told, letters)
    assert len(scene.exchange.trades()) == trades


def _account(scene: Scene, sent: Sent) -> str:
    try:
        claimed = msgspec.json.decode(sent.body.command)
    except msgspec.DecodeError:
        return scene.me.account
    root_key = claimed.get("root_key")
    from schemas.signing import account_of

    return account_of(root_key) if root_key else claimed["account"]


# --- what only the gateway says, and forms that only HTTP has


def test_small_order_and_malformed_keys():
    scene = Scene()
    small = "ed25519:" + encode_bytes(bytes([1]) + bytes(31))
    for bad in (small, "ed25519:AAAA", "rsa:" + "A" * 43, "p256:" + encode_bytes(bytes(33))):
        signed = SignedCommand(scene.me.sign(scene.order()).command, bad, scene.me.sign(scene.order()).signature)
        # Such a key owns an account of its own: the command must be that account's to get as far as the key.
        from schemas.signing import account_of

        command = msgspec.structs.replace(scene.order(), account=account_of(bad))
        signed = SignedCommand(Raw(encode_command(command)), bad, signed.signature)
        answer = scene.world.send("POST", ORDERS, signed)
        assert (answer.status_code, answer.json()["code"]) == (401, "BAD_KEY"), answer.json()
        offset = scene.exchange.submit_to("accounts", scene.world.gateway.partition_of(command.account), signed)
        scene.exchange.run()
        refused = [event for entry in scene.exchange.entries() for event in entry.events][-1]
        assert (refused.reason, refused.command_id.endswith(f"-{offset}")) == (Reason.BAD_KEY, True)


def test_the_envelope_is_as_strict_as_the_command():
    scene = Scene()
    body = encode(scene.me.sign(scene.order()))
    cases = [
        (b"", "NOT_JSON"), (b"[]", "WRONG_TYPE"), (b"nonsense", "NOT_JSON"), (b"\xff", "NOT_JSON"),
        (b'{"command":' + b"[" * 5000, "NOT_JSON"),
        (body[:-1] + b',"key":"x"}', "DUPLICATE_FIELD"),
        (body[:-1] + b',"more":1}', "UNKNOWN_FIELD"),
        (re.sub(rb'"signature":"[^"]*"', b'"signature":1.5', body), "WRONG_TYPE"),
        (re.sub(rb',"signature":"[^"]*"', b"", body), "NO_SIGNATURE"),
        (b'{"key":"x","signature":"y"}', "MISSING_FIELD"),
        (body.replace(b'"new_order"', b'"newest_order"', 1), "UNKNOWN_RECORD"),
    ]  # fmt: skip
    for content, code in cases:
        answer = scene.world.send("POST", ORDERS, content)
        assert answer.json()["code"] == code, (content[:80], answer.json())
        assert answer.status_code == STATUS[Reason(code)]
    assert scene.world.log.appended == 0


def test_white_space_and_order_of_fields_are_free():
    scene = Scene()
    signed = msgspec.json.decode(encode(scene.me.sign(scene.order())))
    signed["command"] = dict(reversed(signed["command"].items()))
    body = msgspec.json.format(msgspec.json.encode(dict(reversed(signed.items()))), indent=4)
    assert scene.world.send("POST", ORDERS, body).status_code == 200


def test_another_kind_of_command_on_a_path():
    scene = Scene()
    signed = scene.me.sign(CancelAll(**scene.window()))
    answer = scene.world.send("POST", ORDERS, signed)
    assert (answer.status_code, answer.json()["code"]) == (422, "UNKNOWN_RECORD")


def test_the_path_and_the_signed_command_agree():
    scene = Scene()
    signed = scene.me.sign(CancelOrder(order_id="0-5", **scene.window()))
    answer = scene.world.send("DELETE", f"{ORDERS}/0-6", signed)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_PARAMETER")


def test_bodies_are_refused_while_reading():
    scene = Scene()
    json = {"content-type": "application/json"}
    announced = scene.world.request("POST", ORDERS, content=b"x" * 65537, headers=json)
    assert (announced.status_code, announced.json()["code"]) == (413, "BODY_TOO_LARGE")
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 4096
            yield b" " * 4096

    streamed = scene.world.request("POST", ORDERS, content=endless(), headers=json)
    assert (streamed.status_code, streamed.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert read <= 65536 + 2 * 4096


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/jsonx"}])
def test_other_content_types(headers):
    answer = Scene().world.request("POST", ORDERS, content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "WRONG_CONTENT_TYPE")


@pytest.mark.parametrize(
    "method, target, code",
    [
        ("GET", "/nowhere", "NOT_FOUND"),
        ("GET", "/api/v1/orders/", "NOT_FOUND"),
        ("PATCH", ORDERS, "METHOD_NOT_ALLOWED"),
        ("POST", "/api/v1/time", "METHOD_NOT_ALLOWED"),
        ("GET", "/api/v1/time?now=1", "BAD_PARAMETER"),
        ("GET", "/api/v1/markets/ABC-USD/book?levels=0", "BAD_PARAMETER"),
        ("GET", "/api/v1/markets/ABC-USD/book?levels=1&levels=2", "BAD_PARAMETER"),
        ("GET", "/api/v1/markets/NONE/book", "UNKNOWN_SYMBOL"),
        ("POST", f"{ORDERS}?wait=ever", "BAD_PARAMETER"),
        ("POST", f"{ORDERS}?timeout_ms=30001", "BAD_PARAMETER"),
        ("GET", f"{ORDERS}?status=closed", "BAD_PARAMETER"),
    ],
)
def test_what_the_framework_would_say_is_a_problem_document_too(method, target, code):
    answer = Scene().world.request(method, target)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.status_code) == (code, STATUS[Reason(code)])


def test_too_many_requests_say_when_to_come_back():
    scene = Scene(rates=Rates(account=2, address=4))
    commands = [scene.order(quantity="1") for _ in range(6)]
    answers = [scene.world.submit(scene.me, "POST", ORDERS, command) for command in commands]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 2
    assert {(answer.json()["code"], answer.headers["retry-after"]) for answer in refused} == {("RATE_LIMITED", "1")}


def test_a_batch_counts_its_commands():
    scene = Scene(rates=Rates(account=2, address=100))
    batch = scene.world.batch(scene.me, [scene.order(quantity="1") for _ in range(3)])
    assert scene.world.send("POST", f"{ORDERS}/batch", batch).json()["code"] == "RATE_LIMITED"


def test_a_batch_must_be_one_accounts_and_its_signature_whole():
    scene = Scene()
    batch = scene.world.batch(scene.me, [scene.order(), scene.order()])
    swapped = msgspec.structs.replace(batch, commands=batch.commands[::-1])
    cases = [
        (swapped, "BAD_SIGNATURE"),
        (msgspec.structs.replace(batch, commands=[]), "BAD_PARAMETER"),
        (scene.world.batch(scene.me, [scene.order(), CancelAll(**scene.window())]), "UNKNOWN_RECORD"),
        (scene.world.batch(scene.me, [scene.exchange.order(scene.other, "BUY", "1", "9")]), "WRONG_ACCOUNT"),
    ]
    for body, code in cases:
        assert scene.world.send("POST", f"{ORDERS}/batch", body).json()["code"] == code
    assert scene.world.log.appended == 0


def test_a_full_disk_refuses_orders_and_lets_cancels_through():
    scene = Scene()
    order_id = mine(scene)
    scene.world.health.disk_full = "1 MB are free, 512 MB are kept"
    answer = scene.world.submit(scene.me, "POST", ORDERS, scene.order())
    assert (answer.status_code, answer.json()["code"]) == (503, "STORAGE_FULL")
    cancelled = CancelOrder(order_id=order_id, **scene.window())
    assert scene.world.submit(scene.me, "DELETE", f"{ORDERS}/{order_id}", cancelled).status_code == 200
    after_a_time = CancelAllAfter(timeout_ms=1_000, **scene.window())
    assert scene.world.submit(scene.me, "POST", f"{ORDERS}/cancel-all-after", after_a_time).status_code == 200
    scene.world.health.disk_full = None
    assert scene.world.submit(scene.me, "POST", ORDERS, scene.order()).status_code == 200


def test_a_log_that_does_not_answer_takes_no_command():
    scene = Scene()
    scene.world.seconds += 2
    answer = scene.world.submit(scene.me, "POST", ORDERS, scene.order())
    assert (answer.status_code, answer.json()["code"]) == (503, "LOG_UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"
    ready = scene.world.request("GET", "/readyz")
    assert (ready.status_code, ready.json()["missing"]) == (503, ["the log does not answer"])
    assert scene.world.request("GET", "/healthz").status_code == 200
    assert scene.world.log.appended == 0


def test_a_stale_view_answers_nothing():
    scene = Scene()
    scene.world.seconds += 4
    scene.world.health.answered_at = scene.world.seconds
    for answer in (
        scene.world.read(scene.me, "/api/v1/balances"),
        scene.world.request("GET", "/api/v1/markets/ABC-USD/book"),
        scene.world.submit(scene.me, "POST", ORDERS, scene.order()),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "NOT_READY")


def test_a_programmers_error_is_a_problem_document_too(monkeypatch):
    scene = Scene()
    monkeypatch.setattr("producers.submit.check_command", lambda *args: 1 / 0)
    answer = scene.world.submit(scene.me, "POST", ORDERS, scene.order())
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")


def test_a_trial_of_an_order_makes_all_checks_and_no_order():
    scene = Scene()
    test = f"{ORDERS}/test"
    good = scene.world.submit(scene.me, "POST", test, scene.order())
    assert good.json() == {"acceptable": True, "reserve": "95.095", "asset": "USD", "free": "10000"}
    cases = [
        (scene.order(quantity="2000"), "INSUFFICIENT_FUNDS"),
        (scene.order(price="9.505"), "OFF_TICK"),
        (scene.exchange.order(scene.me, "SELL", "1001", "9.50"), "INSUFFICIENT_FUNDS"),
        (scene.exchange.order(scene.me, "BUY", None, None, max_quote="10001"), "INSUFFICIENT_FUNDS"),
    ]
    for command, code in cases:
        assert scene.world.submit(scene.me, "POST", test, command).json()["code"] == code
    assert scene.world.log.appended == 0
    placed = scene.place()
    again = scene.order(client_order_id=placed["client_order_id"])
    assert scene.world.submit(scene.me, "POST", test, again).json()["code"] == "DUPLICATE_CLIENT_ORDER_ID"


def test_closed_registration():
    own = Signer(6000)
    command = RegisterAccount(exchange=EXCHANGE, root_key=own.key, time_ms=1)
    closed = Scene().world.submit(own, "POST", "/api/v1/accounts", command)
    assert (closed.status_code, closed.json()["code"]) == (403, "REGISTRATION_CLOSED")
    opened = Scene(open_registration=True).world.submit(own, "POST", "/api/v1/accounts", command)
    assert (opened.status_code, opened.json()["event"]["event"]) == (200, "account_registered")


def test_two_orders_racing_for_one_balance():
    """Both are sent before either is judged: the log decides, one gets it and one does not."""
    scene = Scene()
    commands: list[Command] = [scene.order(quantity="1000"), scene.order(quantity="1000")]
    answer = scene.world.send("POST", f"{ORDERS}/batch", scene.world.batch(scene.me, commands))
    assert [one["status"] for one in answer.json()["results"]] == [200, 422]


# --- the page


def test_every_reason_is_in_the_page_with_its_status():
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+|-) \| ([a-z ]+) \|", DOCS.read_text(), re.M)
    assert {code for code, _, _ in rows} == set(Reason)
    assert len(rows) == len(Reason)
    for code, status, _ in rows:
        assert status in (str(STATUS[Reason(code)]), "-"), code


def test_the_page_says_where_each_row_is_checked():
    where = dict(re.findall(r"^\| `([A-Z_]+)` \| [^|]+ \| ([a-z ]+) \|", DOCS.read_text(), re.M))
    for row in GATEWAY_AND_LOG:
        assert where[row.reason] == "both", row.reason
    for row in [*LOG_ONLY, WOULD_TAKE]:
        assert where[row.reason] in ("log", "both"), row.reason
