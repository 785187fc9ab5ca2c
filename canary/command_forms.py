"""Canonical bytes, recognised by their grammar.

The canonical form of each kind of command is a regular language: fields in one order, one spelling for everything. So
a regular expression both says whether bytes are canonical and cuts out the fields; nothing is encoded again. What it
doesn't match is no command.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from canary.refusal import Refusal
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
    OrderType,
    PublishedTrade,
    RecordPlace,
    RegisterAccount,
    ResumeMarket,
    RevokeKey,
    SelfTrade,
    SettleWithdrawal,
    Side,
    TimeInForce,
    Withdraw,
)
from schemas.market import Market, MarketState
from schemas.reasons import Reason

LONGEST_COMMAND = 4096
LARGEST_NATURAL = 2**63 - 1
MOST_EVIDENCE = 16
MOST_RESUMED_AT_ONCE = 32

Read = Callable[[str], Any]


class Value(NamedTuple):
    """How a field's value is spelled, as a regular expression with one group, and what it stands for."""

    pattern: str
    read: Read | None = None  # None: the text itself


class Field(NamedTuple):
    name: str
    value: Value
    optional: bool = False


def _natural(text: str) -> int:
    number = int(text)
    if number > LARGEST_NATURAL:
        raise Refusal(Reason.WRONG_TYPE)
    return number


def _at_most(highest: int) -> Read:
    def read(text: str) -> int:
        number = int(text)
        if number > highest:
            raise Refusal(Reason.WRONG_TYPE)
        return number

    return read


_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\(?:u(....)|(.))", lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED[found[2]], text)


def _one_of(values: Any) -> Value:
    by_text = {value.value: value for value in values}
    return Value('"(' + "|".join(by_text) + ')"', by_text.__getitem__)


NAME = Value('"([A-Za-z0-9._:-]{1,64})"')
CLIENT_ORDER_ID = Value('"([A-Za-z0-9._:-]{1,36})"')
ACCOUNT = Value('"([0-9a-f]{40})"')
KEY = Value('"([a-z0-9]{4,16}:[A-Za-z0-9_-]{43,88})"')
PLACE = Value('"([0-9]{1,6}-[0-9]{1,19})"')
TEXT = Value(r'"((?:[ !#-\[\]-~]|\\["\\]){1,128})"', _unescaped)
# Whether it is a number is asked later, where its unit is known. So any text is well-formed here, in its one spelling:
# control characters escaped, the five that have a letter by their letter.
DECIMAL = Value(r'"((?:[^"\\\x00-\x1f]|\\["\\bfnrt]|\\u00(?:0[0-7be-f]|1[0-9a-f])){0,64})"', _unescaped)
NATURAL = Value("(0|[1-9][0-9]{0,18})", _natural)
COUNT = Value("([1-9][0-9]*)", int)
YES_OR_NO = Value("(true|false)", "true".__eq__)
ONLY_TRUE = Value("(true)", "true".__eq__)
SYMBOL = Value('"([A-Z0-9][A-Z0-9.-]{0,31})"')
ASSET = Value('"([A-Z0-9][A-Z0-9.]{0,15})"')
DECIMALS = Value("([0-9]|1[0-8])", int)
# Its default is never written.
SELF_TRADE = _one_of([mode for mode in SelfTrade if mode is not SelfTrade.EXPIRE_TAKER])

EXCHANGE = Field("exchange", NAME)
TIME = Field("time_ms", NATURAL)
OWNED = (
    EXCHANGE, Field("account", ACCOUNT), Field("nonce", NATURAL), TIME, Field("deadline_ms", NATURAL)
)  # fmt: skip
PARTITION = Field("partition", Value("(0|[1-9][0-9]{0,5})", _at_most(100_000)))
REASON = Field("reason", TEXT)
NAMED_ORDER = (Field("order_id", PLACE, True), Field("client_order_id", CLIENT_ORDER_ID, True))

