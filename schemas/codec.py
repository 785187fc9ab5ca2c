"""Records to bytes and back. What can't be read is `Refused` with its reason and becomes a dead letter."""

from functools import cache
from typing import Any

import msgspec

from schemas.candles import CandlesRecord
from schemas.commands import LATEST_ENGINE
from schemas.journal import LedgerRecord
from schemas.reasons import Reason
from schemas.records import AccountsRecord, FirstAccountsRecord, OrdersRecord, SecondAccountsRecord, TradesRecord
from schemas.refusal import Refused

encode = msgspec.json.Encoder().encode

_accounts: dict[int, msgspec.json.Decoder[AccountsRecord]] = {
    1: msgspec.json.Decoder(FirstAccountsRecord),
    2: msgspec.json.Decoder(SecondAccountsRecord),
    3: msgspec.json.Decoder(AccountsRecord),
}
_orders: msgspec.json.Decoder[OrdersRecord] = msgspec.json.Decoder(OrdersRecord)
_trades: msgspec.json.Decoder[TradesRecord] = msgspec.json.Decoder(TradesRecord)


def decode_accounts(value: bytes | None, engine_version: int = LATEST_ENGINE) -> AccountsRecord:
    record: AccountsRecord = _read(_accounts[engine_version], value)
    return record


def decode_orders(value: bytes | None) -> OrdersRecord:
    record: OrdersRecord = _read(_orders, value)
    return record


def decode_trades(value: bytes | None) -> TradesRecord:
    record: TradesRecord = _read(_trades, value)
    return record


@cache
def ledger_decoder() -> msgspec.json.Decoder[LedgerRecord]:
    return msgspec.json.Decoder(LedgerRecord)


@cache
def trades_decoder() -> msgspec.json.Decoder[TradesRecord]:
    return msgspec.json.Decoder(TradesRecord)


@cache
def candles_decoder() -> msgspec.json.Decoder[CandlesRecord]:
    return msgspec.json.Decoder(CandlesRecord)


_HEX = frozenset("0123456789abcdef")


class _Claim(msgspec.Struct):
    account: str


def claimed_account(command: bytes) -> str | None:
    """The account that an unreadable or forged command names, so that the refusal can be told to it; None if none."""
    try:
        account = msgspec.json.decode(command, type=_Claim).account
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return account if len(account) == 40 and _HEX.issuperset(account) else None


def _read(decoder: msgspec.json.Decoder[Any], value: bytes | None) -> Any:
    if value is None:
        raise Refused(Reason.UNKNOWN_RECORD, "the record has no value")
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError) and "$.record" in str(error):
            raise Refused(Reason.UNKNOWN_RECORD, str(error)) from None
        raise Refused(Reason.NOT_JSON, str(error)) from None
