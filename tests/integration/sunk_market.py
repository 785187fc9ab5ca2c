"""A market with a past whose topics the real sink has put into a real ClickHouse, and the gateway's store on it."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from glassbook.clickhouse import access
from glassbook.clickhouse_keys import GATEWAY, SINK
from glassbook.settings import Settings
from producers.clickhouse_queries import Client, Queries
from producers.clickhouse_store import ClickHouseStore
from schemas.topics import CANDLES, LEDGER, TRADES
from sinks.__main__ import connect
from sinks.migrations import migrate, read_migrations
from sinks.records import Stretch
from sinks.store import Store
from sinks.topic_sink import TopicSink
from tests.unit.history_world import Market


def sink(settings: Settings, market: Market, *topics: str, until: int | None = None) -> None:
    """Sinks the topics, each partition up to `until`."""
    store = Store(lambda: connect(access(settings, SINK)), "test")
    migrate(store, read_migrations())
    for topic in topics or (TRADES, CANDLES, LEDGER):
        partitions = [partition for name, partition in market.cluster.records if name == topic]
        writer = TopicSink(topic, store)
        starts = writer.open(sorted(partitions))
        for partition, start in starts.items():
            values = market.cluster.values(topic, partition)[start:until]
            if values:
                writer.take(Stretch(topic, partition, list(range(start, start + len(values))), list(values)))
        writer.write()
    store.close()


def write_again(settings: Settings) -> None:
    """Every row a second time, in other parts: as after an insert whose answer was lost. It must not count."""
    with connect(access(settings, SINK)) as client:
        for table in ("trades", "candles", "forming_candles", "order_events", "postings"):
            client.command(f"INSERT INTO {table} SELECT * FROM {table}", settings={"insert_deduplicate": 0})


@contextmanager
def gateway_store(settings: Settings, runner: asyncio.Runner) -> Iterator[ClickHouseStore]:
    """As a gateway asks, with its own right to read. The client lives on the runner's loop."""

    async def connect_as_gateway() -> Client:
        return await access(settings, GATEWAY).async_client()

    queries = Queries(connect_as_gateway, time.monotonic)
    try:
        yield ClickHouseStore(queries)
    finally:
        runner.run(queries.close())
