"""Candles of one partition: tables of trades and ticks in, closed and forming candles out."""

from typing import Any

import msgspec
import pytest

from candle_agg.core import CandleCore
from schemas.candles import INTERVAL_MS, Candle, Interval
from schemas.reasons import Reason
from schemas.records import Source, Trade, TradeBusted
from stage.partition import Gap, StagePartition, decode_state, encode_state
from tests.unit.candle_play import START_MS, CandlePlay

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
EVERY = ["1s", "1m", "5m", "15m", "1h", "4h", "1d"]


def row(candle: Candle) -> str:
    prices = f"{candle.open} {candle.high} {candle.low} {candle.close}"
    volumes = f"{candle.volume} {candle.quote_volume} {candle.trades}"
    taker = f"{candle.taker_buy_volume} {candle.taker_buy_quote_volume}"
    return f"{prices}  {volumes}  {taker}  {candle.first_sequence}-{candle.last_sequence}"


# --- the numbers


@pytest.mark.parametrize(
    ("trades", "expected"),
    [
        # price, quantity, quote quantity, taker
        (["10 1 10 BUY"], "10 10 10 10  1 10 1  1 10  1-1"),
        (["10 1 10 SELL"], "10 10 10 10  1 10 1  0 0  1-1"),
        (["10 1 10 BUY", "12 2 24 SELL", "9 1 9 BUY"], "10 12 9 9  4 43 3  2 19  1-3"),
        (["9 1 9 SELL", "12 2 24 BUY", "10 1 10 SELL"], "9 12 9 10  4 43 3  2 24  1-3"),
        # exact, and plain: no exponent, no zeros behind
        (["0.1 0.1 0.01 BUY", "0.2 0.2 0.04 BUY"], "0.1 0.2 0.1 0.2  0.3 0.05 2  0.3 0.05  1-2"),
        (["1.50 100 150.00 BUY", "2.50 900 2250.0 BUY"], "1.5 2.5 1.5 2.5  1000 2400 2  1000 2400  1-2"),
        (
            ["0.000000000000000001 1000000000 0.000000001 BUY", "0.000000000000000003 1000000000 0.000000003 SELL"],
            "0.000000000000000001 0.000000000000000003 0.000000000000000001 0.000000000000000003"
            "  2000000000 0.000000004 2  1000000000 0.000000001  1-2",
        ),
        (
            ["9223372036854775807 9223372036854775807 85070591730234615847396907784232501249 BUY"] * 3,
            "9223372036854775807 9223372036854775807 9223372036854775807 9223372036854775807"
            "  27670116110564327421 255211775190703847542190723352697503747 3"
            "  27670116110564327421 255211775190703847542190723352697503747  1-3",
        ),
    ],
)
def test_a_candle_of_every_interval_holds_all_its_trades(trades: list[str], expected: str):
    play = CandlePlay()
    for line in trades:
        price, quantity, quote, taker = line.split()
        play.trade(0, price, quantity, taker == "BUY", quote_quantity=quote)
    forming = play.forming()
    assert [key.split()[1] for key in forming] == EVERY
    assert {row(candle) for candle in forming.values()} == {expected}
    play.tick(DAY)
    assert [candle.interval for candle in play.candles] == EVERY
    assert {row(candle) for candle in play.candles} == {expected}


def test_trades_of_different_buckets_come_together_in_the_longer_ones():
    play = CandlePlay()
    play.trade(100, "10", "1", quote_quantity="10")
    play.trade(1_100, "30", "2", buys=False, quote_quantity="60")
    play.trade(61_000, "20", "4", quote_quantity="80")
    play.tick(DAY)
    rows = {f"{candle.interval} {candle.open_time_ms - START_MS}": row(candle) for candle in play.candles}
    whole = "10 30 10 20  7 150 3  5 90  1-3"
    assert rows == {
        "1s 0": "10 10 10 10  1 10 1  1 10  1-1",
        "1s 1000": "30 30 30 30  2 60 1  0 0  2-2",
        "1m 0": "10 30 10 30  3 70 2  1 10  1-2",
        "1s 61000": "20 20 20 20  4 80 1  4 80  3-3",
        "1m 60000": "20 20 20 20  4 80 1  4 80  3-3",
    } | {f"{interval} 0": whole for interval in EVERY[2:]}


