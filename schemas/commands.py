"""The commands that a key's owner signs, and their canonical bytes.

A command is a JSON object without white space, its fields in the order of the classes below, `command` first, and
optional fields left out where they have their default. These bytes are what is signed, and they travel unchanged.
There is one canonical form: `decode_command` refuses bytes that it would not itself write, which rules out duplicate
fields, floats, escapes and everything else that two readers could understand differently.

Prices, quantities and amounts are plain decimal strings. Times are milliseconds since 1970 UTC.
"""

import json
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from schemas.market import Market
from schemas.reasons import Reason
from schemas.refusal import Refused

MAX_COMMAND_BYTES = 4096
MAX_WINDOW_MS = 60_000
MAX_AHEAD_MS = 1_000
MAX_EVIDENCE = 16
MAX_RESUMED_AT_ONCE = 32
MIN_MANDATE_MS = 1_000
MAX_MANDATE_MS = 86_400_000

Text = Annotated[str, Meta(pattern=r"^[!-~ ]{1,128}\Z")]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}\Z")]
ClientOrderId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,36}\Z")]
AccountId = Annotated[str, Meta(pattern=r"^[0-9a-f]{40}\Z")]
KeyText = Annotated[str, Meta(pattern=r"^[a-z0-9]{4,16}:[A-Za-z0-9_-]{43,88}\Z")]
PlaceId = Annotated[str, Meta(pattern=r"^[0-9]{1,6}-[0-9]{1,19}\Z")]
TradeId = Annotated[str, Meta(pattern=r"^[0-9]{1,6}-[0-9]{1,19}-[0-9]{1,9}\Z")]
Decimal = Annotated[str, Meta(max_length=64)]
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"


class TimeInForce(StrEnum):
    GTC = "GTC"  # rests until cancelled
    IOC = "IOC"  # takes what it can, the rest expires
    FOK = "FOK"  # takes all of it at once, or nothing
    GTD = "GTD"  # rests until `valid_until_ms`


class SelfTrade(StrEnum):
    """What happens where an order would meet one of its own account."""

    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"  # both lose the smaller quantity, without a trade


class _Command(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="command", kw_only=True):
    exchange: Name  # the exchange's domain: a signature for one exchange is worth nothing on another


class _AccountCommand(_Command, frozen=True, kw_only=True):
    """A command of an account's owner. `nonce` is unique within the account, in an anti-replay window of 1,024."""

    account: AccountId
    nonce: Natural
    time_ms: Natural  # when the client made it
    deadline_ms: Natural  # the last log time at which it may be accepted


class NewOrder(_AccountCommand, frozen=True, tag="new_order", kw_only=True):
    """A limit order has a price and a quantity. A market buy has `max_quote`, the most it may spend with its fee, and
    may have a quantity; a market sell has a quantity and may have `max_quote`, where it stops."""

    client_order_id: ClientOrderId
    symbol: Name
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: Decimal | None = None
    quantity: Decimal | None = None
    max_quote: Decimal | None = None
    valid_until_ms: Natural | None = None
    post_only: bool = False
    self_trade: SelfTrade = SelfTrade.EXPIRE_TAKER


class CancelOrder(_AccountCommand, frozen=True, tag="cancel_order", kw_only=True):
    """Names the order by exactly one of the two ids."""

    order_id: PlaceId | None = None
    client_order_id: ClientOrderId | None = None


class AmendOrder(_AccountCommand, frozen=True, tag="amend_order", kw_only=True):
    """`quantity` is the new total, with what is filled already. Less at the same price keeps priority."""

    order_id: PlaceId | None = None
    client_order_id: ClientOrderId | None = None
    quantity: Decimal
    price: Decimal | None = None


class CancelAll(_AccountCommand, frozen=True, tag="cancel_all", kw_only=True):
    """All open orders of the account, or those of one market."""

    symbol: Name | None = None


class DelegateKey(_AccountCommand, frozen=True, tag="delegate_key", kw_only=True):
    """Lets a trade key place, amend and cancel orders until `valid_until_ms`. Signed by the root key."""

    trade_key: KeyText
    valid_until_ms: Natural


