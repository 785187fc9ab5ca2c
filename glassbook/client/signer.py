"""Commands of one account: filled in, stamped with a nonce and times, and signed. Sends nothing.

A signer holds either the account's root key, or a trade key with the root key's delegation. What it makes is judged by
the exchange alone: nothing is checked here that the exchange checks.
"""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw, Struct

from glassbook.client.keys import Key
from schemas.commands import (
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    DelegateKey,
    NewOrder,
    OrderType,
    RevokeKey,
    SelfTrade,
    Side,
    TimeInForce,
    Withdraw,
    encode_command,
)
from schemas.records import Delegation, SignedCommand
from schemas.signing import BATCH_PREFIX, READ_PREFIX, merkle_tree

DEFAULT_WINDOW_MS = 10_000

Amount = str | int | Decimal
"""A price, quantity or amount. Floats are left out on purpose: 0.1 is none of them."""


class SignedBatch(Struct, frozen=True, omit_defaults=True):
    """Commands under one signature over `BATCH_PREFIX` and their RFC 6962 Merkle root."""

    commands: list[Raw]
    key: str
    signature: str
    delegation: Delegation | None = None


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Nonces:
    """Milliseconds since 1970, or one above the last.

    The exchange takes nonces up to 1,023 below the highest that it has seen, once each. In milliseconds that lets
    orders sent side by side overtake each other by a second; in microseconds it would be a millisecond.
    """

    def __init__(self, clock: Callable[[], int] = now_ms) -> None:
        self._clock, self._last, self._lock = clock, 0, threading.Lock()

    def next(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, self._clock())
            return self._last


def sign_command(command: Command, key: Key, delegation: Delegation | None = None) -> SignedCommand:
    raw = encode_command(command)
    return SignedCommand(Raw(raw), key.public, key.sign(raw), delegation)


def read_message(exchange: str, target: str, account: str, time_ms: int) -> bytes:
    """What the signature of a private read is made over. `target` is path and query as sent."""
    return READ_PREFIX + f"{exchange}\nGET\n{target}\n{account}\n{time_ms}".encode()