MARKET_FIELDS = (
    Field("symbol", SYMBOL), Field("base", ASSET), Field("quote", ASSET), Field("base_decimals", DECIMALS),
    Field("quote_decimals", DECIMALS), Field("tick", DECIMAL), Field("lot", DECIMAL), Field("min_quantity", DECIMAL),
    Field("max_quantity", DECIMAL), Field("min_notional", DECIMAL), Field("price_low", DECIMAL),
    Field("price_high", DECIMAL), Field("maker_fee", DECIMAL), Field("taker_fee", DECIMAL),
    PARTITION, Field("state", _one_of(MarketState)),
)  # fmt: skip
TRADE_FIELDS = (
    Field("symbol", NAME), Field("sequence", Value("([1-9][0-9]{0,18})", _natural)),
    Field("trade_id", Value('"([0-9]{1,6}-[0-9]{1,19}-[0-9]{1,9})"')), TIME, Field("price", DECIMAL),
    Field("quantity", DECIMAL), Field("quote_quantity", DECIMAL), Field("aggressor_side", _one_of(Side)),
    Field("taker_order_id", PLACE), Field("taker_account", ACCOUNT), Field("taker_fee", DECIMAL),
    Field("maker_order_id", PLACE), Field("maker_account", ACCOUNT), Field("maker_fee", DECIMAL),
    Field("fee_asset", NAME),
)  # fmt: skip
PLACE_FIELDS = (Field("topic", NAME), Field("partition", NATURAL), Field("offset", NATURAL))

GRAMMAR: dict[str, tuple[type, tuple[Field, ...]]] = {
    "new_order": (NewOrder, (
        *OWNED, Field("client_order_id", CLIENT_ORDER_ID), Field("symbol", NAME), Field("side", _one_of(Side)),
        Field("type", _one_of(OrderType)), Field("time_in_force", _one_of(TimeInForce)), Field("price", DECIMAL, True),
        Field("quantity", DECIMAL, True), Field("max_quote", DECIMAL, True), Field("valid_until_ms", NATURAL, True),
        Field("post_only", ONLY_TRUE, True), Field("self_trade", SELF_TRADE, True),
    )),
    "cancel_order": (CancelOrder, (*OWNED, *NAMED_ORDER)),
    "amend_order": (AmendOrder, (*OWNED, *NAMED_ORDER, Field("quantity", DECIMAL), Field("price", DECIMAL, True))),
    "cancel_all": (CancelAll, (*OWNED, Field("symbol", NAME, True))),
    "cancel_all_after": (CancelAllAfter, (*OWNED, Field("timeout_ms", NATURAL))),
    "delegate_key": (DelegateKey, (*OWNED, Field("trade_key", KEY), Field("valid_until_ms", NATURAL))),
    "revoke_key": (RevokeKey, (*OWNED, Field("trade_key", KEY))),
    "withdraw": (Withdraw, (*OWNED, Field("asset", NAME), Field("amount", DECIMAL), Field("destination", TEXT))),
    "register_account": (RegisterAccount, (EXCHANGE, Field("root_key", KEY), TIME)),
    "deposit": (Deposit, (
        EXCHANGE, Field("account", ACCOUNT), Field("asset", NAME), Field("amount", DECIMAL),
        Field("transfer_id", NAME), TIME,
    )),
    "settle_withdrawal": (SettleWithdrawal, (
        EXCHANGE, Field("account", ACCOUNT), Field("withdrawal_id", PLACE), Field("paid", YES_OR_NO), TIME,
    )),
    "genesis": (Genesis, (
        EXCHANGE, Field("operator_key", KEY), Field("engine_version", COUNT),
        Field("account_partitions", Value("([1-9][0-9]{0,4})", _at_most(10_000))),
        Field("max_open_orders", Value("([1-9][0-9]{0,4})", _at_most(20_000))),
        Field("open_registration", YES_OR_NO), TIME,
    )),
}  # fmt: skip


