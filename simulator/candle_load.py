"""Records of `trades` as an honest matcher writes them, without an exchange behind them: much faster than orders.

Some symbols share each partition. A tick comes each second of their time; now and then hours pass without a trade.
"""

from collections.abc import Iterator
from random import Random

from msgspec import Struct

from schemas.codec import encode
from schemas.commands import Side
from schemas.decimals import format_decimal
from schemas.records import Source, Trade, TradesTick

START_MS = 1_700_000_000_000
_ACCOUNTS = tuple(f"{number:040x}" for number in range(50))


class Flow(Struct, frozen=True):
    """What is traded on one partition."""

    partition: int
    symbols: tuple[str, ...]
    trades: int
    seed: int
    trades_per_s: int = 200  # by the trades' own time
    long_pauses: int = 3


def flows(trades: int, symbols: int, partitions: int, seed: int, trades_per_s: int = 200) -> list[Flow]:
    """The symbols dealt out over the partitions, and so the trades."""
    names = [f"SYM{number}-USD" for number in range(symbols)]
    shares = [trades // partitions + (partition < trades % partitions) for partition in range(partitions)]
    return [
        Flow(partition, tuple(names[partition::partitions]), share, seed * 1000 + partition, trades_per_s)
        for partition, share in enumerate(shares)
    ]


def records(flow: Flow) -> Iterator[bytes]:
    """Trades and ticks in order; the last is a tick two days later, which closes every candle."""
    random = Random(flow.seed)
    sequences = dict.fromkeys(flow.symbols, 0)
    prices = {symbol: random.randint(1_000, 900_000) for symbol in flow.symbols}
    pauses = {random.randrange(max(flow.trades, 1)) for _ in range(flow.long_pauses)}
    time_ms, tick_ms, edge = START_MS, START_MS, 0
    for number in range(flow.trades):
        time_ms += random.randint(0, 2000 // flow.trades_per_s)
        if number in pauses:
            time_ms += random.randint(300_000, 30_000_000)
        if time_ms >= tick_ms:
            edge += 1
            tick_ms = time_ms + 1000
            yield encode(TradesTick(edge_sequence=edge, source=_source(flow, edge), time_ms=time_ms))
        symbol = random.choice(flow.symbols)
        sequences[symbol] += 1
        prices[symbol] = max(1, prices[symbol] + random.randint(-20, 20))
        edge += 1
        yield _trade(flow, random, edge, symbol, sequences[symbol], time_ms, prices[symbol])
    tick = TradesTick(edge_sequence=edge + 1, source=_source(flow, edge + 1), time_ms=time_ms + 2 * 86_400_000)
    yield encode(tick)


def _source(flow: Flow, edge: int) -> Source:
    return Source(flow.partition, edge, 0, "A" * 43)


def _trade(flow: Flow, random: Random, edge: int, symbol: str, sequence: int, time_ms: int, price: int) -> bytes:
    lots = random.randint(1, 5_000)
    return encode(
        Trade(
            edge_sequence=edge, source=_source(flow, edge), symbol=symbol, sequence=sequence,
            trade_id=f"{flow.partition}-{edge}-0", time_ms=time_ms, price=format_decimal(price, 2),
            quantity=format_decimal(lots, 4), quote_quantity=format_decimal(price * lots, 6),
            aggressor_side=random.choice((Side.BUY, Side.SELL)), taker_order_id=f"0-{edge}",
            taker_account=random.choice(_ACCOUNTS), taker_fee="0.01", maker_order_id=f"1-{edge}",
            maker_account=random.choice(_ACCOUNTS), maker_fee="-0.005", fee_asset="USD",
        )
    )  # fmt: skip
