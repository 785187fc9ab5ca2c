"""The commands of a day from a seed: B3's rate, and the markets, brokers and prices of the load simulator. Pure.

The same seed gives the same rows, and a longer day begins as a shorter one does.
"""

from collections.abc import Iterator
from random import Random

from glassbook.listing import parse_listing
from glassbook.listing_generate import generate
from schemas.commands import OrderType, Side, TimeInForce
from schemas.market import Terms
from simulator.day.rows import Row
from simulator.load.flow import Draft, Flow, OpenOrders, held_symbols, middle_ticks
from simulator.load.mix import BROKERS, ORDERS_PER_S, SHARES, SYMBOLS, Kind

ORDERS_OF_A_DAY = 20_000_000
TIMES_IN_FORCE = tuple(TimeInForce)
CANCELS = SHARES[Kind.CANCEL] / (SHARES[Kind.ORDER] + SHARES[Kind.CANCEL])
COMMANDS_PER_S = ORDERS_PER_S / (1 - CANCELS)


def day_rows(seed: int, orders: int, symbols: int = SYMBOLS, brokers: int = BROKERS) -> Iterator[Row]:
    """So many new orders, and the cancels among them."""
    chance = Random(f"day {seed}")
    terms = [Terms(market) for market in parse_listing(generate(symbols)).markets]
    middles = [middle_ticks(of, symbol) for symbol, of in enumerate(terms)]
    flow = Flow(chance, held_symbols(symbols, brokers), middles)
    open_orders = [OpenOrders() for _ in range(brokers)]
    placed = [0] * brokers
    time_s, left = 0.0, orders
    while left:
        time_s += chance.expovariate(COMMANDS_PER_S)
        broker = flow.next_broker()
        time_ms, known = int(time_s * 1000), open_orders[broker]
        if known and chance.random() < CANCELS:
            yield Row(time_ms, broker, int(known.take()), True)
            continue
        left -= 1
        placed[broker] += 1
        draft = flow.draft(broker)
        known.sent(str(placed[broker]))
        if draft.time_in_force in (TimeInForce.GTC, TimeInForce.GTD):
            known.rests(str(placed[broker]), draft.time_in_force is TimeInForce.GTC)
        yield _row(time_ms, broker, placed[broker], draft)


def _row(time_ms: int, broker: int, order: int, draft: Draft) -> Row:
    return Row(
        time_ms, broker, order, False, draft.symbol, draft.side is Side.BUY, draft.type is OrderType.MARKET,
        TIMES_IN_FORCE.index(draft.time_in_force), draft.price_ticks, draft.lots, draft.lifetime_ms or 0,
    )  # fmt: skip
