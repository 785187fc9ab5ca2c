"""The canary's own matching, held to the same tables as the matcher's."""

import pytest

from tests.unit.canary_play import CanaryPlay
from tests.unit.test_matching_rules import ASKS, CASES, FEES, TABLES, mirrored


@pytest.mark.parametrize(("before", "command", "events", "after"), CASES)
def test_matching(before, command, events, after):
    play = CanaryPlay()
    play.lines(*before)
    assert play.lines(command) == events
    assert play.drawn() == after


def test_every_case_has_a_mirror_image():
    for table in TABLES:
        for name, (before, command, events, _) in table.items():
            if "max=" in command or "market" in command or table is FEES:
                continue
            play = CanaryPlay()
            play.lines(*map(mirrored, before))
            assert play.lines(mirrored(command)) == [mirrored(event) for event in events], name


def test_depth_tells_only_levels_whose_total_changed():
    play = CanaryPlay()
    play.lines(*ASKS)
    assert play.changes == ([], [(101, 10)])
    play.lines("t z buy 5@100")
    assert play.changes == ([], [(100, 0)])
    play.lines("t2 z buy 7@100")
    assert play.changes == ([(100, 7)], [])
    play.lines("amend t2 7@99")
    assert play.changes == ([(100, 0), (99, 7)], [])


def test_a_copied_book_goes_its_own_way():
    play, other = CanaryPlay(), CanaryPlay()
    play.lines(*ASKS)
    other.book = play.book.copied()
    drawn = play.drawn()
    other.lines("t z buy 7@101")
    assert play.drawn() == drawn != other.drawn()
