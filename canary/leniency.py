"""What a record may say in its own words: the details of refusals, and which of several faults of form it names.

All else must be as derived, byte for byte.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from canary.frames import Unreadable, encode
from canary.refusal import FAULTS_OF_FORM
from schemas.journal import CommandRefused, LedgerEntry, OperatorRefused
from schemas.records import Declined, ExecutionReport

_read_entry = msgspec.json.Decoder(LedgerEntry).decode
_read_report = msgspec.json.Decoder(ExecutionReport).decode
_read_operator_refused = msgspec.json.Decoder(OperatorRefused).decode


def is_same(expected: Any, value: bytes | None) -> bool:
    """Whether the bytes are the expected record, in whatever words it refuses."""
    read: Any
    if isinstance(expected, LedgerEntry | ExecutionReport):
        if not any(isinstance(event, CommandRefused | Declined) for event in expected.events):
            return False
        read = _read_entry if isinstance(expected, LedgerEntry) else _read_report
    elif isinstance(expected, OperatorRefused):
        read = _read_operator_refused
    else:
        return False
    try:
        found = read(value or b"")
    except Unreadable:
        return False
    return bool(encode(in_words_of(found, expected)) == value)


def in_words_of(found: Any, expected: Any) -> Any:
    """The expected record in the other's words."""
    if type(found) is not type(expected):
        return expected
    if isinstance(expected, LedgerEntry | ExecutionReport):
        return replace(expected, events=_events(expected.events, found.events))
    return replace(expected, detail=found.detail) if isinstance(expected, OperatorRefused) else expected


def _events(expected: list[Any], found: list[Any]) -> list[Any]:
    if len(expected) != len(found):
        return expected
    return [_event(one, other) for one, other in zip(expected, found, strict=True)]


def _event(expected: Any, found: Any) -> Any:
    """The expected event in the other's words, where it may choose them."""
    if type(expected) is not type(found) or not isinstance(expected, CommandRefused | Declined):
        return expected
    if isinstance(expected, CommandRefused) and expected.stage != "ledger":
        return expected  # the matcher's words, passed on
    either = expected.reason in FAULTS_OF_FORM and found.reason in FAULTS_OF_FORM
    return replace(expected, detail=found.detail, reason=found.reason if either else expected.reason)
