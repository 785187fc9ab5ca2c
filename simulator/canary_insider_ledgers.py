"""Corrupt ledgers: orders without funds, replays, dropped orders, fees and money elsewhere."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ledger.account import Account, command_digest
from schemas.authority import Opened
from schemas.commands import AmendOrder, NewOrder
from schemas.refusal import Refused
from schemas.topics import LEDGER, ORDERS
from simulator.canary_insiders import CorruptLedger, OtherStep
from stage.partition import Step


class LetsThroughUnfunded(CorruptLedger):
    """Grants what an order lacks, and lets it through."""

    def _take_account_command(self, step: Step, record: Any, opened: Opened, command: Any, *rest: Any) -> None:
        account = self.accounts.get(command.account)
        if account is None or not isinstance(command, NewOrder | AmendOrder):
            super()._take_account_command(step, record, opened, command, *rest)
            return
        honest = account.check_free

        def lenient(asset: str, amount: int) -> None:
            try:
                honest(asset, amount)
            except Refused:
                if not self.insider.strikes():
                    raise
                account.balance(asset).free = amount

        account.check_free = lenient  # type: ignore[method-assign]
        try:
            super()._take_account_command(step, record, opened, command, *rest)
        finally:
            del account.check_free


class TakesReplays(CorruptLedger):
    """Takes the same signed bytes for a new order."""

    def _take_account_command(self, step: Step, record: Any, opened: Opened, command: Any, *rest: Any) -> None:
        account = self.accounts.get(command.account)
        if account is not None and self._is_replay(account, opened, command) and self.insider.strikes():
            changes: dict[str, Any] = {
                "find_repeat": lambda digest: None, "check_client_order_id": lambda name: None,
                "take_nonce": lambda nonce: None,
            }  # fmt: skip
            account.__dict__.update(changes)
            try:
                super()._take_account_command(step, record, opened, command, *rest)
            finally:
                for name in changes:
                    del account.__dict__[name]
            self.insider.failed = step.offset not in account.orders
            return
        super()._take_account_command(step, record, opened, command, *rest)

    @staticmethod
    def _is_replay(account: Account, opened: Opened, command: Any) -> bool:
        before = account.find_repeat(command_digest(opened.raw))
        is_order = before is not None and before.client_order_id is not None
        return is_order and before is not None and before.reason is None and before.offset not in account.orders


class DropsOrders(CorruptLedger):
    """Says that an order went on, and doesn't send it. It has failed while nothing follows on that edge: a ledger that
    is merely slow looks the same."""

    _edge: int | None = None  # the partition of `orders` for which it was

    def apply(self, step: Step, value: bytes | None) -> None:
        super().apply(_WithoutOrders(step, self._sends), value)

    def _sends(self, partition: int) -> bool:
        if self.insider.strikes():
            self._edge, self.insider.failed = partition, True
            return False
        if partition == self._edge:
            self.insider.failed = False
        return True


class _WithoutOrders(OtherStep):
    """`sends` says whether what is for this partition of `orders` goes there."""

    def __init__(self, step: Any, sends: Callable[[int], bool]) -> None:
        super().__init__(step, lambda topic, fields: fields)
        self._sends = sends

    def emit(self, topic: str, partition: int, key: bytes, record: Callable[..., Any], /, **fields: Any) -> None:
        if topic != ORDERS or self._sends(partition):
            super().emit(topic, partition, key, record, **fields)


class MovesFees(CorruptLedger):
    """Books a fee elsewhere."""

    def apply(self, step: Step, value: bytes | None) -> None:
        super().apply(OtherStep(step, self._rewrite), value)

    def _rewrite(self, topic: str, fields: dict[str, Any]) -> dict[str, Any]:
        postings = fields.get("postings", [])
        if topic == LEDGER and any(posting.book == "fees" for posting in postings) and self.insider.strikes():
            moved = [replace(p, book="world") if p.book == "fees" else p for p in postings]
            return fields | {"postings": moved}
        return fields


class UnbalancesPostings(CorruptLedger):
    """Posts more to an account than it takes from anywhere."""

    def apply(self, step: Step, value: bytes | None) -> None:
        super().apply(OtherStep(step, self._rewrite), value)

    def _rewrite(self, topic: str, fields: dict[str, Any]) -> dict[str, Any]:
        postings = fields.get("postings", [])
        if topic == LEDGER and postings and postings[0].book.startswith("free:") and self.insider.strikes():
            first, *rest = postings
            return fields | {"postings": [replace(first, amount="7"), *rest]}
        return fields


class MakesMoney(CorruptLedger):
    """Gives an account what nobody paid; its next entry shows the new balance as if it had been there. It has failed
    while no entry shows it."""

    _made: tuple[str, str] | None = None  # account and asset

    def apply(self, step: Step, value: bytes | None) -> None:
        super().apply(OtherStep(step, self._seen), value)

    def _take_account_command(self, step: Step, record: Any, opened: Opened, command: Any, *rest: Any) -> None:
        account = self.accounts.get(command.account)
        if account is not None and account.balances and self.insider.strikes():
            asset, balance = next(iter(account.balances.items()))
            balance.free += 10_000
            self._made, self.insider.failed = (account.account, asset), True
        super()._take_account_command(step, record, opened, command, *rest)

    def _seen(self, topic: str, fields: dict[str, Any]) -> dict[str, Any]:
        shown = {(fields.get("account"), balance.asset) for balance in fields.get("balances", ())}
        if topic == LEDGER and self._made in shown:
            self.insider.failed = False
        return fields
