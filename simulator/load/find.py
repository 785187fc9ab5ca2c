"""The highest percentage that is sustained: twice as much until it isn't, then halves of what lies between. Pure."""

STEP = 10.0


class Search:
    """`percent` is what to try next, until `done`; `sustained` is the highest that was, 0 if none."""

    def __init__(self, percent: float) -> None:
        self.percent = max(STEP, percent)
        self.sustained = 0.0
        self._failed: float | None = None

    @property
    def done(self) -> bool:
        return self._failed is not None and self._failed - self.sustained <= STEP

    def tell(self, sustained: bool) -> None:
        """What came of trying `percent`."""
        if sustained:
            self.sustained = max(self.sustained, self.percent)
        else:
            self._failed = self.percent
        if self._failed is None:
            self.percent *= 2
        else:
            middle = (self.sustained + self._failed) / 2
            self.percent = max(STEP, round(middle / STEP) * STEP)
            if not self.done and self.percent in (self.sustained, self._failed):
                self.percent = self.sustained + STEP
