"""Corrupt matchers that take what they should refuse, or write otherwise what they did rightly."""

from collections.abc import Callable
from typing import Any

import matcher.core
from schemas.authority import Opened
from schemas.commands import Command, decode_command
from schemas.records import Funded, SignedCommand
from schemas.refusal import Refused
from schemas.topics import DEPTH, TRADES
from simulator.canary_insiders import CorruptMatcher, OtherStep
from stage.partition import Step


class MatchesForged(CorruptMatcher):
    """Takes a record whose signature doesn't hold for good."""

    def _apply_funded(self, step: Step, record: Funded, value: bytes | None) -> None:
        def trusting(signed: SignedCommand, *rest: Any, **named: Any) -> Opened:
            try:
                return honest(signed, *rest, **named)
            except Refused:
                if not self.insider.strikes():
                    raise
                command: Command = decode_command(bytes(signed.command))
                return Opened(command, bytes(signed.command), signed.key, None)

        names = vars(matcher.core)
        honest: Callable[..., Opened] = names["open_signed"]
        names["open_signed"] = trusting
        try:
            super()._apply_funded(step, record, value)
        finally:
            names["open_signed"] = honest


class AltersDepth(CorruptMatcher):
    def apply(self, step: Step, value: bytes | None) -> None:
        super().apply(OtherStep(step, self._rewrite), value)

    def _rewrite(self, topic: str, fields: dict[str, Any]) -> dict[str, Any]:
        if topic == DEPTH and fields["bids"] and self.insider.strikes():
            (price, quantity), *rest = fields["bids"]
            return fields | {"bids": [(price, str(int(quantity) + 1)), *rest]}
        return fields


class StampsOtherTimes(CorruptMatcher):
    """A later time on a trade; its reports say the same."""

    _ahead_ms = 0

    def apply(self, step: Step, value: bytes | None) -> None:
        self._ahead_ms = 0
        super().apply(OtherStep(step, self._rewrite), value)

    def _rewrite(self, topic: str, fields: dict[str, Any]) -> dict[str, Any]:
        if topic == TRADES and "price" in fields and self.insider.strikes():
            self._ahead_ms = 1
        return fields | {"time_ms": fields["time_ms"] + self._ahead_ms}


class Skips(CorruptMatcher):
    """Leaves a number of an edge out."""

    def apply(self, step: Step, value: bytes | None) -> None:
        super().apply(step, value)
        counters = getattr(step, "_counters", {})
        if f"{TRADES}:{self.partition}" in counters and self.insider.strikes():
            counters[f"{TRADES}:{self.partition}"] += 1


class ReadsAnotherLog(CorruptMatcher):
    """Goes on from another input than lies on the log: its digest is another one."""

    def apply(self, step: Step, value: bytes | None) -> None:
        if self.insider.strikes():
            step._digest = bytes(range(32))  # type: ignore[attr-defined]
        super().apply(step, value)


class FallsSilent(CorruptMatcher):
    """Writes nothing any more."""

    def apply(self, step: Step, value: bytes | None) -> None:
        super().apply(OtherStep(step, self._rewrite), value)

    def _rewrite(self, topic: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        return None if self.insider.struck or self.insider.strikes() else fields
