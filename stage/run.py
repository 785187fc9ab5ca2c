"""Runs a stage as a process: joins its group, loops until it is told to stop, leaves in good order."""

import gc
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import structlog

from stage.kafka_log import KafkaLog, Membership
from stage.partition import Core, StageStopped
from stage.service import Cadence, StageService

logger = structlog.get_logger()

LOGFMT: list[Any] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
]


def run_stage(
    make_core: Callable[[int], Core],
    public_outputs: Sequence[str],
    *,
    bootstrap_servers: str,
    member: str,
    session_timeout_ms: int,
    cadence: Cadence | None = None,
) -> int:
    """The process's exit status: 0 when told to stop, 1 when the stage had to stop by itself and said why."""
    structlog.configure(processors=LOGFMT)
    core = make_core(0)
    log = KafkaLog(bootstrap_servers, core.stage, core.input_topic, member, session_timeout_ms)
    service = StageService(make_core, public_outputs, log, lambda: time.monotonic_ns() // 1_000_000, cadence)
    is_told = told_to_stop()
    spare_the_start_from_collection()
    try:
        log.join(Membership(opening(service), service.close, service.drop))
        while not is_told():
            service.step()
        service.close(list(service.partitions))
        log.leave()
    except StageStopped as stopped:
        logger.error("stage stopped", stage=core.stage, member=member, why=str(stopped), kind=type(stopped).__name__)
        return 1
    return 0


def opening(service: StageService) -> Callable[[list[int]], dict[int, int]]:
    """Opens partitions with the collector at rest, and leaves what was restored out of its rounds."""

    def open_partitions(partitions: list[int]) -> dict[int, int]:
        gc.disable()
        try:
            return service.open(partitions)
        finally:
            gc.freeze()
            gc.enable()

    return open_partitions


def told_to_stop() -> Callable[[], bool]:
    """Whether SIGTERM or SIGINT came; from now on they do nothing else."""
    told = False

    def tell(signum: int, frame: FrameType | None) -> None:
        nonlocal told
        told = True

    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    return lambda: told


def spare_the_start_from_collection() -> None:
    """Long-lived state is not garbage: what the start made is left out of the collector's rounds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
