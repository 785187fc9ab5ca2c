"""Looks at the log and the disk from time to time, on a connection of its own, and tells `Health` what it saw."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from producers.command_log import CommandLog
from producers.health import Health, Part
from schemas.topics import ALERTS, CANDLES, DEPTH, LEDGER, TRADES
from stage.followed import Place
from stage.follower import Follower
from stage.log_reader import known_partitions, open_consumer, partitions_of

logger = structlog.get_logger()
PROBE_S = 0.4
ANSWER_S = 1.0
MARKET_EVERY = 5  # probes; its partitions are many, and a book may be some seconds behind without harm
MEGABYTE = 1024 * 1024


class Monitor:
    def __init__(
        self,
        bootstrap_servers: str,
        health: Health,
        log: CommandLog,
        followers: dict[Part, Follower],
        now: Callable[[], float],
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._health = health
        self._log = log
        self._followers = followers
        self._now = now

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with open_consumer(self._bootstrap_servers) as consumer:
                    await partitions_of(consumer, (LEDGER, DEPTH, TRADES))
                    await self._probe_on(consumer)
            except (KafkaError, TimeoutError, OSError) as error:
                logger.warning("the log does not answer", why=str(error) or type(error).__name__)
            self._health.producer_open = self._log.is_open
            await asyncio.sleep(PROBE_S)

    async def _probe_on(self, consumer: AIOKafkaConsumer) -> None:
        count = 0
        while True:
            self._health.producer_open = self._log.is_open
            await self._probe(consumer, Part.LEDGER, (LEDGER,))
            market = self._health.parts[Part.MARKET]
            if count % MARKET_EVERY == 0 or not market.is_fresh(self._now()):
                await self._probe(consumer, Part.MARKET, (DEPTH, TRADES))
            if count % MARKET_EVERY == 0 and known_partitions(consumer, (CANDLES,)):
                await self._probe(consumer, Part.CANDLES, (CANDLES,))
            if count % MARKET_EVERY == 0 and known_partitions(consumer, (ALERTS,)):
                await self._probe(consumer, Part.ALERTS, (ALERTS,))
            count += 1
            await asyncio.sleep(PROBE_S)

    async def _probe(self, consumer: AIOKafkaConsumer, part: Part, topics: Sequence[str]) -> None:
        places = known_partitions(consumer, topics)
        try:
            ends = await asyncio.wait_for(consumer.end_offsets(places), ANSWER_S)
        except TimeoutError:
            if self._health.is_log_reachable(self._now()):
                return  # others have heard from it meanwhile: it is this process that is late
            raise
        self._health.answered_at = self._now()
        plain: dict[Place, int] = {(place.topic, place.partition): end for place, end in ends.items()}
        self._health.parts[part].probed(plain, self._followers[part].positions, self._now())


async def watch_disk(folder: Path, reserve_mb: int, health: Health) -> None:
    """Until cancelled: below the reserve, commands that grow the log are refused."""
    while True:
        free_mb = shutil.disk_usage(folder).free // MEGABYTE if folder.exists() else reserve_mb
        full = free_mb < reserve_mb
        health.disk_full = f"{free_mb} MB are free, {reserve_mb} MB are kept" if full else None
        await asyncio.sleep(1.0)
