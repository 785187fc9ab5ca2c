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
SMALL = ("--symbols", "8", "--brokers", "10")


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
    assert 0.1 < figures["trades"] / ORDERS < 0.6
    assert {"ledger", "matcher", "canary"} <= figures["memory_mb"].keys()
    with Client(exchange.settings.gateway_url) as client:
        found = client.send(calls.trades("S001-BRL", limit=1000)).trades
    assert [trade.sequence for trade in found] == list(range(1, len(found) + 1))