class _Form:
    """One kind of command: its grammar, compiled, and how to make it from what was cut out."""

    def __init__(self, opening: str, made: type, fields: tuple[Field, ...]) -> None:
        self._made = made
        self._names = [field.name for field in fields]
        self._reads = [field.value.read for field in fields]
        self.pattern = re.compile(opening + _spelled(fields) + r"\}")

    def read(self, text: str) -> Any:
        found = self.pattern.fullmatch(text)
        if found is None:
            raise Refusal(Reason.NOT_CANONICAL)
        return self.made(found.groups())

    def made(self, groups: tuple[str | None, ...]) -> Any:
        return self._made(
            **{
                name: text if read is None else read(text)
                for name, read, text in zip(self._names, self._reads, groups, strict=True)
                if text is not None
            }
        )


def _spelled(fields: tuple[Field, ...]) -> str:
    """`"name":value` of each, commas before all but the first."""
    parts = [f'"{field.name}":{field.value.pattern}' for field in fields]
    optional = [f"(?:,{part})?" if field.optional else "," + part for field, part in zip(fields, parts, strict=True)]
    return "".join(optional)[1:]


def _object(made: type, fields: tuple[Field, ...]) -> Value:
    return Value(r"(\{.*\})", _Form(r"\{", made, fields).read)


def _list_of(item: Read, fewest: int, most: int, between: str) -> Value:
    """`between` parts the items, and stands in none of them."""

    def read(text: str) -> list[Any]:
        items = re.split(between, text[1:-1]) if text != "[]" else []
        if not fewest <= len(items) <= most:
            raise Refusal(Reason.WRONG_TYPE)
        return [item(one) for one in items]

    return Value(r"(\[[^\]]*\])", read)


def _name(text: str) -> str:
    found = re.fullmatch(NAME.pattern, text)
    if found is None:
        raise Refusal(Reason.NOT_CANONICAL)
    return found[1]


EVIDENCE = _list_of(_Form(r"\{", RecordPlace, PLACE_FIELDS).read, 0, MOST_EVIDENCE, r"(?<=\}),")
HALT_IDS = _list_of(_name, 1, MOST_RESUMED_AT_ONCE, ",")
# The commands with an object or a list in them.
GRAMMAR |= {
    "list_market": (ListMarket, (
        EXCHANGE, Field("revision", COUNT), Field("market", _object(Market, MARKET_FIELDS)), TIME,
    )),
    "authorise_halter": (AuthoriseHalter, (
        EXCHANGE, Field("revision", COUNT), Field("halter_key", KEY, True), TIME,
    )),
    "halt_market": (HaltMarket, (
        EXCHANGE, Field("symbol", NAME), PARTITION, Field("halt_id", NAME), REASON, Field("evidence", EVIDENCE), TIME,
    )),
    "resume_market": (ResumeMarket, (
        EXCHANGE, Field("symbol", NAME), PARTITION, Field("halt_ids", HALT_IDS), REASON, TIME,
    )),
    "bust_trade": (BustTrade, (
        EXCHANGE, PARTITION, Field("trade", _object(PublishedTrade, TRADE_FIELDS)), REASON, TIME,
    )),
}  # fmt: skip

_FORMS: dict[str, _Form] = {
    name: _Form(rf'\{{"command":"{name}",', made, fields) for name, (made, fields) in GRAMMAR.items()
}
_OPENING = re.compile(r'\{"command":"([a-z_]{1,32})",')


def read_command(raw: bytes) -> Command:
    """The command of these bytes; `Refusal` with a fault of form unless they are canonical. O(bytes)."""
    if len(raw) > LONGEST_COMMAND:
        raise Refusal(Reason.RECORD_TOO_LARGE)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(Reason.NOT_JSON) from None
    opening = _OPENING.match(text)
    form = _FORMS.get(opening[1]) if opening is not None else None
    if form is None:
        raise Refusal(Reason.UNKNOWN_RECORD)
    command: Command = form.read(text)
    return command
