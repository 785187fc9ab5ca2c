"""Corrupt stages that heed no halt, carry out what nobody with the right to signed, or take trades back otherwise."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from msgspec.structs import replace

from matcher.listed_book import ListedBook
from matcher.operator_commands import OPERATOR_HANDLERS, OperatorContext
from schemas.authority import Opened
from schemas.commands import AmendOrder, BustTrade, HaltMarket, NewOrder
from schemas.halts import Halts
from schemas.journal import TradeReversed
from schemas.records import Funded, Submitted
from schemas.topics import LEDGER, TRADES
from simulator.canary_insiders import CorruptLedger, CorruptMatcher, OtherStep
from stage.partition import Step

# --- halts


class MatchesWhileHalted(CorruptMatcher):
    """Takes a new order or an amend in a market that is halted."""

    _has_published = False

    def publish(self, step: Step, book: ListedBook, events: Any) -> None:
        self._has_published = True
        super().publish(step, book, events)

    def _new_order(self, step: Step, record: Funded, command: NewOrder) -> None:
        self._heedless(command.symbol, partial(super()._new_order, step, record, command))

    def _amend(self, step: Step, record: Funded, command: AmendOrder) -> None:
        order = self._resting_order(record.order_ids[0], command.account) if record.order_ids else None
        symbol = order.symbol if order is not None else ""
        self._heedless(symbol, partial(super()._amend, step, record, command))

    def _heedless(self, symbol: str, take: Callable[[], None]) -> None:
        book = self.books.get(symbol)
        if book is None or not book.halts.standing or not self.insider.strikes():
            take()
            return
        halts, book.halts, self._has_published = book.halts, Halts(), False
        take()
        book.halts = halts
        self.insider.failed = not self._has_published


class LetsThroughHalted(CorruptLedger):
    """Lets a new order through to a market that is halted."""

    def _take_account_command(self, step: Step, record: Any, opened: Opened, command: Any, *rest: Any) -> None:
        halts = self.halts.get(command.symbol) if isinstance(command, NewOrder) else None
        account = self.accounts.get(command.account)
        if halts is None or not halts.standing or account is None or not self.insider.strikes():
            super()._take_account_command(step, record, opened, command, *rest)
            return
        self.halts[command.symbol] = Halts()
        super()._take_account_command(step, record, opened, command, *rest)
        self.halts[command.symbol] = halts
        self.insider.failed = step.offset not in account.orders


class LeavesOut(CorruptLedger):
    """Leaves one record of its journal out. Were it the last of its partition, it would only be late."""

    _has_struck = False

    def apply(self, step: Step, value: bytes | None) -> None:
        super().apply(OtherStep(step, self._rewrite), value)

    def _rewrite(self, topic: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        if topic != LEDGER:
            return fields
        if self.is_one(fields) and self.insider.strikes():
            self.insider.failed = self._has_struck = True
            return None
        self.insider.failed = self.insider.failed and not self._has_struck
        return fields

    def is_one(self, fields: dict[str, Any]) -> bool:
        raise NotImplementedError


class DropsHalts(LeavesOut):
    """Passes a halt over, as if it had never come."""

    def _rewrite(self, topic: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        rewritten = super()._rewrite(topic, fields)
        if rewritten is None:
            del self.halts[fields["symbol"]].standing[fields["halt_id"]]
        return rewritten

    def is_one(self, fields: dict[str, Any]) -> bool:
        return "halted_by" in fields


class HaltsForAnybody(CorruptLedger):
    """Carries a halt out that neither the operator nor the halter signed."""

    def _take_operator_command(self, step: Step, key: str, command: Any, *rest: Any) -> None:
        operator = self.genesis.operator_key if self.genesis is not None else key
        may = not isinstance(command, HaltMarket) or key in (operator, self.halter.key)
        if may or not self.insider.strikes():
            super()._take_operator_command(step, key, command, *rest)
            return
        before = len(self.halts[command.symbol].standing)
        super()._take_operator_command(step, operator, command, *rest)
        self.insider.failed = len(self.halts[command.symbol].standing) == before


# --- busts


class BustsForAnybody(CorruptMatcher):
    """Takes a trade back that somebody else than the operator wants to be taken back."""

    def _apply_submitted(self, step: Step, record: Submitted, value: bytes | None) -> None:
        handlers = OPERATOR_HANDLERS
        honest = handlers[BustTrade]

        def trusting(context: OperatorContext, command: BustTrade) -> None:
            genesis = self.genesis
            if genesis is not None and context.key != genesis.operator_key and self.insider.strikes():
                self.insider.failed = True
                honest(context._replace(key=genesis.operator_key), command)
                self.insider.failed = False
                return
            honest(context, command)

        handlers[BustTrade] = trusting
        try:
            super()._apply_submitted(step, record, value)
        finally:
            handlers[BustTrade] = honest


class DropsBusts(CorruptMatcher):
    """Passes a bust over, as if it had never come."""

    _drops = False

    def apply(self, step: Step, value: bytes | None) -> None:
        self._drops = False
        super().apply(OtherStep(step, self._rewrite), value)

    def _rewrite(self, topic: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        if topic == TRADES and "trade" in fields:
            self._drops = self.insider.strikes()
        return None if self._drops else fields


def takes_back(fields: dict[str, Any]) -> bool:
    return any(isinstance(event, TradeReversed) for event in fields.get("events", ()))


class ReversesTwiceAsMuch(CorruptLedger):
    """Its postings sum to zero all the same."""

    def apply(self, step: Step, value: bytes | None) -> None:
        super().apply(OtherStep(step, self._rewrite), value)

    def _rewrite(self, topic: str, fields: dict[str, Any]) -> dict[str, Any]:
        if not takes_back(fields) or not self.insider.strikes():
            return fields
        return fields | {"postings": [replace(p, amount=f"{2 * Decimal(p.amount):f}") for p in fields["postings"]]}


class ReversesNothing(LeavesOut):
    def is_one(self, fields: dict[str, Any]) -> bool:
        return takes_back(fields)
