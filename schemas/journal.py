"""The records of `ledger`, the ledger's journal: what one input did to one account, as events, postings and balances.

All numbers are decimal strings. Every change of a balance stands here, and an account's entries count up from 1.
"""

from msgspec import Struct, field

from schemas.commands import RecordPlace, Side
from schemas.market import Market
from schemas.reasons import Reason
from schemas.records import CloseStatus, Derived, Role


class Posting(Struct, frozen=True, gc=False):
    """One line of a double entry: `amount` of `asset` onto `book`.

    Books: `free:ACCOUNT`, `reserved:ACCOUNT`, `pending:ACCOUNT` (withdrawals under way), `clearing:SYMBOL`, `fees`,
    `world` (what came in by deposits and left by withdrawals), `losses` (what busts could not take back, which the
    exchange bears: its balance is zero or below).
    """

    book: str
    asset: str
    amount: str


class BalanceAfter(Struct, frozen=True, gc=False):
    """An account's balance in one asset after this entry."""

    asset: str
    free: str
    reserved: str


class OrderOpened(Struct, frozen=True, gc=False, tag_field="event", tag="order_opened", omit_defaults=True):
    """Funded and on its way to the matcher."""

    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    type: str
    time_in_force: str
    price: str | None = None
    quantity: str | None = None
    max_quote: str | None = None
    valid_until_ms: int | None = None
    post_only: bool = False


class OrderRested(Struct, frozen=True, gc=False, tag_field="event", tag="order_rested"):
    order_id: str
    remaining: str


class OrderFilled(Struct, frozen=True, gc=False, tag_field="event", tag="order_filled"):
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


class OrderDecremented(Struct, frozen=True, gc=False, tag_field="event", tag="order_decremented"):
    order_id: str
    quantity: str


class OrderAmended(Struct, frozen=True, gc=False, tag_field="event", tag="order_amended"):
    order_id: str
    command_id: str
    price: str
    quantity: str


class OrderClosed(Struct, frozen=True, gc=False, tag_field="event", tag="order_closed"):
    order_id: str
    status: CloseStatus
    cause: Reason | None = None
    command_id: str | None = None


class CommandPassed(Struct, frozen=True, gc=False, tag_field="event", tag="command_passed"):
    """A cancel or amend went on to the matcher, for these orders. A cancel of no orders is done with this."""

    command_id: str
    order_ids: list[str]


class CommandRefused(Struct, frozen=True, gc=False, tag_field="event", tag="command_refused", omit_defaults=True):
    """Nothing happened, for this reason. `stage` says who refused; `order_id` names the order it was about, and
    `client_order_id` is a new order's own, where the refusal used it up."""

    command_id: str
    reason: Reason
    detail: str = ""
    stage: str = "ledger"
    order_id: str | None = None
    client_order_id: str | None = None


class CommandRepeated(Struct, frozen=True, gc=False, tag_field="event", tag="command_repeated"):
    """The same bytes came before: what `original_id` gave is the result."""

    command_id: str
    original_id: str
    reason: Reason | None = None  # why the original was refused, if it was


class AccountRegistered(Struct, frozen=True, gc=False, tag_field="event", tag="account_registered"):
    command_id: str
    root_key: str


class KeyDelegated(Struct, frozen=True, gc=False, tag_field="event", tag="key_delegated"):
    command_id: str
    trade_key: str
    valid_until_ms: int


class KeyRevoked(Struct, frozen=True, gc=False, tag_field="event", tag="key_revoked"):
    command_id: str
    trade_key: str


class Deposited(Struct, frozen=True, gc=False, tag_field="event", tag="deposited"):
    command_id: str
    asset: str
    amount: str
    transfer_id: str


class WithdrawalOpened(Struct, frozen=True, gc=False, tag_field="event", tag="withdrawal_opened"):
    withdrawal_id: str
    asset: str
    amount: str
    destination: str


