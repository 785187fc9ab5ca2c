"""The simulation can fail: with any one clause of the protocol left out, a few seeds find it."""

from collections.abc import Callable

import pytest

import stage.service
from simulator.faults import run_seed
from stage.partition import StagePartition
from stage.service import StageService
from tests.simulation import mutants

SEEDS = 300


def caught(make_service: type[StageService] = StageService) -> str | None:
    """What the first seed that goes wrong says."""
    for seed in range(SEEDS):
        try:
            run_seed(seed, make_service)
        except Exception as error:  # a mutant may break anything
            return f"seed {seed}: {error!r}"
    return None


@pytest.mark.parametrize(
    "service",
    [mutants.CommitsBeforeFlush, mutants.SnapshotsBeforeFlush, mutants.CommitsWhatItFetched, mutants.ReadsTheEndFirst],
)
def test_a_service_that_writes_in_another_order_is_caught(service: type[StageService]):
    assert caught(service)


@pytest.mark.parametrize(
    "partition",
    [
        mutants.IgnoresMarks, mutants.ForgetsMarks, mutants.ForgetsCounters, mutants.RepeatsOnPublicTopics,
        mutants.SilentReplay, mutants.SkipsDigestComparison, mutants.HasItsOwnClock,
    ],
)  # fmt: skip
def test_a_stage_that_forgets_or_repeats_is_caught(partition: type[StagePartition], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stage.service, "StagePartition", partition)
    assert caught()


@pytest.mark.parametrize("mutate", [mutants.trust_torn_snapshots, mutants.last_record_by_place])
def test_a_start_from_the_wrong_place_is_caught(
    mutate: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
):
    mutate(monkeypatch)
    assert caught()


def test_the_stages_as_they_are_pass_those_seeds():
    """Or else a mutant proves nothing. The other seeds are in `test_faults.py`."""
    run_seed(1)
    run_seed(2)
