"""The one way in which pure code says no."""

from schemas.reasons import Reason


class Refused(Exception):
    """A business refusal: it becomes an event or an HTTP problem with its reason code, never a crash."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail[:512]
