"""One input of the ledger, decided: a command through all its checks, or a report settled event by event.

Reads the replica and its accounts and changes neither: what it does is gathered in drafts. The rules are those of
docs/matching-rules.md, "The ledger".
"""

from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct

from canary.account_book import AccountBook, Draft, Mandate, Recent, command_digest
from canary.authority import OF_HALTS_AND_BUSTS, OF_THE_OPERATOR, Opened, claimed_account
from canary.engines import HALTS_AND_BUSTS, version_of
from canary.frames import BustFrame, SubmittedFrame, read_signed
from canary.halts import Halter, Halts
from canary.ledger_busts import take_back
from canary.ledger_keys import delegate_key, revoke_key, withdraw
from canary.ledger_mandates import Alarms, cancel_all_after, fire
from canary.ledger_markets import authorise_halter, halt_market, refuse_bust, resume_market
from canary.ledger_operator import deposit, list_market, register, settle_withdrawal, start
from canary.ledger_orders import amend_order, cancel_all, cancel_order, new_order
from canary.ledger_reports import Impossible, follow
from canary.market_terms import MarketTerms
from canary.refusal import Refusal
from canary.signatures import account_of
from canary.steps import Step, partition_of
from schemas.commands import (
    AmendOrder,
    AuthoriseHalter,
    BustTrade,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    DelegateKey,
    Deposit,
    Genesis,
    HaltMarket,
    ListMarket,
    NewOrder,
    PublishedTrade,
    RegisterAccount,
    ResumeMarket,
    RevokeKey,
    SettleWithdrawal,
    Withdraw,
)
from schemas.journal import (
    CommandRefused,
    CommandRepeated,
    LedgerEntry,
    OperatorRefused,
)
from schemas.reasons import Reason
from schemas.records import (
    ExecutionReport,
    Funded,
)
from schemas.topics import LEDGER, ORDERS

LONGEST_WINDOW_MS = 60_000
FURTHEST_AHEAD_MS = 1_000


class Known(Protocol):
    """What a decision looks at."""

    genesis: Genesis | None
    markets: dict[str, MarketTerms]
    revisions: dict[str, int]
    decimals: dict[str, int]
    halter: Halter
    busted: dict[str, set[str]]
    alarms: Alarms

    def halts_of(self, symbol: str) -> Halts: ...


FindAccount = Callable[[str], AccountBook | None]


class Effects(Struct):
    """What one input does to the partition. `impossible`: a report asks for what the accounts rule out."""

    drafts: dict[str, Draft]
    opened: Opened | None = None
    refused: Reason | None = None
    forged: bool = False  # never: `accounts` is where everybody may write
    registered: AccountBook | None = None
    genesis: Genesis | None = None
    listing: ListMarket | None = None
    halter: Halter | None = None
    halts: dict[str, Halts] = {}
    busted: PublishedTrade | None = None
    fired_until_ms: int = 0  # mandates that were due by then have fired
    impossible: str = ""


