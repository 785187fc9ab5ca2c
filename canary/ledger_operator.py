"""The operator's commands on `accounts`: the exchange's beginning, listings, accounts, deposits, paid withdrawals."""

from typing import TYPE_CHECKING

from canary.account_book import AccountBook, Draft
from canary.engines import check_engine
from canary.market_terms import FIXED, MarketTerms, amount_of
from canary.numbers import text_of
from canary.refusal import Refusal
from canary.signatures import account_of, checker
from canary.steps import partition_of
from schemas.commands import Deposit, Genesis, ListMarket, RegisterAccount, SettleWithdrawal
from schemas.journal import AccountRegistered, Deposited, ExchangeStarted, MarketListed, WithdrawalClosed
from schemas.reasons import Reason
from schemas.topics import LEDGER

if TYPE_CHECKING:
    from canary.ledger_decision import Decision

MOST_TRANSFERS = 65_536


def check_operator(decision: "Decision", key: str) -> None:
    genesis = decision.known.genesis
    if genesis is None or key != genesis.operator_key:
        raise Refusal(Reason.NOT_OPERATOR)


def start(decision: "Decision", key: str, command: Genesis) -> None:
    step = decision.step
    if decision.known.genesis is not None:
        raise Refusal(Reason.GENESIS_EXISTS)
    if key != command.operator_key:
        raise Refusal(Reason.NOT_OPERATOR)
    check_engine(command.engine_version)
    decision.effects.genesis = command
    step.emit(
        LEDGER, step.partition, ExchangeStarted,
        exchange=command.exchange, operator_key=command.operator_key, engine_version=command.engine_version,
        account_partitions=command.account_partitions, max_open_orders=command.max_open_orders,
        open_registration=command.open_registration, time_ms=step.time_ms,
    )  # fmt: skip


def list_market(decision: "Decision", key: str, command: ListMarket) -> None:
    check_operator(decision, key)
    known, step, market = decision.known, decision.step, command.market
    MarketTerms(market)
    if command.revision <= known.revisions.get(market.symbol, 0):
        raise Refusal(Reason.STALE_REVISION)
    before = known.markets.get(market.symbol)
    if before is not None and any(getattr(market, f) != getattr(before.market, f) for f in FIXED):
        raise Refusal(Reason.BAD_LISTING)
    for asset, decimals in ((market.base, market.base_decimals), (market.quote, market.quote_decimals)):
        if known.decimals.get(asset, decimals) != decimals:
            raise Refusal(Reason.BAD_LISTING)
    decision.effects.listing = command
    step.emit(
        LEDGER, step.partition, MarketListed, revision=command.revision, time_ms=step.time_ms, market=market
    )  # fmt: skip


def register(decision: "Decision", key: str, command: RegisterAccount) -> None:
    genesis = decision.known.genesis
    assert genesis is not None
    checker(command.root_key)
    if key != genesis.operator_key:
        if key != command.root_key:
            raise Refusal(Reason.NOT_OPERATOR)
        if not genesis.open_registration:
            raise Refusal(Reason.REGISTRATION_CLOSED)
    account = account_of(command.root_key)
    if partition_of(account, genesis.account_partitions) != decision.step.partition:
        raise Refusal(Reason.WRONG_PARTITION)
    if decision.find_account(account) is not None:
        raise Refusal(Reason.ACCOUNT_EXISTS)
    book = decision.effects.registered = AccountBook(account, command.root_key)
    decision.draft_of(book).events.append(AccountRegistered(decision.command_id, command.root_key))


def _registered(decision: "Decision", account: str) -> AccountBook:
    book = decision.find_account(account)
    if book is None:
        raise Refusal(Reason.UNKNOWN_ACCOUNT)
    return book


def deposit(decision: "Decision", key: str, command: Deposit) -> None:
    check_operator(decision, key)
    book = _registered(decision, command.account)
    decimals = decision.decimals_of(command.asset)
    amount = amount_of(command.amount, decimals)
    if command.transfer_id in book.transfers:
        raise Refusal(Reason.DUPLICATE_TRANSFER)
    if len(book.transfers) >= MOST_TRANSFERS:
        raise Refusal(Reason.TOO_MANY_TRANSFERS)
    draft = Draft(book)
    draft.check_room(command.asset, amount)
    decision.effects.drafts[book.account] = draft
    draft.transfer = command.transfer_id
    draft.free(command.asset, amount)
    draft.other("world", command.asset, -amount)
    text = text_of(amount, decimals)
    draft.events.append(Deposited(decision.command_id, command.asset, text, command.transfer_id))


def settle_withdrawal(decision: "Decision", key: str, command: SettleWithdrawal) -> None:
    check_operator(decision, key)
    book = _registered(decision, command.account)
    waiting = book.withdrawals.get(command.withdrawal_id)
    if waiting is None:
        raise Refusal(Reason.UNKNOWN_WITHDRAWAL)
    asset, amount = waiting
    draft = decision.draft_of(book)
    draft.closed_withdrawal = command.withdrawal_id
    draft.reserved(asset, -amount)
    if command.paid:
        draft.other("world", asset, amount)
    else:
        draft.free(asset, amount)
    text = text_of(amount, decision.known.decimals[asset])
    draft.events.append(WithdrawalClosed(command.withdrawal_id, decision.command_id, asset, text, command.paid))
