"""A book played from lines of text: commands in, events out, the book drawn. For tables that one can read.

A command: `NAME ACCOUNT buy|sell LOTS@PRICE [words]`, `cancel NAME` or `amend NAME LOTS@PRICE`. `@market` is a market
order, `all@market` one whose size is its budget. Words: gtc (as without), ioc, fok, gtd=MS, post, maker, both,
decrement (the self-trade modes besides expire-taker), max=BUDGET, fees=MAKER,TAKER in parts per million.

An event: `taker x maker LOTS@PRICE`, with ` fees TAKER,MAKER` if there are any; `NAME rests LOTS`; `NAME loses LOTS`;
`NAME is LOTS@PRICE` (amended); `NAME FILLED`, `NAME CANCELLED`, `NAME EXPIRED cause`, `NAME REJECTED cause`;
`NAME keeps cause` (an amend declined).
"""

from typing import NamedTuple

from matcher.book import Order, Resting
from matcher.engine import UNLIMITED_LOTS, Engine, EngineEvent, Incoming, Match
from schemas.commands import SelfTrade, TimeInForce
from schemas.records import Amended, Closed, Declined, Decremented, Rested

MODES = {"maker": SelfTrade.EXPIRE_MAKER, "both": SelfTrade.EXPIRE_BOTH, "decrement": SelfTrade.DECREMENT}


class Line(NamedTuple):
    """A command for an order."""

    name: str
    account: str
    is_buy: bool
    lots: int | None  # None: as many as the budget buys
    limit: int | None
    force: TimeInForce
    maker_ppm: int
    taker_ppm: int
    self_trade: SelfTrade
    post_only: bool
    until: int | None
    budget: int | None


def parsed(words: list[str]) -> Line:
    name, account, side, size, *more = words
    lots, _, price = size.partition("@")
    options = dict(word.partition("=")[::2] for word in more)
    maker_ppm, taker_ppm = (int(part) for part in options.get("fees", "0,0").split(","))
    limit = None if price == "market" else int(price)
    forces = [force for force in TimeInForce if force.lower() in options]
    force = forces[0] if forces else TimeInForce.GTC if limit is not None else TimeInForce.IOC
    mode = next((mode for word, mode in MODES.items() if word in options), SelfTrade.EXPIRE_TAKER)
    until, budget = (int(options[word]) if word in options else None for word in ("gtd", "max"))
    return Line(
        name, account, side == "buy", None if lots == "all" else int(lots), limit, force, maker_ppm, taker_ppm, mode,
        "post" in options, until, budget,
    )  # fmt: skip


class Play:
    def __init__(self, unit: int = 1) -> None:
        self.resting = Resting()
        self.engine = Engine(unit, self.resting)
        self.place = 0

    def lines(self, *commands: str) -> list[str]:
        return [said(event) for command in commands for event in self.run(command)]

    def run(self, command: str) -> list[EngineEvent]:
        self.place += 1
        words = command.split()
        if words[0] == "cancel":
            events = self.engine.cancel(self.resting.orders[words[1]], "cancel")
        elif words[0] == "amend":
            lots, price = words[2].split("@")
            events = self.engine.amend(self.resting.orders[words[1]], "amend", int(price), int(lots), self.place)
        else:
            events = self.engine.submit(self._incoming(words))
        self.engine.book.check()
        return events

    def _incoming(self, words: list[str]) -> Incoming:
        line = parsed(words)
        order = Order(
            line.name, line.account, "S", line.is_buy, line.limit or 0, line.lots or UNLIMITED_LOTS, line.maker_ppm,
            line.taker_ppm, line.self_trade, line.post_only, line.until, self.place,
        )  # fmt: skip
        return Incoming(order, line.limit, line.force, line.budget, line.lots is None)

    def drawn(self) -> str:
        """`bids | asks`, each from the best on: `price: order lots, order lots; price: …`."""
        sides = []
        for side in (self.engine.book.bids, self.engine.book.asks):
            levels = [
                f"{level.price_ticks}: " + ", ".join(f"{order.order_id} {order.remaining_lots}" for order in level)
                for level in side
            ]
            sides.append("; ".join(levels))
        return " | ".join(sides).strip()


def said(event: EngineEvent) -> str:
    match event:
        case Match():
            fees = f" fees {event.taker_fee_minor},{event.maker_fee_minor}"
            trade = f"{event.taker.order_id} x {event.maker.order_id} {event.quantity_lots}@{event.price_ticks}"
            return trade + (fees if event.taker_fee_minor or event.maker_fee_minor else "")
        case Rested():
            return f"{event.order_id} rests {event.remaining_lots}"
        case Decremented():
            return f"{event.order_id} loses {event.quantity_lots}"
        case Amended():
            return f"{event.order_id} is {event.quantity_lots}@{event.price_ticks}"
        case Closed():
            return f"{event.order_id} {event.status}" + (f" {event.cause}" if event.cause else "")
        case Declined():
            return f"{event.order_id} keeps {event.reason}"
