"""One account as the ledger must have it, and the draft of what one input does to it.

A draft works on copies of what it touches and is installed only when the input has been judged; so nothing has to be
undone, and a second opinion on the same input costs nothing. Amounts are minor units.
"""

import hashlib
from collections import OrderedDict

from msgspec import Struct
from msgspec.structs import replace

from canary.numbers import LARGEST, text_of
from canary.refusal import Refusal
from canary.steps import Step
from schemas.journal import AccountEvent, BalanceAfter, LedgerEntry, Posting
from schemas.reasons import Reason
from schemas.topics import LEDGER

NONCES = 1024
RECENT = 1024


class Held(Struct):
    """An open order, and what is reserved for it. Prices in ticks, quantities in lots."""

    offset: int  # in `accounts`: the order's id
    client_order_id: str
    symbol: str
    is_buy: bool
    price: int | None
    total: int | None
    filled: int
    reserved: int
    fee_ppm: int
    pending: dict[str, tuple[int, int]]  # amends under way: command id -> price, total


class Recent(Struct):
    """One of the account's last 1,024 commands."""

    digest: str
    offset: int
    client_order_id: str | None  # of a new order
    reason: Reason | None  # why it was refused, if it was


class Mandate(Struct, frozen=True):
    """To cancel all that the account has open, at `due_ms`."""

    due_ms: int
    offset: int  # in `accounts`, of the command that gave it
    signed: bytes  # that command with its signature, as JSON


class AccountState(Struct):
    account: str
    root_key: str
    sequence: int
    highest_nonce: int
    nonces: list[int]
    keys: dict[str, int]
    balances: dict[str, tuple[int, int]]
    orders: list[Held]
    recent: list[Recent]
    transfers: list[str]
    withdrawals: dict[str, tuple[str, int]]
    mandate: Mandate | None = None


def command_digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]


class AccountBook:
    def __init__(self, account: str, root_key: str) -> None:
        self.account = account
        self.root_key = root_key
        self.sequence = 0
        self.keys: dict[str, int] = {}  # trade key -> valid until
        self.balances: dict[str, tuple[int, int]] = {}  # asset -> free, reserved
        self.orders: dict[int, Held] = {}
        self.transfers: dict[str, None] = {}
        self.withdrawals: dict[str, tuple[str, int]] = {}
        self.mandate: Mandate | None = None
        self.recent: OrderedDict[str, Recent] = OrderedDict()  # by digest, oldest first
        self.recent_at: dict[int, Recent] = {}
        self.named: dict[str, int] = {}  # client order id -> offset, of open and of recent orders
        self._highest_nonce = 0
        self._nonces: set[int] = set()

    # --- what a command is asked

    def check_nonce(self, nonce: int) -> None:
        if nonce <= self._highest_nonce - NONCES:
            raise Refusal(Reason.NONCE_TOO_OLD)
        if nonce in self._nonces:
            raise Refusal(Reason.NONCE_REUSED)

    def find(self, order_id: str | None, client_order_id: str | None, partition: int) -> Held:
        """The open order that a cancel or amend names."""
        if (order_id is None) == (client_order_id is None):
            raise Refusal(Reason.BAD_COMBINATION)
        offset = None
        if order_id is not None:
            place, _, number = order_id.partition("-")
            offset = int(number) if int(place) == partition else None
        elif client_order_id is not None:
            offset = self.named.get(client_order_id)
        if offset is not None:
            order = self.orders.get(offset)
            if order is not None:
                return order
            recent = self.recent_at.get(offset)
            # The command that asks is one of the 1,024 itself.
            forgotten = len(self.recent) >= RECENT and recent is next(iter(self.recent.values()))
            is_order = recent is not None and recent.client_order_id is not None and recent.reason is None
            if is_order and not forgotten:
                raise Refusal(Reason.ORDER_CLOSED)
        raise Refusal(Reason.UNKNOWN_ORDER)

    # --- changes

    def use_nonce(self, nonce: int) -> None:
        self._nonces.add(nonce)
        self._highest_nonce = max(self._highest_nonce, nonce)
        if len(self._nonces) > 2 * NONCES:
            self._nonces = {used for used in self._nonces if used > self._highest_nonce - NONCES}

    def remember(self, recent: Recent) -> None:
        self.recent[recent.digest] = recent
        self.recent_at[recent.offset] = recent
        if recent.client_order_id is not None:
            self.named[recent.client_order_id] = recent.offset
        if len(self.recent) > RECENT:
            _, oldest = self.recent.popitem(last=False)
            del self.recent_at[oldest.offset]
            if oldest.client_order_id is not None and oldest.offset not in self.orders:
                self.named.pop(oldest.client_order_id, None)

    def put_order(self, offset: int, order: Held | None) -> None:
        if order is not None:
            self.orders[offset] = order
            return
        closed = self.orders.pop(offset, None)
        if closed is not None and offset not in self.recent_at:
            self.named.pop(closed.client_order_id, None)

    # --- copies

    def dump(self) -> AccountState:
        return AccountState(
            self.account, self.root_key, self.sequence, self._highest_nonce,
            sorted(used for used in self._nonces if used > self._highest_nonce - NONCES),
            self.keys, self.balances, list(self.orders.values()), list(self.recent.values()), list(self.transfers),
            self.withdrawals, self.mandate,
        )  # fmt: skip

    @classmethod
    def restored(cls, state: AccountState) -> "AccountBook":
        book = cls(state.account, state.root_key)
        book.sequence, book._highest_nonce, book._nonces = state.sequence, state.highest_nonce, set(state.nonces)
        book.keys, book.balances, book.withdrawals = dict(state.keys), dict(state.balances), dict(state.withdrawals)
        book.transfers, book.mandate = dict.fromkeys(state.transfers), state.mandate
        book.orders = {order.offset: order for order in state.orders}
        book.named = {order.client_order_id: order.offset for order in state.orders}
        for recent in state.recent:
            book.recent[recent.digest] = book.recent_at[recent.offset] = recent
            if recent.client_order_id is not None:
                book.named[recent.client_order_id] = recent.offset
        return book

    def copied(self) -> "AccountBook":
        """Another account book with the same content. What an order or a recent command says is never changed in
        place, so those are shared."""
        return AccountBook.restored(self.dump())


