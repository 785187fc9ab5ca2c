"""The stage's loop with one thing more: now and then it shows the candles that still form.

They take no place on the edge, and nobody's state depends on them. So it is the host's clock that says when, and one
that is lost, doubled or late harms nothing: the next says it all again.
"""

from candle_agg.core import CandleCore
from schemas.topics import CANDLES
from stage.service import StageService

FORMING_MS = 250  # at most so often, a symbol and interval


class CandleService(StageService):
    """Runs `CandleCore` on the partitions that it is given."""

    _shown_at_ms = 0

    def step(self, max_records: int = 1000) -> int:
        taken = super().step(max_records)
        now = self._now_ms()
        if now - self._shown_at_ms >= FORMING_MS:
            self._shown_at_ms = now
            self._show_forming()
        return taken

    def _show_forming(self) -> None:
        """All inputs so far are acknowledged here: a closed candle is on the log before one that forms after it."""
        for partition, stage in self.partitions.items():
            assert isinstance(stage.core, CandleCore)
            if stage.is_replaying:
                continue  # newer ones are there already
            for key, value in stage.core.forming(*stage.last_place(CANDLES, partition)):
                self._log.append(CANDLES, partition, key, value)
        self._log.flush()
