"""What the operator can ask of the ledger, and registration, one function a command."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.account import MAX_TRANSFERS, Account
from ledger.journal import WORLD
from schemas.commands import Deposit, Genesis, ListMarket, OperatorCommand, RegisterAccount, SettleWithdrawal
from schemas.decimals import format_decimal
from schemas.journal import AccountRegistered, Deposited, ExchangeStarted, MarketListed, WithdrawalClosed
from schemas.market import FIXED_FIELDS, Terms, parse_amount
from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.signing import account_of, account_partition, check_key
from schemas.topics import LEDGER
from stage.engine_version import check_engine_version
from stage.partition import Step

if TYPE_CHECKING:
    from ledger.core import LedgerCore


class OperatorContext(NamedTuple):
    """An operator's command on its way, and the key that signed it."""

    ledger: "LedgerCore"
    step: Step
    key: str
    command_id: str

    def check_operator(self) -> None:
        genesis = self.ledger.genesis
        if genesis is None or self.key != genesis.operator_key:
            raise Refused(Reason.NOT_OPERATOR)

    def account_of(self, command: OperatorCommand) -> str | None:
        """The account that the command is about."""
        if isinstance(command, RegisterAccount):
            return account_of(command.root_key)
        return command.account if isinstance(command, Deposit | SettleWithdrawal) else None

    def account(self, account_id: str) -> Account:
        account = self.ledger.accounts.get(account_id)
        if account is None:
            raise Refused(Reason.UNKNOWN_ACCOUNT)
        return account


def start_exchange(context: OperatorContext, command: Genesis) -> None:
    """The first record of the partition names the exchange and the operator's key; all trust starts here."""
    ledger, step = context.ledger, context.step
    if ledger.genesis is not None:
        raise Refused(Reason.GENESIS_EXISTS)
    if context.key != command.operator_key:
        raise Refused(Reason.NOT_OPERATOR)
    check_engine_version(command.engine_version)
    ledger.genesis = command
    step.emit(
        LEDGER, step.partition, b"", ExchangeStarted,
        exchange=command.exchange, operator_key=command.operator_key, engine_version=command.engine_version,
        account_partitions=command.account_partitions, max_open_orders=command.max_open_orders,
        open_registration=command.open_registration, time_ms=step.time_ms,
    )  # fmt: skip


def list_market(context: OperatorContext, command: ListMarket) -> None:
    context.check_operator()
    ledger, step, market = context.ledger, context.step, command.market
    terms = Terms(market)
    if command.revision <= ledger.revisions.get(market.symbol, 0):
        raise Refused(Reason.STALE_REVISION, f"{market.symbol} has revision {ledger.revisions[market.symbol]}")
    listed = ledger.markets.get(market.symbol)
    if listed is not None and any(getattr(market, f) != getattr(listed.market, f) for f in FIXED_FIELDS):
        raise Refused(Reason.BAD_LISTING, f"a fixed term of {market.symbol} differs")
    for asset, decimals in ((market.base, market.base_decimals), (market.quote, market.quote_decimals)):
        if ledger.decimals.get(asset, decimals) != decimals:
            raise Refused(Reason.BAD_LISTING, f"{asset} has {ledger.decimals[asset]} decimals already")
    ledger.list_terms(command.revision, terms)
    step.emit(
        LEDGER, step.partition, market.symbol.encode(), MarketListed,
        revision=command.revision, time_ms=step.time_ms, market=market,
    )  # fmt: skip


def register_account(context: OperatorContext, command: RegisterAccount) -> None:
    """By the operator; by the root key itself where genesis opened registration to all."""
    ledger = context.ledger
    genesis = ledger.genesis
    assert genesis is not None
    check_key(command.root_key)
    if context.key != genesis.operator_key:
        if context.key != command.root_key:
            raise Refused(Reason.NOT_OPERATOR, "signed by neither the operator nor the root key")
        if not genesis.open_registration:
            raise Refused(Reason.REGISTRATION_CLOSED)
    account_id = account_of(command.root_key)
    if account_partition(account_id, genesis.account_partitions) != ledger.partition:
        raise Refused(Reason.WRONG_PARTITION)
    if account_id in ledger.accounts:
        raise Refused(Reason.ACCOUNT_EXISTS)
    account = ledger.accounts[account_id] = Account(account_id, command.root_key)
    context.ledger.journal.entry(account).events.append(AccountRegistered(context.command_id, command.root_key))


def deposit(context: OperatorContext, command: Deposit) -> None:
    context.check_operator()
    account = context.account(command.account)
    decimals = context.ledger.decimals.get(command.asset)
    if decimals is None:
        raise Refused(Reason.UNKNOWN_ASSET, command.asset)
    amount = parse_amount(command.amount, decimals)
    if command.transfer_id in account.transfers:
        raise Refused(Reason.DUPLICATE_TRANSFER, command.transfer_id)
    if len(account.transfers) >= MAX_TRANSFERS:
        raise Refused(Reason.TOO_MANY_TRANSFERS, f"the limit is {MAX_TRANSFERS}")
    account.check_room(command.asset, amount)
    account.transfers[command.transfer_id] = None
    entry = context.ledger.journal.entry(account)
    entry.free(command.asset, amount)
    entry.book(WORLD, command.asset, -amount)
    text = format_decimal(amount, decimals)
    entry.events.append(Deposited(context.command_id, command.asset, text, command.transfer_id))


def settle_withdrawal(context: OperatorContext, command: SettleWithdrawal) -> None:
    context.check_operator()
    account = context.account(command.account)
    withdrawal = account.withdrawals.pop(command.withdrawal_id, None)
    if withdrawal is None:
        raise Refused(Reason.UNKNOWN_WITHDRAWAL, command.withdrawal_id)
    entry = context.ledger.journal.entry(account)
    asset, amount = withdrawal.asset, withdrawal.amount_minor
    entry.reserved(asset, -amount)
    if command.paid:
        entry.book(WORLD, asset, amount)
    else:
        entry.free(asset, amount)
    text = format_decimal(amount, context.ledger.decimals[asset])
    entry.events.append(WithdrawalClosed(command.withdrawal_id, context.command_id, asset, text, command.paid))


OPERATOR_HANDLERS: dict[type, Callable[[OperatorContext, Any], None]] = {
    Genesis: start_exchange,
    ListMarket: list_market,
    RegisterAccount: register_account,
    Deposit: deposit,
    SettleWithdrawal: settle_withdrawal,
}
