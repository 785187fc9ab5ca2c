"""Candles of one market and interval from several sources, put together without a seam. Pure.

A candle says which trades are in it, so a chain of candles proves itself: each one's first trade is next to the last
trade of the one before. A page is a stretch of that chain, with a neighbour on each side as a witness that nothing was
left out at its ends. Whatever can't be proved is `Unproven`, and never a page.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

from schemas.candles import Interval
from schemas.documents import CandleAnswer


class CandleAsk(Struct, frozen=True, kw_only=True):
    """Buckets that open at or after `first_ms` and before `end_ms`: the first `limit` of them where `first_ms` is
    given, else the last."""

    symbol: str
    interval: Interval
    first_ms: int | None
    end_ms: int | None
    limit: int

    @property
    def ascending(self) -> bool:
        return self.first_ms is not None


class Proof(NamedTuple):
    """What is known besides the candles. `stored_from_ms` is the oldest candle's time where ClickHouse has none before
    it; `newest_known` says that no candle at all is missing behind the last one."""

    stored_from_ms: int | None
    newest_known: bool


class CandlePage(NamedTuple):
    """`before` is the candle in front of the first, if it is at hand; `newest` says that none lies behind the last."""

    candles: list[CandleAnswer]
    more: bool
    expired: bool
    before: CandleAnswer | None
    newest: bool


class Missing(Enum):
    BEFORE = "before"  # what lies in front of the first candle
    BETWEEN = "between"  # two candles aren't next to each other
    BEHIND = "behind"  # what lies behind the last candle


class Unproven(NamedTuple):
    """Why there is no page yet: the trades behind `after`, and before `until` if that is known, are in no candle."""

    missing: Missing
    after: int
    until: int | None


def merge(sources: Iterable[Iterable[CandleAnswer]]) -> list[CandleAnswer]:
    """One candle a bucket, oldest first: a closed one beats a forming one, then more trades beat fewer. A forming one
    that others lie behind is over: it is left out, since its closed one has yet to be found."""
    best: dict[int, CandleAnswer] = {}
    for source in sources:
        for candle in source:
            other = best.get(candle.open_time_ms)
            if other is None or (candle.closed, candle.last_sequence) > (other.closed, other.last_sequence):
                best[candle.open_time_ms] = candle
    chain = [best[time_ms] for time_ms in sorted(best)]
    return [candle for candle in chain if candle.closed or candle is chain[-1]]


def page(chain: Sequence[CandleAnswer], ask: CandleAsk, proof: Proof) -> CandlePage | Unproven:
    """The page out of a merged chain. O(log n + limit)."""
    low = 0 if ask.first_ms is None else _index(chain, ask.first_ms)
    high = len(chain) if ask.end_ms is None else _index(chain, ask.end_ms)
    first = low if ask.ascending else max(low, high - ask.limit)
    last = max(first, min(high, first + ask.limit))  # behind the page's last candle
    # One on each side, as a witness. In front of the last `limit` candles none is needed.
    broken = _broken(chain[max(0, first - 1) if ask.ascending else first : last + 1])
    if broken is not None:
        return broken
    if last == len(chain) and not proof.newest_known:
        return Unproven(Missing.BEHIND, chain[-1].last_sequence if chain else 0, None)
    before = chain[first - 1] if first else None
    expired = False
    whole = not ask.ascending and last - first == ask.limit
    if before is None and not whole and chain and chain[0].first_sequence > 1:
        if proof.stored_from_ms != chain[0].open_time_ms:
            return Unproven(Missing.BEFORE, 0, chain[0].first_sequence)
        expired = True
    candles = list(chain[first:last])
    more = last < high if ask.ascending else bool(candles) and candles[0].first_sequence > 1 and not expired
    return CandlePage(candles, more, expired, before, last == len(chain))


def _index(chain: Sequence[CandleAnswer], time_ms: int) -> int:
    return bisect_left(chain, time_ms, key=lambda candle: candle.open_time_ms)


def _broken(stretch: Sequence[CandleAnswer]) -> Unproven | None:
    for one, following in pairwise(stretch):
        if following.first_sequence != one.last_sequence + 1:
            return Unproven(Missing.BETWEEN, one.last_sequence, following.first_sequence)
    return None


def fill(candles: Sequence[CandleAnswer], interval: Interval, before: CandleAnswer | None, first_ms: int, end_ms: int,
         now_ms: int) -> list[CandleAnswer]:  # fmt: skip
    """The candles of the buckets from `first_ms` to `end_ms` with the empty ones between them: the last close, and no
    volume. Nothing is put in front of the first trade. `now_ms` says which of them are over."""
    step = interval.milliseconds
    by_time = {candle.open_time_ms: candle for candle in candles}
    found: list[CandleAnswer] = []
    last = before
    for time_ms in range(first_ms, end_ms, step):
        candle = by_time.get(time_ms)
        if candle is None:
            if last is None:
                continue
            candle = _empty(last, time_ms, time_ms + step <= now_ms)
        found.append(candle)
        last = candle
    return found


def _empty(last: CandleAnswer, time_ms: int, closed: bool) -> CandleAnswer:
    return CandleAnswer(
        open_time_ms=time_ms, closed=closed, open=last.close, high=last.close, low=last.close, close=last.close,
        volume="0", quote_volume="0", trades=0, taker_buy_volume="0", taker_buy_quote_volume="0",
        first_sequence=last.last_sequence + 1, last_sequence=last.last_sequence,
    )  # fmt: skip
