"""The projections that a gateway follows: the ledger's journal, market data, candles, and alerts."""

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from producers.account_stream import Listeners
from producers.books import WINDOW_S, MarketData
from producers.executions import Entry, RecentEntries
from producers.health import Health
from producers.recent_alerts import RecentAlerts
from producers.recent_market import RecentCandles, RecentTrades
from producers.view import View
from producers.waiting import Waiting
from schemas.alerts import Alert
from schemas.codec import ledger_decoder, trades_decoder
from schemas.journal import LedgerEntry
from schemas.ledger_state import LedgerState
from schemas.matcher_state import MatcherState
from schemas.records import Depth, Trade
from schemas.topics import ALERTS, CANDLES, DEPTH, LEDGER, TRADES
from stage.followed import Place
from stage.partition import decode_state
from stage.public_records import edge_counter, readable
from stage.snapshots import Snapshot

_depth_decoder = msgspec.json.Decoder(Depth)
_alert_decoder = msgspec.json.Decoder(Alert)
ALL_ALERTS_MS = 40 * 365 * 24 * 60 * 60 * 1000  # further back than any log reaches


class LedgerProjection:
    """Feeds the view, then wakes those who wait: whoever is answered finds the answer in the view."""

    stage: str | None = "ledger"
    topics: Sequence[str] = (LEDGER,)
    since_ms: Mapping[str, int] = {}

    def __init__(
        self, view: View, entries: RecentEntries, waiting: Waiting, health: Health, listeners: Listeners
    ) -> None:
        self._view = view
        self._entries = entries
        self._waiting = waiting
        self._health = health
        self._listeners = listeners
        self._decode = ledger_decoder().decode

    def reset(self) -> None:
        self._view.reset()
        self._entries.reset()

    def restore(self, partition: int, snapshot: Snapshot | None) -> dict[Place, int]:
        if snapshot is None:
            return {}
        state = decode_state(snapshot.state)
        edge_sequence = edge_counter(state, LEDGER)
        ledger = msgspec.json.decode(state.core, type=LedgerState)
        self._view.restore(partition, ledger, edge_sequence, state.next_offset, state.time_ms)
        self._entries.start(partition, edge_sequence)
        self._health.started = self._view.facts is not None
        # Repeats may push records back, never forward: edge sequence s stands at offset s - 1 or behind it.
        return {(LEDGER, partition): edge_sequence}

    def restored(self, positions: Mapping[Place, int], now_ms: int) -> None:
        self._waiting.touch_all()
        self._listeners.restored()

    def apply(self, topic: str, partition: int, offset: int, value: bytes) -> None:
        record = readable(self._decode, topic, partition, value)
        if record is None:
            return
        touched = self._view.apply(partition, record)
        if touched is None:
            self._entries.skip(partition, offset)
            return
        if isinstance(record, LedgerEntry):
            entry = Entry(record.edge_sequence, record.sequence, value)
            self._entries.add(partition, offset, record.account, entry)
            self._listeners.entered(record)
        elif not self._health.started:
            self._health.started = self._view.facts is not None
        self._waiting.touch(touched)
        self._waiting.reached(partition, record.edge_sequence)


class MarketProjection:
    stage: str | None = "matcher"
    topics: Sequence[str] = (DEPTH, TRADES)
    since_ms: Mapping[str, int] = {TRADES: WINDOW_S * 1000}

    def __init__(self, market: MarketData, trades: RecentTrades) -> None:
        self._market = market
        self._trades = trades
        self._decode_trade = trades_decoder().decode

    def reset(self) -> None:
        self._market.reset()
        self._trades.reset()

    def restore(self, partition: int, snapshot: Snapshot | None) -> dict[Place, int]:
        if snapshot is None:
            return {}
        state = decode_state(snapshot.state)
        for book in msgspec.json.decode(state.core, type=MatcherState).books:
            self._market.restore(book)
            self._trades.restore(book.market.symbol, book.trade_sequence)
        return {(topic, partition): edge_counter(state, topic) for topic in self.topics}

    def restored(self, positions: Mapping[Place, int], now_ms: int) -> None:
        for (topic, partition), offset in positions.items():
            if topic == TRADES:
                self._trades.start(partition, offset)

    def apply(self, topic: str, partition: int, offset: int, value: bytes) -> None:
        decode = _depth_decoder.decode if topic == DEPTH else self._decode_trade
        record = readable(decode, topic, partition, value)
        if record is None:
            return
        match record:
            case Depth():
                self._market.book(record.symbol).apply(record)
            case Trade():
                self._market.price(record.symbol).apply(record)
                self._trades.add(partition, offset, record, value)
        self._market.time_ms = max(self._market.time_ms, record.time_ms)
        if topic == TRADES:
            self._market.times[partition] = record.time_ms


class CandlesProjection:
    """A window of what was on `candles` lately. It needs no snapshot and no contiguous edge: what is missing is seen by
    the trades' sequences in the candles, where they are asked for."""

    stage: str | None = None
    topics: Sequence[str] = (CANDLES,)
    since_ms: Mapping[str, int] = {CANDLES: WINDOW_S * 1000}

    def __init__(self, candles: RecentCandles) -> None:
        self._candles = candles

    def reset(self) -> None:
        self._candles.reset()

    def restore(self, partition: int, snapshot: Snapshot | None) -> dict[Place, int]:
        return {}

    def restored(self, positions: Mapping[Place, int], now_ms: int) -> None:
        for (_, partition), offset in positions.items():
            self._candles.start(partition, offset)
        self._candles.since_ms = now_ms - self.since_ms[CANDLES]

    def apply(self, topic: str, partition: int, offset: int, value: bytes) -> None:
        readable(partial(self._candles.add, partition, offset), topic, partition, value)


class AlertsProjection:
    """The newest alerts of all that stand on `alerts`."""

    stage: str | None = None
    topics: Sequence[str] = (ALERTS,)
    since_ms: Mapping[str, int] = {ALERTS: ALL_ALERTS_MS}

    def __init__(self, alerts: RecentAlerts) -> None:
        self._alerts = alerts

    def reset(self) -> None:
        self._alerts.reset()

    def restore(self, partition: int, snapshot: Snapshot | None) -> dict[Place, int]:
        return {}

    def restored(self, positions: Mapping[Place, int], now_ms: int) -> None:
        """All that there is has yet to be read."""

    def apply(self, topic: str, partition: int, offset: int, value: bytes) -> None:
        alert = readable(_alert_decoder.decode, topic, partition, value)
        if alert is not None:
            self._alerts.add(partition, offset, alert)
