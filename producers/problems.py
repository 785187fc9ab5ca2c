"""Refusals over HTTP: each reason's status, and RFC 9457 problem documents.

`STATUS` is the one table from reason to status; `docs/refusals.md` is tested against it.
"""

from typing import Any

import msgspec
from msgspec import Struct

from schemas.reasons import TEXTS, Reason

PROBLEM_JSON = "application/problem+json"
REFUSALS_PATH = "/refusals"

_BY_STATUS: dict[int, tuple[Reason, ...]] = {
    400: (
        Reason.NOT_JSON, Reason.DUPLICATE_FIELD, Reason.NOT_CANONICAL, Reason.BAD_PARAMETER, Reason.UNKNOWN_INTERVAL,
        Reason.BAD_RANGE,
    ),
    401: (
        Reason.NO_SIGNATURE, Reason.BAD_KEY, Reason.BAD_SIGNATURE, Reason.WRONG_ACCOUNT, Reason.WRONG_EXCHANGE,
        Reason.DELEGATION_EXPIRED,
    ),
    403: (Reason.KEY_REVOKED, Reason.NOT_OPERATOR, Reason.ROOT_KEY_REQUIRED, Reason.REGISTRATION_CLOSED,
          Reason.NO_DEMONSTRATION),
    404: (
        Reason.UNKNOWN_SYMBOL, Reason.UNKNOWN_ACCOUNT, Reason.UNKNOWN_ASSET, Reason.UNKNOWN_ORDER, Reason.UNKNOWN_KEY,
        Reason.UNKNOWN_WITHDRAWAL, Reason.UNKNOWN_TRADE, Reason.NOT_FOUND,
        Reason.UNKNOWN_STREAM, Reason.UNKNOWN_METHOD,
    ),
    405: (Reason.METHOD_NOT_ALLOWED,),
    409: (
        Reason.NONCE_REUSED, Reason.NONCE_TOO_OLD, Reason.DUPLICATE_CLIENT_ORDER_ID, Reason.DUPLICATE_TRANSFER,
        Reason.ACCOUNT_EXISTS, Reason.ORDER_CLOSED, Reason.STALE_REVISION, Reason.GENESIS_EXISTS,
        Reason.DUPLICATE_HALT, Reason.ALREADY_BUSTED,
    ),
    413: (Reason.BODY_TOO_LARGE, Reason.RECORD_TOO_LARGE),
    415: (Reason.WRONG_CONTENT_TYPE,),
    429: (Reason.RATE_LIMITED, Reason.TOO_MANY_STREAMS),
    500: (Reason.INTERNAL_ERROR,),
    503: (
        Reason.STORAGE_FULL, Reason.LOG_UNAVAILABLE, Reason.NOT_READY, Reason.HISTORY_UNAVAILABLE, Reason.NO_GENESIS,
        Reason.MARKET_HALTED, Reason.OVERLOADED,
    ),
}  # fmt: skip

# What breaks a rule of values, market, funds or limits is 422.
STATUS: dict[Reason, int] = dict.fromkeys(Reason, 422) | {
    reason: status for status, reasons in _BY_STATUS.items() for reason in reasons
}


class Problem(Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem document. `code` is the stable reason; `stage` says who refused what reached the log."""

    type: str
    title: str
    status: int
    code: Reason
    detail: str = ""
    instance: str = ""
    stage: str | None = None
    command_id: str | None = None
    order_id: str | None = None
    original_id: str | None = None
    missing: list[str] | None = None
    order: Any = None


def problem(reason: Reason, detail: str = "", instance: str = "", **more: Any) -> Problem:
    return Problem(
        type=f"{REFUSALS_PATH}#{reason}",
        title=TEXTS.get(reason, reason),
        status=STATUS[reason],
        code=reason,
        detail=detail,
        instance=instance,
        **more,
    )


def refusals_page() -> str:
    """What every problem's `type` leads to: each reason in words, with its status."""
    rows = "\n".join(
        f'<tr id="{reason}"><td><code>{reason}</code></td><td>{STATUS[reason]}</td><td>{TEXTS[reason]}</td></tr>'
        for reason in Reason
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Refusals</title><h1>Refusals</h1>'
        f"<table><tr><th>code</th><th>status</th><th>meaning</th></tr>\n{rows}\n</table></html>"
    )


encode_problem = msgspec.json.Encoder().encode
