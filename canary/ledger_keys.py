"""Trade keys and withdrawals: what an account's owner asks for beside orders."""

from typing import TYPE_CHECKING

from canary.account_book import Draft
from canary.market_terms import amount_of
from canary.numbers import text_of
from canary.refusal import Refusal
from canary.signatures import account_of, checker
from schemas.commands import DelegateKey, RevokeKey, Withdraw
from schemas.journal import KeyDelegated, KeyRevoked, WithdrawalOpened
from schemas.reasons import Reason

if TYPE_CHECKING:
    from canary.ledger_decision import Decision

MOST_KEYS = 64
MOST_WITHDRAWALS = 256


def delegate_key(decision: "Decision", draft: Draft, command: DelegateKey) -> None:
    checker(command.trade_key)
    if account_of(command.trade_key) == command.account:
        raise Refusal(Reason.BAD_COMBINATION)
    now = decision.step.time_ms
    if command.valid_until_ms <= now:
        raise Refusal(Reason.DELEGATION_EXPIRED)
    live = {key: until for key, until in draft.book.keys.items() if until > now}
    if command.trade_key not in live and len(live) >= MOST_KEYS:
        raise Refusal(Reason.TOO_MANY_KEYS)
    draft.keys = live | {command.trade_key: command.valid_until_ms}
    draft.events.append(KeyDelegated(decision.command_id, command.trade_key, command.valid_until_ms))


def revoke_key(decision: "Decision", draft: Draft, command: RevokeKey) -> None:
    opened = decision.effects.opened
    assert opened is not None
    if opened.delegation is not None and opened.key != command.trade_key:
        raise Refusal(Reason.ROOT_KEY_REQUIRED)
    if command.trade_key not in draft.book.keys:
        raise Refusal(Reason.UNKNOWN_KEY)
    draft.keys = {key: until for key, until in draft.book.keys.items() if key != command.trade_key}
    draft.events.append(KeyRevoked(decision.command_id, command.trade_key))


def withdraw(decision: "Decision", draft: Draft, command: Withdraw) -> None:
    decimals = decision.decimals_of(command.asset)
    amount = amount_of(command.amount, decimals)
    if len(draft.book.withdrawals) >= MOST_WITHDRAWALS:
        raise Refusal(Reason.TOO_MANY_WITHDRAWALS)
    draft.check_free(command.asset, amount)
    draft.reserve(command.asset, amount)
    draft.opened_withdrawal = decision.command_id, (command.asset, amount)
    text = text_of(amount, decimals)
    draft.events.append(WithdrawalOpened(decision.command_id, command.asset, text, command.destination))
