"""The records of `alerts`: where what was published doesn't follow from what came before, with the evidence.

Signed by the canary's key, so that nobody else's word passes for its. The signature is over `SIGNED_PREFIX` and the
record's own bytes as they were without it: it is the last field, and a reader that knows fewer fields can check it too.
"""

from collections.abc import Callable
from enum import StrEnum

import msgspec
from msgspec import Struct

SIGNED_PREFIX = b"glassbook alert record v1\n"


class Severity(StrEnum):
    NOTICE = "NOTICE"  # no stage did anything wrong: a stranger's record was refused, or something can't be checked
    LATE = "LATE"  # nothing wrong was seen, but something that is due hasn't come
    WRONG = "WRONG"  # what was published contradicts its input


class Kind(StrEnum):
    """What is wrong. Codes are stable: never renamed, never reused."""

    # fills
    FILL_UNJUSTIFIED = "FILL_UNJUSTIFIED"  # no orders justify it
    FILL_MISSING = "FILL_MISSING"
    PRICE_ALTERED = "PRICE_ALTERED"
    QUANTITY_ALTERED = "QUANTITY_ALTERED"
    QUEUE_JUMP = "QUEUE_JUMP"  # a younger order at the same price was filled
    TRADE_THROUGH = "TRADE_THROUGH"  # a worse price was filled while a better one stood
    SIDE_FLIPPED = "SIDE_FLIPPED"  # maker and taker, or the aggressor's side, exchanged
    FILLS_REORDERED = "FILLS_REORDERED"
    FILL_DUPLICATED = "FILL_DUPLICATED"
    DEAD_ORDER_FILLED = "DEAD_ORDER_FILLED"  # it was cancelled or had expired
    SELF_TRADE = "SELF_TRADE"  # which the order's mode forbids
    FEE_WRONG = "FEE_WRONG"
    TIME_ALTERED = "TIME_ALTERED"
    # orders on their way
    ORDER_UNKNOWN = "ORDER_UNKNOWN"  # on `orders`, and not on `accounts`
    ORDER_UNFUNDED = "ORDER_UNFUNDED"
    ORDER_DROPPED = "ORDER_DROPPED"
    ORDERS_REORDERED = "ORDERS_REORDERED"
    ORDER_FORGED = "ORDER_FORGED"  # unsigned, forged or altered, and let through
    ORDER_REPLAYED = "ORDER_REPLAYED"
    # money
    POSTINGS_UNBALANCED = "POSTINGS_UNBALANCED"
    BALANCE_WITHOUT_CAUSE = "BALANCE_WITHOUT_CAUSE"
    # halts and busts
    HALT_WRONG = "HALT_WRONG"  # a halt not heeded, not carried out, or that nobody signed; a resumption likewise
    BUST_WRONG = "BUST_WRONG"  # a trade taken back that nobody with the right to named, or otherwise than it says
    BUST_UNFOUNDED = "BUST_UNFOUNDED"  # the operator took back a trade that was not published, or not so
    BUST_UNCHECKED = "BUST_UNCHECKED"  # … one too old to be compared with what was published
    # the book
    DEPTH_WRONG = "DEPTH_WRONG"
    # the log
    COPIES_DIFFER = "COPIES_DIFFER"  # of one edge sequence
    SEQUENCE_GAP = "SEQUENCE_GAP"
    EDGE_FORGED = "EDGE_FORGED"  # a record that names a source which it can't come from
    LOG_REWRITTEN = "LOG_REWRITTEN"
    LOG_TRUNCATED = "LOG_TRUNCATED"
    RECORD_FORGED = "RECORD_FORGED"  # nobody with the right to wrote it; it was refused
    # the rest
    OUTCOME_WRONG = "OUTCOME_WRONG"  # of an order or a command, in another way than those above
    STAGE_LATE = "STAGE_LATE"


class Evidence(Struct, frozen=True):
    """A record that an alert rests on, by its place on the log."""

    topic: str
    partition: int
    offset: int


class Alert(Struct, frozen=True, tag_field="record", tag="alert", kw_only=True, omit_defaults=True):
    """On `alerts`: one divergence. `evidence` begins with the first bad record and is as small as will prove it; where
    a record is missing, it begins with the one behind which it should stand."""

    alert_id: str  # the same divergence has the same id, whoever finds it and how often
    kind: str  # a `Kind`; kept as text, so that a reader lives with kinds that are newer than itself
    severity: Severity
    symbol: str  # empty where no single market is concerned
    time_ms: int  # log time of the first bad record
    expected: str
    found: str
    evidence: list[Evidence]
    signature: str = ""  # the last field; empty in alerts that are older than signatures


def signed_alert(alert: Alert, sign: Callable[[bytes], str]) -> bytes:
    """The record of an alert that has no signature yet. `sign`: a message → its signature's text."""
    plain = msgspec.json.encode(alert)
    return plain[:-1] + _signature_field(sign(SIGNED_PREFIX + plain))


def signed_part(value: bytes) -> tuple[bytes, str]:
    """An alert's record → (the message that was signed, the signature). `msgspec.DecodeError` if it is no alert's."""
    signature = msgspec.json.decode(value, type=Alert).signature
    return SIGNED_PREFIX + value.removesuffix(_signature_field(signature)) + b"}", signature


def _signature_field(signature: str) -> bytes:
    return b',"signature":' + msgspec.json.encode(signature) + b"}"
