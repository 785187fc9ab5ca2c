"""What the operator and the halter can ask about a market: who may halt it, that it stands still, that it goes on.

The matcher takes the same records on its own log. A halt and its resumption may reach the two in either order:
`schemas/halts.py` says why that comes to the same.
"""

from collections.abc import Callable
from typing import Any

from ledger.operator_commands import OperatorContext
from schemas.commands import AuthoriseHalter, BustTrade, HaltMarket, ResumeMarket
from schemas.halts import Halt
from schemas.journal import HalterAuthorised, MarketHalted, MarketResumed
from schemas.ledger_state import Halter
from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.signing import check_key
from schemas.topics import LEDGER


def authorise_halter(context: OperatorContext, command: AuthoriseHalter) -> None:
    context.check_operator()
    ledger, step = context.ledger, context.step
    if command.revision <= ledger.halter.revision:
        raise Refused(Reason.STALE_REVISION, f"the halter has revision {ledger.halter.revision}")
    if command.halter_key is not None:
        check_key(command.halter_key)
    ledger.halter = Halter(command.revision, command.halter_key)
    step.emit(
        LEDGER, step.partition, b"", HalterAuthorised,
        revision=command.revision, halter_key=command.halter_key, time_ms=step.time_ms,
    )  # fmt: skip


def halt_market(context: OperatorContext, command: HaltMarket) -> None:
    ledger, step = context.ledger, context.step
    if context.key != ledger.halter.key:
        context.check_operator()
    _check_market(context, command)
    ledger.halts[command.symbol].add(Halt(command.halt_id, command.reason, step.time_ms))
    step.emit(
        LEDGER, step.partition, command.symbol.encode(), MarketHalted,
        symbol=command.symbol, halt_id=command.halt_id, reason=command.reason, evidence=command.evidence,
        halted_by=context.key, time_ms=step.time_ms,
    )  # fmt: skip


def resume_market(context: OperatorContext, command: ResumeMarket) -> None:
    context.check_operator()
    ledger, step = context.ledger, context.step
    _check_market(context, command)
    ledger.halts[command.symbol].resume(command.halt_ids)
    step.emit(
        LEDGER, step.partition, command.symbol.encode(), MarketResumed,
        symbol=command.symbol, halt_ids=command.halt_ids, reason=command.reason, time_ms=step.time_ms,
    )  # fmt: skip


def refuse_bust(context: OperatorContext, command: BustTrade) -> None:
    """The matcher takes trades back, in their own order, and reports it here: see `ledger/busts.py`."""
    context.check_operator()
    raise Refused(Reason.WRONG_PARTITION, "a bust is written to the market's partition of orders")


def _check_market(context: OperatorContext, command: HaltMarket | ResumeMarket) -> None:
    terms = context.ledger.markets.get(command.symbol)
    if terms is None:
        raise Refused(Reason.UNKNOWN_SYMBOL, command.symbol)
    if command.partition != terms.partition:
        raise Refused(Reason.WRONG_PARTITION, f"{command.symbol} is on partition {terms.partition}")


MARKET_HANDLERS: dict[type, Callable[[OperatorContext, Any], None]] = {
    AuthoriseHalter: authorise_halter,
    HaltMarket: halt_market,
    ResumeMarket: resume_market,
    BustTrade: refuse_bust,
}
