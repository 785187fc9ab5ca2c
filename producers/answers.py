"""What the gateway answers, as structs: the documents of `docs/api.md` and of the OpenAPI description.

Numbers are decimal strings, times milliseconds since 1970 UTC. Fields without a value are left out.
"""

from typing import Any

from msgspec import Struct

from producers.orders import Fill, Order, OrderStatus
from schemas.commands import Side
from schemas.halts import Halt
from schemas.journal import AccountEvent, BalanceAfter, MandateArmed, Posting
from schemas.market import Market, MarketState
from schemas.reasons import Reason


class OrderAnswer(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An order as it is now. `trades` holds its first 1,000; `GET /api/v1/executions` has them all."""

    order_id: str
    client_order_id: str
    account: str
    symbol: str
    side: Side
    type: str
    time_in_force: str
    status: OrderStatus
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
    cause: Reason | None = None
    detail: str = ""
    created_ms: int
    updated_ms: int
    trades: list[Fill] | None = None
    trades_truncated: bool = False
    command_id: str | None = None
    original_id: str | None = None


class OrderBrief(Struct, frozen=True):
    """One of the orders that a mass cancel was about."""

    order_id: str
    status: OrderStatus


class CancelAllAnswer(Struct, frozen=True, omit_defaults=True):
    command_id: str
    orders: list[OrderBrief]
    original_id: str | None = None


class Receipt(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """202: `outcome` is PENDING where only the log's word was wanted, UNKNOWN where time ran out.

    Ask at `ask`. Without `command_id` not even the log has answered: the command may still arrive, until its deadline.
    """

    outcome: str
    command_id: str | None = None
    order_id: str | None = None
    client_order_id: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    ask: str | None = None


class CommandAnswer(Struct, frozen=True, omit_defaults=True):
    """What a command other than an order's did: its event on the ledger's journal."""

    command_id: str
    account: str
    event: AccountEvent | None = None
    balances: list[BalanceAfter] | None = None
    original_id: str | None = None


class BatchResult(Struct, frozen=True):
    """`answer` is what the command alone would have been answered with `status`: an order, a receipt or a problem."""

    status: int
    answer: Any


class BatchAnswer(Struct, frozen=True):
    results: list[BatchResult]


class AcceptanceAnswer(Struct, frozen=True, omit_defaults=True):
    """The order would be funded now. Nonce and rate are not looked at."""

    acceptable: bool
    reserve: str
    asset: str
    free: str


class StandingMandate(Struct, frozen=True):
    """All open orders are cancelled at log time `due_ms`; `command_id` is its `cancel_all_after`'s."""

    command_id: str
    due_ms: int


class OpenOrdersAnswer(Struct, frozen=True):
    """Open orders, oldest first, without their trades. `next_after` is the cursor of the page behind this one, and
    `mandate` what the account has said of cancelling them all."""

    orders: list[OrderAnswer]
    next_after: str | None
    mandate: StandingMandate | None


class Execution(Struct, frozen=True):
    """One entry of the account's journal. `sequence` is contiguous per account, `cursor` is what `after=` takes."""

    cursor: int
    sequence: int
    time_ms: int
    events: list[AccountEvent]
    postings: list[Posting]
    balances: list[BalanceAfter]


class ExecutionsAnswer(Struct, frozen=True):
    """`more` says that there is something behind `next_after` already; a page may be empty and still have more."""

    executions: list[Execution]
    next_after: int
    more: bool


class WithdrawalWaiting(Struct, frozen=True):
    withdrawal_id: str
    asset: str
    amount: str
    destination: str


class BalancesAnswer(Struct, frozen=True):
    """`withdrawals` wait for settlement; their amounts are part of `reserved`."""

    account: str
    balances: list[BalanceAfter]
    withdrawals: list[WithdrawalWaiting]


class MarketAnswer(Struct, frozen=True):
    """`market` is as listed, `state` as it is: HALTED while there are `halts`, the oldest first."""

    revision: int
    market: Market
    state: MarketState
    halts: list[Halt]


class MarketsAnswer(Struct, frozen=True):
    exchange: str
    markets: list[MarketAnswer]


class BookAnswer(Struct, frozen=True):
    """(price, quantity) levels, best first."""

    symbol: str
    sequence: int
    time_ms: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class PriceAnswer(Struct, frozen=True):
    """Last trade, and the volume-weighted average of the last five minutes of log time; null before the first trade."""

    symbol: str
    last: str | None
    average: str | None
    trade_sequence: int
    time_ms: int


class TimeAnswer(Struct, frozen=True):
    """The gateway's clock, and the newest log time that it has seen: the one that commands are judged by."""

    time_ms: int
    log_time_ms: int


class AliveAnswer(Struct, frozen=True):
    alive: bool


class ReadyAnswer(Struct, frozen=True):
    """`degraded` says what does not work for now, although the gateway is ready: reads of what is old."""

    ready: bool
    positions: dict[str, int]
    degraded: list[str]


def standing_mandate(armed: MandateArmed | None) -> StandingMandate | None:
    return None if armed is None else StandingMandate(armed.command_id, armed.due_ms)


def order_answer(
    order: Order, *, trades: bool = True, command_id: str | None = None, original_id: str | None = None
) -> OrderAnswer:
    return OrderAnswer(
        order_id=order.order_id, client_order_id=order.client_order_id, account=order.account, symbol=order.symbol,
        side=order.side, type=order.type, time_in_force=order.time_in_force, status=order.status,
        filled=order.filled_text, filled_quote=order.filled_quote_text, price=order.price, quantity=order.quantity,
        max_quote=order.max_quote, remaining=order.remaining, average_price=order.average_price,
        fee=order.fee, fee_asset=order.quote, valid_until_ms=order.valid_until_ms, post_only=order.post_only,
        cause=order.cause, detail=order.detail, created_ms=order.created_ms, updated_ms=order.updated_ms,
        trades=list(order.fills) if trades else None, trades_truncated=trades and not order.complete,
        command_id=command_id, original_id=original_id,
    )  # fmt: skip
