"""Records of `alerts` that the canary's own key signed. Whatever else stands there is somebody else's word."""

import msgspec

from canary.refusal import Refusal
from canary.signatures import check
from schemas.alerts import signed_part


def is_own(record: bytes | None, public_key: str) -> bool:
    """Whether this is an alert by this key."""
    try:
        message, signature = signed_part(record or b"")
        check(public_key, signature, message)
    except (msgspec.DecodeError, UnicodeDecodeError, Refusal):
        return False
    return True
