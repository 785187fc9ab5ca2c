"""Books, checksums, frames and tickers, against naive ones and against what docs/streams.md says."""

import json
import random
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from feeds.book import Book, checksum
from feeds.channels import text_frame
from feeds.market import Market
from feeds.stream import Kind, Stream
from feeds.ticker import MINUTE_MS, WINDOW_MS, Minute, Ticker
from glassbook.client.book_copy import BookCopy, OutOfStep
from schemas.candles import Interval
from schemas.records import Depth
from stage.followed import Gap
from tests.exchange import Exchange
from tests.unit.feeds_world import NOON_MS, SYMBOL, candle, depth, trade

DOCS = Path(__file__).parents[2] / "docs" / "streams.md"
DEPTH = Stream(Kind.DEPTH, SYMBOL)


class Copying:
    """A reader that keeps a copy of the book out of the frames that it is sent."""

    def __init__(self) -> None:
        self.copy = BookCopy()
        self.frames: list[bytes] = []

    def send(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.copy.apply(read(frame)["data"])


class Keeping:
    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def send(self, frame: bytes) -> None:
        self.frames.append(frame)

    def take(self) -> list[Any]:
        found = [read(frame)["data"] for frame in self.frames]
        self.frames.clear()
        return found


def read(frame: bytes) -> Any:
    text = frame[frame.index(b'{"stream"') :]
    assert text_frame(text) == frame
    return json.loads(text)


def join(market: Market, stream: Stream, reader: Copying | Keeping) -> None:
    market.flush()
    first = market.first_frame(stream)
    market.channel(stream).add(reader)
    if first is not None:
        reader.send(first)


# --- depth


def test_the_documents_example_has_its_checksums():
    found = [json.loads(line) for line in re.findall(r'^\{"type": "(?:snapshot|update)".*\}$', DOCS.read_text(), re.M)]
    assert [document["type"] for document in found] == ["snapshot", "update"]
    copy = BookCopy()
    for document in found:
        copy.apply(document)
    assert checksum([], []) == 0


def test_a_book_takes_what_comes_next_and_nothing_else():
    book = Book()
    assert book.apply(depth(1, [("9.5", "1"), ("10", "2")], [("11", "3")]))
    assert not book.apply(depth(1, [("9.5", "7")]))
    assert (book.bids(), book.asks()) == ([("10", "2"), ("9.5", "1")], [("11", "3")])
    with pytest.raises(Gap, match="jumps from sequence 1 to 3"):
        book.apply(depth(3))
    assert book.apply(depth(2, [("10", "0"), ("8", "0")]))
    assert book.best() == (("9.5", "1"), ("11", "3"))


def test_a_book_from_a_matchers_snapshot_is_the_one_that_its_depth_makes():
    exchange = Exchange()
    alice, bob = exchange.open_account(USD="99999999"), exchange.open_account(ABC="1000")
    chance = random.Random(3)
    for _ in range(40):
        exchange.place(alice, "BUY", str(chance.randint(1, 20)), str(chance.randint(1, 9)))
        exchange.place(bob, "SELL", str(chance.randint(10, 30)), str(chance.randint(1, 9)))
    exchange.run()
    partition = exchange.markets[0].partition
    made = Book()
    for record in exchange.read("depth", partition, msgspec.json.Decoder(Depth)):
        made.apply(record)
    restored = Book()
    restored.restore(exchange.matcher_core(partition).dump().books[0], NOON_MS)
    assert restored.sequence == made.sequence > 0
    assert (restored.bids(), restored.asks()) == (made.bids(), made.asks())
    assert restored.checksum() == made.checksum()


@pytest.mark.parametrize("seed", range(10))
def test_whoever_joins_whenever_has_the_book_without_a_gap(seed):
    chance = random.Random(seed)
    market, readers, everyone = Market(SYMBOL), [], []
    for sequence in range(1, 400):
        prices = chance.sample(range(1, 40), chance.randint(1, 4))
        levels = [(str(price), str(chance.choice([0, 0, 1, 25]))) for price in prices]
        low = [level for level in levels if int(level[0]) < 20]
        high = [level for level in levels if int(level[0]) >= 20]
        market.take_depth(depth(sequence, low, high))
        if chance.random() < 0.1:
            market.flush()
        if chance.random() < 0.05:
            stream = Stream(Kind.DEPTH, SYMBOL, None, chance.random() < 0.3)
            reader = Copying()
            join(market, stream, reader)
            readers.append((stream, reader))
            everyone.append(reader)
        if readers and chance.random() < 0.03:
            stream, gone = readers.pop(chance.randrange(len(readers)))
            market.channel(stream).remove(gone)
    market.flush()
    assert readers
    for _, reader in readers:
        assert reader.copy.sequence == market.book.sequence
        assert (reader.copy.bids(), reader.copy.asks()) == (market.book.bids(), market.book.asks())


def test_readers_of_one_stream_are_given_the_same_bytes():
    market, readers = Market(SYMBOL), [Copying() for _ in range(3)]
    for reader in readers:
        join(market, DEPTH, reader)
    for sequence in range(1, 5):
        market.take_depth(depth(sequence, [("10", str(sequence))]))
    market.flush()
    frames = [reader.frames[-1] for reader in readers]
    assert frames[0] is frames[1] is frames[2], "made once"
    assert read(frames[0])["data"] | {"checksum": 0} == {
        "type": "update", "first": 1, "last": 4, "time_ms": NOON_MS + 4, "bids": [["10", "4"]], "asks": [],
        "checksum": 0,
    }  # fmt: skip
    market.flush()
    assert readers[0].frames[-1] is frames[0], "nothing new, no frame"


def test_a_copy_that_is_out_of_step_says_so():
    copy = BookCopy()
    with pytest.raises(OutOfStep):
        copy.apply({"type": "update", "first": 1, "last": 1, "bids": [], "asks": [], "checksum": 0})
    copy.apply({"type": "snapshot", "sequence": 4, "bids": [], "asks": [], "checksum": 0})
    with pytest.raises(OutOfStep, match="from 6 on"):
        copy.apply({"type": "update", "first": 6, "last": 6, "bids": [], "asks": [], "checksum": 0})
    with pytest.raises(OutOfStep, match="checksum"):
        copy.apply({"type": "update", "first": 5, "last": 5, "bids": [["1", "1"]], "asks": [], "checksum": 0})


# --- trades and candles


def test_trades_come_one_by_one_each_once_and_never_with_a_gap():
    market, reader = Market(SYMBOL), Keeping()
    market.take_trade(trade(7))
    join(market, Stream(Kind.TRADES, SYMBOL), reader)
    market.take_trade(trade(7))
    market.take_trade(trade(8))
    assert [data["sequence"] for data in reader.take()] == [8]
    with pytest.raises(Gap, match="jump from sequence 8 to 10"):
        market.take_trade(trade(10))


def test_of_forming_candles_a_frame_has_the_newest_and_a_closed_one_is_never_left_out():
    market, frames, each = Market(SYMBOL), Keeping(), Keeping()
    join(market, Stream(Kind.CANDLES, SYMBOL, Interval.M1), frames)
    join(market, Stream(Kind.CANDLES, SYMBOL, Interval.M1, True), each)
    minutes = [NOON_MS, NOON_MS + MINUTE_MS]
    for one in (
        candle(minutes[0], 1, False), candle(minutes[0], 3, False), candle(minutes[0], 2, False),
        candle(minutes[0], 4, True), candle(minutes[0], 4, True), candle(minutes[0], 4, False),
        candle(minutes[1], 5, False, 5), candle(minutes[1], 6, False, 5),
    ):  # fmt: skip
        market.take_candle(one)
    market.flush()
    market.flush()
    told = [(data["last_sequence"], data["closed"]) for data in frames.take()]
    assert told == [(4, True), (6, False)]
    assert [data["last_sequence"] for data in each.take()] == [1, 3, 4, 5, 6]
    late = Keeping()
    join(market, Stream(Kind.CANDLES, SYMBOL, Interval.M1), late)
    assert [data["last_sequence"] for data in late.take()] == [6]


# --- the ticker


def minute(open_time_ms: int, first: int, last: int, price: int = 10) -> Minute:
    units = price * 10**18
    return Minute(open_time_ms, units, units, units, units, 10**18, units, first, last)


def test_a_tickers_figures():
    ticker = Ticker()
    for sequence, price in enumerate(("10", "12", "9", "11"), 1):
        ticker.add(trade(sequence, price, time_ms=NOON_MS + sequence * MINUTE_MS))
    found = ticker.figures()
    assert (found.open, found.high, found.low, found.last, found.change) == ("10", "12", "9", "11", "1")
    assert (found.change_percent, found.volume, found.quote_volume, found.trades) == ("10", "8", "84", 4)


@pytest.mark.parametrize(
    ("opened", "last", "percent"), [("3", "4", "33.33"), ("3", "5", "66.67"), ("3", "2", "-33.33"), ("8", "3", "-62.5")]
)
def test_percents_are_rounded_to_the_nearest(opened, last, percent):
    ticker = Ticker()
    ticker.add(trade(1, opened))
    ticker.add(trade(2, last))
    assert ticker.figures().change_percent == percent


@pytest.mark.parametrize("seed", range(5))
def test_a_ticker_is_what_counting_anew_gives(seed):
    chance = random.Random(seed)
    ticker, taken, time_ms = Ticker(), [], NOON_MS
    for sequence in range(1, 600):
        time_ms += chance.choice([10, 1000, MINUTE_MS, 30 * MINUTE_MS])
        taken.append(trade(sequence, str(chance.randint(1, 99)), str(chance.randint(1, 9)), time_ms))
        ticker.add(taken[-1])
        if chance.random() < 0.1:
            time_ms += chance.choice([MINUTE_MS, 300 * MINUTE_MS])
            ticker.passed(time_ms)
        first_ms = time_ms - time_ms % MINUTE_MS - WINDOW_MS + MINUTE_MS
        inside = [one for one in taken if one.time_ms >= first_ms]
        found = ticker.figures()
        assert (found.trades, found.last) == (len(inside), taken[-1].price)
        assert found.volume == str(sum(int(one.quantity) for one in inside))
        assert found.quote_volume == str(sum(int(one.quote_quantity) for one in inside))
        if inside:
            prices = [int(one.price) for one in inside]
            assert (found.open, found.high, found.low) == (inside[0].price, str(max(prices)), str(min(prices)))
        else:
            assert (found.open, found.high, found.low, found.change) == (None, None, None, None)


def test_the_past_fits_where_its_trades_are_next_to_those_at_hand():
    start_ms = NOON_MS + 10 * MINUTE_MS
    ticker = Ticker(covered_ms=start_ms)
    for sequence in (9, 10):
        ticker.add(trade(sequence, "20", time_ms=start_ms + 1))
    assert ticker.figures().since_ms == start_ms
    day_ago = NOON_MS - WINDOW_MS
    assert not ticker.merge([minute(NOON_MS, 1, 5)], day_ago), "6 to 8 are missing"
    assert (ticker.figures().trades, ticker.figures().since_ms) == (2, start_ms)
    assert ticker.merge([minute(NOON_MS, 1, 5), minute(start_ms, 6, 10, 15)], day_ago), "with more of its own minute"
    found = ticker.figures()
    assert (found.trades, found.open, found.since_ms > day_ago) == (10, "10", True)
    assert found.since_ms == start_ms - WINDOW_MS + MINUTE_MS


def test_who_has_seen_the_first_trade_of_all_asks_for_no_past():
    ticker = Ticker(covered_ms=NOON_MS)
    for sequence in (1, 2):
        assert not ticker.is_whole or sequence == 2
        ticker.add(trade(sequence, "20", time_ms=NOON_MS + 1))
    assert ticker.is_whole
    assert (ticker.figures().trades, ticker.figures().since_ms) == (2, NOON_MS - WINDOW_MS + MINUTE_MS)


def test_the_past_of_a_quiet_market_must_reach_its_last_trade():
    ticker = Ticker(covered_ms=NOON_MS)
    ticker.restore(12, "15")
    assert (ticker.figures().last, ticker.figures().open) == ("15", None)
    assert not ticker.merge([minute(NOON_MS - 60 * MINUTE_MS, 1, 11)], NOON_MS - WINDOW_MS)
    assert not ticker.merge([], NOON_MS - WINDOW_MS), "trade 12 may be of today"
    assert ticker.merge([minute(NOON_MS - 2 * WINDOW_MS, 3, 12)], NOON_MS - WINDOW_MS), (
        "it is of the day before yesterday"
    )
    assert (ticker.figures().trades, ticker.figures().open) == (0, None)
