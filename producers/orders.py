"""One order as the ledger's journal tells it: opened, rested, filled, amended, closed. Pure.

Quantities are counted in minor units of the base asset, amounts in those of the quote asset. `complete` says whether
all of the order's fills are in `fills`: not so for an order that was restored from a snapshot in the middle of its
life, and for one with more fills than are kept.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct

from schemas.commands import NewOrder, Side
from schemas.decimals import DecimalError, format_decimal, parse_decimal
from schemas.journal import (
    AccountEvent,
    OrderAmended,
    OrderClosed,
    OrderDecremented,
    OrderFilled,
    OrderOpened,
    OrderRested,
)
from schemas.ledger_state import OpenOrder
from schemas.market import Terms
from schemas.reasons import Reason
from schemas.records import Role

ORDER_EVENTS = (OrderRested, OrderFilled, OrderDecremented, OrderAmended, OrderClosed)
MAX_FILLS = 1000
# Beyond the tick's decimals; an average is rarely a whole number of ticks.
AVERAGE_DECIMALS = 8
_ROUND = Context(prec=80, rounding=ROUND_HALF_EVEN)


class OrderStatus(StrEnum):
    PENDING = "PENDING"  # funded, on its way to the matcher
    OPEN = "OPEN"  # on the book
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"  # by its owner
    EXPIRED = "EXPIRED"  # by its time in force, self-trade prevention or the market's end
    REJECTED = "REJECTED"  # by the ledger or the matcher; never on the book, never filled

    @property
    def is_closed(self) -> bool:
        return self is not OrderStatus.PENDING and self is not OrderStatus.OPEN


class Fill(Struct, frozen=True, gc=False):
    """One order's side of a trade. A negative fee is a rebate."""

    trade_id: str
    trade_sequence: int
    time_ms: int
    role: Role
    price: str
    quantity: str
    quote_quantity: str
    fee: str
    fee_asset: str


class Order(Struct, kw_only=True):
    order_id: str
    account: str
    client_order_id: str
    symbol: str
    side: Side
    type: str
    time_in_force: str
    price: str | None
    quantity: str | None
    max_quote: str | None
    valid_until_ms: int | None
    post_only: bool
    created_ms: int
    updated_ms: int
    price_decimals: int
    base_decimals: int
    quote_decimals: int
    quote: str | None
    status: OrderStatus = OrderStatus.PENDING
    cause: Reason | None = None
    detail: str = ""
    closed_by: str | None = None  # the cancel or amend that closed it
    filled_minor: int = 0
    filled_quote_minor: int = 0
    fills: list[Fill] = []
    complete: bool = True

    # --- the journal's events

    def apply(self, event: AccountEvent, time_ms: int) -> None:
        """Takes an event about this order; anything else is an error of the caller."""
        self.updated_ms = time_ms
        match event:
            case OrderFilled():
                self._fill(event, time_ms)
            case OrderRested():
                self.status = OrderStatus.OPEN
            case OrderClosed():
                self.status, self.cause, self.closed_by = OrderStatus(event.status), event.cause, event.command_id
            case OrderAmended():
                self.price, self.quantity = event.price, event.quantity
            case OrderDecremented():
                if self.quantity is not None:
                    less = self.quantity_minor - parse_decimal(event.quantity, self.base_decimals)
                    self.quantity = format_decimal(less, self.base_decimals)
            case _:
                raise TypeError(f"{type(event).__name__} is not about an order")

    def _fill(self, event: OrderFilled, time_ms: int) -> None:
        self.filled_minor += parse_decimal(event.quantity, self.base_decimals)
        self.filled_quote_minor += parse_decimal(event.quote_quantity, self.quote_decimals)
        if len(self.fills) >= MAX_FILLS:
            self.complete = False
            return
        self.fills.append(
            Fill(
                event.trade_id, event.trade_sequence, time_ms, event.role, event.price, event.quantity,
                event.quote_quantity, event.fee, event.fee_asset,
            )
        )  # fmt: skip

    def add_fills(self, earlier: list[Fill]) -> None:
        """Puts fills from before the snapshot in front, each trade once; complete if they make up the sum."""
        known = {fill.trade_id for fill in self.fills}
        fills = [fill for fill in earlier if fill.trade_id not in known] + self.fills
        if sum(parse_decimal(fill.quantity, self.base_decimals) for fill in fills) == self.filled_minor:
            self.fills = fills[:MAX_FILLS]
            self.complete = len(fills) <= MAX_FILLS

    # --- what it comes to

    @property
    def quantity_minor(self) -> int:
        return 0 if self.quantity is None else parse_decimal(self.quantity, self.base_decimals)

    @property
    def filled_text(self) -> str:
        return format_decimal(self.filled_minor, self.base_decimals)

    @property
    def filled_quote_text(self) -> str:
        return format_decimal(self.filled_quote_minor, self.quote_decimals)

    @property
    def average_price(self) -> str | None:
        """Quote per base over all fills, to 8 decimals more than the tick has; None without a fill."""
        if not self.filled_minor:
            return None
        quote = Decimal(self.filled_quote_minor).scaleb(-self.quote_decimals, _ROUND)
        base = Decimal(self.filled_minor).scaleb(-self.base_decimals, _ROUND)
        decimals = min(self.price_decimals + AVERAGE_DECIMALS, 18)
        units = int(_ROUND.divide(quote, base).scaleb(decimals, _ROUND).to_integral_value(ROUND_HALF_EVEN, _ROUND))
        return format_decimal(units, decimals)

    @property
    def remaining(self) -> str | None:
        """What is still on the book or on its way there; None where only an amount of money bounds the order."""
        if self.quantity is None:
            return None
        if self.status.is_closed:
            return "0"
        return format_decimal(self.quantity_minor - self.filled_minor, self.base_decimals)

    @property
    def fee(self) -> str | None:
        """The sum of its fees so far; None where not all fills are at hand."""
        if not self.complete:
            return None
        return format_decimal(sum(_signed(fill.fee, self.quote_decimals) for fill in self.fills), self.quote_decimals)


