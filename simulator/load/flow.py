"""What brokers send: in which market, at what price, how much, and which of their orders they cancel. Pure but for the
`Random` that it is given.

Symbols are drawn by Zipf's law, so that a few markets have most of the traffic. A market's prices lie around a middle
that doesn't move: books stay as deep as their levels are many, and orders that rest end by a cancel, a fill or their
time. Shares and distances are chosen so that about 0.2 trades an order come out. A broker's commands come in baskets,
one behind the other, as a broker's programs send them; whose basket is next is drawn anew each time.
"""

from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import NamedTuple

from schemas.commands import OrderType, Side, TimeInForce
from schemas.market import Terms

BASKET = 20
HELD_BY_ALL = 20  # the busiest symbols; each of the others is traded by HOLDERS brokers
HOLDERS = 6
PASSIVE, CROSSING, FLEETING = 0.62, 0.04, 0.28  # the rest are market orders
LASTING = 0.5  # of the passive ones: these rest until cancelled, the others until their time
LIFETIME_MS = (20_000, 40_000)
LEVELS_AWAY = 4.0  # from the best possible price, on average
MEAN_LOTS = 8.0
MAX_LOTS = 100
KNOWN_OPEN = 1_000  # orders that a broker keeps in mind to cancel


class Draft(NamedTuple):
    """An order before it has an id and a signature."""

    symbol: int  # its rank: 0 is the busiest
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price_ticks: int  # of a market buy: what bounds its cost
    lots: int
    lifetime_ms: int | None


def zipf_weights(count: int) -> list[float]:
    return [1 / rank for rank in range(1, count + 1)]


def holders(symbol: int, brokers: int) -> list[int]:
    """The brokers that trade the symbol of this rank."""
    if symbol < HELD_BY_ALL or brokers <= HOLDERS:
        return list(range(brokers))
    return sorted({(symbol * HOLDERS + number) % brokers for number in range(HOLDERS)})


def held_symbols(symbols: int, brokers: int) -> list[list[int]]:
    """For each broker the symbols that it trades, the busiest first."""
    held: list[list[int]] = [[] for _ in range(brokers)]
    for symbol in range(symbols):
        for broker in holders(symbol, brokers):
            held[broker].append(symbol)
    return held


def middle_ticks(terms: Terms, symbol: int) -> int:
    """A price that means nothing, inside the band and far from its ends."""
    wanted = 1_000 + symbol * 37 % 4_000
    return min(max(wanted, terms.low_ticks + 100), (terms.low_ticks + terms.high_ticks) // 2)


class Flow:
    """What the brokers of one process send. `held` is by broker, the symbols' ranks; `middles` in ticks by rank."""

    def __init__(
        self,
        chance: Random,
        held: Sequence[Sequence[int]],
        middles: Sequence[int],
    ) -> None:
        self._chance, self._held, self._middles = chance, held, middles
        weights = zipf_weights(len(middles))
        trading = [0] * len(middles)
        for symbols in held:
            for symbol in symbols:
                trading[symbol] += 1
        # A symbol that few brokers trade is drawn the more often by each: so the skew is that of the symbols.
        self._weights = [list(accumulate(weights[symbol] / trading[symbol] for symbol in symbols)) for symbols in held]
        self._brokers = range(len(held))
        self._broker, self._left = 0, 0

    def next_broker(self) -> int:
        """Whose command is next: the same one's until its basket is full."""
        if not self._left:
            self._broker, self._left = self._chance.choice(self._brokers), BASKET
        self._left -= 1
        return self._broker

    def any_broker(self) -> int:
        return self._chance.choice(self._brokers)

    def symbol(self, broker: int) -> int:
        return self._chance.choices(self._held[broker], cum_weights=self._weights[broker])[0]

    def draft(self, broker: int) -> Draft:
        chance = self._chance
        symbol = self.symbol(broker)
        side = Side.BUY if chance.random() < 0.5 else Side.SELL
        lots = min(1 + int(chance.expovariate(1 / MEAN_LOTS)), MAX_LOTS)
        sign = -1 if side is Side.BUY else 1
        away = int(chance.expovariate(1 / LEVELS_AWAY))
        middle, kind = self._middles[symbol], chance.random()
        if kind < PASSIVE:
            lasting = chance.random() < LASTING
            lifetime_ms = None if lasting else chance.randint(*LIFETIME_MS)
            force = TimeInForce.GTC if lasting else TimeInForce.GTD
            return Draft(symbol, side, OrderType.LIMIT, force, middle + sign * (1 + away), lots, lifetime_ms)
        if kind < PASSIVE + CROSSING + FLEETING:
            force = TimeInForce.GTC if kind < PASSIVE + CROSSING else TimeInForce.IOC
            return Draft(symbol, side, OrderType.LIMIT, force, middle - sign * (away // 5), lots, None)
        return Draft(symbol, side, OrderType.MARKET, TimeInForce.IOC, middle + 100, lots, None)


class OpenOrders:
    """The orders of one broker that are thought to rest, to be cancelled: those without a time of their own first."""

    def __init__(self) -> None:
        self._lasting: deque[str] = deque(maxlen=KNOWN_OPEN)
        self._timed: deque[str] = deque(maxlen=KNOWN_OPEN)
        self._last = ""

    def sent(self, client_order_id: str) -> None:
        self._last = client_order_id

    def rests(self, client_order_id: str, lasting: bool) -> None:
        (self._lasting if lasting else self._timed).append(client_order_id)

    def take(self) -> str:
        """One to cancel, or the last one that was sent; "" where there was none at all."""
        for known in (self._lasting, self._timed):
            if known:
                return known.popleft()
        return self._last

    def __len__(self) -> int:
        return len(self._lasting) + len(self._timed)
