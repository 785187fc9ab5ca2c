"""Mandates to cancel all orders of an account: armed, replaced and ended by its owner, fired by the time of the log.

An account has one or none. It fires before the first record at or behind its due time does anything else, whatever
that record is, and is gone; so it fires once, and in a replay at the same place. What it passes on carries the owner's
own bytes.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ledger.account import Account
from ledger.commands import CommandContext, pass_on_cancels
from schemas.commands import CancelAllAfter
from schemas.decimals import MAX_INTEGER
from schemas.journal import MandateArmed, MandateDisarmed, MandateFired
from schemas.ledger_state import Mandate
from schemas.order_rules import check_timeout
from stage.partition import Step

if TYPE_CHECKING:
    from ledger.core import LedgerCore


class Mandates:
    """The accounts that have a mandate, so that the others need not be looked at."""

    def __init__(self) -> None:
        self._armed: dict[str, Account] = {}
        # Never later than the next due time. Who renews a mandate leaves its old time here, and all are looked at once
        # when that has come: so to renew is O(1), and a look at all of them is rarer than renewals of any one.
        self._next_due_ms = MAX_INTEGER

    def arm(self, account: Account, mandate: Mandate) -> None:
        account.mandate = mandate
        self._armed[account.account] = account
        self._next_due_ms = min(self._next_due_ms, mandate.due_ms)

    def disarm(self, account: Account) -> None:
        account.mandate = None
        self._armed.pop(account.account, None)

    def take_due(self, now_ms: int) -> list[tuple[Account, Mandate]]:
        """Ends the mandates that are due, and returns them by due time; of one time, by when they were armed."""
        if now_ms < self._next_due_ms:
            return []
        armed = [(account, account.mandate) for account in self._armed.values() if account.mandate is not None]
        due = [(account, mandate) for account, mandate in armed if mandate.due_ms <= now_ms]
        due.sort(key=lambda one: (one[1].due_ms, one[1].offset))
        for account, _ in due:
            self.disarm(account)
        self._next_due_ms = min(
            (mandate.due_ms for _, mandate in armed if mandate.due_ms > now_ms), default=MAX_INTEGER
        )
        return due


def cancel_all_after(context: CommandContext, command: CancelAllAfter) -> None:
    check_timeout(command)
    mandates, timeout_ms = context.ledger.mandates, command.timeout_ms
    if timeout_ms == 0:
        mandates.disarm(context.account)
        context.entry.events.append(MandateDisarmed(context.command_id))
        return
    mandate = Mandate(context.step.time_ms + timeout_ms, context.step.offset, context.signed)
    mandates.arm(context.account, mandate)
    context.entry.events.append(MandateArmed(context.command_id, mandate.due_ms))


def fire_due(ledger: "LedgerCore", step: Step) -> None:
    """Cancels all that is open of every account whose mandate is due."""
    for account, mandate in ledger.mandates.take_due(step.time_ms):
        entry = ledger.journal.entry(account)
        command_id = f"{step.partition}-{mandate.offset}"
        context = CommandContext(ledger, step, mandate.signed, account, entry, command_id)
        entry.events.append(MandateFired(command_id, pass_on_cancels(context, list(account.orders.values()))))


def detached(mandate: Mandate) -> Mandate:
    """With bytes of its own: those read from a snapshot are a view on all of it, and would keep it in memory."""
    signed, delegation = mandate.signed, mandate.signed.delegation
    if delegation is not None:
        delegation = replace(delegation, command=delegation.command.copy())
    return replace(mandate, signed=replace(signed, command=signed.command.copy(), delegation=delegation))


MANDATE_HANDLERS: dict[type, Callable[[CommandContext, Any], None]] = {CancelAllAfter: cancel_all_after}
