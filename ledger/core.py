"""The ledger of one `accounts` partition as a state machine: a record in; journal entries and funded orders out.

A command passes in this order: its signature and right to the account; its exchange; whether the same bytes came
before; its time window; its client order id; its nonce, which it uses up; then what it asks for. From the nonce on its
result is remembered for its repeats, refusals too. Reports of the matcher carry an edge sequence, and are settled once.
Every record first fires the mandates that are due by its log time, then does its own.
"""

import msgspec
from msgspec.structs import replace

from ledger.account import Account, LedgerBroken, command_digest
from ledger.busts import open_bust, reverse_trade
from ledger.commands import COMMAND_HANDLERS, CommandContext
from ledger.journal import Books, Entry, Journal
from ledger.mandates import MANDATE_HANDLERS, Mandates, detached, fire_due
from ledger.market_commands import MARKET_HANDLERS
from ledger.operator_commands import OPERATOR_HANDLERS, OperatorContext
from ledger.settlement import close, follow_amend, follow_declined_amend, follow_decrement, follow_rested, settle_fill
from schemas.authority import MARKET_COMMANDS, OPERATOR_COMMANDS, Opened, open_signed
from schemas.codec import claimed_account, decode_accounts
from schemas.commands import MAX_AHEAD_MS, MAX_WINDOW_MS, AccountCommand, Genesis, ListMarket, NewOrder, OperatorCommand
from schemas.halts import Halts
from schemas.journal import CommandRefused, CommandRepeated, LedgerEntry, OperatorRefused
from schemas.ledger_state import Halter, LedgerState, ListedMarket, OpenOrder, RecentCommand
from schemas.market import Terms
from schemas.reasons import Reason
from schemas.records import (
    Amended,
    BustReport,
    Closed,
    Declined,
    Decremented,
    ExecutionReport,
    Filled,
    OrderEvent,
    Rested,
    Submitted,
)
from schemas.refusal import Refused
from schemas.signing import account_partition
from schemas.topics import ACCOUNTS, LEDGER
from stage.engine_version import check_engine_version, engine_version_of
from stage.partition import Step

_COMMAND_HANDLERS = COMMAND_HANDLERS | MANDATE_HANDLERS
_OPERATOR_HANDLERS = OPERATOR_HANDLERS | MARKET_HANDLERS
_ABOUT_NO_ACCOUNT = (Genesis, ListMarket, *MARKET_COMMANDS)


