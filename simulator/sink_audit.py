"""What is on `trades`, and what is in the table of that name: counted apart, in the same terms."""

from decimal import Decimal

import httpx
import msgspec
from msgspec import Struct

from glassbook.clickhouse import access
from glassbook.settings import Settings
from schemas.codec import trades_decoder
from schemas.records import Trade
from simulator.audit import Log


class Totals(Struct):
    """Of all trades. A row too many, too few or otherwise shows in one of them."""

    trades: int = 0
    distinct: int = 0  # symbols and sequences
    sequences: int = 0  # their sum; the sums below likewise
    offsets: int = 0
    times_ms: int = 0
    prices: Decimal = Decimal(0)
    quantities: Decimal = Decimal(0)
    quote_quantities: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)


def totals_of_topic(log: Log) -> tuple[Totals, int]:
    """As a plain reader counts them, of copies only the first; and how many copies there are."""
    found, seen, repeats = Totals(), set[tuple[str, int]](), 0
    decode = trades_decoder().decode
    for logged in log.values():
        for offset, entry in enumerate(logged):
            record = decode(entry.value)
            if not isinstance(record, Trade):
                continue
            fact = (record.symbol, record.sequence)
            if fact in seen:
                repeats += 1
                continue
            seen.add(fact)
            found.trades += 1
            found.sequences += record.sequence
            found.offsets += offset
            found.times_ms += record.time_ms
            found.prices += Decimal(record.price)
            found.quantities += Decimal(record.quantity)
            found.quote_quantities += Decimal(record.quote_quantity)
            found.fees += Decimal(record.taker_fee) + Decimal(record.maker_fee)
    found.distinct = len(seen)
    return found, repeats


def count_rows(settings: Settings) -> int:
    """0 also while ClickHouse or the table isn't there."""
    there = access(settings).address
    try:
        answer = httpx.post(f"{there}/", content=f"SELECT count() FROM {there.database}.trades", trust_env=False)
    except httpx.HTTPError:
        return 0
    return int(answer.text) if answer.status_code == 200 else 0


def totals_of_rows(settings: Settings) -> Totals:
    """As they are, without FINAL."""
    with access(settings).client() as client:
        (row,) = client.query(
            "SELECT count() AS trades, uniqExact(symbol, sequence) AS distinct, sum(sequence) AS sequences,"
            " sum(log_offset) AS offsets, sum(toUnixTimestamp64Milli(time)) AS times_ms, sum(price) AS prices,"
            " sum(quantity) AS quantities, sum(quote_quantity) AS quote_quantities,"
            " sum(taker_fee) + sum(maker_fee) AS fees FROM trades"
        ).named_results()
    return msgspec.convert(row, Totals)
