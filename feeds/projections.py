"""What the followers of a feeds process feed: listings, market data, candles, and alerts. Does no I/O, but logs."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from feeds.channels import Channel
from feeds.limits import ALERTS_KEPT
from feeds.markets import Markets
from feeds.messages import encode
from feeds.stream import ALERTS as ALERTS_STREAM
from schemas.alerts import Alert
from schemas.codec import candles_decoder, trades_decoder
from schemas.documents import alert_answer
from schemas.journal import MarketListed
from schemas.market import Market as Terms
from schemas.matcher_state import MatcherState
from schemas.records import Depth, Trade, TradeBusted
from schemas.topics import ALERTS, CANDLES, DEPTH, LEDGER, TRADES
from stage.followed import Place
from stage.partition import decode_state
from stage.public_records import edge_counter, readable
from stage.snapshots import Snapshot

RECENT_MS = 5 * 60 * 1000  # closed candles of so long ago stand in ClickHouse: there the ticker's past begins
_depth_decoder = msgspec.json.Decoder(Depth)
_alert_decoder = msgspec.json.Decoder(Alert)
_listed_decoder = msgspec.json.Decoder(MarketListed)


class _ListedMarket(Struct):
    market: Terms


class _Listings(Struct):
    """What of the ledger's state says which markets there are."""

    markets: list[_ListedMarket]


class ListingsProjection:
    """One partition of the journal tells of every listing; nothing else of it is read."""

    stage: str | None = "ledger"
    topics: Sequence[str] = (LEDGER,)
    since_ms: Mapping[str, int] = {}

    def __init__(self, markets: Markets) -> None:
        self._markets = markets

    def reset(self) -> None:
        """Listings stay: a market never goes, it is only delisted."""

    def restore(self, partition: int, snapshot: Snapshot | None) -> dict[Place, int]:
        if snapshot is None:
            return {}
        state = decode_state(snapshot.state)
        for listed in msgspec.json.decode(state.core, type=_Listings).markets:
            self._markets.on(listed.market.partition, listed.market.symbol)
        return {(LEDGER, partition): edge_counter(state, LEDGER)}

    def restored(self, positions: Mapping[Place, int], now_ms: int) -> None: ...

    def apply(self, topic: str, partition: int, offset: int, value: bytes) -> None:
        if b'"market_listed"' not in value[:40]:
            return
        listed = readable(_listed_decoder.decode, topic, partition, value)
        if listed is None:
            return
        self._markets.on(listed.market.partition, listed.market.symbol)


class MarketProjection:
    """`lost` is called when all books have to be read anew: who reads them has to begin anew too."""

    stage: str | None = "matcher"
    topics: Sequence[str] = (DEPTH, TRADES)
    since_ms: Mapping[str, int] = {TRADES: RECENT_MS}

    def __init__(self, markets: Markets, lost: Callable[[], None]) -> None:
        self._markets = markets
        self._lost = lost
        self._decode_trade = trades_decoder().decode

    def reset(self) -> None:
        self._lost()
        self._markets.renew()

    def restore(self, partition: int, snapshot: Snapshot | None) -> dict[Place, int]:
        if snapshot is None:
            return {}
        state = decode_state(snapshot.state)
        for book in msgspec.json.decode(state.core, type=MatcherState).books:
            self._markets.on(partition, book.market.symbol).restore(book, state.time_ms)
        return {(topic, partition): edge_counter(state, topic) for topic in self.topics}

    def restored(self, positions: Mapping[Place, int], now_ms: int) -> None:
        self._markets.covered_ms = now_ms - RECENT_MS
        for market in self._markets.by_symbol.values():
            market.ticker.covered(self._markets.covered_ms)

    def apply(self, topic: str, partition: int, offset: int, value: bytes) -> None:
        decode = _depth_decoder.decode if topic == DEPTH else self._decode_trade
        record = readable(decode, topic, partition, value)
        if record is None:
            return
        match record:
            case Depth():
                self._markets.on(partition, record.symbol).take_depth(record)
            case Trade():
                self._markets.on(partition, record.symbol).take_trade(record)
            case TradeBusted():
                self._markets.on(partition, record.symbol).take_bust(record)
            case _:
                self._markets.passed(partition, record.time_ms)


class CandlesProjection:
    """A window of what was on `candles` lately: streams need the newest of each, and nobody asks here for others."""

    stage: str | None = None
    topics: Sequence[str] = (CANDLES,)
    since_ms: Mapping[str, int] = {CANDLES: RECENT_MS}

    def __init__(self, markets: Markets) -> None:
        self._markets = markets
        self._decode = candles_decoder().decode

    def reset(self) -> None: ...

    def restore(self, partition: int, snapshot: Snapshot | None) -> dict[Place, int]:
        return {}

    def restored(self, positions: Mapping[Place, int], now_ms: int) -> None: ...

    def apply(self, topic: str, partition: int, offset: int, value: bytes) -> None:
        candle = readable(self._decode, topic, partition, value)
        if candle is None:
            return
        self._markets.get(candle.symbol).take_candle(candle)


class AlertsProjection:
    """Alerts as they come, each once: from the end of the topic on, for what was before is asked for over REST."""

    stage: str | None = None
    topics: Sequence[str] = (ALERTS,)
    since_ms: Mapping[str, int] = {}

    def __init__(self) -> None:
        self.channel = Channel(ALERTS_STREAM)
        self._told: OrderedDict[str, None] = OrderedDict()

    def reset(self) -> None: ...

    def restore(self, partition: int, snapshot: Snapshot | None) -> dict[Place, int]:
        return {}

    def restored(self, positions: Mapping[Place, int], now_ms: int) -> None: ...

    def apply(self, topic: str, partition: int, offset: int, value: bytes) -> None:
        alert = readable(_alert_decoder.decode, topic, partition, value)
        if alert is None:
            return
        if alert.alert_id in self._told:
            return
        self._told[alert.alert_id] = None
        if len(self._told) > ALERTS_KEPT:
            self._told.popitem(last=False)
        self.channel.publish(encode(alert_answer(alert)))
