"""One market: its book, ticker, trades and candles, and the streams that tell of them. Pure.

REST and streams read the same book, so that a sequence means the same in both. A change goes to unconflated streams at
once; for the others it is kept until the next frame. Who joins is first given the frame that waits, with all who read
already, and then begins with the book as it is: so no reader has a gap, and all have the same bytes.
"""

from collections import deque

from feeds.book import Book
from feeds.channels import Channel
from feeds.conflation import Changes
from feeds.limits import TRADES_KEPT
from feeds.messages import DepthSnapshot, DepthUpdate, TickerMessage, bust_message, encode
from feeds.stream import Kind, Stream
from feeds.ticker import Ticker
from schemas.candles import Candle, Interval
from schemas.documents import CandleAnswer, TradeAnswer, candle_answer, trade_answer
from schemas.market import Terms
from schemas.matcher_state import BookState
from schemas.records import Depth, Trade, TradeBusted
from stage.followed import Gap


class CandleStream:
    """One interval's newest candle, forming or closed."""

    __slots__ = ("closed_ms", "each", "frames", "newest", "waits")

    def __init__(self, symbol: str, interval: Interval) -> None:
        self.frames = Channel(Stream(Kind.CANDLES, symbol, interval))
        self.each = Channel(Stream(Kind.CANDLES, symbol, interval, True))
        self.newest: CandleAnswer | None = None
        self.closed_ms = -1  # when the newest closed one opened
        self.waits = False  # the newest is one that is forming, and not yet told

    def take(self, candle: Candle) -> None:
        """Closed ones are told at once, each of them; of forming ones a frame tells the newest."""
        newest = self.newest
        if candle.open_time_ms <= self.closed_ms:
            return  # a copy, or overtaken
        if newest is not None and not candle.closed:
            place = (newest.open_time_ms, newest.last_sequence)
            if (candle.open_time_ms, candle.last_sequence) <= place:
                return
        self.newest = candle_answer(candle)
        if candle.closed:
            self.closed_ms = candle.open_time_ms
        self.waits = not candle.closed and bool(self.frames)
        if self.each or (candle.closed and self.frames):
            data = encode(self.newest)
            self.each.publish(data)
            if candle.closed:
                self.frames.publish(data)

    def flush(self) -> None:
        if self.waits:
            self.waits = False
            self.frames.publish(encode(self.newest))


