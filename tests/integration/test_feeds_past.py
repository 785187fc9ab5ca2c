"""The tickers' past out of the real ClickHouse, as the real sink has filled it: its seam to what is at hand holds."""

import asyncio

from feeds.market import Market
from feeds.past import Client, merge_past
from glassbook.clickhouse import access
from glassbook.clickhouse_keys import GATEWAY
from glassbook.settings import Settings
from schemas.codec import trades_decoder
from schemas.records import Trade
from tests.integration.sunk_market import sink, write_again
from tests.unit.history_world import SYMBOL
from tests.unit.history_world import Market as Traded


def test_with_the_past_a_ticker_is_as_if_it_had_seen_every_trade(clickhouse: Settings) -> None:
    traded = Traded()
    traded.trades(40, apart_ms=7_000)
    traded.show_candles()
    sink(clickhouse, traded)
    write_again(clickhouse)
    traded.trades(3, apart_ms=1_000)  # the sink doesn't have these
    partition = traded.exchange.markets[0].partition
    trades = [one for one in traded.exchange.read("trades", partition, trades_decoder()) if isinstance(one, Trade)]
    now_ms = traded.cluster.now_ms

    async def connect() -> Client:
        return await access(clickhouse, GATEWAY).async_client()

    def seen(first: int) -> Market:
        """By a process that was started when this trade came."""
        market = Market(SYMBOL, covered_ms=trades[first].time_ms)
        for trade in trades[first:]:
            market.take_trade(trade)
        market.passed(now_ms)
        return market

    everything, late, too_late = seen(0), seen(len(trades) - 15), seen(len(trades) - 2)
    asyncio.run(merge_past([late, too_late], connect, now_ms))
    assert late.ticker.is_whole and not too_late.ticker.is_whole, (
        "between the sink and the other one trades are missing"
    )
    assert late.ticker.figures().trades == len(trades)
    found, expected = late.ticker_message(), everything.ticker_message()
    assert (found.open, found.high, found.low, found.last) == (
        expected.open,
        expected.high,
        expected.low,
        expected.last,
    )
    assert (found.volume, found.quote_volume) == (expected.volume, expected.quote_volume)
    assert too_late.ticker.figures().since_ms == trades[-2].time_ms
