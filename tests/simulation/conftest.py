"""The stages say a line at each start; a simulation starts thousands."""

from collections.abc import Iterator

import pytest
import structlog

from simulator.faults import quiet


@pytest.fixture(autouse=True)
def quiet_stages() -> Iterator[None]:
    before = structlog.get_config()
    quiet()
    yield
    structlog.configure(**before)
