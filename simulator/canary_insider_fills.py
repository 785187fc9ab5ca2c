"""Corrupt matchers that tell of fills otherwise than they were, or of fills that never were."""

from typing import Any

from msgspec.structs import replace

from matcher.book import Order
from matcher.engine import EngineEvent, Match
from matcher.listed_book import ListedBook
from schemas.market import fee_minor
from schemas.records import Funded, Rested
from simulator.canary_insiders import CorruptMatcher, Insider
from stage.partition import Step


def matches(events: list[EngineEvent]) -> list[int]:
    return [number for number, event in enumerate(events) if isinstance(event, Match)]


def altered(book: ListedBook, match: Match, price_ticks: int, lots: int) -> Match:
    """The same trade at another price or quantity, its money worked out anew."""
    notional = book.terms.notional_minor(price_ticks, lots)
    fees = fee_minor(notional, match.taker.taker_fee_ppm), fee_minor(notional, match.maker.maker_fee_ppm)
    return Match(match.taker, match.maker, price_ticks, lots, notional, *fees)


class InventsFills(CorruptMatcher):
    """Trades an order that came to rest with one of the other side, which asks for another price."""

    def retold(self, book: ListedBook, events: list[EngineEvent]) -> list[EngineEvent]:
        if not events or not isinstance(events[-1], Rested):
            return events
        came = self.resting.orders[events[-1].order_id]
        partners = [o for o in book.engine.book if o.is_buy != came.is_buy and o.account != came.account]
        if not partners or came.remaining_lots < 2 or partners[0].remaining_lots < 2 or not self.insider.strikes():
            return events
        return [*events, _trade(book, came, partners[0])]


def _trade(book: ListedBook, came: Order, partner: Order) -> Match:
    """A lot changes hands that nothing asked for."""
    for order in (came, partner):
        if order.level is not None:
            book.engine.book.reduce(order, 1)
        order.filled_lots += 1
    empty = Match(came, partner, partner.price_ticks, 1, 0, 0, 0)
    return altered(book, empty, partner.price_ticks, 1)


class LeavesFillsOut(CorruptMatcher):
    def retold(self, book: ListedBook, events: list[EngineEvent]) -> list[EngineEvent]:
        found = matches(events)
        if found and self.insider.strikes():
            del events[found[0]]
        return events


class AltersFills(CorruptMatcher):
    """Tells a trade otherwise, in `trades` and in the reports alike."""

    def retold(self, book: ListedBook, events: list[EngineEvent]) -> list[EngineEvent]:
        for number in matches(events):
            match = events[number]
            assert isinstance(match, Match)
            if self.can(book, match) and self.insider.strikes():
                events[number] = self.other(book, match)
        return events

    def can(self, book: ListedBook, match: Match) -> bool:
        return True

    def other(self, book: ListedBook, match: Match) -> Match:
        raise NotImplementedError


class AltersPrices(AltersFills):
    def other(self, book: ListedBook, match: Match) -> Match:
        return altered(book, match, match.price_ticks - 1, match.quantity_lots)


class AltersQuantities(AltersFills):
    def can(self, book: ListedBook, match: Match) -> bool:
        return match.quantity_lots > 1

    def other(self, book: ListedBook, match: Match) -> Match:
        return altered(book, match, match.price_ticks, match.quantity_lots - 1)


class FlipsSides(AltersFills):
    def other(self, book: ListedBook, match: Match) -> Match:
        return replace(match, taker=match.maker, maker=match.taker)


class AltersFees(AltersFills):
    def other(self, book: ListedBook, match: Match) -> Match:
        return replace(match, taker_fee_minor=match.taker_fee_minor + 1)


class Reorders(CorruptMatcher):
    """Publishes an order's fills from the last to the first."""

    def retold(self, book: ListedBook, events: list[EngineEvent]) -> list[EngineEvent]:
        found = matches(events)
        if len(found) > 1 and self.insider.strikes():
            first, last = found[0], found[-1]
            events[first], events[last] = events[last], events[first]
        return events


class Doubles(CorruptMatcher):
    def retold(self, book: ListedBook, events: list[EngineEvent]) -> list[EngineEvent]:
        found = matches(events)
        if found and self.insider.strikes():
            events.insert(found[0] + 1, events[found[0]])
        return events


class WakesTheDead(CorruptMatcher):
    """Fills an order that its owner has cancelled, or whose time has come."""

    def __init__(self, partition: int, insider: Insider) -> None:
        super().__init__(partition, insider)
        self._dead: list[Order] = []

    def retold(self, book: ListedBook, events: list[EngineEvent]) -> list[EngineEvent]:
        if events and isinstance(events[-1], Rested):
            came = self.resting.orders[events[-1].order_id]
            dead = [
                order for order in self._dead
                if order.is_buy != came.is_buy and order.symbol == book.symbol and order.account != came.account
            ]  # fmt: skip
            if dead and came.remaining_lots > 1 and self.insider.strikes():
                return [*events, _trade(book, came, dead[-1])]
        return events

    def _expire_due(self, step: Step) -> None:
        self._dead += [
            order for order in self.resting.orders.values() if (order.valid_until_ms or 2**62) <= step.time_ms
        ]
        super()._expire_due(step)

    def _cancel(self, step: Step, record: Funded, command: Any) -> None:
        orders = (self._resting_order(order_id, command.account) for order_id in record.order_ids)
        self._dead += [order for order in orders if order is not None]
        super()._cancel(step, record, command)
