"""Who may halt markets, and which halts of a market stand. From docs/matching-rules.md, "Halts".

A halt's id is either standing or resumed, and never goes back. Values, not objects that change: a decision makes the
next one, and whoever carries it out puts it in place of the last.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from canary.refusal import Refusal
from canary.signatures import checker
from schemas.commands import AuthoriseHalter
from schemas.reasons import Reason

MOST_HALTS = 4096


class Halter(Struct, frozen=True):
    """The one key that besides the operator's may halt markets. Revision 0 is before any was named."""

    revision: int = 0
    key: str | None = None

    def replaced(self, command: AuthoriseHalter) -> "Halter":
        if command.revision <= self.revision:
            raise Refusal(Reason.STALE_REVISION)
        if command.halter_key is not None:
            checker(command.halter_key)
        return Halter(command.revision, command.halter_key)


class Halts(NamedTuple):
    """A market's, by their ids."""

    standing: frozenset[str] = frozenset()
    resumed: frozenset[str] = frozenset()

    def halted(self, halt_id: str) -> "Halts":
        if halt_id in self.standing | self.resumed:
            raise Refusal(Reason.DUPLICATE_HALT)
        return Halts(self.standing | {halt_id}, self.resumed)._within_limit()

    def ended(self, halt_ids: Sequence[str]) -> "Halts":
        """With these resumed, seen here or not."""
        ended = frozenset(halt_ids)
        if ended <= self.resumed:
            raise Refusal(Reason.DUPLICATE_HALT)
        after = Halts(self.standing - ended, self.resumed | ended)
        return after if ended <= self.standing | self.resumed else after._within_limit()

    def _within_limit(self) -> "Halts":
        if len(self.standing) + len(self.resumed) > MOST_HALTS:
            raise Refusal(Reason.TOO_MANY_HALTS)
        return self


class HaltsState(Struct):
    """As a snapshot holds them."""

    symbol: str
    standing: list[str]
    resumed: list[str]


def dump_halts(halts: dict[str, Halts]) -> list[HaltsState]:
    return [HaltsState(symbol, sorted(its.standing), sorted(its.resumed)) for symbol, its in halts.items()]


def restored_halts(states: list[HaltsState]) -> dict[str, Halts]:
    return {state.symbol: Halts(frozenset(state.standing), frozenset(state.resumed)) for state in states}
