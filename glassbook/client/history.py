"""What the gateway answers about the past: candles, trades, alerts, an account's own trades and its statement.

As in `answers.py`. Everything is oldest first.
"""

from msgspec import Struct


class Candle(Struct, frozen=True, kw_only=True):
    """One bucket. Its trades are those from `first_sequence` to `last_sequence`; one that was filled in has none."""

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


class Candles(Struct, frozen=True):
    """Oldest first. `more`: there are more, behind the last where `from` was given, else before the first. `expired`:
    some that were asked for are no longer kept. `trade_sequence` is that of the market's newest trade."""

    symbol: str
    interval: str
    candles: list[Candle]
    more: bool
    expired: bool
    trade_sequence: int


class Trade(Struct, frozen=True, kw_only=True):
    """A trade as it stands on the topic `trades`."""

    sequence: int
    trade_id: str
    time_ms: int
    price: str
    quantity: str
    quote_quantity: str
    aggressor_side: str
    taker_order_id: str
    taker_account: str
    taker_fee: str
    maker_order_id: str
    maker_account: str
    maker_fee: str
    fee_asset: str


class Trades(Struct, frozen=True):
    """Oldest first, with contiguous sequences; `more` and `expired` as with candles."""

    symbol: str
    trades: list[Trade]
    more: bool
    expired: bool


class AccountTrade(Struct, frozen=True, kw_only=True):
    """A fill of one of the account's orders. `cursor` is what `after` and `before` take."""

    cursor: str
    order_id: str
    symbol: str
    side: str
    role: str
    price: str
    quantity: str
    quote_quantity: str
    fee: str
    fee_asset: str
    trade_id: str
    trade_sequence: int
    time_ms: int


class AccountTrades(Struct, frozen=True):
    """Oldest first. `more`: there may be more. Nothing up to the account's entry `through_sequence` is missing."""

    account: str
    trades: list[AccountTrade]
    more: bool
    through_sequence: int


class StatementLine(Struct, frozen=True, kw_only=True):
    """A posting onto the account's free or reserved book, with the balance of that book behind it."""

    cursor: str
    entry_sequence: int
    time_ms: int
    book: str
    asset: str
    amount: str
    balance: str
    cause: str
    reference: str


class Statement(Struct, frozen=True):
    """Oldest first; `more` and `through_sequence` as with the account's trades."""

    account: str
    lines: list[StatementLine]
    more: bool
    through_sequence: int


class Place(Struct, frozen=True):
    """A record on the log."""

    topic: str
    partition: int
    offset: int


class Alert(Struct, frozen=True, kw_only=True):
    """What the canary found wrong. `evidence` begins with the first bad record; `cursor` is what pages go on from."""

    cursor: str
    alert_id: str
    kind: str
    severity: str
    symbol: str
    time_ms: int
    expected: str
    found: str
    evidence: list[Place]


class Alerts(Struct, frozen=True):
    """By the moments that they are about, the newest last; `more` as with candles."""

    alerts: list[Alert]
    more: bool


class ProofRecord(Struct, frozen=True):
    """A record as it stands at its place on the log. `role` says whose it is, `taker` or `maker`."""

    role: str
    topic: str
    partition: int
    offset: int
    value: str


class Proof(Struct, frozen=True):
    """What a trade was made of. `complete`: no amend of the maker's lies further back than `records` go."""

    symbol: str
    trade: Trade
    records: list[ProofRecord]
    complete: bool
