"""A page of candles: from memory where it reaches so far, else with ClickHouse, without a seam.

Where the two don't meet, the topic is read back between them. `candle_chain.py` says what proves that none is missing.
"""

from bisect import bisect_left

import msgspec
from msgspec import structs

from producers.candle_chain import CandleAsk, CandlePage, Missing, Proof, Unproven, fill, merge, page
from producers.gateway import Gateway
from producers.history_answers import CandlesAnswer
from producers.history_store import StoreUnavailable, Table
from producers.recent_market import KeptCandle
from producers.stretches import decoded
from schemas.candles import Interval
from schemas.documents import CandleAnswer, TradeAnswer
from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.topics import CANDLES

CLOCKS_MS = 5_000  # by which the clocks of two brokers may differ

_candle_decoder = msgspec.json.Decoder(CandleAnswer)
_trade_decoder = msgspec.json.Decoder(TradeAnswer)


async def candles(gateway: Gateway, ask: CandleAsk, partition: int, *, filled: bool) -> CandlesAnswer:
    """`partition` is the market's. Times are log times throughout."""
    if filled:
        found = await _filled(gateway, ask, partition)
    else:
        found = await _page(gateway, ask, partition)
    newest = gateway.trades.newest(ask.symbol)
    now_ms = gateway.market.times.get(partition, 0)
    told = [_as_of(candle, ask.interval, newest, now_ms) for candle in found.candles]
    return CandlesAnswer(ask.symbol, ask.interval, told, found.more, found.expired, newest)


def _as_of(candle: CandleAnswer, interval: Interval, newest: int, now_ms: int) -> CandleAnswer:
    """A forming candle with all trades in it, whose time is over, is closed, whether that has been heard or not."""
    if candle.closed or candle.last_sequence < newest or candle.open_time_ms + interval.milliseconds > now_ms:
        return candle
    return structs.replace(candle, closed=True)


# --- without a seam


async def _page(gateway: Gateway, ask: CandleAsk, partition: int) -> CandlePage:
    hand = _at_hand(gateway, ask)
    found = page(hand, ask, Proof(None, _is_newest(gateway, ask, hand)))
    if isinstance(found, CandlePage):
        return found
    try:
        return await _with_store(gateway, ask, partition, hand)
    except StoreUnavailable as error:
        since = f"from {hand[0].open_time_ms} on" if hand else "none"
        detail = f"{ask.interval} candles of {ask.symbol}: this gateway itself has {since}; {error}"
        raise Refused(Reason.HISTORY_UNAVAILABLE, detail) from None


async def _with_store(gateway: Gateway, ask: CandleAsk, partition: int, hand: list[CandleAnswer]) -> CandlePage:
    stored = await gateway.store.candles(ask)
    sources = [stored]
    if not _is_newest(gateway, ask, hand):
        forming = await gateway.store.forming(ask.symbol, ask.interval)
        sources.append([forming] if forming is not None else [])
    oldest = stored[0].open_time_ms if stored and not _is_cut(ask, stored) else None
    # Memory has gone on meanwhile: what was at hand before may be gone from it, and newer ones are there.
    chain = _merge(gateway, ask, [*sources, hand])
    found = page(chain, ask, Proof(oldest, _is_newest(gateway, ask, chain)))
    if isinstance(found, CandlePage):
        return found
    sources += [_at_hand(gateway, ask), await _between(gateway, ask, partition, found)]
    chain = _merge(gateway, ask, [*sources, hand])
    known = _is_newest(gateway, ask, chain)
    if found.missing is Missing.BEHIND and chain:
        known = chain[-1].last_sequence >= gateway.candles.seen(ask.symbol, ask.interval).last_sequence
    found = page(chain, ask, Proof(oldest, known))
    if isinstance(found, CandlePage):
        return found
    raise _gap(ask, found)


def _merge(gateway: Gateway, ask: CandleAsk, sources: list[list[CandleAnswer]]) -> list[CandleAnswer]:
    """With what is at hand now; without forming candles that were seen closed, whose closed ones must be found."""
    closed_ms = gateway.candles.seen(ask.symbol, ask.interval).closed_ms
    chain = merge([*sources, _at_hand(gateway, ask)])
    return [candle for candle in chain if candle.closed or candle.open_time_ms > closed_ms]