class RevokeKey(_AccountCommand, frozen=True, tag="revoke_key", kw_only=True):
    """Ends a trade key, unless the root key delegates it anew. Signed by the root key, or by the trade key itself."""

    trade_key: KeyText


class Withdraw(_AccountCommand, frozen=True, tag="withdraw", kw_only=True):
    """Reserves the amount at once; the operator's confirmation settles it. Signed by the root key."""

    asset: Name
    amount: Decimal
    destination: Text


class RegisterAccount(_Command, frozen=True, tag="register_account", kw_only=True):
    """Signed by the operator, or, where genesis opened registration, by the root key itself."""

    root_key: KeyText
    time_ms: Natural


class Deposit(_Command, frozen=True, tag="deposit", kw_only=True):
    """Signed by the operator. `transfer_id` is unique within the account."""

    account: AccountId
    asset: Name
    amount: Decimal
    transfer_id: Name
    time_ms: Natural


class SettleWithdrawal(_Command, frozen=True, tag="settle_withdrawal", kw_only=True):
    """Signed by the operator: the money has left (`paid`), or goes back to the free balance."""

    account: AccountId
    withdrawal_id: PlaceId
    paid: bool
    time_ms: Natural


class Genesis(_Command, frozen=True, tag="genesis", kw_only=True):
    """The first record of every partition of `accounts` and `orders`. Signed by the operator's key that it names."""

    operator_key: KeyText
    engine_version: Annotated[int, Meta(ge=1)]
    account_partitions: Annotated[int, Meta(ge=1, le=10_000)]
    max_open_orders: Annotated[int, Meta(ge=1, le=20_000)]  # of one account; a mass cancel names them in one record
    open_registration: bool
    time_ms: Natural


class ListMarket(_Command, frozen=True, tag="list_market", kw_only=True):
    """Lists or changes a market. Signed by the operator; each revision of a market counts one up from 1."""

    revision: Annotated[int, Meta(ge=1)]
    market: Market
    time_ms: Natural


# --- since engine version 2


class AuthoriseHalter(_Command, frozen=True, tag="authorise_halter", kw_only=True):
    """Names the key that besides the operator's may halt markets, and nothing else; without one there is none. Signed
    by the operator; revisions count up from 1."""

    revision: Annotated[int, Meta(ge=1)]
    halter_key: KeyText | None = None
    time_ms: Natural


class RecordPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a record lies on the log."""

    topic: Name
    partition: Natural
    offset: Natural


class HaltMarket(_Command, frozen=True, tag="halt_market", kw_only=True):
    """Halts a market until this halt is resumed. Signed by the operator or the halter; `halt_id` is the alert's."""

    symbol: Name
    partition: Annotated[int, Meta(ge=0, le=100_000)]  # the market's, of `orders`
    halt_id: Name
    reason: Text
    evidence: Annotated[list[RecordPlace], Meta(max_length=MAX_EVIDENCE)]  # may be empty
    time_ms: Natural


class ResumeMarket(_Command, frozen=True, tag="resume_market", kw_only=True):
    """Ends these halts, and no others. Signed by the operator."""

    symbol: Name
    partition: Annotated[int, Meta(ge=0, le=100_000)]
    halt_ids: Annotated[list[Name], Meta(min_length=1, max_length=MAX_RESUMED_AT_ONCE)]
    reason: Text
    time_ms: Natural