class Signer:
    """Makes and signs the commands of one account. Can be used by several threads."""

    def __init__(
        self,
        key: Key,
        exchange: str,
        delegation: Delegation | None = None,
        clock: Callable[[], int] = now_ms,
        window_ms: int = DEFAULT_WINDOW_MS,
    ) -> None:
        self.key, self.exchange, self.delegation = key, exchange, delegation
        self.account = key.account if delegation is None else _account_of(delegation)
        self._clock, self._window_ms, self._nonces = clock, window_ms, Nonces(clock)

    # --- signing

    def sign(self, command: Command) -> SignedCommand:
        return sign_command(command, self.key, self.delegation)

    def sign_batch(self, commands: Sequence[Command]) -> SignedBatch:
        """At least one command, and at most 1,024."""
        leaves = [encode_command(command) for command in commands]
        root, _ = merkle_tree(leaves)
        signature = self.key.sign(BATCH_PREFIX + root)
        return SignedBatch([Raw(leaf) for leaf in leaves], self.key.public, signature, self.delegation)

    def read_headers(self, target: str) -> dict[str, str]:
        """The headers that make GET of `target`, path and query as sent, a private read."""
        time_ms = self._clock()
        headers = {
            "Glassbook-Account": self.account,
            "Glassbook-Key": self.key.public,
            "Glassbook-Time": str(time_ms),
            "Glassbook-Signature": self.key.sign(read_message(self.exchange, target, self.account, time_ms)),
        }
        return headers

    def delegate(self, trade_key: str, valid_until_ms: int) -> Delegation:
        """The root key's word that `trade_key` may trade; registered by sending it, and carried with each command."""
        signed = self.sign(DelegateKey(trade_key=trade_key, valid_until_ms=valid_until_ms, **self._stamp()))
        return Delegation(signed.command, signed.key, signed.signature)

    # --- commands

    def limit_order(
        self,
        symbol: str,
        side: Side | str,
        quantity: Amount,
        price: Amount,
        *,
        time_in_force: TimeInForce | str = TimeInForce.GTC,
        client_order_id: str | None = None,
        valid_until_ms: int | None = None,
        post_only: bool = False,
        self_trade: SelfTrade | str = SelfTrade.EXPIRE_TAKER,
    ) -> NewOrder:
        return NewOrder(
            client_order_id=client_order_id or fresh_id(),
            symbol=symbol,
            side=Side(side),
            type=OrderType.LIMIT,
            time_in_force=TimeInForce(time_in_force),
            price=_text(price),
            quantity=_text(quantity),
            valid_until_ms=valid_until_ms,
            post_only=post_only,
            self_trade=SelfTrade(self_trade),
            **self._stamp(),
        )

    def market_order(
        self,
        symbol: str,
        side: Side | str,
        quantity: Amount | None = None,
        max_quote: Amount | None = None,
        *,
        time_in_force: TimeInForce | str = TimeInForce.IOC,
        client_order_id: str | None = None,
        self_trade: SelfTrade | str = SelfTrade.EXPIRE_TAKER,
    ) -> NewOrder:
        """A buy needs `max_quote`, the most it may spend with its fee; a sell needs `quantity`."""
        return NewOrder(
            client_order_id=client_order_id or fresh_id(),
            symbol=symbol,
            side=Side(side),
            type=OrderType.MARKET,
            time_in_force=TimeInForce(time_in_force),
            quantity=_optional(quantity),
            max_quote=_optional(max_quote),
            self_trade=SelfTrade(self_trade),
            **self._stamp(),
        )

    def cancel_order(self, order_id: str | None = None, client_order_id: str | None = None) -> CancelOrder:
        """By exactly one of the two ids."""
        return CancelOrder(order_id=order_id, client_order_id=client_order_id, **self._stamp())

    def amend_order(
        self,
        quantity: Amount,
        price: Amount | None = None,
        order_id: str | None = None,
        client_order_id: str | None = None,
    ) -> AmendOrder:
        """`quantity` is the new total, with what is filled already. By exactly one of the two ids."""
        return AmendOrder(
            order_id=order_id,
            client_order_id=client_order_id,
            quantity=_text(quantity),
            price=_optional(price),
            **self._stamp(),
        )

    def cancel_all(self, symbol: str | None = None) -> CancelAll:
        return CancelAll(symbol=symbol, **self._stamp())

    def cancel_all_after(self, timeout_ms: int) -> CancelAllAfter:
        """0 ends the mandate; else 1,000 to 86,400,000."""
        return CancelAllAfter(timeout_ms=timeout_ms, **self._stamp())

    def revoke_key(self, trade_key: str) -> RevokeKey:
        return RevokeKey(trade_key=trade_key, **self._stamp())

    def withdraw(self, asset: str, amount: Amount, destination: str) -> Withdraw:
        return Withdraw(asset=asset, amount=_text(amount), destination=destination, **self._stamp())

    def _stamp(self) -> dict[str, Any]:
        time_ms = self._clock()
        return {
            "exchange": self.exchange,
            "account": self.account,
            "nonce": self._nonces.next(),
            "time_ms": time_ms,
            "deadline_ms": time_ms + self._window_ms,
        }


def fresh_id() -> str:
    """A client order id that nobody has used."""
    return secrets.token_hex(8)


def _text(amount: Amount) -> str:
    if isinstance(amount, float):
        raise TypeError(f"{amount!r} is a float: give amounts as strings, integers or Decimals")
    return f"{amount:f}" if isinstance(amount, Decimal) else str(amount)


def _optional(amount: Amount | None) -> str | None:
    return None if amount is None else _text(amount)


def _account_of(delegation: Delegation) -> str:
    return msgspec.json.decode(delegation.command, type=DelegateKey).account
