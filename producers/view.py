"""What the ledger's journal says: accounts, balances, orders, and what became of each command. Pure.

A projection of `ledger`, nothing of its own: the same records give the same view, whichever gateway reads them. It is
restored from a ledger snapshot and carried on by records with the next edge sequence; repeats are dropped, a gap
raises.

What is kept of the past is bounded: closed orders, refusals and other results of commands by `Bounds`, oldest first.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from producers.orders import Order, order_opened, order_restored
from schemas.decimals import format_decimal
from schemas.halts import NO_HALTS, Halt, Halts
from schemas.journal import (
    AccountEvent,
    AccountRegistered,
    CommandPassed,
    CommandRefused,
    CommandRepeated,
    Deposited,
    ExchangeStarted,
    KeyDelegated,
    KeyRevoked,
    LedgerEntry,
    LedgerRecord,
    MandateArmed,
    MandateDisarmed,
    MandateFired,
    MarketHalted,
    MarketListed,
    MarketResumed,
    OperatorRefused,
    OrderAmended,
    OrderClosed,
    OrderDecremented,
    OrderFilled,
    OrderOpened,
    OrderRested,
    TradeReversed,
    WithdrawalClosed,
    WithdrawalOpened,
)
from schemas.ledger_state import AccountState, LedgerState, Outcome, RecentCommand
from schemas.market import Market, Terms
from schemas.reasons import Reason
from stage.followed import Gap

REMEMBERED_COMMANDS = 1024  # of an account, in the ledger's snapshot


class Bounds(Struct, frozen=True):
    """How much of the past is kept in memory, over all accounts."""

    closed_orders: int = 50_000
    results: int = 100_000


class ExchangeFacts(Struct, frozen=True):
    """What genesis said; it never changes."""

    exchange: str
    operator_key: str
    account_partitions: int
    max_open_orders: int
    open_registration: bool


class Listed(Struct, frozen=True):
    revision: int
    terms: Terms


class AccountView(Struct):
    account: str
    root_key: str
    sequence: int = 0  # of its newest entry
    forgot_orders: bool = False  # it has had orders that are no longer known here
    trade_keys: dict[str, int] = {}  # key -> valid_until_ms
    balances: dict[str, tuple[str, str]] = {}  # asset -> free, reserved
    open_orders: dict[str, Order] = {}  # oldest first
    client_ids: dict[str, str] = {}  # client order id -> order id, of open and remembered orders
    withdrawals: dict[str, WithdrawalOpened] = {}  # those that wait for settlement
    mandate: MandateArmed | None = None  # that stands


class ClosedBefore(Struct, frozen=True):
    """An order that closed, or was refused, before the snapshot: the rest of it is read back from the log."""

    account: str
    client_order_id: str
    reason: Reason | None
    outcome: Outcome | None


class PartitionView:
    """One partition of the journal: how far it has been read, and the terms that hold there now."""

    def __init__(self) -> None:
        self.edge_sequence = 0
        self.input_offset = -1  # of the last input of `accounts` that the journal speaks of
        self.time_ms = 0
        self.markets: dict[str, Listed] = {}
        self.halts: dict[str, Halts] = {}  # of markets that ever were halted


class View:
    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._apply_event: dict[type, Callable[[AccountView, Any, int], Sequence[str]]] = {
            OrderOpened: self._opened,
            OrderRested: self._order_event,
            OrderFilled: self._order_event,
            OrderDecremented: self._order_event,
            OrderAmended: self._amended,
            OrderClosed: self._closed,
            CommandPassed: self._result,
            CommandRefused: self._refused,
            CommandRepeated: self._result,
            AccountRegistered: self._registered,
            KeyDelegated: self._key_delegated,
            KeyRevoked: self._key_revoked,
            Deposited: self._result,
            WithdrawalOpened: self._withdrawal_opened,
            WithdrawalClosed: self._withdrawal_closed,
            TradeReversed: self._reversed,
            MandateArmed: self._mandate_armed,
            MandateDisarmed: self._mandate_ended,
            MandateFired: self._mandate_fired,
        }
        self.reset()

    def reset(self) -> None:
        self.facts: ExchangeFacts | None = None
        self.partitions: dict[int, PartitionView] = {}
        self.accounts: dict[str, AccountView] = {}
        self.orders: dict[str, Order] = {}
        self.closed_before: dict[str, ClosedBefore] = {}
        self.results: OrderedDict[str, AccountEvent] = OrderedDict()  # command id -> what decided it, or passed it on
        self._closed_ids: deque[str] = deque()
        self._terms: dict[tuple[str, int], Listed] = {}  # shared by all partitions

    # --- the journal

    def apply(self, partition: int, record: LedgerRecord) -> Sequence[str] | None:
        """Takes the next record; returns the ids of orders and commands that it is about, None for a repeat."""
        part = self.partition(partition)
        if record.edge_sequence <= part.edge_sequence:
            return None
        if record.edge_sequence != part.edge_sequence + 1:
            raise Gap(f"ledger-{partition} jumps from sequence {part.edge_sequence} to {record.edge_sequence}")
        part.edge_sequence = record.edge_sequence
        part.input_offset = record.source.offset
        part.time_ms = record.time_ms
        match record:
            case LedgerEntry():
                return self._apply_entry(record)
            case MarketListed():
                part.markets[record.market.symbol] = self._listed(record.revision, record.market)
            case MarketHalted():
                halt = Halt(record.halt_id, record.reason, record.time_ms)
                part.halts.setdefault(record.symbol, Halts()).add(halt)
            case MarketResumed():
                part.halts.setdefault(record.symbol, Halts()).resume(record.halt_ids)
            case ExchangeStarted():
                self.facts = ExchangeFacts(
                    record.exchange, record.operator_key, record.account_partitions, record.max_open_orders,
                    record.open_registration,
                )  # fmt: skip
            case OperatorRefused():
                return (record.command_id,)
        return ()

    def _apply_entry(self, entry: LedgerEntry) -> Sequence[str]:
        account = self.accounts.get(entry.account)
        if account is None:
            account = AccountView(entry.account, "")
        touched: list[str] = []
        for event in entry.events:
            touched += self._apply_event[type(event)](account, event, entry.time_ms)
        for after in entry.balances:
            account.balances[after.asset] = (after.free, after.reserved)
        account.sequence = entry.sequence
        return touched

    # --- orders

    def _opened(self, account: AccountView, event: OrderOpened, time_ms: int) -> Sequence[str]:
        partition = int(event.order_id.partition("-")[0])
        terms = self.partitions[partition].markets[event.symbol].terms
        order = order_opened(event, account.account, terms, time_ms)
        self.orders[order.order_id] = account.open_orders[order.order_id] = order
        account.client_ids[order.client_order_id] = order.order_id
        return ()  # the matcher's report is what anybody waits for

    def _order_event(self, account: AccountView, event: Any, time_ms: int) -> Sequence[str]:
        self.orders[event.order_id].apply(event, time_ms)
        return (event.order_id,)

    def _amended(self, account: AccountView, event: OrderAmended, time_ms: int) -> Sequence[str]:
        self.orders[event.order_id].apply(event, time_ms)
        self._remember(event.command_id, event)
        return (event.order_id, event.command_id)

    def _closed(self, account: AccountView, event: OrderClosed, time_ms: int) -> Sequence[str]:
        self.orders[event.order_id].apply(event, time_ms)
        del account.open_orders[event.order_id]
        self._remember_closed(event.order_id)
        return (event.order_id,) if event.command_id is None else (event.order_id, event.command_id)

    def _reversed(self, account: AccountView, event: TradeReversed, time_ms: int) -> Sequence[str]:
        """The order keeps its fill, as the log does; what was given back is in the balances."""
        return ()

    def _remember_closed(self, order_id: str) -> None:
        self._closed_ids.append(order_id)
        if len(self._closed_ids) > self._bounds.closed_orders:
            self._forget(self._closed_ids.popleft())

    def _forget(self, order_id: str) -> None:
        gone = self.orders.pop(order_id, None) or self.closed_before.pop(order_id, None)
        if gone is not None:
            account = self.accounts[gone.account]
            account.forgot_orders = True
            if account.client_ids.get(gone.client_order_id) == order_id:
                del account.client_ids[gone.client_order_id]

    # --- commands

    def _result(self, account: AccountView, event: Any, time_ms: int) -> Sequence[str]:
        self._remember(event.command_id, event)
        return (event.command_id,)

    def _refused(self, account: AccountView, event: CommandRefused, time_ms: int) -> Sequence[str]:
        if event.client_order_id is not None:
            account.client_ids[event.client_order_id] = event.command_id
            self.closed_before[event.command_id] = ClosedBefore(
                account.account, event.client_order_id, event.reason, None
            )
            self._remember_closed(event.command_id)
        return self._result(account, event, time_ms)

    def _registered(self, account: AccountView, event: AccountRegistered, time_ms: int) -> Sequence[str]:
        account.root_key = event.root_key
        self.accounts[account.account] = account
        return self._result(account, event, time_ms)

    def _key_delegated(self, account: AccountView, event: KeyDelegated, time_ms: int) -> Sequence[str]:
        account.trade_keys[event.trade_key] = event.valid_until_ms
        return self._result(account, event, time_ms)

    def _key_revoked(self, account: AccountView, event: KeyRevoked, time_ms: int) -> Sequence[str]:
        account.trade_keys.pop(event.trade_key, None)
        return self._result(account, event, time_ms)

    def _withdrawal_opened(self, account: AccountView, event: WithdrawalOpened, time_ms: int) -> Sequence[str]:
        account.withdrawals[event.withdrawal_id] = event
        self._remember(event.withdrawal_id, event)
        return (event.withdrawal_id,)

    def _withdrawal_closed(self, account: AccountView, event: WithdrawalClosed, time_ms: int) -> Sequence[str]:
        account.withdrawals.pop(event.withdrawal_id, None)
        return self._result(account, event, time_ms)

    def _mandate_armed(self, account: AccountView, event: MandateArmed, time_ms: int) -> Sequence[str]:
        account.mandate = event
        return self._result(account, event, time_ms)

    def _mandate_ended(self, account: AccountView, event: MandateDisarmed, time_ms: int) -> Sequence[str]:
        account.mandate = None
        return self._result(account, event, time_ms)

    def _mandate_fired(self, account: AccountView, event: MandateFired, time_ms: int) -> Sequence[str]:
        """What the command was answered with is that it armed the mandate, whatever came of it later."""
        account.mandate = None
        return ()

    def _remember(self, command_id: str, event: AccountEvent) -> None:
        self.results[command_id] = event
        if len(self.results) > self._bounds.results:
            self.results.popitem(last=False)

    # --- what is asked of it

    def partition(self, partition: int) -> PartitionView:
        part = self.partitions.get(partition)
        if part is None:
            part = self.partitions[partition] = PartitionView()
        return part

    def terms(self, partition: int, symbol: str) -> Terms | None:
        """A market's terms as the ledger of this partition has them."""
        listed = self.partition(partition).markets.get(symbol)
        return None if listed is None else listed.terms

    def halts(self, partition: int, symbol: str) -> Halts:
        """A market's halts as the ledger of this partition has them."""
        return self.partition(partition).halts.get(symbol, NO_HALTS)

    def standing_halts(self, symbol: str) -> list[Halt]:
        """What halts a market now, the oldest first: until every partition has gone on, it halts those that haven't."""
        found: dict[str, Halt] = {}
        for part in self.partitions.values():
            if symbol in part.halts:
                found |= part.halts[symbol].standing
        return sorted(found.values(), key=lambda halt: (halt.time_ms, halt.halt_id))

    def markets(self) -> dict[str, Listed]:
        """Each market's newest revision, by symbol."""
        newest: dict[str, Listed] = {}
        for part in self.partitions.values():
            for symbol, listed in part.markets.items():
                if symbol not in newest or newest[symbol].revision < listed.revision:
                    newest[symbol] = listed
        return dict(sorted(newest.items()))

    def market(self, symbol: str) -> Listed | None:
        found = [part.markets[symbol] for part in self.partitions.values() if symbol in part.markets]
        return max(found, key=lambda listed: listed.revision, default=None)

    # --- start

    def restore(self, partition: int, state: LedgerState, edge_sequence: int, next_offset: int, time_ms: int) -> None:
        """Takes a ledger snapshot of a partition: the journal up to `edge_sequence` is in it."""
        part = self.partition(partition)
        part.edge_sequence, part.input_offset, part.time_ms = edge_sequence, next_offset - 1, time_ms
        if state.genesis is not None:
            genesis = state.genesis
            self.facts = ExchangeFacts(
                genesis.exchange, genesis.operator_key, genesis.account_partitions, genesis.max_open_orders,
                genesis.open_registration,
            )  # fmt: skip
        part.halts = {halts.symbol: Halts.restored(halts) for halts in state.halts}
        decimals: dict[str, int] = {}
        for listed in state.markets:
            market = listed.market
            part.markets[market.symbol] = self._listed(listed.revision, market)
            decimals[market.base], decimals[market.quote] = market.base_decimals, market.quote_decimals
        closed: list[tuple[int, str]] = []
        for account in state.accounts:
            closed += self._restore_account(partition, account, decimals)
        for _, order_id in sorted(closed):
            self._remember_closed(order_id)

    def _restore_account(self, partition: int, state: AccountState, decimals: dict[str, int]) -> list[tuple[int, str]]:
        forgot = len(state.recent) >= REMEMBERED_COMMANDS
        account = AccountView(state.account, state.root_key, state.sequence, forgot, state.trade_keys)
        self.accounts[state.account] = account
        markets = self.partitions[partition].markets
        for asset, balance in state.balances.items():
            scale = decimals[asset]
            account.balances[asset] = (format_decimal(balance.free, scale), format_decimal(balance.reserved, scale))
        for command_id, waiting in state.withdrawals.items():
            amount = format_decimal(waiting.amount_minor, decimals[waiting.asset])
            account.withdrawals[command_id] = WithdrawalOpened(command_id, waiting.asset, amount, waiting.destination)
        if state.mandate is not None:
            account.mandate = MandateArmed(f"{partition}-{state.mandate.offset}", state.mandate.due_ms)
        closed = []
        for recent in state.recent:
            order_id = f"{partition}-{recent.offset}"
            if self._restore_result(account, order_id, recent):
                closed.append((recent.offset, order_id))
        for open_order in state.orders:
            order_id = f"{partition}-{open_order.offset}"
            order = order_restored(order_id, open_order, markets[open_order.order.symbol].terms)
            self.orders[order_id] = account.open_orders[order_id] = order
            account.client_ids[order.client_order_id] = order_id
        return closed

    def _restore_result(self, account: AccountView, command_id: str, recent: RecentCommand) -> bool:
        """True for an order that is closed."""
        if recent.client_order_id is None:
            if recent.reason is not None:
                self._remember(command_id, CommandRefused(command_id, recent.reason))
            return False
        account.client_ids[recent.client_order_id] = command_id
        if recent.reason is None and recent.outcome is None:
            return False
        self.closed_before[command_id] = ClosedBefore(
            account.account, recent.client_order_id, recent.reason, recent.outcome
        )
        return True

    def _listed(self, revision: int, market: Market) -> Listed:
        """One `Terms` for all partitions: with hundreds of markets they are most of a quiet gateway's memory."""
        key = (market.symbol, revision)
        listed = self._terms.get(key)
        if listed is None or listed.terms.market != market:
            listed = self._terms[key] = Listed(revision, Terms(market))
        return listed
