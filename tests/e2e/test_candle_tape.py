"""A recorded day of trades through the real topics: every candle equals the one that pandas computes."""

import csv
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from confluent_kafka import Producer

from glassbook import groups
from glassbook.topics_admin import create_topics
from schemas.candles import INTERVAL_MS, Candle
from schemas.codec import candles_decoder, encode
from schemas.commands import Side
from schemas.decimals import format_decimal
from schemas.records import Source, Trade, TradesTick
from schemas.topics import CANDLES, TRADES, topics
from simulator.topic_reader import read_topics
from tests.conftest import StartCluster

MIDNIGHT_MS = 1_340_251_200_000  # 2012-06-21T00:00 in New York, which is 04:00 UTC
TRADES_ON_TAPE = 11_419
DEADLINE_S = 60
E4 = Decimal(10_000)


@pytest.fixture
def tape(datasets: Path) -> pd.DataFrame:
    with (datasets / "amzn_tape.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    frame = pd.DataFrame(
        {
            "time_ms": [MIDNIGHT_MS + int(Decimal(row["seconds_after_midnight"]) * 1000) for row in rows],
            "price": [int(row["price_e4"]) for row in rows],
            "quantity": [int(row["quantity"]) for row in rows],
            "buys": [row["aggressor_side"] == "BUY" for row in rows],
        }
    )
    frame["sequence"] = range(1, len(rows) + 1)
    assert len(frame) == TRADES_ON_TAPE and frame["time_ms"].is_monotonic_increasing
    return frame


def expected(tape: pd.DataFrame, length_ms: int) -> dict[int, dict[str, int]]:
    """Start of the bucket → its candle; prices and amounts of money in ten-thousandths."""
    frame = tape.assign(
        start=tape["time_ms"] // length_ms * length_ms,
        quote=tape["price"] * tape["quantity"],
        bought=tape["quantity"].where(tape["buys"], 0),
    )
    frame["bought_quote"] = frame["price"] * frame["bought"]
    grouped = frame.groupby("start")
    columns = {
        "open": grouped["price"].first(), "high": grouped["price"].max(), "low": grouped["price"].min(),
        "close": grouped["price"].last(), "volume": grouped["quantity"].sum(), "quote_volume": grouped["quote"].sum(),
        "trades": grouped.size(), "taker_buy_volume": grouped["bought"].sum(),
        "taker_buy_quote_volume": grouped["bought_quote"].sum(), "first_sequence": grouped["sequence"].min(),
        "last_sequence": grouped["sequence"].max(),
    }  # fmt: skip
    rows = pd.DataFrame(columns).to_dict("index")
    return {int(str(start)): {str(name): int(value) for name, value in row.items()} for start, row in rows.items()}


def found(candle: Candle) -> dict[str, int]:
    prices = {name: Decimal(getattr(candle, name)) * E4 for name in ("open", "high", "low", "close")}
    quotes = {name: Decimal(getattr(candle, name)) * E4 for name in ("quote_volume", "taker_buy_quote_volume")}
    volumes = {name: Decimal(getattr(candle, name)) for name in ("volume", "taker_buy_volume")}
    decimals = prices | quotes | volumes
    assert all(value == int(value) for value in decimals.values())
    counts = {name: getattr(candle, name) for name in ("trades", "first_sequence", "last_sequence")}
    return {name: int(value) for name, value in decimals.items()} | counts


def records(tape: pd.DataFrame) -> list[bytes]:
    values = []
    for edge, row in enumerate(tape.itertuples(), 1):
        price, quantity = int(str(row.price)), int(str(row.quantity))
        trade = Trade(
            edge_sequence=edge, source=Source(0, edge, 0, "A" * 43), symbol="AMZN-USD", sequence=edge,
            trade_id=f"0-{edge}-0", time_ms=int(str(row.time_ms)), price=format_decimal(price, 4),
            quantity=str(quantity), quote_quantity=format_decimal(price * quantity, 4),
            aggressor_side=Side.BUY if row.buys else Side.SELL, taker_order_id="0-1", taker_account="a" * 40,
            taker_fee="0", maker_order_id="0-2", maker_account="b" * 40, maker_fee="0", fee_asset="USD",
        )  # fmt: skip
        values.append(encode(trade))
    end = len(values) + 1
    tick = TradesTick(edge_sequence=end, source=Source(0, end, 0, "A" * 43), time_ms=MIDNIGHT_MS + 2 * 86_400_000)
    return [*values, encode(tick)]


def test_a_recorded_day_gives_pandas_candles_in_every_field_and_interval(
    tape: pd.DataFrame, start_cluster: StartCluster
):
    cluster = start_cluster()
    bootstrap = cluster.settings.bootstrap_servers
    create_topics(bootstrap, topics(1, 1, 1))
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for value in records(tape):
        producer.produce(TRADES, value, b"AMZN-USD", 0)
    assert producer.flush(DEADLINE_S) == 0
    environment = os.environ | cluster.settings.environment()
    worker = subprocess.Popen([sys.executable, "-P", "-m", "candle_agg"], env=environment)
    try:
        deadline, group = time.monotonic() + DEADLINE_S, {"candle_agg": (TRADES,)}
        view = groups.GroupView(bootstrap)
        while groups.unready_groups(bootstrap, group) or groups.behind(view, group, groups.ends(view, group)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        worker.terminate()
        worker.wait(DEADLINE_S)
    values = [record.value for record in read_topics(bootstrap, (CANDLES,))[CANDLES, 0]]
    cluster.stop()
    candles = [candles_decoder().decode(value) for value in values]
    closed = [candle for candle in candles if candle.closed]
    assert {candle.symbol for candle in closed} == {"AMZN-USD"}
    for interval, length_ms in INTERVAL_MS.items():
        ours = {candle.open_time_ms: found(candle) for candle in closed if candle.interval == interval}
        assert ours == expected(tape, length_ms), interval
    assert len(closed) == sum(len(expected(tape, length_ms)) for length_ms in INTERVAL_MS.values())
    assert max(int(candle.volume) for candle in closed if candle.interval == "1d") <= int(tape["quantity"].sum())
