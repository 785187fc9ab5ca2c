"""One input of the matcher, decided: expiries first, then what the record asks for, then the depth that changed.

Reads the replica and its books and changes neither. The rules are those of docs/matching-rules.md, "The matcher".
"""

from typing import Any, Protocol

from msgspec import Struct

from canary.authority import Opened, claimed_account
from canary.frames import FundedFrame, SubmittedFrame
from canary.halts import Halter, Halts
from canary.matcher_busts import Busted
from canary.matcher_operator import may_sign, submitted
from canary.matching import Event, Fill, Ripple, Wish, amended, keeps_place, outcome
from canary.numbers import LARGEST
from canary.order_book import MarketBook, Order
from canary.refusal import Refusal
from canary.steps import Step, partition_of
from schemas.commands import (
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Genesis,
    ListMarket,
    NewOrder,
    PublishedTrade,
    Side,
)
from schemas.market import MarketState
from schemas.reasons import Reason
from schemas.records import (
    Closed,
    CloseStatus,
    Declined,
    Depth,
    ExecutionReport,
    Filled,
    OrderEvent,
    Role,
    Tick,
    Trade,
    TradesTick,
)
from schemas.topics import ACCOUNTS, DEPTH, TRADES

EVENTS_A_REPORT = 500
LEVELS_A_RECORD = 5_000


class Happened(Struct):
    """What an input does to one market."""

    ripple: Ripple
    events: list[OrderEvent] = []
    incoming: Order | None = None


class Moves(Struct):
    """What one input does to the partition. `forged`: nobody who may write to `orders` wrote it."""

    markets: dict[str, Happened]
    opened: Opened | None = None
    refused: Reason | None = None
    forged: bool = False
    impossible: str = ""  # never: the matcher can follow any input
    genesis: Genesis | None = None
    listing: ListMarket | None = None
    halter: Halter | None = None
    halts: dict[str, Halts] = {}
    busted: PublishedTrade | None = None


class Known(Protocol):
    """What a decision looks at, beside the books."""

    partition: int
    genesis: Genesis | None
    halter: Halter
    halts: dict[str, Halts]
    busted: dict[str, Busted]