# --- when a bucket closes


@pytest.mark.parametrize(
    ("at_ms", "closed"),
    [
        (999, []),
        (1000, ["1s"]),
        (59_999, ["1s"]),
        (60_000, ["1s", "1m"]),
        (5 * MINUTE, ["1s", "1m", "5m"]),
        (15 * MINUTE, EVERY[:4]),
        (HOUR, EVERY[:5]),
        (4 * HOUR, EVERY[:6]),
        (DAY - 1, EVERY[:6]),
        (DAY, EVERY),
        (1000 * DAY, EVERY),
    ],
)
@pytest.mark.parametrize("by", ["tick", "trade"])
def test_a_bucket_closes_when_the_time_reaches_its_end(at_ms: int, closed: list[str], by: str):
    play = CandlePlay()
    play.trade(0)
    found = play.tick(at_ms) if by == "tick" else play.trade(at_ms, symbol="XYZ-USD")
    assert found == [f"ABC-USD {interval} 0" for interval in closed]
    assert all(candle.last_sequence == 1 for candle in play.candles)


def test_the_trade_that_moves_the_time_is_not_in_what_it_closes():
    play = CandlePlay()
    play.trade(0, "10")
    assert play.trade(1000, "99") == ["ABC-USD 1s 0"]
    assert row(play.candles[0]).startswith("10 10 10 10")


def test_what_closes_at_once_comes_by_end_then_symbol_then_length():
    play = CandlePlay()
    for symbol in ("Z-USD", "A-USD", "M-USD"):
        play.trade(59_500, symbol=symbol)
    play.trade(59_900, symbol="A-USD")
    assert play.tick(2 * MINUTE) == [
        "A-USD 1s 59000", "A-USD 1m 0", "M-USD 1s 59000", "M-USD 1m 0", "Z-USD 1s 59000", "Z-USD 1m 0",
    ]  # fmt: skip
    play.trade(2 * MINUTE, symbol="Z-USD")
    assert play.trade(5 * MINUTE, symbol="A-USD") == [
        "Z-USD 1s 120000", "Z-USD 1m 120000", "A-USD 5m 0", "M-USD 5m 0", "Z-USD 5m 0",
    ]  # fmt: skip


def test_a_bucket_without_a_trade_has_no_candle():
    play = CandlePlay()
    play.trade(0)
    play.tick(1000)
    assert [play.tick(2000), play.tick(3000), play.tick(30_000)] == [[], [], []]
    play.trade(30_500)
    assert play.tick(MINUTE) == ["ABC-USD 1s 30000", "ABC-USD 1m 0"]


def test_a_trade_of_the_running_second_counts_though_a_tick_was_ahead():
    play = CandlePlay()
    play.tick(900)
    play.trade(300)
    play.tick(1000)
    assert [candle.trades for candle in play.candles] == [1] and not play.letters


def test_closed_candles_count_up_on_their_edge_and_say_what_closed_them():
    play = CandlePlay()
    play.trade(0)
    play.tick(500)
    play.tick(MINUTE)
    play.tick(5 * MINUTE)
    assert [(candle.edge_sequence, candle.source.offset, candle.source.index) for candle in play.candles] == [
        (1, 2, 0), (2, 2, 1), (3, 3, 0),
    ]  # fmt: skip


def test_buckets_begin_at_whole_multiples_of_utc():
    play = CandlePlay()
    play.trade(DAY - 1)
    play.tick(2 * DAY)
    for candle in play.candles:
        length = INTERVAL_MS[Interval(candle.interval)]
        assert candle.open_time_ms % length == 0 and candle.open_time_ms + length == START_MS + DAY


