"""A market's halts, as whoever follows the log knows them.

Two sets that only grow: halts seen, and halts resumed. A market is halted while one was seen that was not resumed. So
the order in which halts and resumptions reach a partition doesn't matter, and a copy of either, whoever makes it and
when, changes nothing: what is resumed can't be halted again by the same id, and nothing is resumed but what the
operator named. The sets are bounded: beyond `MAX_HALTS` a market takes no more, and is halted by its listing.
"""

from collections.abc import Sequence

from msgspec import Struct

from schemas.reasons import Reason
from schemas.refusal import Refused

MAX_HALTS = 4096  # of one market, over its life


class Halt(Struct, frozen=True):
    """Why a market stands still. `time_ms` is the log time at which this partition took the halt."""

    halt_id: str
    reason: str
    time_ms: int


class HaltState(Struct):
    """A market's halts in a snapshot."""

    symbol: str
    standing: list[Halt] = []
    resumed: list[str] = []


class Halts:
    """`standing` holds what still halts the market, the oldest first."""

    __slots__ = ("_resumed", "standing")

    def __init__(self) -> None:
        self.standing: dict[str, Halt] = {}
        self._resumed: dict[str, None] = {}

    def check(self) -> None:
        """Refuses an order while the market is halted."""
        for halt in self.standing.values():
            raise Refused(Reason.MARKET_HALTED, halt.reason)

    def add(self, halt: Halt) -> None:
        if halt.halt_id in self.standing or halt.halt_id in self._resumed:
            raise Refused(Reason.DUPLICATE_HALT, halt.halt_id)
        self._check_room(1)
        self.standing[halt.halt_id] = halt

    def resume(self, halt_ids: Sequence[str]) -> None:
        """Ends these halts, those too that haven't been seen here yet; `Refused` if all were resumed before."""
        wanted = [halt_id for halt_id in dict.fromkeys(halt_ids) if halt_id not in self._resumed]
        if not wanted:
            raise Refused(Reason.DUPLICATE_HALT, "resumed already")
        self._check_room(sum(halt_id not in self.standing for halt_id in wanted))
        for halt_id in wanted:
            self.standing.pop(halt_id, None)
            self._resumed[halt_id] = None

    def _check_room(self, more: int) -> None:
        if more and len(self.standing) + len(self._resumed) + more > MAX_HALTS:
            raise Refused(Reason.TOO_MANY_HALTS, f"the limit is {MAX_HALTS}")

    @property
    def is_empty(self) -> bool:
        """True for a market that never was halted."""
        return not self.standing and not self._resumed

    # --- state

    def dump(self, symbol: str) -> HaltState:
        return HaltState(symbol, list(self.standing.values()), list(self._resumed))

    @classmethod
    def restored(cls, state: HaltState) -> "Halts":
        halts = cls()
        halts.standing = {halt.halt_id: halt for halt in state.standing}
        halts._resumed = dict.fromkeys(state.resumed)
        return halts


NO_HALTS = Halts()
