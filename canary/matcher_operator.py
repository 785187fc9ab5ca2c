"""What the operator and the halter write to `orders`: the exchange's beginning, listings, halts, busts."""

from typing import TYPE_CHECKING, Protocol

from canary.authority import Opened
from canary.engines import check_engine
from canary.halts import Halter, Halts
from canary.market_terms import FIXED, MarketTerms
from canary.matcher_busts import bust_trade
from canary.matching import Event
from canary.order_book import MarketBook
from canary.refusal import Refusal
from schemas.commands import AuthoriseHalter, BustTrade, Genesis, HaltMarket, ListMarket, ResumeMarket
from schemas.market import MarketState
from schemas.reasons import Reason
from schemas.records import Closed, CloseStatus

if TYPE_CHECKING:
    from canary.matcher_decision import Decision


class Keys(Protocol):
    """Who may write here."""

    genesis: Genesis | None
    halter: Halter


def may_sign(known: Keys, opened: Opened) -> bool:
    """Whether this is a record of somebody who may write such, refused or not."""
    if opened.command is None:
        return False
    if known.genesis is None or opened.key == known.genesis.operator_key:
        return True
    return isinstance(opened.command, HaltMarket) and opened.key == known.halter.key


def submitted(decision: "Decision", opened: Opened) -> None:
    genesis = decision.known.genesis
    command = opened.command_under(genesis)
    if isinstance(command, Genesis):
        if genesis is not None:
            raise Refusal(Reason.GENESIS_EXISTS)
        if opened.key != command.operator_key:
            raise Refusal(Reason.NOT_OPERATOR)
        check_engine(command.engine_version)
        decision.moves.genesis = command
        return
    if not isinstance(command, ListMarket | AuthoriseHalter | HaltMarket | ResumeMarket | BustTrade):
        raise Refusal(Reason.NOT_FUNDED)
    if genesis is None:
        raise Refusal(Reason.NO_GENESIS)
    if not may_sign(decision.known, opened):
        raise Refusal(Reason.NOT_OPERATOR)
    if command.exchange != genesis.exchange:
        raise Refusal(Reason.WRONG_EXCHANGE)
    match command:
        case ListMarket():
            _list_market(decision, command)
        case AuthoriseHalter():
            decision.moves.halter = decision.known.halter.replaced(command)
        case HaltMarket():
            halts = _halts_of(decision, command.symbol, command.partition)
            decision.moves.halts[command.symbol] = halts.halted(command.halt_id)
        case ResumeMarket():
            halts = _halts_of(decision, command.symbol, command.partition)
            decision.moves.halts[command.symbol] = halts.ended(command.halt_ids)
        case BustTrade():
            _check_market(decision, command.trade.symbol, command.partition)
            bust_trade(decision, command)


def _check_market(decision: "Decision", symbol: str, partition: int) -> None:
    if partition != decision.known.partition:
        raise Refusal(Reason.WRONG_PARTITION)
    if symbol not in decision.books:
        raise Refusal(Reason.UNKNOWN_SYMBOL)


def _halts_of(decision: "Decision", symbol: str, partition: int) -> Halts:
    _check_market(decision, symbol, partition)
    return decision.known.halts.get(symbol, Halts())


def _list_market(decision: "Decision", command: ListMarket) -> None:
    market = command.market
    if market.partition != decision.known.partition:
        raise Refusal(Reason.WRONG_PARTITION)
    MarketTerms(market)
    book = decision.books.get(market.symbol)
    if book is not None:
        if command.revision <= book.revision:
            raise Refusal(Reason.STALE_REVISION)
        if any(getattr(market, field) != getattr(book.terms.market, field) for field in FIXED):
            raise Refusal(Reason.BAD_LISTING)
        if market.state is MarketState.DELISTED:
            _end_all(decision, book)
    decision.moves.listing = command


def _end_all(decision: "Decision", book: MarketBook) -> None:
    """Bids, then asks; best price first, oldest first within a price."""
    ended: list[Event] = []
    for key in (*book.bids, *book.asks):
        order_id = key[2]
        if order_id not in decision.gone:
            account = book.orders[order_id].account
            ended.append(Closed(account, order_id, CloseStatus.EXPIRED, Reason.DELISTED))
    decision.publish(book, ended)
