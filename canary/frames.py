"""Records as they are read: `accounts` and `orders` for what they ask, all topics for where they say they come from.

A frame is a record's definition with the signed command left as bytes, so that it is opened once and not twice.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from schemas.records import ExecutionReport, SignedCommand, Source, Tick

SUBMITTED = b'{"record":"submitted",'
"""How those of the gateways begin. Another one may be spelled otherwise."""

Unreadable = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class SubmittedFrame(Struct, frozen=True, tag_field="record", tag="submitted"):
    """`Submitted`, its command unopened."""

    signed: Raw


class FundedFrame(Struct, frozen=True, tag_field="record", tag="funded", kw_only=True):
    """`Funded`, its command unopened."""

    edge_sequence: int
    source: Source
    command_id: str
    signed: Raw
    order_ids: list[str] = []
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0


class BustFrame(Struct, frozen=True, tag_field="record", tag="bust_report", kw_only=True):
    """`BustReport`, its command unopened."""

    edge_sequence: int
    source: Source
    symbol: str
    time_ms: int
    signed: Raw


class Origin(Struct, frozen=True, gc=False):
    """What of a derived record says where it comes from, and of which kind it is."""

    edge_sequence: int
    source: Source
    record: str = ""


read_accounts = msgspec.json.Decoder(SubmittedFrame | ExecutionReport | BustFrame | Tick).decode
read_orders = msgspec.json.Decoder(FundedFrame | Tick | SubmittedFrame).decode
read_signed = msgspec.json.Decoder(SignedCommand).decode
_read_origin = msgspec.json.Decoder(Origin).decode
encode: Any = msgspec.json.Encoder().encode


def origin_of(value: bytes | None) -> Origin | None:
    """Where a record on an output topic says it comes from; None if it doesn't say."""
    try:
        return _read_origin(value or b"")
    except Unreadable:
        return None
