"""An account as the exchange's journal states it, where that is not what was derived.

Not a second ledger: it takes over what an entry says plainly (balances, which orders are open, how much is reserved,
which mandate stands), so that what follows from it can be told from what follows from our own.
"""

from typing import Any

from msgspec.structs import replace

from canary.account_book import AccountBook, Draft, Held, Mandate, Recent, command_digest
from canary.frames import encode
from canary.ledger_decision import Effects
from canary.market_terms import MarketTerms
from canary.numbers import NotPlain, TooFine, signed_units_of
from schemas.commands import NewOrder, Side
from schemas.journal import LedgerEntry, MandateArmed, MandateDisarmed, MandateFired, OrderClosed, OrderOpened

AT_ONCE = (NotPlain, TooFine, KeyError, ValueError)


class Restatement:
    """`book` has our own draft installed already, where we have one."""

    def __init__(
        self, markets: dict[str, MarketTerms], decimals: dict[str, int], book: AccountBook, draft: Draft | None
    ) -> None:
        self._markets = markets
        self._decimals = decimals
        self._book = book
        self._draft = draft

    def follow(self, entry: LedgerEntry, effects: Effects | None, offset: int) -> None:
        """Takes over what the entry says; what can't be read of it stays as we have it."""
        try:
            self._balances(entry)
            self._orders(entry, effects, offset)
            self._reserved(entry)
            self._mandate(entry, effects, offset)
        except AT_ONCE:
            return

    def _balances(self, entry: LedgerEntry) -> None:
        for after in entry.balances:
            decimals = self._decimals[after.asset]
            free, reserved = signed_units_of(after.free, decimals), signed_units_of(after.reserved, decimals)
            self._book.balances[after.asset] = free, reserved

    def _orders(self, entry: LedgerEntry, effects: Effects | None, offset: int) -> None:
        book, draft = self._book, self._draft
        opened = any(isinstance(event, OrderOpened) for event in entry.events)
        ours = draft is not None and draft.orders.get(offset) is not None and offset not in draft.book.orders
        command = effects.opened.command if effects is not None and effects.opened is not None else None
        if opened and not ours and isinstance(command, NewOrder) and effects is not None and effects.opened is not None:
            self._open(command, entry, offset)
            book.use_nonce(command.nonce)
            book.remember(Recent(command_digest(effects.opened.raw), offset, command.client_order_id, None))
        elif ours and not opened:
            book.put_order(offset, None)
        for event in entry.events:
            if isinstance(event, OrderClosed):
                book.put_order(int(event.order_id.partition("-")[2]), None)

    def _mandate(self, entry: LedgerEntry, effects: Effects | None, offset: int) -> None:
        told = [event for event in entry.events if isinstance(event, MandateArmed | MandateDisarmed | MandateFired)]
        if not told and self._draft is not None:
            self._book.mandate = self._draft.book.mandate
        opened = effects.opened if effects is not None else None
        for event in told:
            if not isinstance(event, MandateArmed):
                self._book.mandate = None
            elif opened is not None:
                self._book.mandate = Mandate(event.due_ms, offset, encode(opened.signed))

    def _open(self, command: NewOrder, entry: LedgerEntry, offset: int) -> None:
        terms = self._markets[command.symbol]
        price = None if command.price is None else terms.price_of(command.price)
        total = None if command.quantity is None else terms.lots_of(command.quantity)
        dearer = max(terms.maker_ppm, terms.taker_ppm, 0)
        is_buy = command.side is Side.BUY
        held = Held(offset, command.client_order_id, command.symbol, is_buy, price, total, 0, 0, dearer, {})
        held.reserved = self._posted(entry, terms.quote if is_buy else terms.base)
        self._book.put_order(offset, held)

    def _reserved(self, entry: LedgerEntry) -> None:
        """Where one order was touched, what was reserved otherwise was reserved for it."""
        draft = self._draft
        touched = [order for order in draft.orders.values() if order is not None] if draft is not None else []
        if draft is None or len(touched) != 1 or touched[0].offset not in self._book.orders:
            return
        terms = self._markets[touched[0].symbol]
        asset = terms.quote if touched[0].is_buy else terms.base
        name = f"reserved:{self._book.account}"
        ours = sum(amount for book, its, amount in draft.postings if book == name and its == asset)
        order = replace(touched[0])
        order.reserved += self._posted(entry, asset) - ours
        self._book.put_order(order.offset, order)

    def _posted(self, entry: LedgerEntry, asset: str) -> int:
        """What the entry posts to the account's reserve."""
        name, decimals = f"reserved:{self._book.account}", self._decimals[asset]
        amounts: Any = (p.amount for p in entry.postings if p.book == name and p.asset == asset)
        return sum(signed_units_of(amount, decimals) for amount in amounts)