# --- what still forms


def test_forming_candles_are_those_that_have_changed():
    play = CandlePlay()
    play.trade(0, "10")
    play.trade(0, "20", symbol="XYZ-USD")
    assert list(play.forming()) == [f"{symbol} {interval}" for symbol in ("ABC-USD", "XYZ-USD") for interval in EVERY]
    assert play.forming() == {}
    play.tick(500)
    assert play.forming() == {}
    play.trade(600, "12")
    assert {row(candle)[:11] for candle in play.forming().values()} == {"10 12 10 12"}


def test_a_forming_candle_has_what_the_shorter_ones_have_not_handed_on_yet():
    play = CandlePlay()
    play.trade(0)
    play.trade(1_500)
    play.trade(61_000)
    play.trade(61_100)
    trades = {key.split()[1]: candle.trades for key, candle in play.forming().items()}
    assert trades == {"1s": 2, "1m": 2, "5m": 4, "15m": 4, "1h": 4, "4h": 4, "1d": 4}
    again = CandlePlay()
    again.trade(0)
    again.trade(1_500)
    again.tick(MINUTE)
    assert {key.split()[1]: candle.trades for key, candle in again.forming().items()} == dict.fromkeys(EVERY[2:], 2)


def test_looking_at_forming_candles_changes_none():
    looked, untouched = CandlePlay(), CandlePlay()
    for number in range(300):
        for play in (looked, untouched):
            play.trade(number * 700, str(10 + number % 7))
        looked.forming()
    assert encode_state(looked.stage.dump()) == encode_state(untouched.stage.dump())
    assert looked.candles == untouched.candles


def test_a_forming_candle_carries_the_last_closed_ones_place():
    play = CandlePlay()
    play.trade(0)
    assert {candle.edge_sequence for candle in play.forming().values()} == {0}
    play.trade(MINUTE)
    forming = play.forming()["ABC-USD 5m"]
    assert (forming.edge_sequence, forming.source.offset, forming.last_sequence) == (2, 1, 2)
    assert forming.source == Source(0, 1, 0, play.candles[-1].source.digest)


# --- repeats, gaps, and what can't be


def test_repeats_by_a_zombie_change_nothing():
    play, again = CandlePlay(), CandlePlay()
    for number in range(50):
        play.trade(number * 130, str(10 + number % 3))
    for number, value in enumerate(play.values):
        again.put(value)
        for repeated in play.values[max(0, number - 10) : number + 1 : 3]:
            assert again.put(repeated) == []
    assert [msgspec.structs.replace(c, source=play.candles[0].source) for c in again.candles] == [
        msgspec.structs.replace(c, source=play.candles[0].source) for c in play.candles
    ]
    assert not again.letters


def test_a_symbols_known_trade_under_a_new_place_is_skipped():
    play = CandlePlay()
    play.trade(0, "10")
    play.trade(100, "99", sequence=1)
    play.tick(1000)
    assert row(play.candles[0]).startswith("10 10 10 10  1 7 1")


@pytest.mark.parametrize("changes", [{"edge_sequence": 3}, {"sequence": 3}, {"symbol": "NEW-USD", "sequence": 2}])
def test_a_gap_stops_the_stage(changes: dict[str, Any]):
    play = CandlePlay()
    play.trade(0)
    with pytest.raises(Gap, match=r"jumps? from sequence [01] to [23]"):
        play.trade(1, **changes)


def test_a_trade_of_a_closed_second_becomes_a_dead_letter_and_never_a_second_value():
    play = CandlePlay()
    play.trade(0, "10")
    play.tick(1000)
    play.trade(999, "99")
    play.trade(1500, "11")
    assert play.tick(MINUTE) == ["ABC-USD 1s 1000", "ABC-USD 1m 0"]
    assert play.reasons() == [Reason.BUCKET_CLOSED]
    assert [candle.high for candle in play.candles] == ["10", "11", "11"]
    assert (play.candles[-1].trades, play.candles[-1].last_sequence) == (2, 3)


