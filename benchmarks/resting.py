"""From SIGKILL of the matcher to the next trade, with many orders resting on its books and everything running.

The orders come as a day's do (`simulator/day/replay.py`): in signed batches onto `accounts`, past the gateway, through
the ledger. What counts is a trade on `trades` whose order was sent after the kill.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from datetime import datetime

import msgspec
import psutil
from confluent_kafka import Consumer, TopicPartition

from benchmarks.local_broker import local_cluster
from benchmarks.machine import Report
from glassbook.cluster import Cluster
from glassbook.settings import Settings
from schemas.commands import TimeInForce
from schemas.market import Terms
from schemas.records import Trade
from schemas.topics import TRADES
from simulator.day.flow import TIMES_IN_FORCE
from simulator.day.replay import LOOK_EVERY, MOST_BEHIND, Player
from simulator.day.rows import Row
from simulator.load.brokers import broker_key
from simulator.load.flow import BASKET, held_symbols, middle_ticks
from simulator.load.prepare import Prepared, prepare
from simulator.load.watch import Watch

ORDERS_OF_AN_ACCOUNT = 980  # below the limit of the default listing, in whole batches
LEVELS = 900  # of a side, at most
MOST_LOTS = 100
GTC, IOC = TIMES_IN_FORCE.index(TimeInForce.GTC), TIMES_IN_FORCE.index(TimeInForce.IOC)
PROGRAM = "matcher"
LIMIT_S = 120.0


def run(orders: int, partitions: int, kills: int, seed: int, as_json: bool) -> None:
    report = Report("recovery, resting orders", seed, as_json)
    report.say(
        f"mix      {orders:,} resting orders on {partitions} partition(s), sent onto `accounts` in signed batches;"
    )
    report.say("         then SIGKILL of the matcher, and an order on each of these partitions")
    with local_cluster() as cluster:
        books = Books(cluster, orders, partitions, seed)
        try:
            began = time.monotonic()
            books.fill(report)
            report.say(f"filled in {time.monotonic() - began:,.0f} s")
            found = [books.kill() for _ in range(kills)]
        finally:
            books.close()
    for each in found:
        report.say(" ".join(f"{name} {value:,.2f}" for name, value in each.items()))
    worst = max(found, key=lambda each: each["trading_s"])
    report.end({"resting_orders": orders, "partitions": partitions} | worst)


class Books:
    """The markets, one a partition, and who trades in them. The last account only takes."""

    def __init__(self, cluster: Cluster, orders: int, partitions: int, seed: int) -> None:
        self._cluster, self._orders, self._draw = cluster, orders, random.Random(seed)
        settings: Settings = cluster.settings
        self._makers = -(-orders // ORDERS_OF_AN_ACCOUNT)
        self._taker, self._taken = self._makers, 0
        self._prepared: Prepared = prepare(settings, f"resting{seed}", seed, partitions, self._makers + 1)
        self._terms = [Terms(market) for market in self._prepared.markets]
        self._watch = Watch.of(settings)
        self._player = Player(settings.bootstrap_servers, self._prepared, self._watch)
        self._watch.start()
        self._trades = Consumer(
            {"bootstrap.servers": settings.bootstrap_servers, "group.id": "looks", "enable.auto.commit": False}
        )

    def close(self) -> None:
        self._watch.stop()
        self._trades.close()

    def fill(self, report: Report) -> None:
        sent = 0
        for number, basket in enumerate(self._baskets()):
            self._player.send(basket)
            sent += len(basket)
            if number % LOOK_EVERY == 0:
                self._player.wait_for(MOST_BEHIND)
            if sent % 100_000 < BASKET:
                report.say(f"{sent:,} orders sent")
        self._player.flush()
        self._player.await_all()

    def _baskets(self) -> Iterator[list[Row]]:
        held = held_symbols(len(self._terms), self._makers + 1)
        left = self._orders
        for maker in range(self._makers):
            rows = [self._resting(maker, number, held[maker]) for number in range(min(left, ORDERS_OF_AN_ACCOUNT))]
            left -= len(rows)
            yield from (rows[start : start + BASKET] for start in range(0, len(rows), BASKET))

    def _resting(self, maker: int, number: int, held: list[int]) -> Row:
        """Bids below the middle everywhere, asks above it where the account holds what it sells."""
        symbol = (maker * ORDERS_OF_AN_ACCOUNT + number) % len(self._terms)
        is_buy = symbol not in held or self._draw.random() < 0.5
        away = 1 + self._draw.randrange(LEVELS)
        price_ticks = middle_ticks(self._terms[symbol], symbol) + (-away if is_buy else away)
        return Row(
            0, maker, number + 1, False, symbol, is_buy, time_in_force=GTC, price_ticks=price_ticks,
            lots=self._draw.randint(1, MOST_LOTS),
        )  # fmt: skip

    # --- the kill

    def kill(self) -> dict[str, float]:
        """Seconds from the kill to what came of it, in their order."""
        taker = broker_key(self._prepared.seed, self._prepared.run, self._taker).account
        self._follow_trades()
        supervisor = self._cluster.supervisor
        killed = psutil.Process(next(each.pid for each in supervisor.processes() if each.name == PROGRAM))
        memory_mb = killed.memory_info().rss / 1e6
        log = self._cluster.folder.log(PROGRAM)
        log_bytes = log.stat().st_size
        struck, struck_at = time.perf_counter(), time.time()
        os.kill(killed.pid, signal.SIGKILL)
        while killed.is_running() and killed.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.001)
        for symbol in range(len(self._terms)):
            self._player.send([self._taking(symbol)])
        self._player.flush()
        traded: dict[str, float] = {}
        while len(traded) < len(self._terms):
            message = self._trades.poll(1.0)
            if time.perf_counter() - struck > LIMIT_S:
                raise RuntimeError(f"only {len(traded)} markets trade {LIMIT_S:.0f} s after the kill")
            trade = _trade_of(message.value()) if message is not None and message.error() is None else None
            if trade is not None and trade.taker_account == taker:
                traded.setdefault(trade.symbol, time.perf_counter() - struck)
        successor = psutil.Process(next(each.pid for each in supervisor.processes() if each.name == PROGRAM))
        phases = _phases(log.read_bytes()[log_bytes:].decode(), struck_at)
        figures = phases | {"first_trade_s": min(traded.values()), "trading_s": max(traded.values())}
        used = successor.cpu_times()
        figures |= {"cpu_s": used.user + used.system, "memory_mb": memory_mb}
        self._player.await_all()
        return figures | {"memory_after_mb": successor.memory_info().rss / 1e6}

    def _follow_trades(self) -> None:
        places = [TopicPartition(TRADES, terms.market.partition) for terms in self._terms]
        for place in places:
            place.offset = self._trades.get_watermark_offsets(place, timeout=10)[1]
        self._trades.assign(places)

    def _taking(self, symbol: int) -> Row:
        """One lot, at any price at which something may rest."""
        self._taken += 1
        price_ticks = middle_ticks(self._terms[symbol], symbol) + LEVELS
        return Row(
            0, self._taker, self._taken, False, symbol, is_buy=True, time_in_force=IOC, price_ticks=price_ticks, lots=1
        )


def _trade_of(value: bytes | None) -> Trade | None:
    try:
        return msgspec.json.decode(value or b"", type=Trade)
    except msgspec.DecodeError:
        return None  # a tick


def _phases(log: str, struck_at: float) -> dict[str, float]:
    """From what the new process said of its start."""
    for line in log.splitlines():
        if 'event="partitions opened"' in line:
            said = dict(word.partition("=")[::2] for word in line.split() if "=" in word)
            opened = datetime.fromisoformat(said["timestamp"]).timestamp() - struck_at
            reading, restoring = int(said["reading_ms"]) / 1000, int(said["restoring_ms"]) / 1000
            return {
                "assigned_s": opened - reading - restoring, "reading_s": reading, "restoring_s": restoring,
                "opened_s": opened, "replayed": int(said["behind"]),
            }  # fmt: skip
    return {}
