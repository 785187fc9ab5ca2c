"""A simulation says nothing but what it finds."""

import pytest


@pytest.fixture(autouse=True)
def said_by_no_stage(quiet_stages: None) -> None:
    """For every test here."""
