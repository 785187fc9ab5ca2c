"""Seeded fault campaigns. A number gives the workload, the faults and their order; the same number gives them again."""

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from random import Random

import structlog
from msgspec import Struct

from schemas.commands import LATEST_ENGINE
from simulator.group import MakeService
from simulator.interventions import intervened
from simulator.orderly import compare_with_undisturbed
from simulator.tampering import check_tampering
from simulator.verdict import judge
from simulator.workload import make_workload
from simulator.world import Odds, World
from stage.service import StageService

SEEDS_A_CHUNK = 50
COMMANDS = 40
ORDERLY_EVERY = 10


class Failure(Struct):
    """A seed whose run went wrong, and how."""

    seed: int
    why: str


class Campaign(Struct):
    """What a run of many seeds came to."""

    seeds: int = 0
    seconds: float = 0.0
    figures: dict[str, int] = {}
    failures: list[Failure] = []


def run_seed(seed: int, make_service: MakeService = StageService, trace: list[str] | None = None) -> Counter[str]:
    """One run and its verdict; raises what went wrong. `trace` is filled with what happened, also if it fails."""
    random = Random(seed)
    engine_version = 1 + seed // 2 % LATEST_ENGINE  # so that orderly seeds and others have each
    workload = make_workload(random, random.randint(COMMANDS // 2, COMMANDS * 3 // 2), engine_version)
    if engine_version > 1:
        workload = intervened(random, workload)
    if seed % ORDERLY_EVERY == 0:
        return compare_with_undisturbed(random, workload, make_service).figures
    world = World(random, workload, Odds.drawn(random), make_service)
    try:
        world.run()
        found = judge(world)
        check_tampering(world)
    finally:
        if trace is not None:
            trace += world.trace
    world.figures["inputs"] = found.inputs
    world.figures["outputs"] = found.emitted
    world.figures["repeats"] = found.repeats
    world.figures["public repeats"] = found.public_repeats
    return world.figures


def run_campaign(first: int, seeds: int, jobs: int | None = None) -> Iterator[Campaign]:
    """Runs the seeds on all cores; gives the standing after each chunk."""
    started = time.monotonic()
    standing = Campaign()
    end = first + seeds
    chunks = [(start, min(SEEDS_A_CHUNK, end - start)) for start in range(first, end, SEEDS_A_CHUNK)]
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        for figures, failures in pool.map(_run_chunk, chunks):
            standing.figures = dict(Counter(standing.figures) + figures)
            standing.failures += failures
            standing.seeds = min(standing.seeds + SEEDS_A_CHUNK, seeds)
            standing.seconds = time.monotonic() - started
            yield standing


def _run_chunk(chunk: tuple[int, int]) -> tuple[Counter[str], list[Failure]]:
    quiet()
    first, count = chunk
    figures: Counter[str] = Counter()
    failures = []
    for seed in range(first, first + count):
        try:
            figures += run_seed(seed)
        except Exception as error:  # whatever a stage raises, the seed is the finding
            failures.append(Failure(seed, f"{type(error).__name__}: {error}"[:2000]))
    return figures, failures


def quiet() -> None:
    """Leaves out what the stages say of each start: a campaign has tens of thousands."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
