"""Corrupt matchers whose engine matches otherwise than the rules say."""

from typing import Any

from msgspec.structs import replace

from matcher.book import Level
from matcher.engine import Engine, EngineEvent, Incoming, Match
from matcher.listed_book import ListedBook
from schemas.commands import TimeInForce
from simulator.canary_insiders import CorruptMatcher, Insider
from stage.partition import Step


class CorruptEngine(Engine):
    """Takes over a book's engine."""

    __slots__ = ("insider",)

    def __init__(self, book: ListedBook, insider: Insider) -> None:
        self.insider = insider
        self.book = book.engine.book
        self._notional_unit = book.terms.notional_unit


class CorruptBooks(CorruptMatcher):
    """Each book gets an engine of this class."""

    engine: type[CorruptEngine]

    def apply(self, step: Step, value: bytes | None) -> None:
        super().apply(step, value)
        for book in self.books.values():
            if not isinstance(book.engine, CorruptEngine):
                book.engine = self.engine(book, self.insider)


class JumpingEngine(CorruptEngine):
    """Passes over the first in a queue, who keeps his place."""

    def submit(self, incoming: Incoming) -> list[EngineEvent]:
        order = incoming.order
        level = (self.book.asks if order.is_buy else self.book.bids).best
        queue = list(level) if level is not None else []
        can = len(queue) > 1 and level is not None and _meets(incoming, level) and not order.post_only
        can = can and incoming.time_in_force is not TimeInForce.FOK
        if not can or order.account in (queue[0].account, queue[1].account) or not self._ends_there(incoming):
            return super().submit(incoming)
        if not self.insider.strikes():
            return super().submit(incoming)
        self.book.remove(queue[0])
        events = super().submit(incoming)
        behind = [one for one in queue[1:] if one.level is not None]
        for one in behind:
            self.book.remove(one)
        for one in (queue[0], *behind):
            self.book.add(one)
        return events

    def _ends_there(self, incoming: Incoming) -> bool:
        """Whether just the first in line would be filled, and the order used up: so that nothing else differs."""
        plan = self._plan(incoming)
        return len(plan.steps) == 1 and plan.left_lots == 0


def _meets(incoming: Incoming, level: Level) -> bool:
    limit = incoming.price_ticks
    if limit is None:
        return True
    return limit >= level.price_ticks if incoming.order.is_buy else limit <= level.price_ticks


class ThroughTradingEngine(CorruptEngine):
    """Passes over the best price."""

    def submit(self, incoming: Incoming) -> list[EngineEvent]:
        order = incoming.order
        side = self.book.asks if order.is_buy else self.book.bids
        levels = list(side)[:2]
        can = len(levels) == 2 and _meets(incoming, levels[1]) and not order.post_only
        if (
            not can
            or incoming.time_in_force is TimeInForce.FOK
            or any(o.account == order.account for lv in levels for o in lv)
        ):
            return super().submit(incoming)
        if not self.insider.strikes():
            return super().submit(incoming)
        hidden = list(levels[0])
        for passed in hidden:
            self.book.remove(passed)
        events = super().submit(replace(incoming, time_in_force=TimeInForce.IOC))
        self.insider.failed = not any(isinstance(event, Match) for event in events)
        for passed in hidden:
            self.book.add(passed)
        return events


class SelfTradingEngine(CorruptEngine):
    """Lets an order trade with one of its own account."""

    def _plan(self, incoming: Incoming) -> Any:
        plan, order = super()._plan(incoming), incoming.order
        met = plan.self_trade or any(what for what, _, _ in plan.steps)
        if not met or incoming.time_in_force is TimeInForce.FOK or not self.insider.strikes():
            return plan
        account, order.account = order.account, "nobody"
        try:
            return super()._plan(incoming)
        finally:
            order.account = account


class JumpsQueues(CorruptBooks):
    engine = JumpingEngine


class TradesThrough(CorruptBooks):
    engine = ThroughTradingEngine


class TradesWithSelf(CorruptBooks):
    engine = SelfTradingEngine
