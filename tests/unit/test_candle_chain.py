"""Candles from several sources: what is put together is what there is, or it is said that it can't be proved."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.candle_chain import CandleAsk, CandlePage, Missing, Proof, Unproven, fill, merge, page
from schemas.candles import Interval
from schemas.documents import CandleAnswer

STEP = Interval.M1.milliseconds


def candle(bucket: int, first: int, last: int, closed: bool = True, close: str = "1") -> CandleAnswer:
    return CandleAnswer(
        open_time_ms=bucket * STEP, closed=closed, open="1", high="1", low="1", close=close, volume="1",
        quote_volume="1", trades=last + 1 - first, taker_buy_volume="0", taker_buy_quote_volume="0",
        first_sequence=first, last_sequence=last,
    )  # fmt: skip


def ask(first: int | None = None, end: int | None = None, limit: int = 100) -> CandleAsk:
    """In buckets."""
    first_ms, end_ms = (None if bucket is None else bucket * STEP for bucket in (first, end))
    return CandleAsk(symbol="A-B", interval=Interval.M1, first_ms=first_ms, end_ms=end_ms, limit=limit)


def buckets(found: Any) -> list[int]:
    assert isinstance(found, CandlePage), found
    return [one.open_time_ms // STEP for one in found.candles]


# Buckets 1, 2, 4 and 7 saw trades 1-3, 4-4, 5-9 and 10-12; the last one still forms.
CHAIN = [candle(1, 1, 3), candle(2, 4, 4), candle(4, 5, 9), candle(7, 10, 12, closed=False)]
KNOWN = Proof(None, True)


@pytest.mark.parametrize(
    "asked, expected, more",
    [
        (ask(), [1, 2, 4, 7], False),
        (ask(limit=2), [4, 7], True),
        (ask(end=4), [1, 2], False),
        (ask(end=5, limit=1), [4], True),
        (ask(first=2), [2, 4, 7], False),
        (ask(first=2, limit=2), [2, 4], True),
        (ask(first=2, end=4), [2], False),
        (ask(first=3, end=4), [], False),
        (ask(first=0, end=2), [1], False),
        (ask(first=8), [], False),
        (ask(end=1), [], False),
    ],
)
def test_pages_of_a_whole_chain(asked, expected, more):
    found = page(CHAIN, asked, KNOWN)
    assert buckets(found) == expected
    assert isinstance(found, CandlePage)
    assert (found.more, found.expired) == (more, False)


@pytest.mark.parametrize(
    "chain, asked, proof, expected",
    [
        # a hole between two, whether it is in the page or at its edge
        ([CHAIN[0], CHAIN[2], CHAIN[3]], ask(), KNOWN, Unproven(Missing.BETWEEN, 3, 5)),
        ([CHAIN[0], CHAIN[2], CHAIN[3]], ask(end=3), KNOWN, Unproven(Missing.BETWEEN, 3, 5)),
        ([CHAIN[0], CHAIN[2], CHAIN[3]], ask(first=3), KNOWN, Unproven(Missing.BETWEEN, 3, 5)),
        # nothing says that it begins there
        (CHAIN[1:], ask(), KNOWN, Unproven(Missing.BEFORE, 0, 4)),
        (CHAIN[2:], ask(first=4), KNOWN, Unproven(Missing.BEFORE, 0, 5)),
        # nothing says that it ends there
        (CHAIN[:3], ask(), Proof(None, False), Unproven(Missing.BEHIND, 9, None)),
        (CHAIN[:3], ask(first=5), Proof(None, False), Unproven(Missing.BEHIND, 9, None)),
        ([], ask(), Proof(None, False), Unproven(Missing.BEHIND, 0, None)),
    ],
)
def test_what_can_t_be_proved_is_no_page(chain, asked, proof, expected):
    assert page(chain, asked, proof) == expected


def test_no_more_is_proved_than_is_needed():
    """The last two need no word about what lies before them, nor an old page about the newest candle."""
    assert buckets(page(CHAIN[2:], ask(limit=2), KNOWN)) == [4, 7]
    assert buckets(page(CHAIN[1:], ask(first=4), KNOWN)) == [4, 7]
    assert buckets(page(CHAIN[:3], ask(end=4), Proof(None, False))) == [1, 2]


def test_what_expired_is_told():
    found = page(CHAIN[1:], ask(), Proof(2 * STEP, True))
    assert isinstance(found, CandlePage)
    assert (buckets(found), found.expired, found.more) == ([2, 4, 7], True, False)
    assert page(CHAIN[1:], ask(), Proof(1 * STEP, True)) == Unproven(Missing.BEFORE, 0, 4)
    found = page(CHAIN[1:], ask(limit=2), Proof(2 * STEP, True))
    assert isinstance(found, CandlePage)
    assert (found.expired, found.more) == (False, True)


def test_closed_beats_forming_and_more_trades_beat_fewer():
    younger, older = candle(7, 10, 12, closed=False, close="3"), candle(7, 10, 11, closed=False, close="2")
    closed = candle(7, 10, 12, close="4")
    assert merge([[younger], [older]]) == merge([[older], [younger]]) == [younger]
    assert merge([[younger], [closed], [older]]) == [closed]


def test_a_forming_candle_that_others_lie_behind_is_over_and_not_shown():
    stale = candle(4, 5, 8, closed=False)
    chain = merge([[CHAIN[0], CHAIN[1]], [stale], [CHAIN[3]]])
    assert stale not in chain
    assert page(chain, ask(), KNOWN) == Unproven(Missing.BETWEEN, 4, 10)


def test_empty_buckets_are_filled_with_the_last_close():
    filled = fill(CHAIN[1:], Interval.M1, CHAIN[0], 2 * STEP, 10 * STEP, 9 * STEP)
    assert [one.open_time_ms // STEP for one in filled] == [2, 3, 4, 5, 6, 7, 8, 9]
    empty = filled[1]
    assert (empty.open, empty.high, empty.low, empty.close, empty.volume, empty.trades) == ("1", "1", "1", "1", "0", 0)
    assert [one.closed for one in filled] == [True, True, True, True, True, False, True, False]
    assert page(filled, ask(first=3), KNOWN) == CandlePage(filled[1:], False, False, filled[0], True)
    assert fill(CHAIN[:1], Interval.M1, None, 0, 2 * STEP, 9 * STEP) == CHAIN[:1], "nothing before the first trade"


# --- against what there is


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[CandleAnswer], Any]:
    counts = draw(st.lists(st.integers(0, 3), min_size=1, max_size=30))
    truth: list[CandleAnswer] = []
    sequence = 0
    for bucket, count in enumerate(counts):
        if count:
            truth.append(candle(bucket, sequence + 1, sequence + count))
            sequence += count
    forms: bool = draw(st.booleans())
    if truth and forms:
        truth[-1] = candle(truth[-1].open_time_ms // STEP, truth[-1].first_sequence, sequence, closed=False)
    return truth, draw(st.randoms(use_true_random=False))


@settings(max_examples=600, deadline=None)
@given(histories())
def test_a_page_is_what_there_is_or_none(history):
    """ClickHouse holds a stretch (what expired is gone, what the sink hasn't taken yet isn't there), memory the rest or
    less, either maybe an older state of what forms."""
    truth, random = history
    expired, sunk = sorted(random.randint(0, len(truth)) for _ in range(2))
    kept = random.randint(0, len(truth))
    asked = ask(
        random.choice([None, random.randint(0, 30)]), random.choice([None, random.randint(0, 30)]), random.randint(1, 6)
    )
    if asked.first_ms is not None and asked.end_ms is not None and asked.first_ms > asked.end_ms:
        asked = ask(limit=asked.limit)
    closed = [one for one in truth[expired:sunk] if one.closed]
    stored = stored_for(closed, asked)
    memory = truth[kept:]
    stale = [
        candle(one.open_time_ms // STEP, one.first_sequence, one.first_sequence, False)
        for one in truth[-3:]
        if one.trades > 1
    ]
    chain = merge([stored, memory, random.sample(stale, random.randint(0, len(stale)))])
    newest = truth[-1].last_sequence if truth else 0
    oldest = closed[0].open_time_ms if closed else None
    cut = asked.first_ms is None and len(stored) >= asked.limit
    known = (chain[-1].last_sequence if chain else 0) >= newest
    found = page(chain, asked, Proof(None if cut else oldest, known))
    if isinstance(found, Unproven):
        return
    wanted, before, behind = asked_of(truth, asked)
    if found.expired:
        assert expired > 0
        wanted, _, _ = asked_of(truth[expired:], asked)
        assert found.candles == wanted
        return
    assert found.candles == wanted
    assert found.more == (behind if asked.ascending else before and bool(wanted))


def stored_for(closed: list[CandleAnswer], asked: CandleAsk) -> list[CandleAnswer]:
    first, end = asked.first_ms, asked.end_ms
    if first is not None:
        before = [one for one in closed if one.open_time_ms < first][-1:]
        return before + [one for one in closed if one.open_time_ms >= first][: asked.limit + 1]
    within = [one for one in closed if end is None or one.open_time_ms < end][-asked.limit :]
    return within + [one for one in closed if end is not None and one.open_time_ms >= end][:1]


def asked_of(truth: list[CandleAnswer], asked: CandleAsk) -> tuple[list[CandleAnswer], bool, bool]:
    """What was asked for, and whether there is more before and behind it within the range."""
    first, end = asked.first_ms or 0, asked.end_ms
    within = [one for one in truth if one.open_time_ms >= first and (end is None or one.open_time_ms < end)]
    if asked.ascending:
        return within[: asked.limit], False, len(within) > asked.limit
    return within[-asked.limit :], len(within) > asked.limit, False


def test_whole_sources_give_whole_pages():
    """Where ClickHouse and memory overlap, nothing is refused."""
    for overlap in range(1, 4):
        chain = merge([CHAIN[: overlap + 1], CHAIN[overlap:]])
        assert buckets(page(chain, ask(), KNOWN)) == [1, 2, 4, 7]
