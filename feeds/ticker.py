"""The last 24 hours of one market's trades, in buckets of a minute. Pure; the time is the log's.

The window moves on by whole minutes. A minute comes as trades or as a closed candle of history; where both know it,
the one that knows more trades of it counts. Trades count up by one, so a seam between the two is proved, and `since_ms`
says from when on no trade is missing. Memory is bounded by the minutes of a day. Amounts are in 10**-18.
"""

from collections import deque
from collections.abc import Iterable
from itertools import pairwise

from msgspec import Struct

from schemas.decimals import format_decimal, parse_decimal
from schemas.records import Trade

DECIMALS = 18
MINUTE_MS = 60_000
WINDOW_MS = 24 * 60 * MINUTE_MS


class Minute(Struct, gc=False):
    """The trades of one minute. A candle of history is read into it too."""

    open_time_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    first_sequence: int
    last_sequence: int


class Figures(Struct, frozen=True):
    """What the window comes to. Texts are decimals; None before the first trade in it."""

    last: str | None
    open: str | None
    high: str | None
    low: str | None
    change: str | None
    change_percent: str | None
    volume: str
    quote_volume: str
    trades: int
    since_ms: int


class Ticker:
    """Adding a trade is O(1), but for a minute that takes the window's high or low with it: O(minutes)."""

    __slots__ = (
        "_count", "_covered_ms", "_high", "_last", "_low", "_minutes", "_now_ms", "_quote_volume", "_volume",
        "is_whole", "sequence",
    )  # fmt: skip

    def __init__(self, covered_ms: int = 0) -> None:
        """From `covered_ms` on all trades are added."""
        self.sequence = 0  # of the newest trade
        self.is_whole = False  # the past has been merged, or there is none
        self._covered_ms = covered_ms
        self._last: int | None = None
        self._now_ms = 0
        self._minutes: deque[Minute] = deque()  # oldest first
        self._count = self._volume = self._quote_volume = 0
        self._high: int | None = None
        self._low: int | None = None

    def restore(self, sequence: int, price: str | None) -> None:
        """The market's newest trade as of a snapshot, which need not be in the window."""
        self.sequence = sequence
        self._last = None if price is None else parse_decimal(price, DECIMALS)

    def covered(self, since_ms: int) -> None:
        """From here on all trades will be added."""
        self._covered_ms = since_ms

    def add(self, trade: Trade) -> None:
        """Takes the next trade. One of the past, read again at a start, counts too; the caller takes out copies."""
        price, volume = parse_decimal(trade.price, DECIMALS), parse_decimal(trade.quantity, DECIMALS)
        quote, sequence = parse_decimal(trade.quote_quantity, DECIMALS), trade.sequence
        if sequence == 1:
            self.is_whole, self._covered_ms = True, 0
        open_time_ms = trade.time_ms - trade.time_ms % MINUTE_MS
        minute = self._minutes[-1] if self._minutes else None
        if minute is not None and minute.open_time_ms == open_time_ms:
            minute.high, minute.low = max(minute.high, price), min(minute.low, price)
            minute.close, minute.last_sequence = price, sequence
            minute.volume += volume
            minute.quote_volume += quote
        else:
            opened = Minute(open_time_ms, price, price, price, price, volume, quote, sequence, sequence)
            self._minutes.append(opened)
        if sequence >= self.sequence:
            self.sequence, self._last = sequence, price
        self._count += 1
        self._volume += volume
        self._quote_volume += quote
        self._high, self._low = max(self._high or price, price), min(self._low or price, price)
        self.passed(trade.time_ms)

    def passed(self, time_ms: int) -> bool:
        """It is so late now; true if something has left the window."""
        self._now_ms = max(self._now_ms, time_ms)
        minutes, first_ms = self._minutes, self._first_ms
        if not minutes or minutes[0].open_time_ms >= first_ms:
            return False
        while minutes and minutes[0].open_time_ms < first_ms:
            minutes.popleft()
        self._sum_up()
        return True

    def merge(self, past: Iterable[Minute], since_ms: int) -> bool:
        """Takes history's closed minutes from `since_ms` on, and the newest one in any case; false where trades are
        missing between it and what is here, so that asking again later may help. O(minutes log minutes)."""
        known = {minute.open_time_ms: minute for minute in self._minutes}
        for minute in past:
            other = known.get(minute.open_time_ms)
            if other is None or _trades(minute) > _trades(other):
                known[minute.open_time_ms] = minute
        minutes = [known[time_ms] for time_ms in sorted(known)]
        inside = [minute for minute in minutes if minute.open_time_ms >= since_ms]
        whole = all(later.first_sequence == one.last_sequence + 1 for one, later in pairwise(inside))
        newest = minutes[-1].last_sequence if minutes else 0
        if not whole or newest != self.sequence:
            return False
        self._minutes = deque(inside)
        self._covered_ms = min(self._covered_ms, since_ms)
        self.is_whole = True
        self._sum_up()
        self.passed(self._now_ms)
        return True

    def figures(self) -> Figures:
        last, low, high = self._last, self._low, self._high
        opened = self._minutes[0].open if self._minutes else None
        change = None if last is None or opened is None else last - opened
        percent = None if change is None or not opened else _divide(change * 10_000, opened)
        return Figures(
            last=_text(last), open=_text(opened), high=_text(high), low=_text(low), change=_text(change),
            change_percent=_text(percent, 2), volume=format_decimal(self._volume, DECIMALS),
            quote_volume=format_decimal(self._quote_volume, DECIMALS), trades=self._count,
            since_ms=max(self._first_ms, self._covered_ms),
        )  # fmt: skip

    @property
    def _first_ms(self) -> int:
        """Where the window begins."""
        return self._now_ms - self._now_ms % MINUTE_MS - WINDOW_MS + MINUTE_MS

    def _sum_up(self) -> None:
        minutes = self._minutes
        self._count = sum(map(_trades, minutes))
        self._volume = sum(minute.volume for minute in minutes)
        self._quote_volume = sum(minute.quote_volume for minute in minutes)
        self._high = max((minute.high for minute in minutes), default=None)
        self._low = min((minute.low for minute in minutes), default=None)


def _trades(minute: Minute) -> int:
    return minute.last_sequence - minute.first_sequence + 1


def _text(units: int | None, decimals: int = DECIMALS) -> str | None:
    return None if units is None else format_decimal(units, decimals)


def _divide(numerator: int, denominator: int) -> int:
    """Rounded to the nearest, halves away from zero. The denominator is positive."""
    half = (2 * abs(numerator) + denominator) // (2 * denominator)
    return half if numerator >= 0 else -half
