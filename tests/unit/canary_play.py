"""The same lines of text as `book_play.py`'s, played on the canary's book."""

from canary.market_terms import MarketTerms
from canary.matching import Event, Fill, Ripple, Wish, amended, happen, outcome
from canary.numbers import LARGEST
from canary.order_book import MarketBook, Order
from schemas.market import Market, MarketState
from schemas.records import Closed, CloseStatus, Filled, OrderEvent, Role
from tests.unit.book_play import parsed, said

# A tick times a lot is one minor unit of the quote asset.
LISTING = Market(
    symbol="S", base="B", quote="Q", base_decimals=0, quote_decimals=0, tick="1", lot="1", min_quantity="1",
    max_quantity="1000000", min_notional="1", price_low="1", price_high="1000000", maker_fee="0", taker_fee="0",
    partition=0, state=MarketState.OPEN,
)  # fmt: skip


class CanaryPlay:
    def __init__(self) -> None:
        self.book = MarketBook(1, MarketTerms(LISTING))
        self.place = 0
        self.changes: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])  # of the last line, by side

    def lines(self, *commands: str) -> list[str]:
        return [spoken(event) for command in commands for event in self.run(command)]

    def run(self, command: str) -> list[Event]:
        self.place += 1
        words, incoming = command.split(), None
        if words[0] == "cancel":
            order = self.book.orders[words[1]]
            events: list[Event] = [Closed(order.account, order.order_id, CloseStatus.CANCELLED)]
        elif words[0] == "amend":
            lots, price = words[2].split("@")
            events = amended(self.book, self.book.orders[words[1]], "amend", int(price), int(lots), set())
        else:
            incoming, wish = self._incoming(words)
            events = outcome(self.book, incoming, wish, set())
        ripple = Ripple(self.book)
        ripple.add(events, incoming)
        self.changes = ripple.totals(True), ripple.totals(False)
        happen(self.book, [told for event in events for told in both_sides(event)], incoming, self.place)
        return events

    def _incoming(self, words: list[str]) -> tuple[Order, Wish]:
        line = parsed(words)
        order = Order(
            line.name, line.account, line.is_buy, line.limit or 0, line.lots or LARGEST, 0, self.place, line.maker_ppm,
            line.taker_ppm, line.self_trade, line.post_only, line.until, self.place,
        )  # fmt: skip
        return order, Wish(line.limit, line.force, line.budget, line.lots is None)

    def drawn(self) -> str:
        sides = []
        for is_buy in (True, False):
            levels: dict[int, list[str]] = {}
            for _, _, order_id in self.book.queue(is_buy):
                order = self.book.orders[order_id]
                levels.setdefault(order.price, []).append(f"{order_id} {order.left}")
            sides.append("; ".join(f"{price}: " + ", ".join(orders) for price, orders in levels.items()))
            assert self.book.totals(is_buy) == {
                price: sum(int(order.split()[1]) for order in orders) for price, orders in levels.items()
            }
        return " | ".join(sides).strip()


def both_sides(event: Event) -> list[OrderEvent]:
    """A fill as the reports tell it."""
    if not isinstance(event, Fill):
        return [event]
    taker, maker = event.taker, event.maker
    return [
        Filled(taker.account, taker.order_id, Role.TAKER, maker.price, event.lots, event.taker_fee, "", 0),
        Filled(maker.account, maker.order_id, Role.MAKER, maker.price, event.lots, event.maker_fee, "", 0),
    ]


def spoken(event: Event) -> str:
    if not isinstance(event, Fill):
        assert not isinstance(event, Filled), "matching tells of fills by both sides at once"
        return said(event)
    fees = f" fees {event.taker_fee},{event.maker_fee}" if event.taker_fee or event.maker_fee else ""
    return f"{event.taker.order_id} x {event.maker.order_id} {event.lots}@{event.maker.price}{fees}"
