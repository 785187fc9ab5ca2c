"""From a request's body to a command whose signature holds, and the record that goes onto the log. Pure.

White space and the order of fields are the client's own over HTTP; what is verified and travels is the canonical form.
Whatever two readers could understand differently (a field twice, a float, an unknown field) is refused, in the envelope
as in the command.
"""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from schemas.authority import OPERATOR_COMMANDS, Opened, open_signed
from schemas.batches import members_of_batch
from schemas.codec import encode
from schemas.commands import (
    MAX_AHEAD_MS,
    MAX_WINDOW_MS,
    Command,
    RegisterAccount,
    canonical,
)
from schemas.reasons import Reason
from schemas.records import Delegation, SignedCommand, Submitted
from schemas.refusal import Refused
from schemas.signing import MAX_BATCH, account_of, merkle_tree

MAX_BODY_BYTES = 64 * 1024
StructT = TypeVar("StructT", bound=Struct)


class Batch(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Commands signed once, over `BATCH_PREFIX` and the Merkle root of their canonical bytes."""

    commands: list[Raw]
    key: str
    signature: str
    delegation: Delegation | None = None


class Submission(Struct, frozen=True):
    """A verified command and the bytes that go onto `accounts`."""

    command: Command
    account: str
    key: str
    record: bytes


_signed_decoder: msgspec.json.Decoder[SignedCommand] = msgspec.json.Decoder(SignedCommand)
_batch_decoder: msgspec.json.Decoder[Batch] = msgspec.json.Decoder(Batch)


def take_command(body: bytes, kinds: tuple[type[Command], ...], exchange: str) -> Submission:
    """The one command in `body`, of one of these kinds and for this exchange; `Refused` otherwise."""
    signed = _read_envelope(_signed_decoder, body)
    return _submission(_canonical_signed(signed), kinds, exchange)


def take_batch(body: bytes, kinds: tuple[type[Command], ...], exchange: str) -> list[Submission]:
    """The commands of a batch in order. All of one account; one that can't be read refuses the whole batch."""
    batch: Batch = _read_envelope(_batch_decoder, body)
    if not 1 <= len(batch.commands) <= MAX_BATCH:
        raise Refused(Reason.BAD_PARAMETER, f"a batch holds 1 to {MAX_BATCH} commands")
    leaves = [_numbered(index, raw) for index, raw in enumerate(batch.commands)]
    delegation = _canonical_delegation(batch.delegation)
    _, paths = merkle_tree(leaves)
    members = members_of_batch(leaves, paths, batch.key, batch.signature, delegation)
    submissions = [_submission(signed, kinds, exchange) for signed in members]
    if len({submission.account for submission in submissions}) > 1:
        raise Refused(Reason.WRONG_ACCOUNT, "the commands of a batch are all of one account")
    return submissions


def take_json(body: bytes) -> dict[str, Any]:
    """An unsigned body as one strict JSON object."""
    value = _strict(body)
    if not isinstance(value, dict):
        raise Refused(Reason.NOT_JSON, "the body is no JSON object")
    return value


def take_struct(body: bytes, kind: type[StructT]) -> StructT:
    """An unsigned body as one of these, read strictly."""
    fields = take_json(body)
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        if "unknown field" in message:
            raise Refused(Reason.UNKNOWN_FIELD, message) from None
        if "missing required field" in message:
            raise Refused(Reason.MISSING_FIELD, message) from None
        raise Refused(Reason.WRONG_TYPE, message) from None


def check_window(command: Command, now_ms: int) -> None:
    """Refuses what no log time from now on could accept, but for a deadline that has passed: see `has_expired`."""
    if isinstance(command, OPERATOR_COMMANDS):
        return
    if not 0 < command.deadline_ms - command.time_ms <= MAX_WINDOW_MS:
        raise Refused(Reason.WINDOW_TOO_LONG)
    if command.time_ms > now_ms + MAX_AHEAD_MS:
        raise Refused(Reason.TOO_NEW, f"time_ms is {command.time_ms - now_ms} ms ahead")


def has_expired(command: Command, now_ms: int) -> bool:
    """The deadline has passed: only a repeat of what was accepted before can still have a result."""
    return not isinstance(command, OPERATOR_COMMANDS) and command.deadline_ms < now_ms


def _submission(signed: SignedCommand, kinds: tuple[type[Command], ...], exchange: str) -> Submission:
    raw = bytes(signed.command)
    opened = open_signed(signed, raw)
    command = opened.command
    if not isinstance(command, kinds):
        wanted = " or ".join(str(kind.__struct_config__.tag) for kind in kinds)
        raise Refused(Reason.UNKNOWN_RECORD, f"this path takes {wanted}")
    if command.exchange != exchange:
        raise Refused(Reason.WRONG_EXCHANGE, f"this is {exchange}")
    return Submission(command, _account(opened), opened.key, encode(Submitted(signed)))


def _account(opened: Opened) -> str:
    command = opened.command
    if isinstance(command, RegisterAccount):
        return account_of(command.root_key)
    return str(command.account)  # type: ignore[union-attr]  # no endpoint takes genesis or listing commands


def _canonical_signed(signed: SignedCommand) -> SignedCommand:
    return SignedCommand(
        Raw(canonical(bytes(signed.command))),
        signed.key,
        signed.signature,
        _canonical_delegation(signed.delegation),
        signed.path,
    )


def _canonical_delegation(delegation: Delegation | None) -> Delegation | None:
    if delegation is None:
        return None
    try:
        raw = canonical(bytes(delegation.command))
    except Refused as refused:
        raise Refused(refused.reason, f"delegation: {refused.detail}") from None
    return Delegation(Raw(raw), delegation.key, delegation.signature)


def _numbered(index: int, raw: Raw) -> bytes:
    try:
        return canonical(bytes(raw))
    except Refused as refused:
        raise Refused(refused.reason, f"commands[{index}]: {refused.detail}") from None


# --- strict JSON around the command


def _read_envelope(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        envelope = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _strict(body)
        raise Refused(*_envelope_problem(str(error))) from None
    # A body that is its own compact form holds no field twice; anything else is read once more by the strict reader.
    if encode(envelope) != body:
        _strict(body)
    return envelope


def _envelope_problem(message: str) -> tuple[Reason, str]:
    if "missing required field" in message:
        unsigned = ("`signature`" in message or "`key`" in message) and "`$" not in message
        return (Reason.NO_SIGNATURE if unsigned else Reason.MISSING_FIELD), message
    if "unknown field" in message:
        return Reason.UNKNOWN_FIELD, message
    return Reason.WRONG_TYPE, message


def _strict(body: bytes) -> Any:
    try:
        return json.loads(
            body.decode("utf-8"), object_pairs_hook=_once_each, parse_float=_no_float, parse_constant=_no_float
        )
    except (ValueError, RecursionError) as error:
        raise Refused(Reason.NOT_JSON, str(error)) from None


def _once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refused(Reason.DUPLICATE_FIELD, f"field {twice[:64]!r} stands twice")
    return fields


def _no_float(text: str) -> Any:
    raise Refused(Reason.WRONG_TYPE, f"{text[:40]} is a JSON float; send a decimal string")
