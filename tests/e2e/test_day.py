"""A small part of a day, played onto the log of a running exchange."""

import json
import os
import subprocess
import sys
import time
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
    before = newest_trades(exchange)
    figures = json.loads(day("replay", str(path), "--orders", str(ORDERS), "--running", "--json"))
    assert figures["orders"] == ORDERS and figures["cancels"] > 50
    assert 0 < figures["trades"] < ORDERS, "how many depends on which account's partition the ledger reads first"
    assert {"ledger", "matcher", "canary"} <= figures["memory_mb"].keys()
    deadline = time.monotonic() + 10
    while (made := newest_trades(exchange) - before) != figures["trades"]:
        assert time.monotonic() < deadline, f"the gateway lists {made} trades and not {figures['trades']}"


def newest_trades(exchange: Cluster) -> int:
    """The numbers of each market's last trade, added up."""
    with Client(exchange.settings.gateway_url) as client:
        known = {market.market.symbol for market in client.send(calls.markets()).markets}
        symbols = [symbol for number in range(1, SYMBOLS + 1) if (symbol := f"S{number:03}-BRL") in known]
        newest = [client.send(calls.trades(symbol, limit=1)).trades for symbol in symbols]
    return sum(trades[-1].sequence for trades in newest if trades)