class LedgerCore:
    """All accounts of one partition, the markets' terms as this partition's log has them, and the partition's books."""

    stage = "ledger"
    input_topic = ACCOUNTS

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.genesis: Genesis | None = None
        self.accounts: dict[str, Account] = {}
        self.markets: dict[str, Terms] = {}
        self.revisions: dict[str, int] = {}
        self.decimals: dict[str, int] = {}  # of each asset
        self.halter = Halter()
        self.halts: dict[str, Halts] = {}  # of each market
        self.busted: dict[str, dict[str, None]] = {}  # of each market, the trades taken back
        self.mandates = Mandates()
        self.books = Books()
        self.journal = Journal(self.books)  # of the present input

    # --- one record

    def apply(self, step: Step, value: bytes | None) -> None:
        fire_due(self, step)
        self._take(step, value)
        self.journal.write(step, self.decimals)

    def _take(self, step: Step, value: bytes | None) -> None:
        try:
            record = decode_accounts(value, engine_version_of(self.genesis))
        except Refused as refused:
            step.dead_letter(refused.reason, refused.detail, value)
            return
        if isinstance(record, ExecutionReport):
            if not step.is_repeat(record.source.partition, record.edge_sequence):
                self._settle(step, record)
        elif isinstance(record, BustReport):
            self._take_bust(step, record, value)
        elif isinstance(record, Submitted):
            self._take_command(step, record, value)

    # --- commands

    def _take_command(self, step: Step, record: Submitted, value: bytes | None) -> None:
        raw = bytes(record.signed.command)
        command_id = f"{step.partition}-{step.offset}"
        try:
            opened = open_signed(record.signed, raw, engine_version_of(self.genesis))
            if self.genesis is None and not isinstance(opened.command, Genesis):
                raise Refused(Reason.NO_GENESIS)
            if self.genesis is not None and opened.command.exchange != self.genesis.exchange:
                raise Refused(Reason.WRONG_EXCHANGE, f"signed for {opened.command.exchange}")
        except Refused as refused:
            self.refuse(step, claimed_account(raw), command_id, refused, value)
            return
        if isinstance(opened.command, OPERATOR_COMMANDS):
            self._take_operator_command(step, opened.key, opened.command, command_id, value)
        else:
            self._take_account_command(step, record, opened, opened.command, command_id, value)

    def _take_account_command(
        self,
        step: Step,
        record: Submitted,
        opened: Opened,
        command: AccountCommand,
        command_id: str,
        value: bytes | None,
    ) -> None:
        account = self.accounts.get(command.account)
        if account is None:
            self.refuse(step, command.account, command_id, Refused(self._why_unknown(command.account)), value)
            return
        digest = command_digest(opened.raw)
        entry = self.journal.entry(account)
        repeated = account.find_repeat(digest)
        client_order_id = command.client_order_id if isinstance(command, NewOrder) else None
        if repeated is not None:
            original_id = f"{step.partition}-{repeated.offset}"
            entry.events.append(CommandRepeated(command_id, original_id, repeated.reason))
            return
        recent = RecentCommand(digest, step.offset, None, client_order_id)
        passed = False
        try:
            _check_key(account, opened, step.time_ms)
            _check_window(command.time_ms, command.deadline_ms, step.time_ms)
            if client_order_id is not None:
                account.check_client_order_id(client_order_id)
            account.take_nonce(command.nonce)
            passed = True
            account.remember(recent)
            context = CommandContext(self, step, record.signed, account, entry, command_id)
            _COMMAND_HANDLERS[type(command)](context, command)
        except Refused as refused:
            if passed:
                recent.reason = refused.reason
            event = CommandRefused(command_id, refused.reason, refused.detail)
            entry.events.append(replace(event, client_order_id=client_order_id) if passed else event)

    def _take_operator_command(
        self, step: Step, key: str, command: OperatorCommand, command_id: str, value: bytes | None
    ) -> None:
        context = OperatorContext(self, step, key, command_id)
        try:
            _OPERATOR_HANDLERS[type(command)](context, command)
        except Refused as refused:
            if isinstance(command, _ABOUT_NO_ACCOUNT):
                step.emit(
                    LEDGER, step.partition, b"", OperatorRefused,
                    command_id=command_id, time_ms=step.time_ms, reason=refused.reason, detail=refused.detail,
                )  # fmt: skip
            else:
                self.refuse(step, context.account_of(command), command_id, refused, value)

    def _why_unknown(self, account: str) -> Reason:
        assert self.genesis is not None
        here = account_partition(account, self.genesis.account_partitions) == self.partition
        return Reason.UNKNOWN_ACCOUNT if here else Reason.WRONG_PARTITION

    def refuse(
        self, step: Step, account_id: str | None, command_id: str, refused: Refused, value: bytes | None
    ) -> None:
        """A refusal that changes nothing: in the account's journal, or under sequence 0 if there is no such account."""
        if account_id is None:
            step.dead_letter(refused.reason, refused.detail, value)
            return
        event = CommandRefused(command_id, refused.reason, refused.detail)
        account = self.accounts.get(account_id)
        if account is None:
            step.emit(
                LEDGER, step.partition, account_id.encode(), LedgerEntry,
                account=account_id, sequence=0, time_ms=step.time_ms, events=[event],
            )  # fmt: skip
            return
        self.journal.entry(account).events.append(event)

    # --- the matcher's reports

    def _settle(self, step: Step, report: ExecutionReport) -> None:
        for event in report.events:
            account = self.accounts.get(event.account)
            if account is None:
                self._refuse_unknown(step, event)
                continue
            entry = self.journal.entry(account)
            if isinstance(event, Declined):
                self._follow_declined(account, entry, event)
                continue
            order = self._open_order(account, event.order_id)
            terms = self.markets[order.order.symbol]
            match event:
                case Filled():
                    settle_fill(entry, order, terms, event)
                case Rested():
                    follow_rested(entry, order, terms, event)
                case Decremented():
                    follow_decrement(entry, order, terms, event)
                case Amended():
                    follow_amend(entry, order, terms, event)
                case Closed():
                    close(entry, order, terms, event)

    def _take_bust(self, step: Step, report: BustReport, value: bytes | None) -> None:
        """Who signed comes before the edge's sequence: a forged report takes no place on the edge."""
        try:
            command = open_bust(self, report)
        except Refused as refused:
            step.dead_letter(refused.reason, refused.detail, value)
            return
        if not step.is_repeat(report.source.partition, report.edge_sequence):
            reverse_trade(self, step, report, command)

    def _follow_declined(self, account: Account, entry: Entry, event: Declined) -> None:
        order = account.orders.get(_offset_of(event.order_id)) if event.order_id else None
        if order is not None:
            follow_declined_amend(entry, order, self.markets[order.order.symbol], event)
        entry.events.append(CommandRefused(event.command_id, event.reason, event.detail, "matcher", event.order_id))

    def _refuse_unknown(self, step: Step, event: OrderEvent) -> None:
        if not isinstance(event, Declined):
            raise LedgerBroken(f"a report for account {event.account}, which is not here")
        self.refuse(step, event.account, event.command_id, Refused(event.reason, event.detail), None)

    def _open_order(self, account: Account, order_id: str) -> OpenOrder:
        order = account.orders.get(_offset_of(order_id))
        if order is None:
            raise LedgerBroken(f"a report for order {order_id}, which is not open")
        return order

    # --- state

    def list_terms(self, revision: int, terms: Terms) -> None:
        self.markets[terms.symbol] = terms
        self.halts.setdefault(terms.symbol, Halts())
        self.busted.setdefault(terms.symbol, {})
        self.revisions[terms.symbol] = revision
        self.decimals[terms.base] = terms.market.base_decimals
        self.decimals[terms.quote] = terms.market.quote_decimals

    def dump(self) -> LedgerState:
        markets = [ListedMarket(self.revisions[symbol], terms.market) for symbol, terms in self.markets.items()]
        accounts = [account.dump() for account in self.accounts.values()]
        halts = [halts.dump(symbol) for symbol, halts in self.halts.items() if not halts.is_empty]
        busted = {symbol: list(trades) for symbol, trades in self.busted.items() if trades}
        return LedgerState(self.genesis, markets, accounts, self.books.amounts, self.halter, halts, busted)

    def restore(self, raw: bytes) -> None:
        state = msgspec.json.decode(raw, type=LedgerState)
        self.genesis = state.genesis
        if state.genesis is not None:
            check_engine_version(state.genesis.engine_version)
        for listed in state.markets:
            self.list_terms(listed.revision, Terms(listed.market))
        for account in state.accounts:
            restored = self.accounts[account.account] = Account.restored(account)
            if account.mandate is not None:
                self.mandates.arm(restored, detached(account.mandate))
        self.books.amounts = state.books
        self.halter = state.halter
        self.halts |= {each.symbol: Halts.restored(each) for each in state.halts}
        self.busted |= {symbol: dict.fromkeys(trades) for symbol, trades in state.busted.items()}


def _offset_of(order_id: str) -> int:
    return int(order_id.partition("-")[2])


def _check_key(account: Account, opened: Opened, time_ms: int) -> None:
    """A root key was checked with the bytes; a trade key must be registered, live and not revoked."""
    if opened.delegation is None:
        return
    valid_until = account.trade_keys.get(opened.key)
    if valid_until is None:
        raise Refused(Reason.KEY_REVOKED)
    if time_ms > min(valid_until, opened.delegation.valid_until_ms):
        raise Refused(Reason.DELEGATION_EXPIRED)


def _check_window(time_ms: int, deadline_ms: int, now_ms: int) -> None:
    """`now_ms` is log time, never a host's clock."""
    if not 0 < deadline_ms - time_ms <= MAX_WINDOW_MS:
        raise Refused(Reason.WINDOW_TOO_LONG, f"{deadline_ms - time_ms} ms")
    if now_ms > deadline_ms:
        raise Refused(Reason.TOO_OLD, f"{now_ms - deadline_ms} ms after the deadline")
    if time_ms > now_ms + MAX_AHEAD_MS:
        raise Refused(Reason.TOO_NEW, f"{time_ms - now_ms} ms ahead")