class Decision:
    """`heeds_halts`: False asks what became of an order if its market were not halted."""

    def __init__(self, known: Known, books: dict[str, MarketBook], step: Step, heeds_halts: bool = True) -> None:
        self.known = known
        self.books = books
        self.step = step
        self.heeds_halts = heeds_halts
        self.gone: set[str] = set()
        self.moves = Moves({})

    def of(self, record: Any, opened: Opened | None) -> Moves:
        """`opened` is the record's signed command, if it has one."""
        moves, step = self.moves, self.step
        moves.opened = opened
        if record is None:
            moves.forged = True
            return moves
        if self.known.genesis is not None:
            self._expire()
        try:
            if isinstance(record, FundedFrame):
                assert opened is not None
                self._funded(record, opened)
            elif isinstance(record, SubmittedFrame):
                assert opened is not None
                submitted(self, opened)
            else:
                assert isinstance(record, Tick)
                step.emit(TRADES, step.partition, TradesTick, time_ms=step.time_ms)
        except Refusal as refusal:
            self._refuse_stranger(refusal.reason, isinstance(record, FundedFrame))
        self._publish_depth()
        return moves

    # --- time

    def _expire(self) -> None:
        """Every order whose time has come, in the order of (time, place, id), each reported by itself."""
        now = self.step.time_ms
        due: list[tuple[int, int, str, str]] = []
        for symbol, book in self.books.items():
            if book.due and book.due[0][0] <= now:
                due += [(*key, symbol) for key in book.due.irange(maximum=(now, LARGEST, ""))]
        if not due:
            return
        for _, _, order_id, symbol in sorted(due):
            order = self.books[symbol].orders[order_id]
            self.gone.add(order_id)
            closed = Closed(order.account, order_id, CloseStatus.EXPIRED, Reason.VALID_UNTIL)
            self.publish(self.books[symbol], [closed])

    # --- what the ledger passed on

    def _funded(self, record: FundedFrame, opened: Opened) -> None:
        genesis = self.known.genesis
        if genesis is None:
            raise Refusal(Reason.NO_GENESIS)
        command = opened.command_under(genesis)
        if command.exchange != genesis.exchange:
            raise Refusal(Reason.WRONG_EXCHANGE)
        # Only what its owner signed takes a place on the edge.
        if not self.step.takes(record.source.partition, record.edge_sequence):
            return
        if isinstance(command, NewOrder):
            self._new_order(record, command)
        elif isinstance(command, CancelOrder | CancelAll | CancelAllAfter):
            self._cancel(record, command)
        elif isinstance(command, AmendOrder):
            self._amend(record, command)

    def _new_order(self, record: FundedFrame, command: NewOrder) -> None:
        step, book = self.step, self.books.get(command.symbol)
        try:
            if book is None:
                raise Refusal(Reason.UNKNOWN_SYMBOL)
            if step.time_ms > command.deadline_ms:
                raise Refusal(Reason.TOO_OLD)
            if command.valid_until_ms is not None and command.valid_until_ms <= step.time_ms:
                raise Refusal(Reason.ALREADY_EXPIRED)
            wanted = book.terms.read_order(command, self._is_halted(command.symbol))
        except Refusal as refusal:
            self.moves.refused = refusal.reason
            closed = Closed(command.account, record.command_id, CloseStatus.REJECTED, refusal.reason)
            self._report(command.symbol, [closed])
            return
        order = Order(
            record.command_id, command.account, command.side is Side.BUY, wanted.price or 0,
            LARGEST if wanted.lots is None else wanted.lots, 0, step.offset, record.maker_fee_ppm,
            record.taker_fee_ppm, command.self_trade, command.post_only, command.valid_until_ms, step.offset,
        )  # fmt: skip
        wish = Wish(wanted.price, command.time_in_force, wanted.most_quote, wanted.lots is None)
        self.publish(book, outcome(book, order, wish, self.gone), order)

    def _cancel(self, record: FundedFrame, command: CancelOrder | CancelAll | CancelAllAfter) -> None:
        """Those of the named orders that rest; of one that doesn't, a plain cancel is told."""
        cancelled: dict[str, list[Event]] = {}
        for order_id in record.order_ids:
            book, order = self._resting(order_id, command.account)
            if book is not None and order is not None:
                self.gone.add(order_id)
                closed = Closed(order.account, order_id, CloseStatus.CANCELLED, None, record.command_id)
                cancelled.setdefault(book.terms.symbol, []).append(closed)
            elif isinstance(command, CancelOrder):
                self._decline("", command.account, record.command_id, Reason.ORDER_CLOSED, order_id)
        for symbol, events in cancelled.items():
            self.publish(self.books[symbol], events)

    def _amend(self, record: FundedFrame, command: AmendOrder) -> None:
        order_id = record.order_ids[0] if record.order_ids else ""
        book, order = self._resting(order_id, command.account)
        if book is None or order is None:
            self._decline("", command.account, record.command_id, Reason.ORDER_CLOSED, order_id)
            return
        try:
            if self.step.time_ms > command.deadline_ms:
                raise Refusal(Reason.TOO_OLD)
            price, total = book.terms.read_amend(command, order.price, self._is_halted(book.terms.symbol))
            if book.terms.state is not MarketState.OPEN and not keeps_place(order, price, total - order.filled):
                raise Refusal(Reason.MARKET_NOT_OPEN)
        except Refusal as refusal:
            self.moves.refused = refusal.reason
            self._decline(book.terms.symbol, command.account, record.command_id, refusal.reason, order_id)
            return
        self.publish(book, amended(book, order, record.command_id, price, total, self.gone))

    def _is_halted(self, symbol: str) -> bool:
        halts = self.known.halts.get(symbol)
        return self.heeds_halts and halts is not None and bool(halts.standing)

    def _resting(self, order_id: str, account: str) -> tuple[MarketBook | None, Order | None]:
        """The order, if it rests and is this account's, and where."""
        if order_id not in self.gone:
            for book in self.books.values():
                order = book.orders.get(order_id)
                if order is not None:
                    return (book, order) if order.account == account else (None, None)
        return None, None

    # --- strangers' records

    def _refuse_stranger(self, reason: Reason, is_funded: bool) -> None:
        """A record that nobody with the right to signed: told to the account that it names, under its own place."""
        moves, step = self.moves, self.step
        moves.refused = reason
        opened = moves.opened
        assert opened is not None
        moves.forged = is_funded or reason is Reason.NOT_FUNDED or not may_sign(self.known, opened)
        account = claimed_account(opened.raw)
        if account is not None and self.known.genesis is not None:
            self._decline("", account, f"orders-{step.partition}-{step.offset}", reason)

    # --- what goes out

    def publish(self, book: MarketBook, events: list[Event], incoming: Order | None = None) -> None:
        """Trades first, then the reports of them and of all else. Depth follows at the end."""
        symbol = book.terms.symbol
        happened = self.moves.markets.get(symbol)
        if happened is None:
            happened = self.moves.markets[symbol] = Happened(Ripple(book), [])
        happened.incoming = incoming if incoming is not None else happened.incoming
        happened.ripple.add(events, incoming)
        told: list[OrderEvent] = []
        index = 0
        for event in events:
            if isinstance(event, Fill):
                told += self._trade(book, event, index)
                index += 1
            else:
                told.append(event)
        happened.events += told
        self._report(symbol, told)

    def _trade(self, book: MarketBook, fill: Fill, index: int) -> tuple[Filled, Filled]:
        step, terms, taker, maker = self.step, book.terms, fill.taker, fill.maker
        trade_id, sequence = f"{step.partition}-{step.offset}-{index}", step.number(TRADES, terms.symbol)
        step.emit(
            TRADES, step.partition, Trade,
            symbol=terms.symbol, sequence=sequence, trade_id=trade_id, time_ms=step.time_ms,
            price=terms.price_text(maker.price), quantity=terms.quantity_text(fill.lots),
            quote_quantity=terms.quote_text(fill.notional), aggressor_side=Side.BUY if taker.is_buy else Side.SELL,
            taker_order_id=taker.order_id, taker_account=taker.account, taker_fee=terms.quote_text(fill.taker_fee),
            maker_order_id=maker.order_id, maker_account=maker.account, maker_fee=terms.quote_text(fill.maker_fee),
            fee_asset=terms.quote,
        )  # fmt: skip
        price, lots = maker.price, fill.lots
        return (
            Filled(taker.account, taker.order_id, Role.TAKER, price, lots, fill.taker_fee, trade_id, sequence),
            Filled(maker.account, maker.order_id, Role.MAKER, price, lots, fill.maker_fee, trade_id, sequence),
        )

    def _decline(self, symbol: str, account: str, command_id: str, reason: Reason, order_id: str | None = None) -> None:
        self._report(symbol, [Declined(account, command_id, reason, "", order_id)])

    def _report(self, symbol: str, events: list[OrderEvent]) -> None:
        """One report for each partition of `accounts` that is concerned; several where there is much to say."""
        genesis, step = self.known.genesis, self.step
        assert genesis is not None
        told: dict[int, list[OrderEvent]] = {}
        for event in events:
            told.setdefault(partition_of(event.account, genesis.account_partitions), []).append(event)
        for partition, its in told.items():
            for start in range(0, len(its), EVENTS_A_REPORT):
                part = its[start : start + EVENTS_A_REPORT]
                step.emit(ACCOUNTS, partition, ExecutionReport, symbol=symbol, time_ms=step.time_ms, events=part)

    def _publish_depth(self) -> None:
        step = self.step
        for symbol, happened in self.moves.markets.items():
            bids, asks = happened.ripple.totals(True), happened.ripple.totals(False)
            book = self.books[symbol]
            terms = book.terms
            for start in range(0, max(len(bids), len(asks)), LEVELS_A_RECORD):
                part = slice(start, start + LEVELS_A_RECORD)
                step.emit(
                    DEPTH, step.partition, Depth,
                    symbol=symbol, sequence=step.number(DEPTH, symbol), time_ms=step.time_ms,
                    bids=[(terms.price_text(price), terms.quantity_text(lots)) for price, lots in bids[part]],
                    asks=[(terms.price_text(price), terms.quantity_text(lots)) for price, lots in asks[part]],
                )  # fmt: skip
