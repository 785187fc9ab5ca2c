"""The halter's and the operator's commands about markets on `accounts`. From docs/matching-rules.md, "Halts"."""

from typing import TYPE_CHECKING

from canary.ledger_operator import check_operator
from canary.refusal import Refusal
from schemas.commands import AuthoriseHalter, BustTrade, HaltMarket, ResumeMarket
from schemas.journal import HalterAuthorised, MarketHalted, MarketResumed
from schemas.reasons import Reason
from schemas.topics import LEDGER

if TYPE_CHECKING:
    from canary.ledger_decision import Decision


def authorise_halter(decision: "Decision", key: str, command: AuthoriseHalter) -> None:
    check_operator(decision, key)
    step = decision.step
    decision.effects.halter = decision.known.halter.replaced(command)
    step.emit(
        LEDGER, step.partition, HalterAuthorised,
        revision=command.revision, halter_key=command.halter_key, time_ms=step.time_ms,
    )  # fmt: skip


def halt_market(decision: "Decision", key: str, command: HaltMarket) -> None:
    if key != decision.known.halter.key:
        check_operator(decision, key)
    _check_market(decision, command)
    step, halts = decision.step, decision.known.halts_of(command.symbol)
    decision.effects.halts[command.symbol] = halts.halted(command.halt_id)
    step.emit(
        LEDGER, step.partition, MarketHalted,
        symbol=command.symbol, halt_id=command.halt_id, reason=command.reason, evidence=command.evidence,
        halted_by=key, time_ms=step.time_ms,
    )  # fmt: skip


def resume_market(decision: "Decision", key: str, command: ResumeMarket) -> None:
    check_operator(decision, key)
    _check_market(decision, command)
    step, halts = decision.step, decision.known.halts_of(command.symbol)
    decision.effects.halts[command.symbol] = halts.ended(command.halt_ids)
    step.emit(
        LEDGER, step.partition, MarketResumed,
        symbol=command.symbol, halt_ids=command.halt_ids, reason=command.reason, time_ms=step.time_ms,
    )  # fmt: skip


def refuse_bust(decision: "Decision", key: str, command: BustTrade) -> None:
    """Its place is on `orders`."""
    check_operator(decision, key)
    raise Refusal(Reason.WRONG_PARTITION)


def _check_market(decision: "Decision", command: HaltMarket | ResumeMarket) -> None:
    if command.partition != decision.terms(command.symbol).partition:
        raise Refusal(Reason.WRONG_PARTITION)
