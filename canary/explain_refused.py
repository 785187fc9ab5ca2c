"""Which kind of wrong it is to let through what the rules refuse."""

from canary.refusal import FAULTS_OF_FORM
from schemas.alerts import Kind
from schemas.reasons import Reason

_FORGED = FAULTS_OF_FORM | {
    Reason.NO_SIGNATURE, Reason.BAD_KEY, Reason.BAD_SIGNATURE, Reason.WRONG_ACCOUNT, Reason.WRONG_EXCHANGE,
    Reason.DELEGATION_EXPIRED, Reason.KEY_REVOKED, Reason.ROOT_KEY_REQUIRED, Reason.NOT_OPERATOR,
}  # fmt: skip
_REPLAYED = frozenset(
    {
        Reason.NONCE_REUSED, Reason.NONCE_TOO_OLD, Reason.DUPLICATE_CLIENT_ORDER_ID, Reason.TOO_OLD,
        Reason.DUPLICATE_TRANSFER,
    }
)  # fmt: skip


def kind_of_refusal(reason: Reason | None) -> Kind | None:
    """None where letting it through is wrong in no way that has a name of its own."""
    if reason in _FORGED:
        return Kind.ORDER_FORGED
    if reason in _REPLAYED:
        return Kind.ORDER_REPLAYED
    if reason is Reason.INSUFFICIENT_FUNDS:
        return Kind.ORDER_UNFUNDED
    if reason is Reason.MARKET_HALTED:
        return Kind.HALT_WRONG
    if reason is Reason.NOT_FUNDED:
        return Kind.ORDER_UNKNOWN
    return None
