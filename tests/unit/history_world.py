"""A market with a past: trades over hours, their candles by the real stage, and a sink that takes what it is told."""

from typing import Any

from candle_agg.core import CandleCore
from candle_agg.service import CandleService
from simulator.memory_log import MemoryLog
from stage.service import Cadence
from tests.exchange import Exchange
from tests.unit.gateway_world import GatewayWorld

SYMBOL = "ABC-USD"
MINUTE_MS = 60_000
START_MS = 1_800_000_000_000  # a whole minute, and the middle of a day


class Market:
    """The exchange before any gateway looks at it. `seen_by` starts one, with as much of the past as it would read."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.cluster = self.exchange.cluster
        self.cluster.now_ms = START_MS
        log = MemoryLog(self.cluster, "candle_agg", "trades")
        self.candle_stage = CandleService(CandleCore, ("candles",), log, lambda: self.cluster.now_ms, Cadence(0, 0, 1))
        log.positions = self.candle_stage.open([0])
        self.maker, self.taker = (self.exchange.open_account(USD="1000000", ABC="100000") for _ in range(2))
        self.traded = 0

    def trade(self, price: str = "10", quantity: str = "1") -> None:
        self.exchange.place(self.maker, "SELL", quantity, price)
        self.exchange.place(self.taker, "BUY", quantity, price)
        self.traded += 1

    def trades(self, count: int, apart_ms: int = 20_000) -> None:
        """One every `apart_ms`, at prices that go up and down; ticks in between close what is over."""
        for number in range(count):
            self.trade(f"10.{(number * 7) % 50:02}", str(1 + number % 3))
            self.tick(apart_ms)

    def tick(self, ms: int = 1000) -> None:
        """Time goes by on the log, and the candles hear of it."""
        self.exchange.tick(ms)
        self.exchange.run()
        self.show_candles()

    def show_candles(self) -> None:
        self.cluster.now_ms += 300  # so that what forms is shown again
        while self.candle_stage.step():
            pass

    def seen(self, **options: Any) -> GatewayWorld:
        """By a gateway that has followed everything within its bounds, with the sink at the end of the topics."""
        world = GatewayWorld(exchange=self.exchange, **options)
        world.store.sink()
        return world

    def seen_late(self, **options: Any) -> GatewayWorld:
        """By a gateway that is started now: snapshots, no past in memory, the sink at the end of the topics."""
        world = GatewayWorld(exchange=self.exchange, restored=True, **options)
        world.store.sink()
        return world