def order_opened(event: OrderOpened, account: str, terms: Terms, time_ms: int) -> Order:
    return _order(event.order_id, account, event, terms, time_ms)


def order_of_command(order_id: str, command: NewOrder, terms: Terms | None, time_ms: int) -> Order:
    """The order as its owner signed it, before anything became of it. Without terms if its market isn't listed."""
    return _order(order_id, command.account, command, terms, time_ms)


def _order(order_id: str, account: str, said: OrderOpened | NewOrder, terms: Terms | None, time_ms: int) -> Order:
    return Order(
        order_id=order_id,
        account=account,
        client_order_id=said.client_order_id,
        symbol=said.symbol,
        side=said.side,
        type=said.type,
        time_in_force=said.time_in_force,
        price=_shortest(said.price),
        quantity=_shortest(said.quantity),
        max_quote=_shortest(said.max_quote),
        valid_until_ms=said.valid_until_ms,
        post_only=said.post_only,
        created_ms=time_ms,
        updated_ms=time_ms,
        fills=[],
        **_scales(terms),
    )


def order_restored(order_id: str, state: OpenOrder, terms: Terms) -> Order:
    """An open order from the ledger's snapshot. Its earlier fills are known by their sums only."""
    order = order_of_command(order_id, state.order, terms, state.order.time_ms)
    order.price = None if state.price_ticks is None else terms.price_text(state.price_ticks)
    order.quantity = None if state.quantity_lots is None else terms.quantity_text(state.quantity_lots)
    order.status = OrderStatus.OPEN if state.rested else OrderStatus.PENDING
    order.filled_minor = state.filled_lots * terms.lot_minor
    order.filled_quote_minor = state.filled_quote_minor
    order.complete = not state.filled_lots
    return order


def _shortest(text: str | None) -> str | None:
    """A number as the journal writes it: `9.50` is `9.5`. What isn't one was refused, and stays as it was signed."""
    if text is None:
        return None
    try:
        return format_decimal(parse_decimal(text, 18), 18)
    except DecimalError:
        return text


def _scales(terms: Terms | None) -> dict[str, Any]:
    if terms is None:
        return {"price_decimals": 18, "base_decimals": 18, "quote_decimals": 18, "quote": None}
    market = terms.market
    return {
        "price_decimals": terms.price_decimals,
        "base_decimals": market.base_decimals,
        "quote_decimals": market.quote_decimals,
        "quote": market.quote,
    }


def _signed(text: str, decimals: int) -> int:
    return -parse_decimal(text[1:], decimals) if text.startswith("-") else parse_decimal(text, decimals)
