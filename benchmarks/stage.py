"""The matcher as a process on the real broker: `orders` log in, `trades` log out.

Signed commands are written to `orders` first. Then a matcher is started as `glassbook up` starts it, and works through
them from start to end: checks every signature, matches, writes trades, depth and reports, and waits for the
acknowledgements. The rate is taken from the log's own times, between two ticks that the matcher passes on to `trades`:
one behind the orders that rest before, one at the end. So starting Python and joining the group don't count.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.local_broker import local_system
from benchmarks.machine import Report
from benchmarks.order_flow import MIX
from benchmarks.signed_orders import ACCOUNT_PARTITIONS, SignedFlow, opening, tick
from glassbook.client.keys import Key
from glassbook.settings import Settings
from glassbook.topics_admin import create_topics
from schemas.codec import trades_decoder
from schemas.records import TradesTick
from schemas.topics import ORDERS, TRADES, topics

RESTING_ORDERS = 10_000
BATCH = 20
GUESSED_PER_S = {1: 9_000, BATCH: 18_000}
PATIENCE_S = 120


class Outcome(NamedTuple):
    commands: int
    seconds: float
    trades: int
    processor_s: float  # of the matcher's process, from its start

    @property
    def per_s(self) -> float:
        return self.commands / self.seconds


def run(seconds: float, seed: int, as_json: bool) -> None:
    report = Report("stage", seed, as_json)
    report.say(f"mix      {MIX}; {RESTING_ORDERS:,} resting; every command signed, Ed25519")
    outcomes = {}
    with local_system() as settings:
        create_topics(settings.bootstrap_servers, topics(ACCOUNT_PARTITIONS, 2, 1))
        for partition, batch in enumerate((1, BATCH)):
            flow = SignedFlow(partition, RESTING_ORDERS, seed, batch)
            commands = _write_orders(settings, partition, flow, int(seconds * 0.4 * GUESSED_PER_S[batch]))
            outcome = outcomes[batch] = _measure(settings, partition, commands)
            how = "each signed by itself" if batch == 1 else f"in signed batches of {batch}"
            report.say(
                f"{how}: {commands:,} commands in {outcome.seconds:.1f} s, {outcome.per_s:,.0f}/s;"
                f" {outcome.trades:,} trades; the matcher's processor time {outcome.processor_s:.1f} s in all"
            )
    single = outcomes[1]
    report.end(
        {
            "orders_per_s": single.per_s,
            "orders_per_s_batched": outcomes[BATCH].per_s,
            "trades_per_s": single.trades / single.seconds,
        }
    )


def _write_orders(settings: Settings, partition: int, flow: SignedFlow, number: int) -> int:
    """Opening, resting orders, tick, commands, tick. Returns how many commands lie between the ticks."""
    before, commands = [*opening(partition, Key.new()), *flow.fill(), tick()], flow.records(number)
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "acks": "all", "linger.ms": 20,
                         "enable.idempotence": True, "queue.buffering.max.messages": 2_000_000})  # fmt: skip
    for record in (*before, *commands, tick()):
        producer.produce(ORDERS, record, b"", partition)
        producer.poll(0)
    assert producer.flush(PATIENCE_S) == 0, "the broker didn't take the orders"
    return len(commands)


def _measure(settings: Settings, partition: int, commands: int) -> Outcome:
    with _matcher(settings) as process:
        trades, ticks = 0, []
        for time_ms, value in _trades(settings, partition):
            if isinstance(trades_decoder().decode(value), TradesTick):
                ticks.append(time_ms)
                if len(ticks) == 2:
                    break
            elif ticks:
                trades += 1
        spent = process.cpu_times()
    return Outcome(commands, (ticks[1] - ticks[0]) / 1000, trades, spent.user + spent.system)


@contextmanager
def _matcher(settings: Settings) -> Iterator[psutil.Process]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "matcher"], env=os.environ | settings.environment(), stdout=subprocess.DEVNULL
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _trades(settings: Settings, partition: int) -> Iterator[tuple[int, bytes]]:
    """(log time, record) from the start; looks seldom, so as not to take the matcher's time."""
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": "benchmark",
                         "enable.auto.commit": False, "auto.offset.reset": "earliest"})  # fmt: skip
    consumer.assign([TopicPartition(TRADES, partition, 0)])
    deadline = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < deadline:
            for message in consumer.consume(100_000, 0.5):
                yield message.timestamp()[1], message.value() or b""
        raise TimeoutError(f"the matcher didn't come to the end of its orders within {PATIENCE_S} s")
    finally:
        consumer.close()
