"""History over the whole running system: candles, trades, statements and old orders, with stages killed and ClickHouse
stopped. What the gateway says is held against the topics."""

import csv
import os
import signal
import time
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from glassbook.cli import app_of_commands
from glassbook.client import history, pages
from glassbook.client.calls import Account
from glassbook.client.calls import candles as candles_call
from glassbook.client.calls import trades as trades_call
from glassbook.client.rest import Refusal
from glassbook.cluster import CLICKHOUSE, STAGES
from schemas.candles import Candle, Interval
from schemas.codec import candles_decoder, trades_decoder
from schemas.records import Trade
from simulator.topic_reader import read_topics
from tests.conftest import StartCluster
from tests.integration.test_gateway import SYMBOL, System, ready, until


class Traders:
    """Two who trade with each other, now and then."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.maker, self.taker = system.trader(), system.trader()
        self.orders: list[str] = []

    def trade(self, price: str, quantity: int = 1) -> None:
        self.orders.append(self.system.place(self.maker, "SELL", quantity, price).order_id)
        filled = self.system.place(self.taker, "BUY", quantity, price)
        assert filled.status == "FILLED"
        self.orders.append(filled.order_id)


@pytest.fixture(scope="module")
def system(start_cluster: StartCluster) -> Iterator[System]:
    running = System(start_cluster(stages=STAGES))
    with running.client:
        yield running


@pytest.fixture(scope="module")
def traders(system: System) -> Traders:
    """Twelve trades over some seconds."""
    made = Traders(system)
    for number in range(12):
        made.trade(f"{150 + number % 5}.{number:02}", 1 + number % 3)
        time.sleep(0.2)  # so that there are candles of several seconds: the log's time is the host's
    return made


def topic_values(system: System, topic: str) -> list[bytes]:
    read = read_topics(system.cluster.settings.bootstrap_servers, (topic,))
    return [record.value for place in sorted(read) for record in read[place]]


def topic_trades(system: System) -> list[Trade]:
    decode = trades_decoder().decode
    records = [decode(value) for value in topic_values(system, "trades")]
    return sorted((r for r in records if isinstance(r, Trade) and r.symbol == SYMBOL), key=lambda trade: trade.sequence)


def topic_candles(system: System, interval: Interval) -> list[Candle]:
    """The closed ones."""
    decode = candles_decoder().decode
    records = [decode(value) for value in topic_values(system, "candles")]
    closed = {r.open_time_ms: r for r in records if type(r) is Candle and (r.symbol, r.interval) == (SYMBOL, interval)}
    return [closed[at] for at in sorted(closed)]


def same(told: Any, records: Any) -> bool:
    """What was told is, field by field, what stands on the topic."""
    names = [field.name for field in msgspec.structs.fields(type(told[0]))] if told else []
    return [[getattr(one, name) for name in names] for one in told] == [
        [getattr(record, name) for name in names] for record in records
    ]


def whole(system: System, interval: Interval) -> list[history.Candle]:
    return list(system.client.walk(pages.candles(SYMBOL, interval)))


def reaches(system: System, interval: Interval, sequence: int) -> bool:
    return whole(system, interval)[-1].last_sequence == sequence


def test_candles_and_trades_are_those_of_the_topics(system: System, traders: Traders) -> None:
    until(lambda: bool(system.client.send(candles_call(SYMBOL, "1d")).candles))
    for interval in Interval:
        until(partial(reaches, system, interval, 12))
    assert same(list(system.client.walk(pages.trades(SYMBOL))), topic_trades(system))
    until(lambda: bool(whole(system, Interval.S1)[-1].closed))
    assert same(whole(system, Interval.S1), topic_candles(system, Interval.S1))
    for interval in Interval:
        found = whole(system, interval)
        assert [one.first_sequence for one in found[1:]] == [one.last_sequence + 1 for one in found[:-1]]
        assert sum(one.trades for one in found) == 12
    filled = list(system.client.walk(pages.candles(SYMBOL, "1s", fill=True)))
    assert [one.open_time_ms for one in filled] == [filled[0].open_time_ms + 1000 * i for i in range(len(filled))]
    assert len(filled) > len(whole(system, Interval.S1))


def test_a_killed_gateway_has_the_same_history(system: System, traders: Traders) -> None:
    """Also of orders that it no longer has in memory, and of the candle that forms all day."""

    def history_now() -> list[Any]:
        found: list[Any] = [list(system.client.walk(pages.trades(SYMBOL)))]
        found += [[one for one in whole(system, interval) if one.closed] for interval in (Interval.S1, Interval.M1)]
        found += [whole(system, Interval.D1)]
        for account in (traders.maker, traders.taker):
            found.append(list(system.client.walk(pages.account_trades(account))))
            found.append(list(system.client.walk(pages.statement(account))))
        owners = (traders.maker, traders.taker)
        found += [system.client.send(owners[i % 2].order(one)) for i, one in enumerate(traders.orders)]
        return found

    time.sleep(2)  # nothing is to close in between
    before = history_now()
    for stage in ("ledger", "matcher"):
        os.kill(system.pid(stage), signal.SIGTERM)  # snapshots: what was before them leaves the gateway's memory
    first = system.pid("producers")
    os.kill(first, signal.SIGKILL)
    until(lambda: system.pid("producers") not in (0, first) and ready(system.url))
    until(lambda: bool(history_now()))
    after = history_now()
    for one, other in zip(before, after, strict=True):
        assert as_before(other, one) == as_before(one, one)


def as_before(told: Any, before: Any) -> Any:
    """Without candles that still form, and without those that have closed since: a minute may be over by now."""
    if not isinstance(told, list):
        return told
    closed = [one for one in told if getattr(one, "closed", True)]
    return closed[: len(before)] if closed and isinstance(closed[0], history.Candle) else closed


def last_price_is(system: System, account: Account, price: str) -> bool:
    return system.client.send(account.trades(limit=1)).trades[-1].price == price


def test_a_statement_adds_up_and_has_what_was_just_seen(system: System, traders: Traders) -> None:
    for price in ("160", "160.01", "160.02", "160.03", "160.04"):
        traders.trade(price)
        for account in (traders.maker, traders.taker):
            # The taker's answer doesn't wait for the maker's settlement, which is on another partition.
            until(partial(last_price_is, system, account, price))
            lines = list(system.client.walk(pages.statement(account)))
            sums: dict[tuple[str, str], Decimal] = {}
            for line in lines:
                key = (line.book, line.asset)
                sums[key] = sums.get(key, Decimal(0)) + Decimal(line.amount)
                assert Decimal(line.balance) == sums[key]
            for balance in system.client.send(account.balances()).balances:
                assert sums["free", balance.asset] == Decimal(balance.free)
            assert {"order_filled", "order_closed"} <= set(lines[-1].cause.split(","))


def test_without_clickhouse_the_exchange_goes_on(system: System, traders: Traders) -> None:
    """Stopped, so that it takes connections and answers nothing."""
    newest = system.client.send(trades_call(SYMBOL, limit=1)).trades[-1].sequence
    os.kill(system.pid(CLICKHOUSE), signal.SIGSTOP)
    try:
        until(lambda: bool(httpx.get(f"{system.url}/readyz", timeout=5).json()["degraded"]))
        told = httpx.get(f"{system.url}/readyz", timeout=5)
        assert (told.status_code, told.json()["ready"]) == (200, True)
        assert "ClickHouse does not answer" in told.json()["degraded"][0]
        began = time.monotonic()
        traders.trade("170")
        assert time.monotonic() - began < 2, "orders don't wait for ClickHouse"
        until(lambda: system.client.send(trades_call(SYMBOL, limit=1)).trades[-1].sequence == newest + 1)
        assert system.client.send(traders.taker.trades(limit=1)).trades[-1].price == "170"
        began = time.monotonic()
        for call in (trades_call(SYMBOL, after=0), traders.taker.statement(after="0-0")):
            try:
                system.client.send(call)  # where memory has all of it, it is answered
            except Refusal as refusal:
                assert (refusal.status, refusal.code) == (503, "HISTORY_UNAVAILABLE")
                assert refusal.retry_after_s is not None
        assert time.monotonic() - began < 10
    finally:
        os.kill(system.pid(CLICKHOUSE), signal.SIGCONT)
    until(lambda: httpx.get(f"{system.url}/readyz", timeout=5).json()["degraded"] == [])
    until(lambda: same(list(system.client.walk(pages.trades(SYMBOL))), topic_trades(system)))


def test_while_the_sink_is_away_nothing_is_missing(system: System, traders: Traders) -> None:
    """The sink is killed and a gateway is started: what ClickHouse lacks is read back from the topics."""
    sink = system.pid("sinks")
    os.kill(sink, signal.SIGSTOP)
    try:
        for number in range(3):
            traders.trade(f"180.{number:02}")
        os.kill(system.pid("ledger"), signal.SIGTERM)
        os.kill(system.pid("matcher"), signal.SIGTERM)
        first = system.pid("producers")
        os.kill(first, signal.SIGKILL)
        until(lambda: system.pid("producers") not in (0, first) and ready(system.url))
        until(lambda: same(list(system.client.walk(pages.trades(SYMBOL))), topic_trades(system)))
        prices = [one.price for one in system.client.walk(pages.account_trades(traders.taker))]
        assert prices[-3:] == ["180", "180.01", "180.02"]
        until(lambda: whole(system, Interval.S1)[-1].last_sequence == topic_trades(system)[-1].sequence)
    finally:
        os.kill(sink, signal.SIGCONT)


def test_the_command_line_shows_it(system: System, traders: Traders, monkeypatch: Any, tmp_path: Path) -> None:
    for name, value in system.cluster.settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GLASSBOOK_KEYS_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> str:
        shown = CliRunner().invoke(app_of_commands, list(arguments))
        assert shown.exit_code == 0, (shown.output, shown.exception)
        return shown.output

    run("keys", "new")
    run("account", "register")
    run("deposit", "USD", "100000")
    run("deposit", "AMZN", "10")
    run("order", "sell", SYMBOL, "2", "--price", "190")
    run("order", "buy", SYMBOL, "1", "--price", "189", "--post-only")
    system.place(traders.taker, "BUY", 2, "190")
    until(lambda: "190" in run("trades", SYMBOL, "-n", "1"))
    assert "forming" in run("candles", SYMBOL, "--interval", "1d")
    assert "no candles" in run("candles", SYMBOL, "--from", "2020-01-01", "--to", "2020-01-02")
    assert "MAKER" in run("fills")
    statement = run("statement", "--asset", "AMZN")
    assert "deposited" in statement and "order_filled" in statement
    file = tmp_path / "statement.csv"
    assert f"rows in {file}" in run("statement", "--csv", str(file))
    told = list(csv.DictReader(file.read_text().splitlines()))
    assert {row["asset"] for row in told} == {"USD", "AMZN"}
    assert [row["balance"] for row in told if (row["book"], row["asset"]) == ("free", "AMZN")][-1] == "8"
    file = tmp_path / "trades.csv"
    run("trades", SYMBOL, "--csv", str(file))
    assert [row["sequence"] for row in csv.DictReader(file.read_text().splitlines())] == [
        str(trade.sequence) for trade in topic_trades(system)
    ]
