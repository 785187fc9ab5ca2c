"""A small part of a day, played onto the log of a running exchange."""

import json
import os
import subprocess
import sys
from pathlib import Path

from glassbook.client import calls
from glassbook.client.rest import Client
from glassbook.cluster import Cluster

ORDERS = 400
SYMBOLS = 8
SMALL = ("--symbols", str(SYMBOLS), "--brokers", "10")


def test_all_of_it_is_taken_matched_and_judged(exchange: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "day.parquet"
    environment = os.environ | exchange.settings.environment()

    def day(*arguments: str) -> str:
        command = [sys.executable, "-m", "simulator", "day", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert f"{2 * ORDERS} orders" in day("write", str(path), "--orders", str(2 * ORDERS), *SMALL)
    figures = json.loads(day("replay", str(path), "--orders", str(ORDERS), "--running", "--json"))
    assert figures["orders"] == ORDERS and figures["cancels"] > 50
    assert {"ledger", "matcher", "canary"} <= figures["memory_mb"].keys()
    trades = 0  # how many depends on which account's partition the ledger reads first
    with Client(exchange.settings.gateway_url) as client:
        for number in range(1, SYMBOLS + 1):
            found = client.send(calls.trades(f"S{number:03}-BRL", limit=1000)).trades
            assert [trade.sequence for trade in found] == list(range(1, len(found) + 1))
            trades += len(found)
    assert 0 < figures["trades"] == trades < ORDERS
