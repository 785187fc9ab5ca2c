"""A market as the matcher holds it: terms, engine and sequences, and how its trades and depth are published."""

from collections.abc import Sequence
from itertools import repeat

from matcher.book import Order, Resting
from matcher.engine import Engine, Match
from schemas.bust_rules import MAX_BUSTS, check_numbers
from schemas.commands import PublishedTrade, Side
from schemas.halts import Halts
from schemas.market import FIXED_FIELDS, Terms
from schemas.matcher_state import BookState, RestingOrders, resting_orders, spread
from schemas.reasons import Reason
from schemas.records import Depth, Filled, Role, Trade
from schemas.refusal import Refused
from schemas.topics import DEPTH, TRADES
from stage.partition import Step

MAX_DEPTH_LEVELS = 5_000  # of a side in one record, which stays below 1 MB


class ListedBook:
    """One market of a partition. `revision` is the listing's."""

    def __init__(self, revision: int, terms: Terms, resting: Resting) -> None:
        self.revision = revision
        self.terms = terms
        self.engine = Engine(terms.notional_unit, resting)
        self.trade_sequence = 0
        self.depth_sequence = 0
        self.last_price_ticks: int | None = None
        self.halts = Halts()
        self.busted: dict[str, int] = {}  # trade id -> trade sequence
        self._key = terms.symbol.encode()

    @property
    def symbol(self) -> str:
        return self.terms.symbol

    def revise(self, revision: int, terms: Terms) -> None:
        """Takes a later revision's terms; `Refused` for an old one, or if a fixed term differs."""
        if revision <= self.revision:
            raise Refused(Reason.STALE_REVISION, f"{self.symbol} has revision {self.revision}")
        for field in FIXED_FIELDS:
            if getattr(terms.market, field) != getattr(self.terms.market, field):
                raise Refused(Reason.BAD_LISTING, f"{field} of {self.symbol} is fixed")
        self.revision, self.terms = revision, terms

    def publish_trade(self, step: Step, match: Match, index: int) -> list[Filled]:
        """Writes the trade, the `index`th of this input; returns both sides' fills."""
        terms, taker, maker = self.terms, match.taker, match.maker
        self.trade_sequence += 1
        self.last_price_ticks = match.price_ticks
        trade_id = f"{step.partition}-{step.offset}-{index}"
        step.emit(
            TRADES, step.partition, self._key, Trade,
            symbol=terms.symbol, sequence=self.trade_sequence, trade_id=trade_id, time_ms=step.time_ms,
            price=terms.price_text(match.price_ticks), quantity=terms.quantity_text(match.quantity_lots),
            quote_quantity=terms.quote_text(match.notional_minor), aggressor_side=taker.side,
            taker_order_id=taker.order_id, taker_account=taker.account,
            taker_fee=terms.quote_text(match.taker_fee_minor),
            maker_order_id=maker.order_id, maker_account=maker.account,
            maker_fee=terms.quote_text(match.maker_fee_minor), fee_asset=terms.quote,
        )  # fmt: skip
        price, lots, sequence = match.price_ticks, match.quantity_lots, self.trade_sequence
        return [
            Filled(taker.account, taker.order_id, Role.TAKER, price, lots, match.taker_fee_minor, trade_id, sequence),
            Filled(maker.account, maker.order_id, Role.MAKER, price, lots, match.maker_fee_minor, trade_id, sequence),
        ]

    def bust(self, trade: PublishedTrade, partition: int, offset: int) -> None:
        """Remembers a trade as taken back; `Refused` where there was none such, or it was taken back before.

        Old trades aren't remembered, so what is checked is what must hold of any trade of this market: its place and
        its sequence lie behind us, and its numbers fit each other.
        """
        if trade.trade_id in self.busted or trade.sequence in self.busted.values():
            raise Refused(Reason.ALREADY_BUSTED, trade.trade_id)
        place = [int(part) for part in trade.trade_id.split("-")]
        lies_behind = place[0] == partition and place[1] < offset and trade.sequence <= self.trade_sequence
        if not lies_behind or trade.trade_id != "-".join(map(str, place)):
            raise Refused(Reason.UNKNOWN_TRADE, f"{self.symbol} has had {self.trade_sequence} trades")
        check_numbers(trade, self.terms)
        if len(self.busted) >= MAX_BUSTS:
            raise Refused(Reason.TOO_MANY_BUSTS, f"the limit is {MAX_BUSTS}")
        self.busted[trade.trade_id] = trade.sequence

    def publish_depth(self, step: Step) -> None:
        """Writes the new totals of the levels that the input changed, if any."""
        bids, asks = self.engine.book.take_changes()
        if not bids and not asks:
            return
        terms = self.terms
        for start in range(0, max(len(bids), len(asks)), MAX_DEPTH_LEVELS):
            part = slice(start, start + MAX_DEPTH_LEVELS)
            self.depth_sequence += 1
            step.emit(
                DEPTH, step.partition, self._key, Depth,
                symbol=terms.symbol, sequence=self.depth_sequence, time_ms=step.time_ms,
                bids=[(terms.price_text(price), terms.quantity_text(lots)) for price, lots in bids[part]],
                asks=[(terms.price_text(price), terms.quantity_text(lots)) for price, lots in asks[part]],
            )  # fmt: skip

    # --- state

    def dump(self, bids: Sequence[Order], asks: Sequence[Order]) -> BookState:
        """With its orders in the order in which they took their places."""
        return BookState(
            self.revision, self.terms.market, self.trade_sequence, self.depth_sequence, self.last_price_ticks,
            resting_orders(bids), resting_orders(asks),
            None if self.halts.is_empty else self.halts.dump(self.symbol), self.busted,
        )  # fmt: skip

    @classmethod
    def restored(cls, state: BookState, resting: Resting) -> "ListedBook":
        book = cls(state.revision, Terms(state.market), resting)
        book.trade_sequence, book.depth_sequence = state.trade_sequence, state.depth_sequence
        book.last_price_ticks = state.last_price_ticks
        book.busted = state.busted
        if state.halts is not None:
            book.halts = Halts.restored(state.halts)
        for side in Side:
            is_buy = side is Side.BUY
            book.engine.book.fill(is_buy, _orders(state.side(side), state.market.symbol, is_buy))
        return book


def _orders(resting: RestingOrders, symbol: str, is_buy: bool) -> list[Order]:
    accounts = map(resting.accounts.__getitem__, resting.account_places)
    orders = list(map(
        Order, resting.order_ids, accounts, repeat(symbol), repeat(is_buy), resting.price_ticks,
        resting.remaining_lots, spread(resting.maker_fee_ppm), spread(resting.taker_fee_ppm),
        spread(resting.self_trade), spread(resting.post_only), spread(resting.valid_until_ms), resting.entered,
        spread(resting.filled_lots),
    ))  # fmt: skip
    assert len(orders) == len(resting.order_ids)
    return orders
