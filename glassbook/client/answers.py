"""What the gateway answers, as a client reads it: the documents of docs/api.md.

Numbers are decimal strings, times milliseconds since 1970 UTC. Fields that are added later are skipped, and kinds of
events too: an older client goes on working.
"""

from typing import Any

from msgspec import Struct

from schemas.market import Market, MarketState


class Fill(Struct, frozen=True):
    """One order's side of a trade. A negative fee is a rebate."""

    trade_id: str
    trade_sequence: int
    time_ms: int
    role: str
    price: str
    quantity: str
    quote_quantity: str
    fee: str
    fee_asset: str


class Order(Struct, frozen=True, kw_only=True):
    """An order as it is now. `status` is PENDING, OPEN, FILLED, CANCELLED, EXPIRED or REJECTED."""

    order_id: str
    client_order_id: str
    account: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    status: str
    filled: str
    filled_quote: str
    price: str | None = None
    quantity: str | None = None
    max_quote: str | None = None
    remaining: str | None = None
    average_price: str | None = None
    fee: str | None = None
    fee_asset: str | None = None
    valid_until_ms: int | None = None
    post_only: bool = False
    cause: str | None = None
    detail: str = ""
    created_ms: int
    updated_ms: int
    trades: list[Fill] | None = None
    trades_truncated: bool = False
    command_id: str | None = None
    original_id: str | None = None

    @property
    def is_open(self) -> bool:
        return self.status in ("PENDING", "OPEN")


class Receipt(Struct, frozen=True, kw_only=True):
    """202: `outcome` is PENDING where only the log's word was wanted, UNKNOWN where time ran out. Ask at `ask`."""

    outcome: str
    command_id: str | None = None
    order_id: str | None = None
    client_order_id: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    ask: str | None = None


class OrderBrief(Struct, frozen=True):
    order_id: str
    status: str


class CancelledAll(Struct, frozen=True):
    command_id: str
    orders: list[OrderBrief]
    original_id: str | None = None


class Balance(Struct, frozen=True):
    asset: str
    free: str
    reserved: str


class Done(Struct, frozen=True):
    """What a command other than an order's did: its event on the ledger's journal, as it stands there."""

    command_id: str
    account: str
    event: dict[str, Any] | None = None
    balances: list[Balance] | None = None
    original_id: str | None = None


class BatchResult(Struct, frozen=True):
    """`answer` is what the command alone would have been answered with `status`."""

    status: int
    answer: dict[str, Any]


class Batch(Struct, frozen=True):
    results: list[BatchResult]


class Tested(Struct, frozen=True):
    """The order would be funded now, by reserving this much of the asset."""

    acceptable: bool
    reserve: str
    asset: str
    free: str


class Mandate(Struct, frozen=True):
    """All open orders are cancelled at log time `due_ms`, unless its owner says otherwise before."""

    command_id: str
    due_ms: int


class OpenOrders(Struct, frozen=True):
    """Open orders, oldest first, without their trades. `next_after` is where the next page begins; `mandate` is the one
    that stands."""

    orders: list[Order]
    next_after: str | None
    mandate: Mandate | None = None


class Execution(Struct, frozen=True):
    """One entry of the account's journal; its events as they stand on the `ledger` topic."""

    cursor: int
    sequence: int
    time_ms: int
    events: list[dict[str, Any]]
    postings: list[dict[str, Any]]
    balances: list[Balance]


class Executions(Struct, frozen=True):
    """`more` says that there is something behind `next_after` already; a page may be empty and still have more."""

    executions: list[Execution]
    next_after: int
    more: bool


class WaitingWithdrawal(Struct, frozen=True):
    withdrawal_id: str
    asset: str
    amount: str
    destination: str


class Balances(Struct, frozen=True):
    """`withdrawals` wait for settlement; their amounts are part of `reserved`."""

    account: str
    balances: list[Balance]
    withdrawals: list[WaitingWithdrawal]


class Halt(Struct, frozen=True):
    """Why a market stands still, and since when by log time."""

    halt_id: str
    reason: str
    time_ms: int


class ListedMarket(Struct, frozen=True):
    """`market` is as listed, `state` as it is: HALTED while there are `halts`."""

    revision: int
    market: Market
    state: MarketState
    halts: list[Halt]


class Markets(Struct, frozen=True):
    """All markets, and the exchange's domain, which is part of everything that is signed."""

    exchange: str
    markets: list[ListedMarket]


class Book(Struct, frozen=True):
    """(price, quantity) levels, best first."""

    symbol: str
    sequence: int
    time_ms: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Depth(Struct, frozen=True):
    """The book as the stream `depth` has it at this sequence. `checksum` is over the best ten levels."""

    symbol: str
    sequence: int
    time_ms: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    checksum: int


class Ticker(Struct, frozen=True):
    """The last 24 hours, from `since_ms` on, and the touch; None where there is nothing."""

    symbol: str
    time_ms: int
    last: str | None
    open: str | None
    high: str | None
    low: str | None
    change: str | None
    change_percent: str | None
    volume: str
    quote_volume: str
    trades: int
    best_bid: str | None
    best_bid_quantity: str | None
    best_ask: str | None
    best_ask_quantity: str | None
    since_ms: int


class Tickers(Struct, frozen=True):
    tickers: list[Ticker]


class DemonstrationOffer(Struct, frozen=True):
    offered: bool


class DemonstrationFunds(Struct, frozen=True):
    """The account; `done` is what was not done before."""

    account: str
    done: list[Done]


class Quote(Struct, frozen=True):
    """What a market order of this size would pay or get on this book. The real fee is rounded down fill by fill."""

    symbol: str
    side: str
    quantity: str
    quote_quantity: str
    average_price: str
    worst_price: str
    fee: str
    fee_asset: str
    book_sequence: int
    book_time_ms: int


class Price(Struct, frozen=True):
    symbol: str
    last: str | None
    average: str | None
    trade_sequence: int
    time_ms: int


class ServerTime(Struct, frozen=True):
    """The gateway's clock, and the newest log time that it has seen: the one that commands are judged by."""

    time_ms: int
    log_time_ms: int


class Problem(Struct, frozen=True):
    """An RFC 9457 problem document. `code` is the stable reason of docs/refusals.md."""

    title: str = ""
    status: int = 0
    code: str = ""
    detail: str = ""
    stage: str | None = None
    command_id: str | None = None
    order_id: str | None = None
    original_id: str | None = None
