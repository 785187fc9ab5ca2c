"""The engine against the naive market, over random operations."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matcher.book import Order, Resting
from matcher.engine import UNLIMITED_LOTS, Engine, EngineEvent, Incoming, Match
from schemas.commands import SelfTrade, TimeInForce
from schemas.records import Amended, Closed, Declined, Decremented, Rested
from tests.property.naive_market import Event, NaiveMarket, NaiveOrder

UNIT = 7
FEES = st.sampled_from([(0, 0), (200, 1000), (-150, 1000), (333, 333), (0, 100_000)])

prices = st.integers(1, 12)
lots = st.integers(1, 9)
names = st.integers(0, 40)
accounts = st.sampled_from("abc")
modes = st.sampled_from(list(SelfTrade))
limit_orders = st.tuples(
    st.just("limit"), accounts, st.booleans(), prices, lots, st.sampled_from(list(TimeInForce)), modes, st.booleans(),
    FEES,
)  # fmt: skip
market_orders = st.tuples(
    st.just("market"), accounts, st.booleans(), st.none() | lots, st.none() | st.integers(1, 900),
    st.sampled_from([TimeInForce.IOC, TimeInForce.FOK]), modes, FEES,
)  # fmt: skip
operations = st.lists(
    limit_orders | limit_orders | limit_orders | market_orders
    | st.tuples(st.just("cancel"), names) | st.tuples(st.just("amend"), names, prices, lots),
    min_size=1, max_size=25,
)  # fmt: skip


class Pair:
    """The same operations on the engine and on the naive market."""

    def __init__(self) -> None:
        self.resting = Resting()
        self.engine = Engine(UNIT, self.resting)
        self.naive = NaiveMarket(UNIT)
        self.place = 0
        self.shown: dict[tuple[bool, int], int] = {}  # the book that the depth differences give

    def run(self, operation: tuple[Any, ...]) -> tuple[list[Event], list[Event]]:
        self.place += 1
        match operation:
            case ("limit", account, buys, price, lots, force, mode, post_only, fees):
                post_only = post_only and force in (TimeInForce.GTC, TimeInForce.GTD)
                return self.submit(account, buys, price, lots, None, force, mode, post_only, fees)
            case ("market", account, buys, size, budget, force, mode, fees):
                if buys and budget is None:
                    budget = 50
                if not buys and size is None:
                    size = 3
                if size is None and mode is SelfTrade.DECREMENT:
                    mode = SelfTrade.EXPIRE_TAKER
                return self.submit(account, buys, None, size, budget, force, mode, False, fees)
            case ("cancel", name):
                order = self.resting.orders.get(str(name))
                return plain(self.engine.cancel(order, "c") if order else []), self.naive.cancel(str(name))
            case ("amend", name, price, lots):
                order = self.resting.orders.get(str(name))
                events = self.engine.amend(order, "a", price, lots, self.place) if order else []
                return plain(events), self.naive.amend(str(name), price, lots, self.place)
        raise AssertionError(operation)

    def submit(
        self, account: str, buys: bool, price: int | None, lots: int | None, budget: int | None, force: TimeInForce,
        mode: SelfTrade, post_only: bool, fees: tuple[int, int],
    ) -> tuple[list[Event], list[Event]]:  # fmt: skip
        name, size = str(self.place), lots or UNLIMITED_LOTS
        until = 1000 if force is TimeInForce.GTD else None
        order = Order(name, account, "S", buys, price or 0, size, *fees, mode, post_only, until, self.place)
        events = self.engine.submit(Incoming(order, price, force, budget, lots is None))
        naive = NaiveOrder(name, account, buys, price or 0, size, self.place, mode, post_only, until, *fees)
        return plain(events), self.naive.submit(naive, price, force, budget, lots is None)

    def check(self) -> None:
        self.engine.book.check()
        bids, asks = self.engine.book.take_changes()
        for buys, changes in ((True, bids), (False, asks)):
            for price, total in changes:
                assert self.shown.get((buys, price), 0) != total, "a difference that changes nothing"
                self.shown[(buys, price)] = total
            self.shown = {level: total for level, total in self.shown.items() if total}
            side = self.engine.book.side(buys)
            depth = [(level.price_ticks, level.total_lots) for level in side]
            assert depth == self.naive.depth(buys)
            assert dict(depth) == {price: total for (is_buy, price), total in self.shown.items() if is_buy is buys}
        assert len(self.resting.due) == sum(order.valid_until_ms is not None for order in self.resting.orders.values())
        queue = [(order.order_id, order.remaining_lots, order.filled_lots) for order in self.engine.book]
        assert sorted(queue) == sorted((order.name, order.left, order.filled) for order in self.naive.orders)


def plain(events: Sequence[EngineEvent]) -> list[Event]:
    return [as_tuple(event) for event in events]


def as_tuple(event: EngineEvent) -> Event:
    match event:
        case Match():
            return (
                "fill", event.taker.order_id, event.maker.order_id, event.price_ticks, event.quantity_lots,
                event.taker_fee_minor, event.maker_fee_minor,
            )  # fmt: skip
        case Closed():
            return ("closed", event.order_id, event.status, event.cause)
        case Rested():
            return ("rested", event.order_id, event.remaining_lots)
        case Decremented():
            return ("decremented", event.order_id, event.quantity_lots)
        case Amended():
            return ("amended", event.order_id, event.price_ticks, event.quantity_lots)
        case Declined():
            return ("declined", event.order_id, event.reason)


def random_operations(seed: int, count: int) -> list[tuple[Any, ...]]:
    """The same kinds of operations by the hundred, where hypothesis would take too long."""
    random = Random(seed)
    fees = random.choice([(0, 0), (200, 1000), (-150, 1000), (333, 333), (0, 100_000)])

    def operation() -> tuple[Any, ...]:
        account, buys, mode = random.choice("abc"), random.random() < 0.5, random.choice(list(SelfTrade))
        chance = random.random()
        if chance < 0.65:
            force = random.choices(list(TimeInForce), [6, 1, 1, 2])[0]
            price, size = random.randint(1, 12), random.randint(1, 9)
            return "limit", account, buys, price, size, force, mode, random.random() < 0.2, fees
        if chance < 0.8:
            force = random.choice([TimeInForce.IOC, TimeInForce.FOK])
            total = random.choice([None, random.randint(1, 30)])
            # Any budget, or one that some lots at some price use up to the last unit.
            exact = UNIT * random.randint(1, 12) * random.randint(1, 9)
            budget = random.choice([None, random.randint(1, 900), exact])
            return "market", account, buys, total, budget, force, mode, fees
        if chance < 0.9:
            return "cancel", random.randint(max(0, count // 2 - 30), count)
        return "amend", random.randint(0, count), random.randint(1, 12), random.randint(1, 9)

    return [operation() for _ in range(count)]


def compare(sequence: list[tuple[Any, ...]]) -> None:
    pair = Pair()
    for operation in sequence:
        ours, theirs = pair.run(operation)
        assert ours == theirs
        pair.check()


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(operations)
def test_the_engine_does_what_the_naive_market_does(sequence):
    compare(sequence)


def test_the_engine_does_what_the_naive_market_does_at_length():
    for seed in range(150):
        try:
            compare(random_operations(seed, 80))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error


def test_no_order_is_passed_over_and_no_lot_is_lost():
    for seed in range(150):
        check_priority_and_quantities(random_operations(seed, 80))


def check_priority_and_quantities(sequence: list[tuple[Any, ...]]) -> None:
    pair = Pair()
    entered: dict[str, int] = {}
    filled: Counter[str] = Counter()
    for operation in sequence:
        before = list(pair.engine.book)
        makers = {order.order_id: order for order in before}
        events, _ = pair.run(operation)
        if operation[0] == "limit":
            entered[str(pair.place)] = operation[4]
        for event in events:
            match event:
                case ("fill", str(taker), str(maker), price, int(size), *_):
                    assert price == makers[maker].price_ticks, "a trade is at the maker's price"
                    ahead = before[: before.index(makers[maker])]
                    taker_account = operation[1] if operation[0] != "amend" else makers[taker].account
                    passed_over = [
                        order for order in ahead
                        if order.is_buy == makers[maker].is_buy and order.account != taker_account
                        and order.order_id in pair.resting.orders
                    ]  # fmt: skip
                    assert not passed_over
                    filled[taker] += size
                    filled[maker] += size
                case ("decremented", str(name), int(size)) if name in entered:
                    entered[name] -= size
                case ("amended", str(name), _, int(total)):
                    entered[name] = total
        for order in pair.engine.book:
            assert order.filled_lots == filled[order.order_id]
            assert order.filled_lots + order.remaining_lots == entered[order.order_id]
        assert all(filled[name] <= total for name, total in entered.items())