class PublishedTrade(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A trade as it stands on `trades`, without its place on the edge."""

    symbol: Name
    sequence: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    trade_id: TradeId
    time_ms: Natural
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    aggressor_side: Side
    taker_order_id: PlaceId
    taker_account: AccountId
    taker_fee: Decimal
    maker_order_id: PlaceId
    maker_account: AccountId
    maker_fee: Decimal
    fee_asset: Name


class BustTrade(_Command, frozen=True, tag="bust_trade", kw_only=True):
    """Takes a trade back on both accounts. Signed by the operator, over the trade's own record."""

    partition: Annotated[int, Meta(ge=0, le=100_000)]
    trade: PublishedTrade
    reason: Text
    time_ms: Natural


# --- since engine version 3


class CancelAllAfter(_AccountCommand, frozen=True, tag="cancel_all_after", kw_only=True):
    """A mandate to cancel all open orders of the account once so much log time has gone by since this command. Each
    replaces the one before; a timeout of 0 ends it, any other is of a second to a day."""

    timeout_ms: Natural


FirstAccountCommand = NewOrder | CancelOrder | AmendOrder | CancelAll | DelegateKey | RevokeKey | Withdraw
AccountCommand = FirstAccountCommand | CancelAllAfter
FirstOperatorCommand = RegisterAccount | Deposit | SettleWithdrawal | Genesis | ListMarket
MarketCommand = AuthoriseHalter | HaltMarket | ResumeMarket | BustTrade
OperatorCommand = FirstOperatorCommand | MarketCommand
FirstCommand = FirstAccountCommand | FirstOperatorCommand
SecondCommand = FirstAccountCommand | OperatorCommand
Command = AccountCommand | OperatorCommand

LATEST_ENGINE = 3
_decoders: dict[int, msgspec.json.Decoder[Command]] = {
    1: msgspec.json.Decoder(FirstCommand),
    2: msgspec.json.Decoder(SecondCommand),
    3: msgspec.json.Decoder(Command),
}
_encoder = msgspec.json.Encoder()


def encode_command(command: Command) -> bytes:
    """The canonical bytes: what the owner signs."""
    return _encoder.encode(command)


def decode_command(raw: bytes, engine_version: int = LATEST_ENGINE) -> Command:
    """The command that these canonical bytes stand for; `Refused` if they are not canonical, or if the rules of this
    engine version have no such command."""
    command = _decode(raw, engine_version)
    if _encoder.encode(command) != raw:
        raise Refused(*_what_differs(raw))
    return command


def canonical(raw: bytes) -> bytes:
    """The canonical bytes of a command that came over HTTP, where white space and the order of fields are free."""
    encoded = _encoder.encode(_decode(raw, LATEST_ENGINE))
    if encoded != raw:
        reason, detail = _what_differs(raw)
        if reason is not Reason.NOT_CANONICAL:
            raise Refused(reason, detail)
    return encoded


def _decode(raw: bytes, engine_version: int) -> Command:
    if len(raw) > MAX_COMMAND_BYTES:
        raise Refused(Reason.RECORD_TOO_LARGE, f"the command has {len(raw)} bytes")
    try:
        return _decoders[engine_version].decode(raw)
    except RecursionError:
        raise Refused(Reason.NOT_JSON, "nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(*_why_unreadable(raw, str(error))) from None


def _why_unreadable(raw: bytes, message: str) -> tuple[Reason, str]:
    reason, detail = _what_differs(raw)
    if reason is not Reason.NOT_CANONICAL:
        return reason, detail
    if "missing required field" in message:
        return Reason.MISSING_FIELD, message
    if "unknown field" in message:
        return Reason.UNKNOWN_FIELD, message
    if "$.client_order_id" in message and "`str`" in message and "got" not in message:
        return Reason.BAD_CLIENT_ORDER_ID, message
    if "Invalid value" in message and "$.command" in message:
        return Reason.UNKNOWN_RECORD, message
    return Reason.WRONG_TYPE, message


def _what_differs(raw: bytes) -> tuple[Reason, str]:
    """Why bytes are not canonical, in words. Only the slow path comes here."""
    try:
        text = raw.decode("utf-8")
        json.loads(text, object_pairs_hook=_no_duplicates, parse_float=_no_floats, parse_constant=_no_floats)
    except Refused as refused:
        return refused.reason, refused.detail
    except (ValueError, RecursionError) as error:
        return Reason.NOT_JSON, str(error)
    return Reason.NOT_CANONICAL, "same content, other bytes than the canonical form"


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refused(Reason.DUPLICATE_FIELD, f"field {twice[:64]!r} stands twice")
    return result


def _no_floats(text: str) -> Any:
    raise Refused(Reason.WRONG_TYPE, f"{text[:40]} is a JSON float; send a decimal string")
