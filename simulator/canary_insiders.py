"""Corrupt stages: real cores that do one wrong thing, once, and make all that they write agree with it.

Whoever controls a stage controls its edges, digests, sequences and reports; after his stroke he goes on from the state
that it led to. `Insider` chooses the moment: the so-manieth time that there is an opportunity. What he does is in the
modules beside this one: fills told otherwise, engines that match otherwise, outputs written otherwise, and ledgers.
"""

from collections.abc import Callable
from typing import Any

from ledger.core import LedgerCore
from matcher.core import MatcherCore
from matcher.engine import EngineEvent
from matcher.listed_book import ListedBook
from stage.partition import Step


class Insider:
    """Strikes once, after letting `patience` opportunities pass. One for all partitions of his stage."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.struck = False
        self.failed = False  # what he tried came to nothing by itself

    def strikes(self) -> bool:
        if self.struck:
            return False
        self.patience -= 1
        self.struck = self.patience < 0
        return self.struck


class CorruptMatcher(MatcherCore):
    """Overridden below, one wrong a class."""

    def __init__(self, partition: int, insider: Insider) -> None:
        super().__init__(partition)
        self.insider = insider

    def publish(self, step: Step, book: ListedBook, events: list[EngineEvent]) -> None:
        super().publish(step, book, self.retold(book, events))

    def retold(self, book: ListedBook, events: list[EngineEvent]) -> list[EngineEvent]:
        """What happened, as the insider tells it."""
        return events


class CorruptLedger(LedgerCore):
    def __init__(self, partition: int, insider: Insider) -> None:
        super().__init__(partition)
        self.insider = insider


class OtherStep:
    """Hands a step on, and lets `rewrite` change what is emitted; None of it means that it isn't."""

    def __init__(self, step: Any, rewrite: Callable[[str, dict[str, Any]], dict[str, Any] | None]) -> None:
        self._step = step
        self._rewrite = rewrite

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def emit(self, topic: str, partition: int, key: bytes, record: Callable[..., Any], /, **fields: Any) -> None:
        rewritten = self._rewrite(topic, fields)
        if rewritten is not None:
            self._step.emit(topic, partition, key, record, **rewritten)