class Decision:
    """`heeds_halts`: False asks what became of an order if its market were not halted."""

    def __init__(self, known: Known, account: FindAccount, step: Step, heeds_halts: bool = True) -> None:
        self.known = known
        self.find_account = account
        self.step = step
        self.heeds_halts = heeds_halts
        self.effects = Effects({})
        self.command_id = f"{step.partition}-{step.offset}"

    def of(self, record: Any, opened: Opened | None) -> Effects:
        """`opened` is the record's signed command, if it has one."""
        effects = self.effects
        effects.opened = opened
        alarms = self.known.alarms.until(self.step.time_ms)
        if alarms:
            effects.fired_until_ms = self.step.time_ms
            fire(self, alarms)
        if isinstance(record, SubmittedFrame):
            assert opened is not None
            self._submitted(opened)
        elif isinstance(record, ExecutionReport):
            self._follow(follow, record)
        elif isinstance(record, BustFrame) and version_of(self.known.genesis) >= HALTS_AND_BUSTS:
            self._follow(take_back, record)
        impossible = [draft.book.account for draft in effects.drafts.values() if not draft.is_possible]
        if impossible:
            effects.impossible = f"a balance of {impossible[0]} below zero"
        if effects.impossible:
            effects.fired_until_ms = 0
            effects.drafts.clear()
            self.step.outputs.clear()
        for draft in effects.drafts.values():
            draft.publish(self.step, self.known.decimals)
        return effects

    def draft_of(self, book: AccountBook) -> Draft:
        draft = self.effects.drafts.get(book.account)
        if draft is None:
            draft = self.effects.drafts[book.account] = Draft(book)
        return draft

    def _follow(self, how: Callable[["Decision", Any], None], report: ExecutionReport | BustFrame) -> None:
        try:
            how(self, report)
        except Impossible as impossible:
            self.effects.impossible = str(impossible)

    # --- commands

    def _submitted(self, opened: Opened) -> None:
        genesis = self.known.genesis
        try:
            command = opened.command_under(genesis)
            if genesis is None and not isinstance(command, Genesis):
                raise Refusal(Reason.NO_GENESIS)
            if genesis is not None and command.exchange != genesis.exchange:
                raise Refusal(Reason.WRONG_EXCHANGE)
        except Refusal as refusal:
            self.refuse(claimed_account(opened.raw), refusal.reason)
            return
        if isinstance(command, OF_THE_OPERATOR):
            self._of_the_operator(opened.key, command)
        else:
            self._of_an_account(opened, command)

    def _of_an_account(self, opened: Opened, command: Any) -> None:
        step, book = self.step, self.find_account(command.account)
        if book is None:
            self.refuse(command.account, self._why_unknown(command.account))
            return
        draft = self.draft_of(book)
        digest = command_digest(opened.raw)
        before = book.recent.get(digest)
        if before is not None:
            self.effects.refused = Reason.NONCE_REUSED
            original = f"{step.partition}-{before.offset}"
            draft.events.append(CommandRepeated(self.command_id, original, before.reason))
            return
        client_order_id = command.client_order_id if isinstance(command, NewOrder) else None
        try:
            _check_key(book, opened, step.time_ms)
            _check_window(command, step.time_ms)
            if client_order_id is not None and client_order_id in book.named:
                raise Refusal(Reason.DUPLICATE_CLIENT_ORDER_ID)
            book.check_nonce(command.nonce)
        except Refusal as refusal:
            self.effects.refused = refusal.reason
            draft.events.append(CommandRefused(self.command_id, refusal.reason))
            return
        draft.nonce = command.nonce
        reason = None
        try:
            COMMANDS[type(command)](self, draft, command)
        except Refusal as refusal:
            reason = self.effects.refused = refusal.reason
            draft.events.append(CommandRefused(self.command_id, reason, client_order_id=client_order_id))
        draft.recent = Recent(digest, step.offset, client_order_id, reason)

    def _why_unknown(self, account: str) -> Reason:
        genesis = self.known.genesis
        assert genesis is not None
        here = partition_of(account, genesis.account_partitions) == self.step.partition
        return Reason.UNKNOWN_ACCOUNT if here else Reason.WRONG_PARTITION

    def refuse(self, account: str | None, reason: Reason, command_id: str | None = None) -> None:
        """Told to the account, under sequence 0 where there is none; with no account named, a dead letter."""
        self.effects.refused = reason
        if account is None:
            return
        event = CommandRefused(command_id or self.command_id, reason)
        book = self.find_account(account)
        if book is not None:
            self.draft_of(book).events.append(event)
            return
        step = self.step
        step.emit(
            LEDGER, step.partition, LedgerEntry, account=account, sequence=0, time_ms=step.time_ms, events=[event]
        )  # fmt: skip

    def terms(self, symbol: str) -> MarketTerms:
        terms = self.known.markets.get(symbol)
        if terms is None:
            raise Refusal(Reason.UNKNOWN_SYMBOL)
        return terms

    def is_halted(self, symbol: str) -> bool:
        return self.heeds_halts and bool(self.known.halts_of(symbol).standing)

    def pass_on(
        self, partition: int, order_ids: list[str], maker: int = 0, taker: int = 0, mandate: Mandate | None = None
    ) -> None:
        """The client's bytes go to the matcher as they came: the input's, or those of the mandate that fires."""
        opened, command_id = self.effects.opened, self.command_id
        if mandate is not None:
            signed, command_id = read_signed(mandate.signed), f"{self.step.partition}-{mandate.offset}"
        else:
            assert opened is not None
            signed = opened.signed
        self.step.emit(
            ORDERS, partition, Funded,
            command_id=command_id, signed=signed, order_ids=order_ids, maker_fee_ppm=maker, taker_fee_ppm=taker,
        )  # fmt: skip

    def decimals_of(self, asset: str) -> int:
        decimals = self.known.decimals.get(asset)
        if decimals is None:
            raise Refusal(Reason.UNKNOWN_ASSET)
        return decimals

    # --- the operator's commands

    def _of_the_operator(self, key: str, command: Any) -> None:
        step = self.step
        try:
            OPERATOR_COMMANDS[type(command)](self, key, command)
        except Refusal as refusal:
            self.effects.refused = refusal.reason
            if isinstance(command, ABOUT_NO_ACCOUNT):
                step.emit(
                    LEDGER, step.partition, OperatorRefused,
                    command_id=self.command_id, time_ms=step.time_ms, reason=refusal.reason, detail="",
                )  # fmt: skip
            else:
                about = account_of(command.root_key) if isinstance(command, RegisterAccount) else command.account
                self.refuse(about, refusal.reason)


def _check_key(book: AccountBook, opened: Opened, now_ms: int) -> None:
    if opened.delegation is not None:
        until = book.keys.get(opened.key)
        if until is None:
            raise Refusal(Reason.KEY_REVOKED)
        if now_ms > until or now_ms > opened.delegation.valid_until_ms:
            raise Refusal(Reason.DELEGATION_EXPIRED)


def _check_window(command: Any, now_ms: int) -> None:
    if not 0 < command.deadline_ms - command.time_ms <= LONGEST_WINDOW_MS:
        raise Refusal(Reason.WINDOW_TOO_LONG)
    if now_ms > command.deadline_ms:
        raise Refusal(Reason.TOO_OLD)
    if command.time_ms > now_ms + FURTHEST_AHEAD_MS:
        raise Refusal(Reason.TOO_NEW)


COMMANDS: dict[type, Callable[[Decision, Draft, Any], None]] = {
    NewOrder: new_order,
    CancelOrder: cancel_order,
    CancelAll: cancel_all,
    CancelAllAfter: cancel_all_after,
    AmendOrder: amend_order,
    DelegateKey: delegate_key,
    RevokeKey: revoke_key,
    Withdraw: withdraw,
}
ABOUT_NO_ACCOUNT = (Genesis, ListMarket, *OF_HALTS_AND_BUSTS)
OPERATOR_COMMANDS: dict[type, Callable[[Decision, str, Any], None]] = {
    Genesis: start,
    ListMarket: list_market,
    RegisterAccount: register,
    Deposit: deposit,
    SettleWithdrawal: settle_withdrawal,
    AuthoriseHalter: authorise_halter,
    HaltMarket: halt_market,
    ResumeMarket: resume_market,
    BustTrade: refuse_bust,
}
