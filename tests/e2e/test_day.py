"""A small part of a day, played onto the log of a running exchange."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from glassbook.client import calls
from glassbook.client.rest import Client
from glassbook.cluster import Cluster
from simulator.day.kept import Kept
from simulator.day.rows import about_day

ORDERS = 400
SYMBOLS = 8
SMALL = ("--symbols", str(SYMBOLS), "--brokers", "10")


def day(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    command = [sys.executable, "-m", "simulator", "day", *arguments]
    env = os.environ | dict(environment or {})
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_of_it_is_taken_matched_and_judged(exchange: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "day.parquet"
    environment = exchange.settings.environment()
    assert f"{2 * ORDERS} orders" in day("write", str(path), "--orders", str(2 * ORDERS), *SMALL)
    before = newest_trades(exchange)
    said = day("replay", str(path), "--orders", str(ORDERS), "--running", "--json", environment=environment)
    figures = json.loads(said)
    assert figures["orders"] == ORDERS and figures["cancels"] > 50
    assert 0 < figures["trades"] < ORDERS, "how many depends on which account's partition the ledger reads first"
    assert {"ledger", "matcher", "canary"} <= figures["memory_mb"].keys()
    deadline = time.monotonic() + 10
    while (made := newest_trades(exchange) - before) != figures["trades"]:
        assert time.monotonic() < deadline, f"the gateway lists {made} trades and not {figures['trades']}"


def test_it_is_played_in_parts_on_an_exchange_of_its_own(tmp_path: Path) -> None:
    path, folder = tmp_path / "day.parquet", tmp_path / "exchange"
    day("write", str(path), "--orders", str(ORDERS), *SMALL)
    part = ("replay", str(path), "--core", "--folder", str(folder), "--json")
    first = json.loads(day(*part, "--orders", str(ORDERS // 4)))
    rest = json.loads(day(*part))
    assert (first["orders"], rest["orders"]) == (ORDERS // 4, ORDERS - ORDERS // 4)
    assert first["trades"] > 0 and rest["trades"] > 0, "their brokers have money in both"
    kept = Kept.read(folder)
    assert kept is not None and kept.rows == about_day(path).rows and len(kept.parts) == 2


def newest_trades(exchange: Cluster) -> int:
    """The numbers of each market's last trade, added up."""
    with Client(exchange.settings.gateway_url) as client:
        known = {market.market.symbol for market in client.send(calls.markets()).markets}
        symbols = [symbol for number in range(1, SYMBOLS + 1) if (symbol := f"S{number:03}-BRL") in known]
        newest = [client.send(calls.trades(symbol, limit=1)).trades for symbol in symbols]
    return sum(trades[-1].sequence for trades in newest if trades)
