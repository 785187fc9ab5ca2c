"""Scenes for refusals: a world with two funded accounts, and what is sent there that somebody must refuse."""

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from schemas.commands import (
    AmendOrder,
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
from schemas.market import MarketState
from schemas.reasons import Reason
from schemas.records import Delegation, SignedCommand
from schemas.signing import decode_bytes, encode_bytes
from tests.exchange import EXCHANGE, Signer, market
from tests.unit.gateway_world import GatewayWorld

ORDERS = "/api/v1/orders"
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