class Draft:
    """What one input does to one account."""

    nonce: int | None = None
    recent: Recent | None = None
    keys: dict[str, int] | None = None
    transfer: str | None = None
    opened_withdrawal: tuple[str, tuple[str, int]] | None = None
    closed_withdrawal: str | None = None
    sets_mandate = False
    mandate: Mandate | None = None  # as it will be, if it is set

    def __init__(self, book: AccountBook) -> None:
        self.book = book
        self.events: list[AccountEvent] = []
        self.postings: list[tuple[str, str, int]] = []
        self.balances: dict[str, tuple[int, int]] = {}  # as they will be, of each asset touched
        self.orders: dict[int, Held | None] = {}  # as they will be; None where one closes

    # --- money

    def balance(self, asset: str) -> tuple[int, int]:
        return self.balances.get(asset) or self.book.balances.get(asset, (0, 0))

    def free(self, asset: str, amount: int) -> None:
        if amount:
            free, reserved = self.balance(asset)
            self.balances[asset] = free + amount, reserved
            self.postings.append((f"free:{self.book.account}", asset, amount))

    def reserved(self, asset: str, amount: int) -> None:
        if amount:
            free, reserved = self.balance(asset)
            self.balances[asset] = free, reserved + amount
            self.postings.append((f"reserved:{self.book.account}", asset, amount))

    def other(self, book: str, asset: str, amount: int) -> None:
        if amount:
            self.postings.append((book, asset, amount))

    def reserve(self, asset: str, amount: int) -> None:
        """From free to reserved; back with a negative amount."""
        self.free(asset, -amount)
        self.reserved(asset, amount)

    def check_free(self, asset: str, amount: int) -> None:
        if amount > self.balance(asset)[0]:
            raise Refusal(Reason.INSUFFICIENT_FUNDS)

    def check_room(self, asset: str, amount: int) -> None:
        if sum(self.balance(asset)) + amount > LARGEST:
            raise Refusal(Reason.BALANCE_OVERFLOW)

    # --- orders

    def set_mandate(self, mandate: Mandate | None) -> None:
        self.sets_mandate, self.mandate = True, mandate

    def order(self, offset: int) -> Held | None:
        """The order, to be changed: a copy."""
        if offset in self.orders:
            return self.orders[offset]
        order = self.book.orders.get(offset)
        if order is not None:
            order = self.orders[offset] = replace(order)
        return order

    # --- the end

    @property
    def is_possible(self) -> bool:
        return all(free >= 0 and reserved >= 0 for free, reserved in self.balances.values())

    def publish(self, step: Step, decimals: dict[str, int]) -> None:
        step.emit(
            LEDGER, step.partition, LedgerEntry,
            account=self.book.account, sequence=self.book.sequence + 1, time_ms=step.time_ms, events=self.events,
            postings=[Posting(book, asset, text_of(n, decimals[asset])) for book, asset, n in self.postings],
            balances=[
                BalanceAfter(asset, text_of(free, decimals[asset]), text_of(reserved, decimals[asset]))
                for asset, (free, reserved) in self.balances.items()
            ],
        )  # fmt: skip

    def install(self, book: AccountBook) -> None:
        """Does it, to this book."""
        book.sequence += 1
        book.balances.update(self.balances)
        if self.nonce is not None:
            book.use_nonce(self.nonce)
        if self.recent is not None:
            book.remember(self.recent)
        for offset, order in self.orders.items():
            book.put_order(offset, order)
        if self.keys is not None:
            book.keys = self.keys
        if self.transfer is not None:
            book.transfers[self.transfer] = None
        if self.opened_withdrawal is not None:
            book.withdrawals[self.opened_withdrawal[0]] = self.opened_withdrawal[1]
        if self.closed_withdrawal is not None:
            book.withdrawals.pop(self.closed_withdrawal, None)
        if self.sets_mandate:
            book.mandate = self.mandate
