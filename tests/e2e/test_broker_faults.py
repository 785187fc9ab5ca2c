"""A short fault campaign on the real broker; `make faults` plays the long one."""

from pathlib import Path

import pytest

from simulator.broker_faults import Plan, run_campaign
from simulator.own_system import own_settings


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stop", [False, True], ids=["killed", "stopped and continued"])
def test_nothing_is_lost_doubled_or_changed(tmp_path: Path, stop: bool) -> None:
    report = run_campaign(own_settings(tmp_path), Plan(orders=1_500, strikes=5, symbols=20, stop=stop))
    assert report.exact, report
    assert report.load.acknowledged >= 1_500
    assert report.trades > 100
    assert len(report.strikes) == 5
    assert report.state_differences == []
    assert report.blames_nobody, report.false_alarms
    assert report.judged > 1_500
