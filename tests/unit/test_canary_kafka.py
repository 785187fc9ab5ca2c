"""The canary's own reader where no broker answers."""

import pytest

from canary import kafka, kafka_looker
from canary.kafka import CanaryLog
from canary.log import LogFailed
from schemas.topics import ORDERS

NOBODY = "127.0.0.1:9"


def opened() -> CanaryLog:
    log = CanaryLog(NOBODY, "1", 1000, (ORDERS,))
    log.join({(ORDERS, 0): 5})
    return log


def test_nobody_says_how_far_the_log_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a moment that is nothing. For longer it would be blind, and nobody be told."""
    monkeypatch.setattr(kafka_looker, "ENDS_TIMEOUT_S", 0.1)
    assert opened().ends() == {}
    monkeypatch.setattr(kafka, "STANDSTILL_SESSIONS", 0)
    log = opened()
    with pytest.raises(LogFailed, match="nobody said where partitions end"):
        log.ends()
