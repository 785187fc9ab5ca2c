"""What the history endpoints answer, as structs: candles, trades, an account's fills and its statement.

As in `answers.py`, numbers are decimal strings and times milliseconds since 1970 UTC. Everything is oldest first. What
ClickHouse and the topics say of the same thing is read into the same struct.
"""

from msgspec import Struct

from schemas.candles import Interval
from schemas.commands import Side
from schemas.records import Role


class CandleAnswer(Struct, frozen=True, gc=False, kw_only=True):
    """One bucket. Its trades are those from `first_sequence` to `last_sequence`, so that each candle's first is next to
    the last of the one before. A bucket that was filled in has no trades, and a last that lies before its first."""

    open_time_ms: int
    closed: bool
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str
    trades: int
    taker_buy_volume: str
    taker_buy_quote_volume: str
    first_sequence: int
    last_sequence: int


class CandlesAnswer(Struct, frozen=True):
    """`more`: there are candles behind the last one where `from` was given, before the first one otherwise. `expired`:
    some that were asked for are no longer kept. `trade_sequence` is that of the market's newest trade; where the newest
    candle does not reach it, candles are a moment behind."""

    symbol: str
    interval: Interval
    candles: list[CandleAnswer]
    more: bool
    expired: bool
    trade_sequence: int


class TradeAnswer(Struct, frozen=True, gc=False, kw_only=True):
    """A trade as it stands on `trades`. `time_ms` is the log time of the order that caused it."""

    sequence: int
    trade_id: str
    time_ms: int
    price: str
    quantity: str
    quote_quantity: str
    aggressor_side: Side
    taker_order_id: str
    taker_account: str
    taker_fee: str
    maker_order_id: str
    maker_account: str
    maker_fee: str
    fee_asset: str


class TradesAnswer(Struct, frozen=True):
    """Trades with contiguous sequences. `more`: there are trades behind the last one where `after` or `from` was given,
    before the first one otherwise. `expired`: some that were asked for are no longer kept."""

    symbol: str
    trades: list[TradeAnswer]
    more: bool
    expired: bool


class AccountTrade(Struct, frozen=True, gc=False, kw_only=True):
    """A fill of one of the account's orders. `cursor` is what `after` and `before` take."""

    cursor: str
    order_id: str
    symbol: str
    side: Side
    role: Role
    price: str
    quantity: str
    quote_quantity: str
    fee: str
    fee_asset: str
    trade_id: str
    trade_sequence: int
    time_ms: int


class AccountTradesAnswer(Struct, frozen=True):
    """`more`: there may be more behind the last where `after` or `from` was given, before the first otherwise.
    `through_sequence` is the account's newest journal entry that was looked at; nothing up to it is missing."""

    account: str
    trades: list[AccountTrade]
    more: bool
    through_sequence: int


class StatementLine(Struct, frozen=True, gc=False, kw_only=True):
    """A posting onto the account's free or reserved book. `balance` is that book's in this asset behind it, `cause` the
    events of its journal entry, `reference` the order, trade, transfer or withdrawal that it is about."""

    cursor: str
    entry_sequence: int
    time_ms: int
    book: str
    asset: str
    amount: str
    balance: str
    cause: str
    reference: str


class StatementAnswer(Struct, frozen=True):
    """`more` and `through_sequence` as with the account's trades."""

    account: str
    lines: list[StatementLine]
    more: bool
    through_sequence: int
