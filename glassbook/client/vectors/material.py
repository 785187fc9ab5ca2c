"""What the test vectors are made of: private keys that the whole world knows, fixed times, a command of every kind."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from msgspec import Raw

from glassbook.client.keys import Key, KeyKind
from glassbook.client.signer import sign_command
from schemas.commands import (
    AmendOrder,
    AuthoriseHalter,
    BustTrade,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    DelegateKey,
    Deposit,
    Genesis,
    HaltMarket,
    ListMarket,
    NewOrder,
    OrderType,
    PublishedTrade,
    RecordPlace,
    RegisterAccount,
    ResumeMarket,
    RevokeKey,
    SelfTrade,
    SettleWithdrawal,
    Side,
    TimeInForce,
    Withdraw,
    encode_command,
)
from schemas.market import Market, MarketState
from schemas.records import Delegation, MerklePath, SignedCommand
from schemas.signing import BATCH_PREFIX, encode_bytes, merkle_tree

EXCHANGE = "glassbook-test"
TIME_MS = 1_700_000_000_000
YEAR_MS = 365 * 24 * 60 * 60 * 1000


def _key(name: str, kind: KeyKind) -> Key:
    return Key(kind, private_bytes(name))


def private_bytes(name: str) -> bytes:
    return sha256(f"glassbook test vectors, everybody knows this key: {name}".encode()).digest()


KEYS = {
    "operator": _key("operator", "ed25519"),
    "halter": _key("halter", "ed25519"),
    "alice": _key("alice", "ed25519"),
    "alice-trade": _key("alice-trade", "ed25519"),
    "alice-browser": _key("alice-browser", "p256"),
    "bob": _key("bob", "p256"),
    "bob-trade": _key("bob-trade", "ed25519"),
}


def stamp(name: str, nonce: int) -> dict[str, Any]:
    return {
        "exchange": EXCHANGE,
        "account": KEYS[name].account,
        "nonce": nonce,
        "time_ms": TIME_MS + nonce,
        "deadline_ms": TIME_MS + nonce + 10_000,
    }


def limit(name: str, nonce: int, **changes: Any) -> NewOrder:
    fields: dict[str, Any] = {
        "client_order_id": f"order-{nonce}",
        "symbol": "AMZN-USD",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price": "223.81",
        "quantity": "21",
    }
    return NewOrder(**stamp(name, nonce), **fields | changes)


def market(name: str, nonce: int, **fields: Any) -> NewOrder:
    return limit(name, nonce, type=OrderType.MARKET, **{"price": None, "quantity": None} | fields)


MARKET = Market(
    symbol="AMZN-USD", base="AMZN", quote="USD", base_decimals=0, quote_decimals=2, tick="0.01", lot="1",
    min_quantity="1", max_quantity="1000000", min_notional="1", price_low="0.01", price_high="100000",
    maker_fee="-0.0001", taker_fee="0.0003", partition=1, state=MarketState.OPEN,
)  # fmt: skip


TRADE = PublishedTrade(
    symbol="AMZN-USD", sequence=12, trade_id="1-501-0", time_ms=TIME_MS, price="223.81", quantity="21",
    quote_quantity="4700.01", aggressor_side=Side.BUY, taker_order_id="2-1041", taker_account=KEYS["alice"].account,
    taker_fee="1.41", maker_order_id="3-77", maker_account=KEYS["bob"].account, maker_fee="-0.47", fee_asset="USD",
)  # fmt: skip


def every_command() -> list[tuple[str, str, Command]]:
    """(name, whose key signs, command): every kind, and every field at least once."""
    alice, bob, operator = KEYS["alice"], KEYS["bob"], KEYS["operator"]
    at: dict[str, Any] = {"exchange": EXCHANGE, "time_ms": TIME_MS}
    gtd = {"time_in_force": TimeInForce.GTD, "valid_until_ms": TIME_MS + YEAR_MS, "post_only": True}
    return [
        ("limit order", "alice", limit("alice", 1)),
        ("limit order, P-256", "bob", limit("bob", 1, side=Side.SELL)),
        ("post-only until a time", "alice", limit("alice", 2, **gtd, self_trade=SelfTrade.DECREMENT)),
        ("fill or kill", "bob", limit("bob", 2, time_in_force=TimeInForce.FOK, self_trade=SelfTrade.EXPIRE_BOTH)),
        ("market buy for money", "alice", market("alice", 3, time_in_force=TimeInForce.IOC, max_quote="500.5")),
        ("market sell", "bob", market("bob", 3, time_in_force=TimeInForce.IOC, side=Side.SELL, quantity="7")),
        ("cancel by order id", "alice", CancelOrder(order_id="2-1041", **stamp("alice", 4))),
        ("cancel by client order id", "bob", CancelOrder(client_order_id="order-1", **stamp("bob", 4))),
        ("amend", "alice", AmendOrder(order_id="2-1041", quantity="20", price="223.8", **stamp("alice", 5))),
        ("amend to less", "bob", AmendOrder(client_order_id="order-1", quantity="10", **stamp("bob", 5))),
        ("cancel all", "alice", CancelAll(**stamp("alice", 6))),
        ("cancel all of a market", "bob", CancelAll(symbol="AMZN-USD", **stamp("bob", 6))),
        ("delegate a key", "alice", delegate_key("alice", "alice-trade", 7)),
        ("delegate a P-256 key", "alice", delegate_key("alice", "alice-browser", 8)),
        ("revoke a key", "alice", RevokeKey(trade_key=KEYS["alice-trade"].public, **stamp("alice", 9))),
        ("withdraw", "bob", Withdraw(asset="USD", amount="100.25", destination='DE00 \\ "B"', **stamp("bob", 7))),
        ("cancel all after a time", "alice", CancelAllAfter(timeout_ms=15_000, **stamp("alice", 10))),
        ("end the mandate", "bob", CancelAllAfter(timeout_ms=0, **stamp("bob", 8))),
        ("register by the operator", "operator", RegisterAccount(root_key=alice.public, **at)),
        ("register by oneself", "bob", RegisterAccount(root_key=bob.public, **at)),
        ("deposit", "operator", Deposit(account=alice.account, asset="USD", amount="5000", transfer_id="wire:1", **at)),
        ("settle a withdrawal", "operator",
         SettleWithdrawal(account=bob.account, withdrawal_id="1-77", paid=True, **at)),
        ("genesis", "operator",
         Genesis(operator_key=operator.public, engine_version=1, account_partitions=4, max_open_orders=1000,
                 open_registration=False, **at)),
        ("list a market", "operator", ListMarket(revision=1, market=MARKET, **at)),
        ("authorise a halter", "operator", AuthoriseHalter(revision=1, halter_key=KEYS["halter"].public, **at)),
        ("authorise no halter", "operator", AuthoriseHalter(revision=2, **at)),
        ("halt a market", "halter",
         HaltMarket(symbol="AMZN-USD", partition=1, halt_id="trades-1-77", reason="a price differs",
                    evidence=[RecordPlace("trades", 1, 77), RecordPlace("orders", 1, 501)], **at)),
        ("halt a market by hand", "operator",
         HaltMarket(symbol="AMZN-USD", partition=1, halt_id="operator-1", reason="by hand", evidence=[], **at)),
        ("resume a market", "operator",
         ResumeMarket(symbol="AMZN-USD", partition=1, halt_ids=["trades-1-77", "operator-1"], reason="cleared", **at)),
        ("bust a trade", "operator", BustTrade(partition=1, trade=TRADE, reason="a price differs", **at)),
    ]  # fmt: skip


def delegate_key(root: str, trade: str, nonce: int) -> DelegateKey:
    return DelegateKey(trade_key=KEYS[trade].public, valid_until_ms=TIME_MS + YEAR_MS, **stamp(root, nonce))


def delegation(root: str, trade: str, nonce: int, signer: str | None = None) -> Delegation:
    """`signer`, where it isn't the root key, makes one that must be refused."""
    signed = sign_command(delegate_key(root, trade, nonce), KEYS[signer or root])
    return Delegation(signed.command, signed.key, signed.signature)


def batch(name: str, commands: Sequence[Command], delegated: Delegation | None = None) -> list[SignedCommand]:
    """A batch's commands as they travel, each with its path."""
    leaves = [encode_command(command) for command in commands]
    root, paths = merkle_tree(leaves)
    signature = KEYS[name].sign(BATCH_PREFIX + root)
    return [
        SignedCommand(
            Raw(leaf),
            KEYS[name].public,
            signature,
            delegated,
            MerklePath(index, len(leaves), [encode_bytes(item) for item in path]),
        )
        for index, (leaf, path) in enumerate(zip(leaves, paths, strict=True))
    ]


def as_vector(name: str, signed: SignedCommand) -> dict[str, Any]:
    """With the commands as text: a JSON tool that lays out the file anew must not touch their bytes."""
    vector: dict[str, Any] = {
        "name": name,
        "command": bytes(signed.command).decode(),
        "key": signed.key,
        "signature": signed.signature,
    }
    if signed.delegation is not None:
        by = signed.delegation
        vector["delegation"] = {"command": bytes(by.command).decode(), "key": by.key, "signature": by.signature}
    if signed.path is not None:
        vector["path"] = signed.path
    return vector