def _is_cut(ask: CandleAsk, stored: list[CandleAnswer]) -> bool:
    """ClickHouse may have older ones than those that it gave: the one in front, or as many as were asked for."""
    if ask.first_ms is not None:
        return stored[0].open_time_ms < ask.first_ms
    return sum(ask.end_ms is None or candle.open_time_ms < ask.end_ms for candle in stored) >= ask.limit


async def _between(gateway: Gateway, ask: CandleAsk, partition: int, missing: Unproven) -> list[CandleAnswer]:
    """What lies on the topic between the sink's position and memory."""
    ends = {Table.CANDLES: gateway.candles.floor(partition)}
    if missing.missing is Missing.BEHIND:
        ends[Table.FORMING_CANDLES] = gateway.candles.started(partition)
    needle = f'"symbol":"{ask.symbol}","interval":"{ask.interval}"'.encode()
    found: list[CandleAnswer] = []
    for table, end in ends.items():
        start = await gateway.store.position(table, partition, end)
        records = await gateway.stretches.read(CANDLES, partition, start, end, needle)
        found += [candle for _, candle in decoded(records, _candle_decoder)]
    return found


def _at_hand(gateway: Gateway, ask: CandleAsk) -> list[CandleAnswer]:
    """Of what memory has, that which the page may need, with a neighbour on each side. O(candles kept)."""
    kept = list(gateway.candles.closed(ask.symbol, ask.interval))
    forming = gateway.candles.forming(ask.symbol, ask.interval)
    if forming is not None:
        kept.append(forming)
    if ask.first_ms is not None:
        first = max(0, _index(kept, ask.first_ms) - 1)
        wanted = kept[first : first + ask.limit + 2]
    else:
        end = len(kept) if ask.end_ms is None else _index(kept, ask.end_ms)
        wanted = kept[max(0, end - ask.limit) : end + 1]
    return merge([[_candle_decoder.decode(candle.value) for candle in wanted]])


def _index(kept: list[KeptCandle], time_ms: int) -> int:
    return bisect_left(kept, time_ms, key=lambda candle: candle.open_time_ms)


def _is_newest(gateway: Gateway, ask: CandleAsk, chain: list[CandleAnswer]) -> bool:
    """No candle is missing behind the last one: all trades are in it, or those that aren't are so young that a candle
    with them would have been seen, had there been one."""
    last = chain[-1].last_sequence if chain else 0
    if last >= gateway.trades.newest(ask.symbol):
        return True
    if last < gateway.candles.seen(ask.symbol, ask.interval).last_sequence:
        return False
    tail = gateway.trades.tail(ask.symbol)
    if not tail or tail[0].sequence > last + 1:
        return False
    unseen = _trade_decoder.decode(tail[last + 1 - tail[0].sequence].value)
    return unseen.time_ms >= gateway.candles.since_ms + CLOCKS_MS


def _gap(ask: CandleAsk, gap: Unproven) -> Refused:
    until = "on" if gap.until is None else f"to {gap.until - 1}"
    detail = f"the trades of {ask.symbol} from {gap.after + 1} {until} are in no {ask.interval} candle that is at hand"
    return Refused(Reason.HISTORY_UNAVAILABLE, detail)


# --- with the empty buckets


async def _filled(gateway: Gateway, ask: CandleAsk, partition: int) -> CandlePage:
    """As asked for, but counting every bucket up to the one that the time is in."""
    step = ask.interval.milliseconds
    now_ms = gateway.market.times.get(partition)
    if now_ms is None:
        raise Refused(Reason.NOT_READY, f"no time has been read yet on trades-{partition}")
    end_ms = now_ms - now_ms % step + step
    if ask.end_ms is not None:
        end_ms = min(end_ms, -(-ask.end_ms // step) * step)
    first_ms = end_ms - ask.limit * step if ask.first_ms is None else -(-ask.first_ms // step) * step
    first_ms = max(0, first_ms)
    found = await _page(gateway, structs.replace(ask, first_ms=first_ms), partition)
    last = found.candles[-1] if found.candles else found.before
    if last is None:
        return found
    if found.newest and last.last_sequence < gateway.trades.newest(ask.symbol):
        end_ms = min(end_ms, last.open_time_ms + step)  # there were trades since, and nobody knows yet in which buckets
    if found.before is None:
        first_ms = max(first_ms, found.candles[0].open_time_ms)
    stop_ms = min(end_ms, first_ms + ask.limit * step)
    buckets = fill(found.candles, ask.interval, found.before, first_ms, stop_ms, now_ms)
    more = found.before is not None if ask.first_ms is None else stop_ms < end_ms
    return found._replace(candles=buckets, more=more)
