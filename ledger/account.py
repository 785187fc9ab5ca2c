"""One account: its keys, its anti-replay window, its recent commands, its balances and its open orders.

Knows nothing of records or topics. Amounts are minor units. Invariants: free and reserved are never negative; the
reserved amount of an asset is the sum of what its open orders and waiting withdrawals hold.
"""

import hashlib
from collections import OrderedDict

from schemas.decimals import MAX_INTEGER
from schemas.ledger_state import AccountState, Balance, Mandate, OpenOrder, PendingWithdrawal, RecentCommand
from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.signing import encode_bytes
from stage.partition import StageStopped

NONCE_WINDOW = 1024
RECENT_COMMANDS = 1024
MAX_TRADE_KEYS = 64
MAX_TRANSFERS = 65_536
MAX_WITHDRAWALS = 256
MAX_PENDING_AMENDS = 8


class LedgerBroken(StageStopped):
    """A report asks for what the ledger's own state rules out. The process ends; no balance is bent to fit."""


def command_digest(raw: bytes) -> str:
    return encode_bytes(hashlib.sha256(raw).digest()[:16])


class Account:
    """The state of one registered account."""

    def __init__(self, account: str, root_key: str) -> None:
        self.account = account
        self.root_key = root_key
        self.sequence = 0
        self.trade_keys: dict[str, int] = {}
        self.balances: dict[str, Balance] = {}
        self.orders: dict[int, OpenOrder] = {}  # by offset in `accounts`
        self.transfers: dict[str, None] = {}
        self.withdrawals: dict[str, PendingWithdrawal] = {}
        self.mandate: Mandate | None = None
        self._highest_nonce = 0
        self._seen_nonces = 0  # bit i: highest_nonce - i
        self._recent: OrderedDict[str, RecentCommand] = OrderedDict()  # by digest
        self._recent_by_offset: dict[int, RecentCommand] = {}
        self._client_ids: dict[str, int] = {}  # client order id -> offset, of recent and of open orders

    # --- replays

    def find_repeat(self, digest: str) -> RecentCommand | None:
        return self._recent.get(digest)

    def check_client_order_id(self, client_order_id: str) -> None:
        offset = self._client_ids.get(client_order_id)
        if offset is not None:
            raise Refused(Reason.DUPLICATE_CLIENT_ORDER_ID, f"{client_order_id} is order number {offset}'s")

    def take_nonce(self, nonce: int) -> None:
        """Uses a nonce up; `Refused` if it was used, or lies too far below the highest. O(1)."""
        ahead = nonce - self._highest_nonce
        if ahead > 0:
            kept = self._seen_nonces << ahead if ahead < NONCE_WINDOW else 0
            self._seen_nonces = (kept | 1) & ((1 << NONCE_WINDOW) - 1)
            self._highest_nonce = nonce
            return
        if -ahead >= NONCE_WINDOW:
            raise Refused(Reason.NONCE_TOO_OLD, f"the highest nonce is {self._highest_nonce}")
        if self._seen_nonces >> -ahead & 1:
            raise Refused(Reason.NONCE_REUSED, f"nonce {nonce}")
        self._seen_nonces |= 1 << -ahead

    def remember(self, recent: RecentCommand) -> None:
        """Keeps a command's result for its repeats; forgets the 1,024th before it."""
        self._recent[recent.digest] = recent
        self._recent_by_offset[recent.offset] = recent
        if recent.client_order_id is not None:
            self._client_ids[recent.client_order_id] = recent.offset
        if len(self._recent) > RECENT_COMMANDS:
            _, oldest = self._recent.popitem(last=False)
            del self._recent_by_offset[oldest.offset]
            if oldest.client_order_id is not None and oldest.offset not in self.orders:
                self._client_ids.pop(oldest.client_order_id, None)

    def recent_at(self, offset: int) -> RecentCommand | None:
        return self._recent_by_offset.get(offset)

    # --- orders

    def open_order(self, offset: int, order: OpenOrder) -> None:
        self.orders[offset] = order

    def close_order(self, offset: int) -> None:
        order = self.orders.pop(offset)
        if offset not in self._recent_by_offset:
            self._client_ids.pop(order.order.client_order_id, None)

    def offset_of(self, client_order_id: str) -> int | None:
        return self._client_ids.get(client_order_id)

    # --- balances

    def balance(self, asset: str) -> Balance:
        balance = self.balances.get(asset)
        if balance is None:
            balance = self.balances[asset] = Balance(0, 0)
        return balance

    def check_free(self, asset: str, amount: int) -> None:
        balance = self.balances.get(asset)
        if amount > (balance.free if balance is not None else 0):
            raise Refused(Reason.INSUFFICIENT_FUNDS, f"{asset} is short")

    def check_room(self, asset: str, amount: int) -> None:
        balance = self.balances.get(asset, Balance(0, 0))
        if balance.free + balance.reserved + amount > MAX_INTEGER:
            raise Refused(Reason.BALANCE_OVERFLOW, asset)

    # --- state

    def dump(self) -> AccountState:
        return AccountState(
            self.account, self.root_key, self.sequence, self._highest_nonce, f"{self._seen_nonces:x}",
            self.trade_keys, self.balances, list(self.orders.values()), list(self._recent.values()),
            list(self.transfers), self.withdrawals, self.mandate,
        )  # fmt: skip

    @classmethod
    def restored(cls, state: AccountState) -> "Account":
        account = cls(state.account, state.root_key)
        account.sequence = state.sequence
        account._highest_nonce, account._seen_nonces = state.highest_nonce, int(state.seen_nonces, 16)
        account.trade_keys, account.balances = state.trade_keys, state.balances
        account.withdrawals = state.withdrawals
        account.transfers = dict.fromkeys(state.transfers)
        for order in state.orders:
            account.orders[order.offset] = order
            account._client_ids[order.order.client_order_id] = order.offset
        for recent in state.recent:
            account._recent[recent.digest] = recent
            account._recent_by_offset[recent.offset] = recent
            if recent.client_order_id is not None:
                account._client_ids[recent.client_order_id] = recent.offset
        return account