class WithdrawalClosed(Struct, frozen=True, gc=False, tag_field="event", tag="withdrawal_closed"):
    withdrawal_id: str
    command_id: str
    asset: str
    amount: str
    paid: bool


class TradeReversed(Struct, frozen=True, gc=False, tag_field="event", tag="trade_reversed"):
    """The operator busted a trade: the account's side of it was taken back. What was no longer free, `loss` of
    `loss_asset`, the exchange bears. The order itself stays as it is."""

    command_id: str  # the bust's place in `orders`, as `orders-PARTITION-OFFSET`
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
    loss: str
    loss_asset: str


class MandateArmed(Struct, frozen=True, gc=False, tag_field="event", tag="mandate_armed"):
    """All orders open at log time `due_ms` are cancelled then, unless another `cancel_all_after` comes before."""

    command_id: str
    due_ms: int


class MandateDisarmed(Struct, frozen=True, gc=False, tag_field="event", tag="mandate_disarmed"):
    """No mandate stands any more, if one did."""

    command_id: str


class MandateFired(Struct, frozen=True, gc=False, tag_field="event", tag="mandate_fired"):
    """The time of the mandate that this command armed has come: a cancel of these orders, all that the account had
    open, went on to the matcher. The mandate is gone."""

    command_id: str
    order_ids: list[str]


AccountEvent = (
    OrderOpened
    | OrderRested
    | OrderFilled
    | OrderDecremented
    | OrderAmended
    | OrderClosed
    | CommandPassed
    | CommandRefused
    | CommandRepeated
    | AccountRegistered
    | KeyDelegated
    | KeyRevoked
    | Deposited
    | WithdrawalOpened
    | WithdrawalClosed
    | TradeReversed
    | MandateArmed
    | MandateDisarmed
    | MandateFired
)


class LedgerEntry(Derived, frozen=True, tag_field="record", tag="entry", kw_only=True):
    """On `ledger`: what one input did to one account. Postings sum to zero per asset; `sequence` is contiguous per
    account. An account that isn't registered can only be refused, with sequence 0."""

    account: str
    sequence: int
    time_ms: int
    events: list[AccountEvent]
    postings: list[Posting] = field(default_factory=list)
    balances: list[BalanceAfter] = field(default_factory=list)


class MarketListed(Derived, frozen=True, tag_field="record", tag="market_listed", kw_only=True):
    """On `ledger`, on each partition: the market has these terms from here on."""

    revision: int
    time_ms: int
    market: Market


class ExchangeStarted(Derived, frozen=True, tag_field="record", tag="exchange_started", kw_only=True):
    """On `ledger`, first on each partition: what genesis said."""

    exchange: str
    operator_key: str
    engine_version: int
    account_partitions: int
    max_open_orders: int
    open_registration: bool
    time_ms: int


class HalterAuthorised(Derived, frozen=True, tag_field="record", tag="halter_authorised", kw_only=True):
    """On `ledger`, on each partition: this key, besides the operator's, may halt markets from here on."""

    revision: int
    halter_key: str | None
    time_ms: int


class MarketHalted(Derived, frozen=True, tag_field="record", tag="market_halted", kw_only=True):
    """On `ledger`, on each partition: the market takes no orders until this halt is resumed."""

    symbol: str
    halt_id: str
    reason: str
    evidence: list[RecordPlace]
    halted_by: str  # the key that signed
    time_ms: int


class MarketResumed(Derived, frozen=True, tag_field="record", tag="market_resumed", kw_only=True):
    """On `ledger`, on each partition: these halts are over. The market is open again once none stands."""

    symbol: str
    halt_ids: list[str]
    reason: str
    time_ms: int


class OperatorRefused(Derived, frozen=True, tag_field="record", tag="operator_refused", kw_only=True):
    """On `ledger`: an operator's record that is about no account was refused; nothing changed."""

    command_id: str
    time_ms: int
    reason: Reason
    detail: str


LedgerRecord = (
    LedgerEntry | MarketListed | ExchangeStarted | OperatorRefused | HalterAuthorised | MarketHalted | MarketResumed
)
