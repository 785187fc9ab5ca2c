"""The matcher of one `orders` partition as a state machine: a record in; trades, depth and execution reports out.

Who may speak is checked here again, on the client's own bytes: the ledger's word alone moves no order. Never looks at
a clock: time is the log's, carried on by a tick a second. Every input first expires what is due, then does its own.
"""

from collections import defaultdict

import msgspec

from matcher.book import Order, Resting
from matcher.engine import UNLIMITED_LOTS, EngineEvent, Incoming, Match
from matcher.listed_book import ListedBook
from matcher.operator_commands import OPERATOR_HANDLERS, OperatorContext
from schemas.authority import open_signed
from schemas.codec import claimed_account, decode_orders
from schemas.commands import AmendOrder, CancelAll, CancelAllAfter, CancelOrder, Genesis, NewOrder, Side
from schemas.ledger_state import Halter
from schemas.market import MarketState
from schemas.matcher_state import MatcherState
from schemas.order_rules import price_amend, price_new_order
from schemas.reasons import Reason
from schemas.records import (
    Closed,
    CloseStatus,
    Declined,
    ExecutionReport,
    Funded,
    OrderEvent,
    Submitted,
    Tick,
    TradesTick,
)
from schemas.refusal import Refused
from schemas.signing import account_partition
from schemas.topics import ACCOUNTS, ORDERS, TRADES
from stage.engine_version import check_engine_version, engine_version_of
from stage.partition import Step

# A record stays below 1 MB, whatever one order sweeps or one listing ends, and so do the journal entries it causes.
MAX_REPORT_EVENTS = 500


