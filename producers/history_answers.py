"""What the history endpoints answer, as structs: candles, trades, an account's fills and its statement.

As in `answers.py`, numbers are decimal strings and times milliseconds since 1970 UTC. Everything is oldest first. What
ClickHouse and the topics say of the same thing is read into the same struct.
"""

from msgspec import Struct

from schemas.candles import Interval
from schemas.commands import Side
from schemas.documents import CandleAnswer, TradeAnswer
from schemas.records import Role


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
