"""Whether what this process has read may speak for the log, looked at from time to time on a connection of its own."""

import asyncio
from collections.abc import Callable, Mapping
from enum import StrEnum

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from feeds.stream import Kind
from schemas.reasons import Reason
from schemas.refusal import Refused
from stage.followed import Freshness
from stage.follower import Follower
from stage.log_reader import open_consumer, partitions_of

logger = structlog.get_logger()
PROBE_S = 0.5
ANSWER_S = 1.0


class Part(StrEnum):
    LISTINGS = "listings"
    MARKET = "market data"
    CANDLES = "candles"
    ALERTS = "alerts"


NEEDED = (Part.LISTINGS, Part.MARKET)  # to be ready; without the others some streams are refused, and that is all
_NEEDED_FOR = {Kind.CANDLES: (Part.LISTINGS, Part.CANDLES), Kind.ALERTS: (Part.ALERTS,)}


class Readiness:
    def __init__(self, now: Callable[[], float]) -> None:
        self.parts = {part: Freshness() for part in Part}
        self._now = now

    def missing(self) -> list[str]:
        """What keeps this process from being ready, in words; empty when it is."""
        return [self._stale(part) for part in NEEDED if not self.parts[part].is_fresh(self._now())]

    def check(self, kind: Kind) -> None:
        for part in _NEEDED_FOR.get(kind, NEEDED):
            if not self.parts[part].is_fresh(self._now()):
                raise Refused(Reason.NOT_READY, self._stale(part))

    def _stale(self, part: Part) -> str:
        behind = self.parts[part].behind
        return f"{part}: {behind} records behind" if behind else f"{part}: the log has not been read to its end"

    async def watch(self, bootstrap_servers: str, followers: Mapping[Part, Follower]) -> None:
        """Until cancelled."""
        while True:
            try:
                async with open_consumer(bootstrap_servers) as consumer:
                    await partitions_of(consumer, [topic for one in followers.values() for topic in one.topics])
                    while True:
                        await self._probe(consumer, followers)
                        await asyncio.sleep(PROBE_S)
            except (KafkaError, TimeoutError, OSError) as error:
                logger.warning("the log does not answer", why=str(error) or type(error).__name__)
            await asyncio.sleep(PROBE_S)

    async def _probe(self, consumer: AIOKafkaConsumer, followers: Mapping[Part, Follower]) -> None:
        for part, follower in followers.items():
            ends = await asyncio.wait_for(consumer.end_offsets(follower.places(consumer)), ANSWER_S)
            plain = {(place.topic, place.partition): end for place, end in ends.items()}
            self.parts[part].probed(plain, follower.positions, self._now())