class MatcherCore:
    """All books of one partition. Owns the orders on them; they leave it when they close."""

    stage = "matcher"
    input_topic = ORDERS

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.genesis: Genesis | None = None
        self.books: dict[str, ListedBook] = {}
        self.resting = Resting()
        self.halter = Halter()
        self._touched: dict[str, ListedBook] = {}  # books that the present input may have changed

    # --- one record

    def apply(self, step: Step, value: bytes | None) -> None:
        try:
            record = decode_orders(value)
        except Refused as refused:
            step.dead_letter(refused.reason, refused.detail, value)
            return
        if self.genesis is not None:
            self._expire_due(step)
        match record:
            case Funded():
                self._apply_funded(step, record, value)
            case Tick():
                step.emit(TRADES, self.partition, b"", TradesTick, time_ms=step.time_ms)
            case Submitted():
                self._apply_submitted(step, record, value)
        if self._touched:
            for book in self._touched.values():
                book.publish_depth(step)
            self._touched.clear()

    def _apply_funded(self, step: Step, record: Funded, value: bytes | None) -> None:
        # Who signed comes before the edge's sequence: a forged record is refused and takes no place on the edge.
        try:
            if self.genesis is None:
                raise Refused(Reason.NO_GENESIS)
            opened = open_signed(record.signed, engine_version=self.genesis.engine_version)
            if opened.command.exchange != self.genesis.exchange:
                raise Refused(Reason.WRONG_EXCHANGE, f"signed for {opened.command.exchange}")
        except Refused as refused:
            self._refuse_forged(step, record.signed.command, refused, value)
            return
        if step.is_repeat(record.source.partition, record.edge_sequence):
            return
        match opened.command:
            case NewOrder():
                self._new_order(step, record, opened.command)
            case CancelOrder() | CancelAll() | CancelAllAfter():
                self._cancel(step, record, opened.command)
            case AmendOrder():
                self._amend(step, record, opened.command)
            case _:
                step.dead_letter(Reason.UNKNOWN_RECORD, "the ledger passes on orders, cancels and amends only", value)

    # --- commands

    def _new_order(self, step: Step, record: Funded, command: NewOrder) -> None:
        order_id, book = record.command_id, self.books.get(command.symbol)
        if book is None:
            closed = Closed(command.account, order_id, CloseStatus.REJECTED, Reason.UNKNOWN_SYMBOL)
            self._report(step, command.symbol, [closed])
            return
        try:
            if step.time_ms > command.deadline_ms:
                raise Refused(Reason.TOO_OLD)
            if command.valid_until_ms is not None and command.valid_until_ms <= step.time_ms:
                raise Refused(Reason.ALREADY_EXPIRED)
            priced = price_new_order(command, book.terms, book.halts)
        except Refused as refused:
            closed = Closed(command.account, order_id, CloseStatus.REJECTED, refused.reason)
            self._report(step, command.symbol, [closed])
            return
        order = Order(
            order_id, command.account, command.symbol, command.side is Side.BUY, priced.price_ticks or 0,
            priced.quantity_lots or UNLIMITED_LOTS, record.maker_fee_ppm, record.taker_fee_ppm, command.self_trade,
            command.post_only, command.valid_until_ms, step.offset,
        )  # fmt: skip
        by_budget = priced.quantity_lots is None
        incoming = Incoming(order, priced.price_ticks, command.time_in_force, priced.max_quote_minor, by_budget)
        self.publish(step, book, book.engine.submit(incoming))

    def _cancel(self, step: Step, record: Funded, command: CancelOrder | CancelAll | CancelAllAfter) -> None:
        """Cancels those of the record's orders that still rest; tells a plain cancel of one that doesn't."""
        cancelled: dict[str, list[EngineEvent]] = {}
        for order_id in record.order_ids:
            order = self._resting_order(order_id, command.account)
            if order is not None:
                events = self.books[order.symbol].engine.cancel(order, record.command_id)
                cancelled.setdefault(order.symbol, []).extend(events)
            elif isinstance(command, CancelOrder):
                self._decline(step, "", command.account, record.command_id, Refused(Reason.ORDER_CLOSED), order_id)
        for symbol, events in cancelled.items():
            self.publish(step, self.books[symbol], events)

    def _amend(self, step: Step, record: Funded, command: AmendOrder) -> None:
        order_id = record.order_ids[0] if record.order_ids else ""
        order = self._resting_order(order_id, command.account)
        if order is None:
            self._decline(step, "", command.account, record.command_id, Refused(Reason.ORDER_CLOSED), order_id)
            return
        book = self.books[order.symbol]
        try:
            if step.time_ms > command.deadline_ms:
                raise Refused(Reason.TOO_OLD)
            price, total = price_amend(command, order.price_ticks, book.terms, book.halts)
            in_place = price == order.price_ticks and total - order.filled_lots <= order.remaining_lots
            if book.terms.state is not MarketState.OPEN and not in_place:
                raise Refused(Reason.MARKET_NOT_OPEN, f"{book.symbol} is {book.terms.state}: only to less")
        except Refused as refused:
            self._decline(step, book.symbol, command.account, record.command_id, refused, order_id)
            return
        self.publish(step, book, book.engine.amend(order, record.command_id, price, total, step.offset))

    def _resting_order(self, order_id: str, account: str) -> Order | None:
        """The order if it rests and is this account's."""
        order = self.resting.orders.get(order_id)
        return order if order is not None and order.account == account else None

    def _decline(
        self, step: Step, symbol: str, account: str, command_id: str, refused: Refused, order_id: str | None = None
    ) -> None:
        self._report(step, symbol, [Declined(account, command_id, refused.reason, refused.detail, order_id)])

    # --- the operator's records, and forged ones

    def _apply_submitted(self, step: Step, record: Submitted, value: bytes | None) -> None:
        try:
            opened = open_signed(record.signed, engine_version=engine_version_of(self.genesis))
            handler = OPERATOR_HANDLERS.get(type(opened.command))
            if handler is None:
                raise Refused(Reason.NOT_FUNDED, "commands enter through accounts")
            handler(OperatorContext(self, step, record.signed, opened.key), opened.command)
        except Refused as refused:
            self._refuse_forged(step, record.signed.command, refused, value)

    def _refuse_forged(self, step: Step, raw: msgspec.Raw, refused: Refused, value: bytes | None) -> None:
        """Refuses a record that nobody with the right to do so signed: to its alleged account if it names one.

        Under the record's own place in `orders`: the command id that it claims may be that of somebody's good order.
        """
        command_id = f"orders-{self.partition}-{step.offset}"
        account = claimed_account(bytes(raw))
        if account is None or self.genesis is None:
            step.dead_letter(refused.reason, refused.detail, value)
            return
        self._decline(step, "", account, command_id, refused)

    # --- time

    def _expire_due(self, step: Step) -> None:
        due = self.resting.due
        while due and due[0][0] <= step.time_ms:
            order = self.resting.orders[due[0][2]]
            book = self.books[order.symbol]
            self.publish(step, book, book.engine.expire(order, Reason.VALID_UNTIL))

    # --- what goes out

    def publish(self, step: Step, book: ListedBook, events: list[EngineEvent]) -> None:
        """Trades first, then the reports to each partition of `accounts`. Depth follows once the input is done."""
        reports: list[OrderEvent] = []
        trades = 0
        for event in events:
            if isinstance(event, Match):
                reports += book.publish_trade(step, event, trades)
                trades += 1
            else:
                reports.append(event)
        self._report(step, book.symbol, reports)
        self._touched[book.symbol] = book

    def _report(self, step: Step, symbol: str, events: list[OrderEvent]) -> None:
        """An execution report for each partition of `accounts` that these events concern; several if they are many."""
        assert self.genesis is not None
        partitions = self.genesis.account_partitions
        by_partition: dict[int, list[OrderEvent]] = {}
        for event in events:
            by_partition.setdefault(account_partition(event.account, partitions), []).append(event)
        for partition, its_events in by_partition.items():
            for start in range(0, len(its_events), MAX_REPORT_EVENTS):
                step.emit(
                    ACCOUNTS, partition, b"", ExecutionReport,
                    symbol=symbol, time_ms=step.time_ms, events=its_events[start : start + MAX_REPORT_EVENTS],
                )  # fmt: skip

    # --- state

    def dump(self) -> MatcherState:
        # In the order in which they came to rest, in which they lie in memory too: along a large book's queues most of
        # the time goes by waiting for memory.
        sides: defaultdict[tuple[str, bool], list[Order]] = defaultdict(list)
        for order in self.resting.orders.values():
            sides[order.symbol, order.is_buy].append(order)
        books = [book.dump(sides[symbol, True], sides[symbol, False]) for symbol, book in self.books.items()]
        return MatcherState(self.genesis, books, self.halter)

    def restore(self, raw: bytes) -> None:
        state = msgspec.json.decode(raw, type=MatcherState)
        self.genesis = state.genesis
        if state.genesis is not None:
            check_engine_version(state.genesis.engine_version)
        self.halter = state.halter
        for book in state.books:
            self.books[book.market.symbol] = ListedBook.restored(book, self.resting)
