"""What happens to an account, told to its owner as it happens: a stream that the journal's entries make.

It begins with the account as it is; then each entry of its journal is one document, with the account's own contiguous
sequence, so that a reader sees a gap. How it reaches the reader is another part's business: `tell` takes the bytes.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from producers.answers import OrderAnswer, StandingMandate, WithdrawalWaiting, order_answer, standing_mandate
from producers.gateway import Gateway
from producers.health import Part
from producers.reads import ACCOUNT_HEADER, KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER, reader
from producers.view import AccountView, View
from schemas.journal import AccountEvent, BalanceAfter, KeyRevoked, LedgerEntry
from schemas.reasons import Reason
from schemas.refusal import Refused

logger = structlog.get_logger()
TARGET = "/ws/account"  # what the signature of a subscription is over, as a private read's over its path

Tell = Callable[[bytes], None]


class Auth(Struct, frozen=True, forbid_unknown_fields=True):
    """As the four headers of a private read."""

    account: str
    key: str
    time_ms: int
    signature: str


class AccountSnapshot(Struct, frozen=True, tag_field="type", tag="snapshot"):
    """`orders` are the open ones, oldest first. `sequence` is that of the account's newest entry. `mandate` stands
    until an event of an update arms another, ends it or tells that it fired."""

    account: str
    sequence: int
    orders: list[OrderAnswer]
    balances: list[BalanceAfter]
    withdrawals: list[WithdrawalWaiting]
    mandate: StandingMandate | None


class AccountUpdate(Struct, frozen=True, tag_field="type", tag="update"):
    """One entry: its events as on the journal, and the orders and balances that it changed, as they are behind it."""

    sequence: int
    time_ms: int
    events: list[AccountEvent]
    orders: list[OrderAnswer]
    balances: list[BalanceAfter]


class AccountEnded(Struct, frozen=True, tag_field="type", tag="ended"):
    """Nothing more is told: the key by which the reader asked may no longer read."""

    code: Reason


class Listeners:
    """Who listens to which account. The journal's projection tells them; the accounts' owners come and go."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._of: dict[str, dict[object, _Listener]] = {}

    def listen(self, auth: Auth, tell: Tell) -> Callable[[], None]:
        token = object()
        self._of.setdefault(auth.account, {})[token] = _Listener(auth.key, tell)

        def end() -> None:
            listeners = self._of.get(auth.account, {})
            listeners.pop(token, None)
            if not listeners:
                self._of.pop(auth.account, None)

        return end

    def entered(self, entry: LedgerEntry) -> None:
        """The view has just taken this entry."""
        listeners = self._of.get(entry.account)
        if not listeners:
            return
        data = _encode(_update(self._view, entry))
        revoked = [event.trade_key for event in entry.events if isinstance(event, KeyRevoked)]
        for token, listener in tuple(listeners.items()):
            listener.tell(data)
            if listener.key in revoked:
                listener.tell(_encode(AccountEnded(Reason.KEY_REVOKED)))
                listeners.pop(token, None)

    def restored(self) -> None:
        """The view was read anew, and entries may be missing: everybody begins again."""
        for account, listeners in self._of.items():
            known = self._view.accounts.get(account)
            if known is not None:
                data = _encode(_snapshot(known))
                for listener in tuple(listeners.values()):
                    listener.tell(data)


class _Listener(Struct, frozen=True):
    key: str
    tell: Tell


class AccountStreams:
    def __init__(self, gateway: Gateway, listeners: Listeners) -> None:
        self._gateway = gateway
        self._listeners = listeners

    def open(self, auth: bytes, tell: Tell) -> tuple[bytes, Callable[[], None]]:
        """The account as it is, and what ends the stream; `Refused` unless it is signed by its owner."""
        gateway = self._gateway
        gateway.health.check_read(Part.LEDGER, gateway.now())
        try:
            who = _auth_decoder.decode(auth)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused(Reason.NO_SIGNATURE, f"auth: {error}") from None
        headers = {
            ACCOUNT_HEADER: who.account, KEY_HEADER: who.key, TIME_HEADER: str(who.time_ms),
            SIGNATURE_HEADER: who.signature,
        }  # fmt: skip
        account = reader(headers, TARGET, gateway.facts.exchange, gateway.view, gateway.now_ms())
        gateway.limiter.count_account(account)
        return _encode(_snapshot(gateway.view.accounts[account])), self._listeners.listen(who, tell)


def _snapshot(known: AccountView) -> AccountSnapshot:
    return AccountSnapshot(
        known.account,
        known.sequence,
        [order_answer(order, trades=False) for order in known.open_orders.values()],
        [BalanceAfter(asset, free, reserved) for asset, (free, reserved) in sorted(known.balances.items())],
        [
            WithdrawalWaiting(one.withdrawal_id, one.asset, one.amount, one.destination)
            for one in known.withdrawals.values()
        ],
        standing_mandate(known.mandate),
    )


def _update(view: View, entry: LedgerEntry) -> AccountUpdate:
    ids = dict.fromkeys(order_id for event in entry.events if (order_id := _order_of(event)) is not None)
    orders = [order_answer(view.orders[order_id], trades=False) for order_id in ids if order_id in view.orders]
    return AccountUpdate(entry.sequence, entry.time_ms, entry.events, orders, entry.balances)


def _order_of(event: Any) -> str | None:
    order_id: str | None = getattr(event, "order_id", None)
    return order_id


_auth_decoder = msgspec.json.Decoder(Auth)
_encode = msgspec.json.Encoder().encode
