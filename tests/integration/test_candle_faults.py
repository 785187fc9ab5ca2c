"""A short form of `python -m simulator candle-faults`: workers killed, or stopped and woken, while trades come."""

from pathlib import Path

import pytest

from simulator.candle_faults import Plan, run_campaign
from simulator.own_system import own_settings


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "plan", [Plan(20_000, strikes=4), Plan(8_000, strikes=2, stop=True)], ids=["killed", "stopped"]
)
def test_candles_are_exact_whatever_happens_to_the_workers(plan: Plan, tmp_path: Path):
    report = run_campaign(own_settings(tmp_path / "data"), plan)
    assert report.verdict.differences == []
    assert report.exact, report
    assert report.verdict.trades == plan.trades and report.trades_repeated and report.verdict.forming
