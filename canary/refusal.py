"""What the rules refuse, and the faults of form between which the rules don't choose."""

from schemas.reasons import Reason

# Bytes that are no command have one or several of these. Which one is named is not part of the contract.
FAULTS_OF_FORM = frozenset(
    {
        Reason.NOT_JSON, Reason.DUPLICATE_FIELD, Reason.UNKNOWN_FIELD, Reason.MISSING_FIELD, Reason.WRONG_TYPE,
        Reason.NOT_CANONICAL, Reason.BAD_CLIENT_ORDER_ID, Reason.UNKNOWN_RECORD, Reason.RECORD_TOO_LARGE,
    }
)  # fmt: skip


class Refusal(Exception):
    """The rules say no, for this reason. Its words for people are not part of the contract."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason
