"""What is wrong with a fill: told from the trade, or from the report of it, against the book as it stood.

A fill is compared by what it says of both orders; how it is numbered comes last.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from canary.explain_refused import kind_of_refusal
from canary.matcher_decision import Moves
from canary.matcher_replica import MatcherReplica
from canary.order_book import MarketBook, Order
from schemas.alerts import Evidence, Kind
from schemas.commands import Side
from schemas.reasons import Reason
from schemas.records import Closed, Filled, OrderEvent, Role, Trade
from schemas.topics import ORDERS


class Telling(Struct, frozen=True):
    """A fill as a record tells it; a report tells one side, and leaves the other one empty."""

    symbol: str
    price: str
    quantity: str
    taker: str
    taker_account: str
    maker: str
    maker_account: str
    side: Side | None
    fees: tuple[str, str]
    fee_asset: str


def told_by_trade(trade: Trade) -> Telling:
    fees = trade.taker_fee, trade.maker_fee
    return Telling(
        trade.symbol, trade.price, trade.quantity, trade.taker_order_id, trade.taker_account, trade.maker_order_id,
        trade.maker_account, trade.aggressor_side, fees, trade.fee_asset,
    )  # fmt: skip


def told_by_report(fill: Filled, symbol: str, book: MarketBook | None) -> Telling:
    """Prices are texts where the market is known, so that they compare with a trade's."""
    price, quantity, fee = str(fill.price_ticks), str(fill.quantity_lots), str(fill.fee_minor)
    if book is not None:
        price, quantity = book.terms.price_text(fill.price_ticks), book.terms.quantity_text(fill.quantity_lots)
        fee = book.terms.quote_text(fill.fee_minor)
    taker = fill.role is Role.TAKER
    ids = (fill.order_id, fill.account, "", "") if taker else ("", "", fill.order_id, fill.account)
    fees = (fee, "") if taker else ("", fee)
    return Telling(symbol, price, quantity, *ids, None, fees, "")


class FillExplainer:
    def __init__(self, replica: MatcherReplica) -> None:
        self._replica = replica

    def altered(self, expected: Telling, found: Telling, moves: Moves | None) -> Kind | None:
        """What of a fill is another than expected; None if it is the same fill."""
        if expected == found:
            return None
        if (found.taker, found.maker) == (expected.maker, expected.taker) and found.taker and found.maker:
            return Kind.SIDE_FLIPPED
        if (found.taker, found.taker_account) != (expected.taker, expected.taker_account):
            return Kind.FILL_UNJUSTIFIED
        if (found.maker, found.maker_account) != (expected.maker, expected.maker_account):
            return self._other_maker(expected, found, moves)
        if found.symbol != expected.symbol:
            return Kind.FILL_UNJUSTIFIED
        if found.price != expected.price:
            return Kind.PRICE_ALTERED
        if found.quantity != expected.quantity:
            return Kind.QUANTITY_ALTERED
        return Kind.SIDE_FLIPPED if found.side != expected.side else Kind.FEE_WRONG

    def _other_maker(self, expected: Telling, found: Telling, moves: Moves | None) -> Kind:
        if found.maker_account == found.taker_account:
            return Kind.SELF_TRADE
        order, due = self._order(found.symbol, found.maker), self._order(expected.symbol, expected.maker)
        if order is None or due is None or order.account != found.maker_account:
            return self._dead_or_none(found.maker, moves)
        book = self._replica.books[found.symbol]
        if book.terms.price_text(order.price) != found.price:
            return Kind.PRICE_ALTERED
        return Kind.QUEUE_JUMP if order.price == due.price else Kind.TRADE_THROUGH

    def unjustified(self, found: Telling, moves: Moves | None, recent: Iterable[Telling]) -> Kind:
        """Why there should be no such fill at all."""
        if any(_same_as_far_as_told(found, other) for other in recent):
            return Kind.FILL_DUPLICATED
        if moves is not None and moves.refused is not None:
            kind = kind_of_refusal(moves.refused)
            if kind is not None:
                return kind
        if found.taker_account == found.maker_account or self._is_against_itself(found, moves):
            return Kind.SELF_TRADE
        if self._dead_or_none(found.maker, moves) is Kind.DEAD_ORDER_FILLED:
            return Kind.DEAD_ORDER_FILLED
        return self._dead_or_none(found.taker, moves)

    def _is_against_itself(self, found: Telling, moves: Moves | None) -> bool:
        """Of a report, which shows one side: a resting order of the account whose order came in."""
        happened = moves.markets.get(found.symbol) if moves is not None else None
        incoming = happened.incoming if happened is not None else None
        return incoming is not None and not found.taker and incoming.account == found.maker_account

    def _dead_or_none(self, order_id: str, moves: Moves | None) -> Kind:
        expires_now = moves is not None and any(_expires(order_id, each.events) for each in moves.markets.values())
        dead = expires_now or order_id in self._replica.closed
        return Kind.DEAD_ORDER_FILLED if dead else Kind.FILL_UNJUSTIFIED

    def _order(self, symbol: str, order_id: str) -> Order | None:
        book = self._replica.books.get(symbol)
        return book.orders.get(order_id) if book is not None else None

    def proof(self, symbol: str, order_ids: Sequence[str]) -> tuple[Evidence, ...]:
        """Where the orders that a verdict speaks of came in, or were closed."""
        replica, places = self._replica, []
        for order_id in order_ids:
            order, closed = self._order(symbol, order_id), replica.closed.get(order_id)
            offset = order.came if order is not None else closed.offset if closed is not None else None
            if offset is not None:
                places.append(Evidence(ORDERS, replica.partition, offset))
        return tuple(places)


def _expires(order_id: str, events: Iterable[OrderEvent]) -> bool:
    """Whether the order's time comes with this very input, before anything else."""
    return any(
        isinstance(event, Closed) and event.order_id == order_id and event.cause is Reason.VALID_UNTIL
        for event in events
    )


def _same_as_far_as_told(one: Telling, other: Telling) -> bool:
    """A report's telling against a trade's: what one leaves empty doesn't count."""
    mine: tuple[Any, ...] = (one.symbol, one.price, one.quantity)
    if mine != (other.symbol, other.price, other.quantity):
        return False
    return one.taker in ("", other.taker) and one.maker in ("", other.maker)
