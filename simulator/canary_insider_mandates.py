"""Corrupt ledgers that treat mandates to cancel all otherwise than their owners signed: never, early, late, not all."""

from typing import Any

from msgspec.structs import replace

from ledger.account import Account
from ledger.mandates import fire_due
from schemas.topics import ORDERS
from simulator.canary_insiders import CorruptLedger, OtherStep
from stage.partition import Step

LATE_MS = 2_500


class CorruptMandates(CorruptLedger):
    """Looks at the mandates of accounts with open orders before the honest core does."""

    def apply(self, step: Step, value: bytes | None) -> None:
        for account in self.accounts.values():
            if account.mandate is not None and account.orders:
                self.tamper(step, account, is_due=account.mandate.due_ms <= step.time_ms)
        super().apply(step, value)

    def tamper(self, step: Step, account: Account, is_due: bool) -> None:
        raise NotImplementedError


class NeverFires(CorruptMandates):
    """Lets a mandate go that is due."""

    def tamper(self, step: Step, account: Account, is_due: bool) -> None:
        if is_due and self.insider.strikes():
            self.mandates.disarm(account)


class FiresLate(CorruptMandates):
    """Puts one off that is due."""

    def tamper(self, step: Step, account: Account, is_due: bool) -> None:
        if is_due and self.insider.strikes():
            assert account.mandate is not None
            self.mandates.arm(account, replace(account.mandate, due_ms=step.time_ms + LATE_MS))


class FiresEarly(CorruptMandates):
    """Doesn't wait for the time that was signed."""

    def tamper(self, step: Step, account: Account, is_due: bool) -> None:
        if not is_due and self.insider.strikes():
            assert account.mandate is not None
            self.mandates.arm(account, replace(account.mandate, due_ms=step.time_ms))


class SparesOrders(CorruptMandates):
    """Leaves an order out, in the journal too."""

    def tamper(self, step: Step, account: Account, is_due: bool) -> None:
        if is_due and self.insider.strikes():
            offset, spared = account.orders.popitem()
            fire_due(self, step)
            account.orders[offset] = spared


class NamesOtherOrders(CorruptLedger):
    """Tells the journal that all are cancelled, and the matcher to cancel none."""

    def apply(self, step: Step, value: bytes | None) -> None:
        super().apply(OtherStep(step, self._rewrite), value)

    def _rewrite(self, topic: str, fields: dict[str, Any]) -> dict[str, Any]:
        is_mandate = topic == ORDERS and b'"command":"cancel_all_after"' in bytes(fields["signed"].command)
        return fields | {"order_ids": []} if is_mandate and self.insider.strikes() else fields