class Market:
    def __init__(self, symbol: str, covered_ms: int = 0) -> None:
        """From `covered_ms` on all trades will be taken."""
        self.symbol = symbol
        self.book = Book()
        self.ticker = Ticker(covered_ms)
        self.trades: deque[TradeAnswer] = deque(maxlen=TRADES_KEPT)
        self.trade_sequence = 0  # of the newest that was read; 0 before the first
        self.time_ms = 0
        self.trades_channel = Channel(Stream(Kind.TRADES, symbol))
        self.depth_frames = Channel(Stream(Kind.DEPTH, symbol))
        self.depth_each = Channel(Stream(Kind.DEPTH, symbol, None, True))
        self.ticker_frames = Channel(Stream(Kind.TICKER, symbol))
        self.ticker_each = Channel(Stream(Kind.TICKER, symbol, None, True))
        self.candles = {interval: CandleStream(symbol, interval) for interval in Interval}
        self._changes = Changes()
        self._ticker_waits = False
        self._snapshot: tuple[int, bytes] | None = None  # a sequence, and the book at it as a frame

    # --- what is read

    def restore(self, state: BookState, time_ms: int) -> None:
        self.book.restore(state, time_ms)
        last = state.last_price_ticks
        self.ticker.restore(state.trade_sequence, None if last is None else Terms(state.market).price_text(last))

    def take_depth(self, depth: Depth) -> None:
        before = self.book.best()
        if not self.book.apply(depth):
            return
        if self.depth_frames:
            self._changes.add(depth)
        if self.depth_each:
            update = DepthUpdate(
                depth.sequence, depth.sequence, depth.time_ms, depth.bids, depth.asks, self.book.checksum()
            )
            self.depth_each.publish(encode(update))
        if self.book.best() != before:
            self._ticker_moved()

    def take_trade(self, trade: Trade) -> None:
        if trade.sequence <= self.trade_sequence:
            return
        if self.trade_sequence and trade.sequence != self.trade_sequence + 1:
            raise Gap(f"trades of {self.symbol} jump from sequence {self.trade_sequence} to {trade.sequence}")
        self.trade_sequence, self.time_ms = trade.sequence, trade.time_ms
        message = trade_answer(trade)
        self.trades.append(message)
        self.ticker.add(trade)
        if self.trades_channel:
            self.trades_channel.publish(encode(message))
        self._ticker_moved()

    def take_bust(self, bust: TradeBusted) -> None:
        self.trades_channel.publish(encode(bust_message(bust)))

    def take_candle(self, candle: Candle) -> None:
        self.candles[candle.interval].take(candle)

    def passed(self, time_ms: int) -> None:
        """It is so late on the market's partition."""
        self.time_ms = max(self.time_ms, time_ms)
        if self.ticker.passed(time_ms):
            self._ticker_moved()

    def _ticker_moved(self) -> None:
        self._ticker_waits = True
        if self.ticker_each:
            self.ticker_each.publish(encode(self.ticker_message()))

    # --- what is told

    def flush(self) -> None:
        """Sends what waits for this frame."""
        if self._changes:
            self.depth_frames.publish(encode(self._changes.take(self.book.checksum())))
        if self._ticker_waits:
            self._ticker_waits = False
            if self.ticker_frames:
                self.ticker_frames.publish(encode(self.ticker_message()))
        for candles in self.candles.values():
            candles.flush()

    def channel(self, stream: Stream) -> Channel:
        match stream.kind:
            case Kind.TRADES:
                return self.trades_channel
            case Kind.DEPTH:
                return self.depth_each if stream.unconflated else self.depth_frames
            case Kind.TICKER:
                return self.ticker_each if stream.unconflated else self.ticker_frames
            case _:
                assert stream.interval is not None, "the stream's name has one"
                candles = self.candles[stream.interval]
                return candles.each if stream.unconflated else candles.frames

    def first_frame(self, stream: Stream) -> bytes | None:
        """What a new reader begins with. The frame that waits has to be flushed before."""
        channel = self.channel(stream)
        match stream.kind:
            case Kind.DEPTH:
                return self._depth_frame(channel)
            case Kind.TICKER:
                return channel.frame(encode(self.ticker_message()))
            case Kind.CANDLES if stream.interval is not None:
                newest = self.candles[stream.interval].newest
                return None if newest is None else channel.frame(encode(newest))
            case _:
                return None

    def _depth_frame(self, channel: Channel) -> bytes:
        """Made once for all who come at the same sequence: after a restart these are all readers at once."""
        kept = self._snapshot
        if kept is None or kept[0] != self.book.sequence:
            kept = self._snapshot = (self.book.sequence, encode(self.depth_snapshot()))
        return channel.frame(kept[1])

    def depth_snapshot(self, limit: int | None = None) -> DepthSnapshot:
        book = self.book
        return DepthSnapshot(
            self.symbol, book.sequence, book.time_ms, book.bids(limit), book.asks(limit), book.checksum()
        )

    def ticker_message(self) -> TickerMessage:
        figures = self.ticker.figures()
        bid, ask = self.book.best()
        return TickerMessage(
            symbol=self.symbol, time_ms=max(self.time_ms, self.book.time_ms), last=figures.last, open=figures.open,
            high=figures.high, low=figures.low, change=figures.change, change_percent=figures.change_percent,
            volume=figures.volume, quote_volume=figures.quote_volume, trades=figures.trades,
            best_bid=bid[0] or None, best_bid_quantity=bid[1] or None, best_ask=ask[0] or None,
            best_ask_quantity=ask[1] or None, since_ms=figures.since_ms,
        )  # fmt: skip