@pytest.mark.parametrize(
    "value", ["", "-1", "+1", "1e5", "NaN", "Infinity", "1_000", " 1", ".5", "1.", "\u0661", "1" * 41]
)
@pytest.mark.parametrize("field", ["price", "quantity", "quote_quantity"])
def test_a_number_that_is_no_plain_decimal_becomes_a_dead_letter(field: str, value: str):
    play = CandlePlay()
    play.trade(0)
    play.trade(10, **{field: value})  # type: ignore[arg-type]
    play.trade(20)
    play.tick(1000)
    assert play.reasons() == [Reason.BAD_DECIMAL]
    assert (play.candles[0].trades, play.candles[0].last_sequence) == (2, 3)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", Reason.NOT_JSON),
        (b"\xff", Reason.NOT_JSON),
        (b"[]", Reason.NOT_JSON),
        (b'{"record":"trade"}', Reason.NOT_JSON),
        (b'{"record":"candle"}', Reason.UNKNOWN_RECORD),
    ],
)
def test_what_cant_be_read_becomes_a_dead_letter_and_takes_no_place(value: bytes, reason: Reason):
    play = CandlePlay()
    play.trade(0)
    play.put(value)
    play.trade(10)
    assert play.tick(1000) == ["ABC-USD 1s 0"]
    assert play.reasons() == [reason] and play.candles[0].trades == 2


def test_a_record_of_another_partition_becomes_a_dead_letter():
    play = CandlePlay(partition=2)
    play.trade(0)
    play.trade(1, source=Source(1, 9, 0, "A" * 43), edge_sequence=1)
    assert play.reasons() == [Reason.WRONG_PARTITION]
    assert play.stage.dump().marks == {2: 1}


# --- state


def test_state_is_bounded_by_symbols_and_not_by_trades():
    play = CandlePlay()
    sizes = []
    for number in range(2000):
        play.trade(number * 400, symbol=f"S{number % 5}-USD")
        sizes.append(len(encode_state(play.stage.dump())))
    assert max(sizes[1000:]) <= max(sizes[:1000]) + 200
    play.tick(10 * DAY)
    assert all(bucket is None for candles in play.core.symbols.values() for bucket in candles.buckets)


def test_restored_candles_go_on_to_the_same_bytes():
    play = CandlePlay()
    for number in range(40):
        play.trade(number * 333, f"{10 + number % 4}.5", symbol=f"S{number % 3}-USD")
    restored = StagePartition(CandleCore(0), 0)
    restored.restore(decode_state(encode_state(play.stage.dump())))
    assert encode_state(restored.dump()) == encode_state(play.stage.dump())
    play.tick(DAY)
    offset = restored.next_offset
    emitted = restored.feed(offset, START_MS + offset, play.values[-1])
    assert [msgspec.json.decode(each.value, type=Candle) for each in emitted] == play.candles[-len(emitted) :]


def test_a_busted_trade_stays_in_its_candle_and_takes_no_sequence():
    play, busted = CandlePlay(), CandlePlay()
    for each in (play, busted):
        each.trade(0, "10")
        each.trade(100, "12")
    trade = msgspec.json.decode(busted.values[-1], type=Trade).published()
    assert busted.write(TradeBusted, symbol=trade.symbol, time_ms=START_MS + 200, reason="why", trade=trade) == []
    for each in (play, busted):
        each.trade(300, "11")
        each.tick(SECOND)
    assert [row(candle) for candle in busted.candles] == [row(candle) for candle in play.candles]
    assert not busted.letters


def test_a_bust_tells_the_time_as_a_tick_does():
    play = CandlePlay()
    play.trade(0)
    trade = msgspec.json.decode(play.values[-1], type=Trade).published()
    closed = play.write(TradeBusted, symbol=trade.symbol, time_ms=START_MS + SECOND, reason="why", trade=trade)
    assert closed == ["ABC-USD 1s 0"]
