"""A signed command opened: whether its key speaks for its account.

What the bytes alone can show, in the order of docs/signing.md. Whether a key was revoked, or is the operator's, only a
state can tell. The same signed bytes stand on `accounts` and on `orders`; they are opened once and remembered.
"""

from collections import OrderedDict
from typing import Any

import msgspec
from msgspec import Raw, Struct

from canary.command_forms import read_command
from canary.engines import FIRST, HALTS_AND_BUSTS, MANDATES, version_of
from canary.frames import Unreadable, read_signed
from canary.refusal import Refusal
from canary.signatures import BATCH, account_of, batch_root, check, check_shared
from schemas.commands import (
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
)
from schemas.reasons import Reason
from schemas.records import SignedCommand

OF_HALTS_AND_BUSTS = (AuthoriseHalter, HaltMarket, ResumeMarket, BustTrade)
OF_THE_OPERATOR = (RegisterAccount, Deposit, SettleWithdrawal, Genesis, ListMarket, *OF_HALTS_AND_BUSTS)
OF_A_TRADE_KEY = (NewOrder, CancelOrder, AmendOrder, CancelAll, CancelAllAfter, RevokeKey)
LONGEST_KEY = 64
REMEMBERED = 16_384
LONGEST_REMEMBERED = 12_288  # bytes; only what is refused is longer


class Opened(Struct, frozen=True):
    """What a signed command came to: the command, or why it is refused."""

    raw: bytes
    key: str
    signed: SignedCommand
    command: Command | None = None
    delegation: DelegateKey | None = None  # where a trade key signed
    refused: Reason | None = None
    since: int = FIRST  # the engine version that brought this kind of command

    def command_under(self, genesis: Genesis | None) -> Command:
        """The command, as a partition with this genesis has it; `Refusal` where it has none of the kind, or it isn't
        signed as it must be."""
        if self.since > version_of(genesis):
            raise Refusal(Reason.UNKNOWN_RECORD)
        if self.command is None:
            assert self.refused is not None
            raise Refusal(self.refused)
        return self.command


def open_signed(signed: SignedCommand) -> Opened:
    raw, since = bytes(signed.command), FIRST
    try:
        command = read_command(raw)
        if isinstance(command, OF_HALTS_AND_BUSTS):
            since = HALTS_AND_BUSTS
        elif isinstance(command, CancelAllAfter):
            since = MANDATES
        delegation = _check_right(signed, command, raw)
    except Refusal as refusal:
        return Opened(raw, signed.key, signed, refused=refusal.reason, since=since)
    return Opened(raw, signed.key, signed, command, delegation, since=since)


def _check_right(signed: SignedCommand, command: Any, raw: bytes) -> DelegateKey | None:
    """That the key signed these bytes, and speaks for their account; the delegation that says so, if it takes one."""
    if not signed.key or not signed.signature:
        raise Refusal(Reason.NO_SIGNATURE)
    if len(signed.key) > LONGEST_KEY:
        raise Refusal(Reason.BAD_KEY)
    delegation = None
    if not isinstance(command, OF_THE_OPERATOR) and account_of(signed.key) != command.account:
        delegation = _delegation(signed, command)
    if signed.path is None:
        check(signed.key, signed.signature, raw)
    else:
        check_shared(signed.key, signed.signature, BATCH + batch_root(raw, signed.path))
    return delegation


def _delegation(signed: SignedCommand, command: Any) -> DelegateKey:
    carried = signed.delegation
    if carried is None:
        raise Refusal(Reason.WRONG_ACCOUNT)
    raw = bytes(carried.command)
    delegation = read_command(raw)
    if isinstance(delegation, CancelAllAfter):  # for delegations the kinds of version 2 are all there are
        raise Refusal(Reason.UNKNOWN_RECORD)
    if len(carried.key) > LONGEST_KEY:
        raise Refusal(Reason.WRONG_ACCOUNT)  # no account has such a root key
    fits = (
        isinstance(delegation, DelegateKey)
        and delegation.trade_key == signed.key
        and delegation.account == account_of(carried.key) == command.account
        and delegation.exchange == command.exchange
    )
    if not fits:
        raise Refusal(Reason.WRONG_ACCOUNT)
    assert isinstance(delegation, DelegateKey)
    if not isinstance(command, OF_A_TRADE_KEY):
        raise Refusal(Reason.ROOT_KEY_REQUIRED)
    check_shared(carried.key, carried.signature, raw)
    return delegation


class _Claim(Struct):
    account: str


_claim = msgspec.json.Decoder(_Claim)


def claimed_account(raw: bytes) -> str | None:
    """The account that bytes name which are no command, or a forged one: who is told of the refusal."""
    try:
        account = _claim.decode(raw)
    except Unreadable:
        return None
    text = account.account
    return text if len(text) == 40 and not set(text) - set("0123456789abcdef") else None


class Openings:
    """Signed commands by their bytes, opened once. The oldest are forgotten."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._known: OrderedDict[bytes, Opened] = OrderedDict()
        self._remembered = remembered

    def open(self, signed: Raw) -> Opened | None:
        """None where the bytes are no signed command at all, and the record that holds them can't be read."""
        raw = bytes(signed)
        opened = self._known.get(raw)
        if opened is None:
            try:
                opened = open_signed(read_signed(raw))
            except Unreadable:
                return None
            if len(raw) > LONGEST_REMEMBERED:
                return opened
            if len(self._known) >= self._remembered:
                self._known.popitem(last=False)
            self._known[raw] = opened
        return opened
