"""Up to where the canary has judged: what its consumer group has committed, asked once a second."""

import asyncio
from collections.abc import Callable

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from feeds.messages import CanaryState
from stage.log_reader import open_consumer

logger = structlog.get_logger()
ASK_S = 1.0
ANSWER_S = 2.0


async def watch_canary(
    bootstrap_servers: str, group: str, tell: Callable[[CanaryState], None], now_ms: Callable[[], int]
) -> None:
    """Until cancelled."""
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=10_000)
        try:
            await admin.start()
            async with open_consumer(bootstrap_servers) as consumer:
                while True:
                    async with asyncio.timeout(ANSWER_S):
                        tell(await _state(admin, consumer, group, now_ms()))
                    await asyncio.sleep(ASK_S)
        except (KafkaError, TimeoutError, OSError) as error:
            logger.info("the canary's state is not known now", why=str(error) or type(error).__name__)
        finally:
            await admin.close()
        await asyncio.sleep(ASK_S)


async def _state(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, group: str, now_ms: int) -> CanaryState:
    committed = await admin.list_consumer_group_offsets(group)
    judged: dict[TopicPartition, int] = {place: at.offset for place, at in sorted(committed.items()) if at.offset >= 0}
    ends = await consumer.end_offsets(list(judged)) if judged else {}
    behind = sum(max(0, ends[place] - offset) for place, offset in judged.items())
    return CanaryState(now_ms, {f"{place.topic}-{place.partition}": offset for place, offset in judged.items()}, behind)
