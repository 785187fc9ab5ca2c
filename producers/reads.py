"""Private reads are signed like commands: who asks, for what, on which exchange, and when. Pure.

The signature is over `READ_PREFIX` and five lines: exchange, `GET`, the path with its query as sent, account, time.
"""

from collections.abc import Mapping

from producers.view import View
from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.signing import READ_PREFIX, account_of, check_signature

WINDOW_MS = 10_000
ACCOUNT_HEADER = "glassbook-account"
KEY_HEADER = "glassbook-key"
TIME_HEADER = "glassbook-time"
SIGNATURE_HEADER = "glassbook-signature"


def read_message(exchange: str, target: str, account: str, time_ms: str) -> bytes:
    """What a private read's signature is over. `target` is the path with its query, just as sent."""
    return READ_PREFIX + f"{exchange}\nGET\n{target}\n{account}\n{time_ms}".encode()


def reader(headers: Mapping[str, str], target: str, exchange: str, view: View, now_ms: int) -> str:
    """The account that asks; `Refused` unless its root key or a live trade key of it signed just this."""
    account, key = headers.get(ACCOUNT_HEADER, ""), headers.get(KEY_HEADER, "")
    time_text, signature = headers.get(TIME_HEADER, ""), headers.get(SIGNATURE_HEADER, "")
    if not (account and key and time_text and signature):
        names = "Glassbook-Account, Glassbook-Key, Glassbook-Time and Glassbook-Signature"
        raise Refused(Reason.NO_SIGNATURE, f"a private read carries {names}")
    if not (time_text.isascii() and time_text.isdigit() and len(time_text) <= 16):
        raise Refused(Reason.BAD_PARAMETER, "Glassbook-Time is in milliseconds since 1970")
    check_signature(key, signature, read_message(exchange, target, account, time_text))
    if abs(int(time_text) - now_ms) > WINDOW_MS:
        late = int(time_text) < now_ms
        raise Refused(Reason.TOO_OLD if late else Reason.TOO_NEW, f"Glassbook-Time may differ by {WINDOW_MS} ms")
    known = view.accounts.get(account)
    if account_of(key) != account:
        valid_until = known.trade_keys.get(key) if known is not None else None
        if valid_until is None:
            raise Refused(Reason.KEY_REVOKED, "neither the account's root key nor one of its trade keys")
        if now_ms > valid_until:
            raise Refused(Reason.DELEGATION_EXPIRED)
    if known is None:
        raise Refused(Reason.UNKNOWN_ACCOUNT)
    return account
