"""Who may say what: a signed command opened, its signature and the key's right to the account checked.

Says what the bytes alone can show. That a trade key was revoked, or an operator's key is the exchange's, is known only
to a stage's state and is checked there.
"""

from functools import lru_cache

from msgspec import Struct

from schemas.commands import (
    LATEST_ENGINE,
    AmendOrder,
    AuthoriseHalter,
    BustTrade,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    DelegateKey,
    Deposit,
    Genesis,
    HaltMarket,
    ListMarket,
    NewOrder,
    RegisterAccount,
    ResumeMarket,
    RevokeKey,
    SettleWithdrawal,
    decode_command,
)
from schemas.reasons import Reason
from schemas.records import MerklePath, SignedCommand
from schemas.refusal import Refused
from schemas.signing import (
    BATCH_PREFIX,
    MAX_BATCH,
    account_of,
    check_signature,
    check_signature_once,
    decode_bytes,
    root_from_path,
)

TRADE_KEY_COMMANDS = (NewOrder, CancelOrder, AmendOrder, CancelAll, CancelAllAfter, RevokeKey)
HASH_LETTERS = 43  # of 32 bytes in base64url
MAX_KEY_TEXT = 64
# A delegation is of no engine version: read with the same commands under all, what isn't one has the same refusal.
DELEGATION_ENGINE = 2
MARKET_COMMANDS = (AuthoriseHalter, HaltMarket, ResumeMarket, BustTrade)
OPERATOR_COMMANDS = (
    RegisterAccount, Deposit, SettleWithdrawal, Genesis, ListMarket,
    AuthoriseHalter, HaltMarket, ResumeMarket, BustTrade,
)  # fmt: skip


class Opened(Struct, frozen=True):
    """A command whose signature holds. `delegation` is there where a trade key signed for the account."""

    command: Command
    raw: bytes
    key: str
    delegation: DelegateKey | None


def open_signed(signed: SignedCommand, raw: bytes | None = None, engine_version: int = LATEST_ENGINE) -> Opened:
    """The command, if `signed.key` signed it and speaks for its account; `Refused` otherwise.

    `raw` replaces `signed.command` where a gateway has made the canonical bytes already. Stages say by which engine
    version's commands they read.
    """
    raw = bytes(signed.command) if raw is None else raw
    command = decode_command(raw, engine_version)
    if not signed.key or not signed.signature:
        raise Refused(Reason.NO_SIGNATURE)
    if len(signed.key) > MAX_KEY_TEXT:
        raise Refused(Reason.BAD_KEY, "the key is too long")
    delegation = None
    if not isinstance(command, OPERATOR_COMMANDS) and account_of(signed.key) != command.account:
        delegation = _open_delegation(signed, command)
    if signed.path is None:
        check_signature(signed.key, signed.signature, raw)
    else:
        root = root_from_path(raw, signed.path.index, signed.path.size, _hashes(signed.path))
        check_signature_once(signed.key, signed.signature, BATCH_PREFIX + root)
    return Opened(command, raw, signed.key, delegation)


def _open_delegation(signed: SignedCommand, command: Command) -> DelegateKey:
    if signed.delegation is None:
        raise Refused(Reason.WRONG_ACCOUNT, "neither the account's root key nor a key with its delegation")
    raw = bytes(signed.delegation.command)
    delegation = decode_command(raw, DELEGATION_ENGINE)
    if not isinstance(delegation, DelegateKey):
        raise Refused(Reason.WRONG_ACCOUNT, "the delegation is no delegate_key command")
    if delegation.trade_key != signed.key or account_of(signed.delegation.key) != delegation.account:
        raise Refused(Reason.WRONG_ACCOUNT, "the delegation is not for this key, or not by the account's root key")
    if delegation.account != getattr(command, "account", None) or delegation.exchange != command.exchange:
        raise Refused(Reason.WRONG_ACCOUNT, "the delegation is for another account or exchange")
    if not isinstance(command, TRADE_KEY_COMMANDS):
        raise Refused(Reason.ROOT_KEY_REQUIRED)
    check_signature_once(signed.delegation.key, signed.delegation.signature, raw)
    return delegation


def _hashes(path: MerklePath) -> list[bytes]:
    if not 1 <= path.size <= MAX_BATCH:
        raise Refused(Reason.BAD_SIGNATURE, f"a batch holds 1 to {MAX_BATCH} commands")
    hashes: list[bytes] = []
    for text in path.hashes:
        if len(text) != HASH_LETTERS:
            raise Refused(Reason.BAD_SIGNATURE, "path: a hash has 32 bytes")
        try:
            hashes.append(_path_hash(text))
        except ValueError as error:
            raise Refused(Reason.BAD_SIGNATURE, f"path: {error}") from None
    return hashes


# Most hashes of a path stand in other paths of its batch as well.
_path_hash = lru_cache(maxsize=4096)(decode_bytes)
