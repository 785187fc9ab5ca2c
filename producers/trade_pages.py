"""A page of a market's trades: the newest from memory, older ones from ClickHouse, without a seam.

A market's trades count up from 1 and the number of the newest is known, so a page is a range of sequences, and it is
whole if each of them is there. What the sink doesn't have yet is read back from the topic.
"""

from bisect import bisect_left

import msgspec
from msgspec import Struct

from producers.gateway import Gateway
from producers.history_answers import TradesAnswer
from producers.history_store import StoreUnavailable
from producers.recent import time_of
from producers.recent_market import KeptTrade
from producers.stretches import decoded, joined
from schemas.documents import TradeAnswer
from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.topics import TRADES


class TradeAsk(Struct, frozen=True, kw_only=True):
    """What lies behind the sequence `after` and before `before`, from `first_ms` on and before `end_ms`: the first
    `limit` of it if `ascending`, else the last."""

    symbol: str
    after: int | None
    before: int | None
    first_ms: int | None
    end_ms: int | None
    limit: int

    @property
    def ascending(self) -> bool:
        return self.before is None and (self.after is not None or self.first_ms is not None)


_trade_decoder = msgspec.json.Decoder(TradeAnswer)


async def trades(gateway: Gateway, ask: TradeAsk, partition: int) -> TradesAnswer:
    """`partition` is the market's."""
    reading = _Reading(gateway, ask.symbol, partition)
    try:
        return await reading.page(ask)
    except StoreUnavailable as error:
        since = f"from {reading.first} on" if reading.tail else "none"
        detail = f"trades of {ask.symbol}: this gateway itself has {since}; {error}"
        raise Refused(Reason.HISTORY_UNAVAILABLE, detail) from None


class _Reading:
    """One answer's look at a market: `tail` is what is at hand, up to the newest trade as of the beginning."""

    def __init__(self, gateway: Gateway, symbol: str, partition: int) -> None:
        self._gateway = gateway
        self._symbol = symbol
        self._partition = partition
        self.newest = gateway.trades.newest(symbol)
        self.tail = gateway.trades.tail(symbol)
        self._floor = gateway.trades.floor(partition)
        self._oldest = 1  # of those that are kept

    @property
    def first(self) -> int:
        """From this sequence on the trades are at hand."""
        return self.tail[0].sequence if self.tail else self.newest + 1

    async def page(self, ask: TradeAsk) -> TradesAnswer:
        low, high = 1, self.newest
        if ask.after is not None:
            low = max(low, ask.after + 1)
        if ask.before is not None:
            high = min(high, ask.before - 1)
        if ask.first_ms is not None and (earlier := await self._last_before(ask.first_ms)) >= self._oldest:
            low = max(low, earlier + 1)
        if ask.end_ms is not None:
            high = min(high, await self._last_before(ask.end_ms))
        first, last = _range(low, high, ask)
        found = await self._read(first, last)
        expired = self._oldest > low and first <= high
        if self._oldest > first:
            first, last = _range(max(low, self._oldest), high, ask)
            found = await self._read(first, last)
        more = last < high if ask.ascending else first > max(low, self._oldest)
        return TradesAnswer(self._symbol, found, more and bool(found), expired and self._oldest >= first)

    # --- by sequence

    async def _read(self, first: int, last: int) -> list[TradeAnswer]:
        """All of them, but for those before the oldest that is kept, which is then known."""
        stored_last = min(last, self.first - 1)
        stored: list[TradeAnswer] = []
        if first <= stored_last:
            stored = await self._gateway.store.trades(self._symbol, first, stored_last)
            if not _is_whole(stored, first, stored_last):
                await self._meet()
                stored_last = min(last, self.first - 1)
                first = max(first, self._oldest)
                stored = await self._gateway.store.trades(self._symbol, first, stored_last)
                if not _is_whole(stored, first, stored_last):
                    missing = f"not all trades of {self._symbol} from {first} to {stored_last} are in ClickHouse"
                    raise Refused(Reason.HISTORY_UNAVAILABLE, missing)
        start = max(first, self.first) - self.first
        at_hand = self.tail[start : max(start, last + 1 - self.first)]
        return stored + [_trade_decoder.decode(trade.value) for trade in at_hand]

    async def _meet(self) -> None:
        """Reads back what lies between ClickHouse's newest trade and those at hand, and learns which is the oldest."""
        bounds = await self._gateway.store.trade_bounds(self._symbol)
        if bounds.newest + 1 < self.first:
            needle = f'"symbol":"{self._symbol}","sequence":'.encode()
            records = await self._gateway.stretches.read(
                TRADES, self._partition, bounds.next_offset, self._floor, needle
            )
            earlier = (KeptTrade(trade.sequence, value) for value, trade in decoded(records, _trade_decoder))
            self.tail = joined(earlier, self.tail, self.first)
        if bounds.newest + 1 < self.first:
            gap = f"trades of {self._symbol} from {bounds.newest + 1} to {self.first - 1} are neither in ClickHouse nor"
            raise Refused(Reason.HISTORY_UNAVAILABLE, f"{gap} at hand")
        self._oldest = bounds.oldest or self.first

    # --- by time

    async def _last_before(self, time_ms: int) -> int:
        """The sequence of the last trade before this time, or the one in front of the oldest that is kept. Times never
        go back."""
        if self.tail and _time(self.tail[0]) < time_ms:
            return self.first - 1 + bisect_left(self.tail, time_ms, key=_time)
        if self.first == 1:
            return 0
        before = await self._gateway.store.trade_before(self._symbol, time_ms)
        bounds = await self._gateway.store.trade_bounds(self._symbol)
        if before == bounds.newest and bounds.newest + 1 < self.first:
            await self._meet()
            return await self._last_before(time_ms)
        if before == 0:
            self._oldest = bounds.oldest or 1
            return self._oldest - 1
        return min(before, self.first - 1)


def _range(low: int, high: int, ask: TradeAsk) -> tuple[int, int]:
    if ask.ascending:
        return low, min(high, low + ask.limit - 1)
    return max(low, high - ask.limit + 1), high


def _is_whole(trades: list[TradeAnswer], first: int, last: int) -> bool:
    return [trade.sequence for trade in trades] == list(range(first, last + 1))


def _time(trade: KeptTrade) -> int:
    return time_of(trade.value)
