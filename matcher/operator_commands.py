"""What the operator and the halter can ask of the matcher, one function a command. Each may refuse; none has an effect
before its last check has passed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from matcher.engine import EngineEvent
from matcher.listed_book import ListedBook
from schemas.commands import AuthoriseHalter, BustTrade, Genesis, HaltMarket, ListMarket, OperatorCommand, ResumeMarket
from schemas.halts import Halt
from schemas.ledger_state import Halter
from schemas.market import MarketState, Terms
from schemas.reasons import Reason
from schemas.records import BustReport, SignedCommand, TradeBusted
from schemas.refusal import Refused
from schemas.signing import account_partition, check_key
from schemas.topics import ACCOUNTS, TRADES
from stage.engine_version import check_engine_version
from stage.partition import Step

if TYPE_CHECKING:
    from matcher.core import MatcherCore


class OperatorContext(NamedTuple):
    """A command on its way, as it was signed, and by which key."""

    core: "MatcherCore"
    step: Step
    signed: SignedCommand
    key: str

    def check_operator(self, command: OperatorCommand, halter: str | None = None) -> Genesis:
        genesis = self.core.genesis
        if genesis is None:
            raise Refused(Reason.NO_GENESIS)
        if self.key not in (genesis.operator_key, halter):
            raise Refused(Reason.NOT_OPERATOR)
        if command.exchange != genesis.exchange:
            raise Refused(Reason.WRONG_EXCHANGE)
        return genesis

    def book(self, symbol: str, partition: int) -> ListedBook:
        """The market that the command means."""
        if partition != self.core.partition:
            raise Refused(Reason.WRONG_PARTITION)
        book = self.core.books.get(symbol)
        if book is None:
            raise Refused(Reason.UNKNOWN_SYMBOL, symbol)
        return book


def start_exchange(context: OperatorContext, command: Genesis) -> None:
    if context.core.genesis is not None:
        raise Refused(Reason.GENESIS_EXISTS)
    if context.key != command.operator_key:
        raise Refused(Reason.NOT_OPERATOR)
    check_engine_version(command.engine_version)
    context.core.genesis = command


def list_market(context: OperatorContext, command: ListMarket) -> None:
    context.check_operator(command)
    core, market = context.core, command.market
    if market.partition != core.partition:
        raise Refused(Reason.WRONG_PARTITION)
    book = core.books.get(market.symbol)
    if book is None:
        core.books[market.symbol] = ListedBook(command.revision, Terms(market), core.resting)
        return
    book.revise(command.revision, Terms(market))
    if book.terms.state is MarketState.DELISTED:
        orders = list(book.engine.book)
        events: list[EngineEvent] = [event for order in orders for event in book.engine.expire(order, Reason.DELISTED)]
        core.publish(context.step, book, events)


# --- halts


def authorise_halter(context: OperatorContext, command: AuthoriseHalter) -> None:
    context.check_operator(command)
    core = context.core
    if command.revision <= core.halter.revision:
        raise Refused(Reason.STALE_REVISION, f"the halter has revision {core.halter.revision}")
    if command.halter_key is not None:
        check_key(command.halter_key)
    core.halter = Halter(command.revision, command.halter_key)


def halt_market(context: OperatorContext, command: HaltMarket) -> None:
    context.check_operator(command, context.core.halter.key)
    book = context.book(command.symbol, command.partition)
    book.halts.add(Halt(command.halt_id, command.reason, context.step.time_ms))


def resume_market(context: OperatorContext, command: ResumeMarket) -> None:
    context.check_operator(command)
    context.book(command.symbol, command.partition).halts.resume(command.halt_ids)


# --- busts


def bust_trade(context: OperatorContext, command: BustTrade) -> None:
    """Publishes that the trade is taken back, and tells the partitions of its accounts, with the operator's own order.

    Both stand behind the trade and its reports on their edges, so nobody hears of the bust before the trade.
    """
    genesis = context.check_operator(command)
    trade, step = command.trade, context.step
    context.book(trade.symbol, command.partition).bust(trade, step.partition, step.offset)
    step.emit(
        TRADES, step.partition, trade.symbol.encode(), TradeBusted,
        symbol=trade.symbol, time_ms=step.time_ms, reason=command.reason, trade=trade,
    )  # fmt: skip
    accounts = (trade.taker_account, trade.maker_account)
    for partition in dict.fromkeys(account_partition(account, genesis.account_partitions) for account in accounts):
        step.emit(
            ACCOUNTS, partition, b"", BustReport, symbol=trade.symbol, time_ms=step.time_ms, signed=context.signed
        )  # fmt: skip


OPERATOR_HANDLERS: dict[type, Callable[[OperatorContext, Any], None]] = {
    Genesis: start_exchange,
    ListMarket: list_market,
    AuthoriseHalter: authorise_halter,
    HaltMarket: halt_market,
    ResumeMarket: resume_market,
    BustTrade: bust_trade,
}
