"""Every kind of record as rows: what stands in which column."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.codec import encode
from schemas.commands import Side
from schemas.journal import (
    AccountRegistered,
    CommandPassed,
    CommandRefused,
    CommandRepeated,
    Deposited,
    KeyDelegated,
    KeyRevoked,
    OrderAmended,
    OrderClosed,
    OrderDecremented,
    OrderFilled,
    OrderOpened,
    OrderRested,
    WithdrawalClosed,
    WithdrawalOpened,
)
from schemas.reasons import Reason
from schemas.records import CloseStatus, Role
from sinks.blocks import chunk_of
from sinks.ledger_rows import LISTING_PARTITION
from sinks.records import read
from sinks.tables import ALERTS, BUSTS, CANDLES, FORMING_CANDLES, MARKETS, ORDER_EVENTS, POSTINGS, TABLES, TRADES, Table
from tests.exchange import Exchange
from tests.unit.market_play import MarketPlay
from tests.unit.sink_records import (
    ALICE,
    NOON_MS,
    alert,
    candle,
    entry,
    listed,
    posting,
    stretch,
    tick,
    trade,
)


def rows(table: Table, *records: Any, partition: int = 0) -> list[dict[str, Any]]:
    """Through bytes, as they lie on the log."""
    found = read(stretch(table.topic, list(records), partition=partition))
    assert not found.unreadable
    wanted = [(r, o) for r, o in zip(found.records, found.offsets, strict=True) if table.has_rows(r, partition)]
    chunk, left_out = chunk_of(table, partition, [r for r, _ in wanted], [o for _, o in wanted])
    assert not left_out
    plain: list[dict[str, Any]] = [] if chunk is None else chunk.rows.to_pylist()
    return plain


def test_a_trade():
    (row,) = rows(TRADES, tick(1), trade(2, sequence=9), partition=3)
    assert row | {"time": None} == {
        "symbol": "ABC-USD", "sequence": 9, "trade_id": "0-2-0", "time": None, "price": Decimal("9.5"),
        "quantity": Decimal(3), "quote_quantity": Decimal("28.5"), "aggressor_side": "BUY", "taker_order_id": "0-7",
        "taker_account": ALICE, "taker_fee": Decimal("0.0285"), "maker_order_id": "1-8", "maker_account": "b" * 40,
        "maker_fee": Decimal("-0.0057"), "fee_asset": "USD", "log_partition": 3, "log_offset": 1,
    }  # fmt: skip
    assert row["time"].isoformat() == "2025-11-21T12:00:00.002000+00:00"


def test_closed_and_forming_candles_go_to_tables_of_their_own():
    records = [candle(1), candle(1, NOON_MS + 60_000, closed=False), candle(2, NOON_MS + 60_000, close="3")]
    assert [(row["log_offset"], row["close"]) for row in rows(CANDLES, *records)] == [(0, 2), (2, 3)]
    assert [row["log_offset"] for row in rows(FORMING_CANDLES, *records)] == [1]
    first = rows(CANDLES, *records)[0]
    assert {name: first[name] for name in ("interval", "trades", "taker_buy_quote_volume", "last_sequence")} == {
        "interval": "1m", "trades": 3, "taker_buy_quote_volume": 12, "last_sequence": 3,
    }  # fmt: skip


def test_of_forming_candles_only_the_newest_of_each_bucket_is_written():
    forming = [candle(1, closed=False, last_sequence=n) for n in range(5)]
    other = candle(1, closed=False, interval="5m", last_sequence=2)
    assert [(row["interval"], row["last_sequence"]) for row in rows(FORMING_CANDLES, *forming, other)] == [
        ("1m", 4),
        ("5m", 2),
    ]


OPENED = OrderOpened("0-5", "mine", "ABC-USD", Side.BUY, "LIMIT", "GTC", "9.5", "3", None, NOON_MS + 5, True)
EVENTS: list[tuple[Any, dict[str, Any]]] = [
    (OPENED, dict(order_id="0-5", client_order_id="mine", symbol="ABC-USD", side="BUY", type="LIMIT",
                  time_in_force="GTC", post_only=True, price=Decimal("9.5"), quantity=Decimal(3), max_quote=None)),
    (OrderRested("0-5", "2"), dict(order_id="0-5", quantity=Decimal(2), price=None, side="")),
    (OrderFilled("0-5", "ABC-USD", Side.BUY, Role.TAKER, "9", "1", "9", "0.009", "USD", "0-9-0", 4),
     dict(order_id="0-5", role="TAKER", price=Decimal(9), quantity=Decimal(1), quote_quantity=Decimal(9),
          fee=Decimal("0.009"), fee_asset="USD", trade_id="0-9-0", trade_sequence=4)),
    (OrderDecremented("0-5", "1"), dict(order_id="0-5", quantity=Decimal(1))),
    (OrderAmended("0-5", "0-6", "8", "4"), dict(command_id="0-6", price=Decimal(8), quantity=Decimal(4))),
    (OrderClosed("0-5", CloseStatus.EXPIRED, Reason.SELF_TRADE, "0-8"),
     dict(order_id="0-5", status="EXPIRED", reason="SELF_TRADE", command_id="0-8", refused_by="")),
    (OrderClosed("0-5", CloseStatus.FILLED), dict(status="FILLED", reason="", command_id="")),
    (CommandRefused("0-9", Reason.INSUFFICIENT_FUNDS, "USD is short", "ledger", None, "second"),
     dict(order_id="0-9", client_order_id="second", command_id="0-9", reason="INSUFFICIENT_FUNDS",
          detail="USD is short", refused_by="ledger")),
    (CommandRefused("0-10", Reason.ORDER_CLOSED, "", "matcher", "0-5"),
     dict(order_id="0-5", client_order_id="", command_id="0-10", refused_by="matcher")),
    (CommandRefused("0-11", Reason.TOO_OLD), dict(order_id="", command_id="0-11", reason="TOO_OLD")),
]  # fmt: skip


@pytest.mark.parametrize(("event", "expected"), EVENTS, ids=[type(event).__name__ for event, _ in EVENTS])
def test_what_happened_to_an_order(event, expected):
    (row,) = rows(ORDER_EVENTS, entry(7, event))
    assert {name: row[name] for name in expected} == expected
    assert row["event"] == event.__struct_config__.tag
    assert (row["account"], row["entry_sequence"], row["event_index"], row["log_offset"]) == (ALICE, 7, 0, 0)


NO_ORDER_EVENTS = [
    CommandPassed("0-1", ["0-5"]), CommandRepeated("0-1", "0-0"), AccountRegistered("0-1", "key"),
    KeyDelegated("0-1", "key", NOON_MS), KeyRevoked("0-1", "key"), Deposited("0-1", "USD", "1", "t"),
    WithdrawalOpened("0-1", "USD", "1", "there"), WithdrawalClosed("0-1", "0-2", "USD", "1", True),
]  # fmt: skip


@pytest.mark.parametrize("event", NO_ORDER_EVENTS, ids=lambda event: type(event).__name__)
def test_other_events_are_no_events_of_orders_but_keep_their_place(event):
    assert rows(ORDER_EVENTS, entry(1, event)) == []
    (row,) = rows(ORDER_EVENTS, entry(1, event, OPENED))
    assert row["event_index"] == 1


def test_postings_are_lines_with_what_caused_them():
    fill = EVENTS[2][0]
    record = entry(4, fill, OrderClosed("0-5", CloseStatus.FILLED), postings=posting())
    found = rows(POSTINGS, entry(3, OPENED), record, partition=2)
    assert [(row["line"], row["book"], row["amount"]) for row in found] == [
        (0, f"free:{ALICE}", Decimal("1.5")),
        (1, "world", Decimal("-1.5")),
    ]
    assert {(row["cause"], row["reference"], row["entry_sequence"], row["log_offset"]) for row in found} == {
        ("order_filled,order_closed", "0-5", 4, 1)
    }


def test_a_listing_is_taken_from_one_partition_only():
    (row,) = rows(MARKETS, listed(1, revision=2), partition=LISTING_PARTITION)
    assert (row["symbol"], row["revision"], row["base"], row["tick"], row["partition"], row["state"]) == (
        "ABC-USD", 2, "ABC", Decimal("0.01"), 0, "OPEN",
    )  # fmt: skip
    assert rows(MARKETS, listed(1), partition=LISTING_PARTITION + 1) == []


def test_an_alert():
    (row,) = rows(ALERTS, alert("id-1"))
    assert (row["alert_id"], row["kind"], row["severity"], row["found"]) == ("id-1", "PRICE_ALTERED", "WRONG", "x")
    assert row["evidence"] == [
        {"topic": "trades", "partition": 3, "offset": 77},
        {"topic": "orders", "partition": 3, "offset": 70},
    ]


def test_a_bust_is_a_row_of_its_own():
    play = MarketPlay()
    trade = play.trade()
    play.bust(trade)
    values = play.exchange.cluster.values("trades", 0)
    assert [row["sequence"] for row in rows(TRADES, *values)] == [trade.sequence]
    (row,) = rows(BUSTS, *values)
    assert (row["trade_id"], row["reason"], row["sequence"]) == (trade.trade_id, "a wrong price", trade.sequence)
    posted = [
        row for partition in range(2) for row in rows(POSTINGS, *play.exchange.cluster.values("ledger", partition))
    ]
    assert sum(row["cause"] == "trade_reversed" for row in posted) == 2 * 5


def test_an_exchanges_own_records_all_fit():
    """Trades and journal of a real run of ledger and matcher."""
    exchange = Exchange()
    alice, bob = exchange.open_account(USD="1000"), exchange.open_account(ABC="50")
    exchange.place(bob, "SELL", "20", "9.5")
    exchange.place(alice, "BUY", "10", "9.5")
    exchange.place(alice, "BUY", "1000", "9.5")
    counts = dict.fromkeys((table.name for table in TABLES), 0)
    for table in TABLES:
        for partition in range(2):
            records = exchange.cluster.values(table.topic, partition)
            counts[table.name] += len(rows(table, *records, partition=partition))
    assert counts["trades"] == 1 and counts["markets"] == 1
    assert counts["order_events"] == 3 + 1 + 2 + 1  # opened and refused, rested, filled twice, closed
    assert counts["postings"] > 10


UNREADABLE: list[tuple[str, bytes | None, Reason]] = [
    ("trades", b"\x00\xff", Reason.NOT_JSON),
    ("trades", b"", Reason.NOT_JSON),
    ("trades", None, Reason.UNKNOWN_RECORD),
    ("trades", b"[1, 2]", Reason.UNKNOWN_RECORD),
    ("trades", b'{"record":"depth"}', Reason.UNKNOWN_RECORD),
    ("trades", encode(trade(1)).replace(b'"sequence":1', b'"sequence":"1"'), Reason.UNKNOWN_RECORD),
    ("trades", encode(trade(1)).replace(b'"BUY"', b'"STEAL"'), Reason.UNKNOWN_RECORD),
    ("trades", encode(trade(1)).replace(b"ABC-USD", b"\\ud800"), Reason.NOT_JSON),
    ("trades", b'{"record":"tick","x":' + b"[" * 100_000, Reason.NOT_JSON),
    ("ledger", encode(tick(1)), Reason.UNKNOWN_RECORD),
    ("candles", encode(candle(1)).replace(b'"1m"', b'"2m"'), Reason.UNKNOWN_RECORD),
    ("alerts", b"{}", Reason.UNKNOWN_RECORD),
]


@pytest.mark.parametrize(("topic", "value", "reason"), UNREADABLE)
def test_a_record_that_cannot_be_read_is_told_apart_from_its_neighbours(topic, value, reason):
    good: Any = {"trades": trade(1), "ledger": entry(1), "candles": candle(1), "alerts": alert("a")}[topic]
    found = read(stretch(topic, [good, value, good], first=10, partition=2))
    assert found.offsets == [10, 12] and len(found.records) == 2
    (bad,) = found.unreadable
    assert (bad.topic, bad.partition, bad.offset, bad.value) == (topic, 2, 11, value or b"")
    assert bad.reason is reason, bad.detail
