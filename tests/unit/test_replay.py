"""Replaying a file: read whole, dealt out so that nobody meets themselves, and told apart from what was expected."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from glassbook.client import answers
from glassbook.client.calls import Call, Operator
from glassbook.client.keys import Key
from glassbook.client.rest import Refusal
from glassbook.client.vectors.material import MARKET
from glassbook.errors import GlassbookError
from glassbook.order_file import Cancel, Fill, New, first_difference, read_fills, read_orders, write_fills
from glassbook.replay import Replay, assign
from schemas.commands import CancelOrder, NewOrder, Side, TimeInForce, decode_command
from schemas.records import SignedCommand

HEADER = "time,action,order_id,side,type,price_e4,qty\n"


def file_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(text)
    return path


def test_a_file_of_orders(tmp_path):
    rows = "1.5,NEW,a,BUY,LIMIT,2238100,21\n2,CANCEL,a,,,,\n\n3,NEW,a,SELL,IOC,5,1\n"
    assert read_orders(file_of(tmp_path, HEADER + rows)) == [
        New(2, "a", Side.BUY, TimeInForce.GTC, 2238100, 21),
        Cancel(3, "a"),
        New(5, "a", Side.SELL, TimeInForce.IOC, 5, 1),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,NEW,,BUY,LIMIT,1,1", "order_id is empty"),
        ("1,OLD,a,BUY,LIMIT,1,1", "action is 'OLD', not NEW or CANCEL"),
        ("1,NEW,a,buy,LIMIT,1,1", "side is 'buy', not BUY or SELL"),
        ("1,NEW,a,BUY,STOP,1,1", "type is 'STOP', not LIMIT or IOC"),
        ("1,NEW,a,BUY,LIMIT,1.5,1", "price_e4 is '1.5', not a whole number above 0"),
        ("1,NEW,a,BUY,LIMIT,0,1", "price_e4 is '0', not a whole number above 0"),
        ("1,NEW,a,BUY,LIMIT,1,-1", "qty is '-1', not a whole number above 0"),
        ("1,NEW,a,BUY,LIMIT,1,9223372036854775808", "qty is '9223372036854775808', not a whole number above 0"),
        ("1,NEW,x,BUY,LIMIT,1,1", "order x was placed before and not cancelled"),
        ("1,CANCEL,a,,,,", "cancels a, which no row above has placed, or one has cancelled"),
        ("1,NEW,a,BUY,LIMIT,1", "a row has 7 columns"),
        ("1,NEW,a,BUY,LIMIT,1,1,1", "a row has 7 columns"),
    ],
)
def test_a_bad_row_is_told_with_its_line(tmp_path, row, said):
    path = file_of(tmp_path, f"{HEADER}1,NEW,x,BUY,LIMIT,1,1\n{row}\n")
    with pytest.raises(GlassbookError) as error:
        read_orders(path)
    assert str(error.value).startswith(f"{path}:3: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [("", ":1: the columns time, action"), (HEADER, "holds no rows"), ("time,action\n", "order_id, side, type")],
)
def test_a_file_that_is_none(tmp_path, text, said):
    with pytest.raises(GlassbookError, match=said):
        read_orders(file_of(tmp_path, text))
    with pytest.raises(GlassbookError, match="No such file"):
        read_orders(tmp_path / "none.csv")


def test_fills_there_and_back(tmp_path):
    fills = [Fill("X1", "a", 2238100, 21), Fill("X1", "b", 2237500, 26)]
    write_fills(tmp_path / "fills.csv", fills)
    assert read_fills(tmp_path / "fills.csv") == fills


A, B, C = Fill("t", "a", 1, 1), Fill("t", "b", 2, 2), Fill("u", "c", 3, 3)


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        ([A, B], [A, B], ""),
        ([A, B], [A, C], "fill 2 should be t takes 2 from b at 2, but is u takes 3 from c at 3"),
        ([A, B], [A], "fill 2 is missing: t takes 2 from b at 2"),
        ([A], [A, B], "fill 2 is one too many: t takes 2 from b at 2"),
    ],
)
def test_the_first_difference(expected, found, said):
    assert first_difference(expected, found) == said


# --- dealing out


def new(order_id: str, side: Side, price_e4: int = 10_000, quantity: int = 1) -> New:
    return New(0, order_id, side, TimeInForce.GTC, price_e4, quantity)


def test_buyers_and_sellers_are_different_accounts_and_a_cancel_is_its_orders_owners():
    rows = [new(f"{side}{number}", side) for number in range(50) for side in Side]
    rows_and_cancels: list[New | Cancel] = [*rows, *(Cancel(0, row.order_id) for row in rows)]
    traders, senders = assign(rows_and_cancels, accounts=6)
    assert [trader.side for trader in traders] == [Side.BUY] * 3 + [Side.SELL] * 3
    for row, sender in zip(rows, senders, strict=False):
        assert traders[sender].side is row.side
    assert senders[: len(rows)] == senders[len(rows) :]
    assert max(Counter(senders[: len(rows)]).values()) == 17


def test_many_resting_orders_get_many_accounts():
    rows = [new(str(number), Side.BUY) for number in range(3001)]
    assert len(assign(rows)[0]) == 2 * 7
    one_at_a_time: list[New | Cancel] = []
    for number in range(3001):
        one_at_a_time += [new(str(number), Side.BUY), Cancel(0, str(number))]
    assert len(assign(one_at_a_time)[0]) == 2 * 4


def test_deposits_cover_every_order_with_its_fee(market):
    traders, _ = assign([new("a", Side.BUY, 2238100, 21), new("b", Side.SELL, 1, 7)], accounts=2)
    assert traders[0].deposit(market) == ("USD", str(223.81 * 21 * 1.1 // 1 + 2)[:-2])
    assert traders[1].deposit(market) == ("AMZN", "7")
    huge, _ = assign([new("a", Side.BUY, 2**62, 2**60)], accounts=2)
    with pytest.raises(GlassbookError, match="give more --accounts"):
        huge[0].deposit(market)


# --- the run, against a gateway that answers by a table


@pytest.fixture
def market():
    return MARKET


class Exchange:
    """Takes every order, says what each account's executions are, and refuses or delays what it is told to."""

    def __init__(self, **refuse: Refusal) -> None:
        self.sent: list[Any] = []
        self.refuse, self.busy, self.receipts = refuse, 0, 0
        self.events: dict[str, list[dict[str, Any]]] = {}

    def send(self, call: Call[Any]) -> Any:
        if call.answer is answers.Executions:
            assert call.reader is not None
            events = self.events.get(call.reader.account, [])
            return answers.Executions([answers.Execution(1, 1, 0, events, [], [])], 1, False)
        if self.busy:
            self.busy -= 1
            raise Refusal(answers.Problem(code="RATE_LIMITED"), 1.0)
        command = decode_command(_command_of(call))
        self.sent.append(command)
        if isinstance(command, CancelOrder):
            if "cancel" in self.refuse:
                raise self.refuse["cancel"]
        elif isinstance(command, NewOrder) and command.price in self.refuse:
            raise self.refuse[command.price]
        if call.answer is answers.Done:
            return answers.Done("1-1", "")
        if self.receipts:
            self.receipts -= 1
            return answers.Receipt(outcome="UNKNOWN", order_id="1-1")
        return order(f"1-{len(self.sent)}")


def _command_of(call: Call[Any]) -> bytes:
    assert call.body is not None
    return bytes(msgspec.json.decode(call.body, type=SignedCommand).command)


def order(order_id: str) -> answers.Order:
    return answers.Order(
        order_id=order_id, client_order_id="", account="", symbol="", side="", type="", time_in_force="", status="OPEN",
        filled="0", filled_quote="0", created_ms=0, updated_ms=0,
    )  # fmt: skip


ROWS = [new("a", Side.SELL, 2238100, 5), new("b", Side.BUY, 2238200, 3), Cancel(0, "a")]


def run(exchange: Exchange, market: Any, rows: list[Any] = ROWS) -> tuple[Replay, list[Key]]:
    traders, senders = assign(rows, accounts=2)
    keys = [Key.new() for _ in traders]
    slept: list[float] = []
    replay = Replay(exchange, "here", market, rows, keys, senders, slept.append)  # type: ignore[arg-type]
    replay.fund(Operator(Key.new(), "here"), traders, market)
    for _ in replay.run():
        pass
    return replay, keys


def test_a_run_sends_all_in_order_each_by_its_owner(market):
    exchange = Exchange()
    replay, (buyer, seller) = run(exchange, market)
    orders = [command for command in exchange.sent if isinstance(command, NewOrder | CancelOrder)]
    assert [(type(command).__name__, command.account) for command in orders] == [
        ("NewOrder", seller.account), ("NewOrder", buyer.account), ("CancelOrder", seller.account),
    ]  # fmt: skip
    assert [command.price for command in orders if isinstance(command, NewOrder)] == ["223.81", "223.82"]
    # The first order is the fifth command, behind two registrations and two deposits.
    assert [command.order_id for command in orders if isinstance(command, CancelOrder)] == ["1-5"]
    assert (replay.report.orders, replay.report.cancels, len(replay.report.latencies_s)) == (2, 1, 3)


def test_a_cancel_that_comes_too_late_is_counted_and_a_refusal_too(market):
    gone = Refusal(answers.Problem(code="ORDER_CLOSED"))
    off_tick = Refusal(answers.Problem(code="OFF_TICK"))
    report = run(Exchange(cancel=gone), market)[0].report
    assert (report.cancels_too_late, report.refusals) == (1, Counter())
    report = run(Exchange(**{"223.81": off_tick}), market)[0].report
    assert (report.cancels_too_late, report.refusals) == (1, Counter(OFF_TICK=1))


def test_a_busy_gateway_is_asked_again_and_a_receipt_is_followed_up_with_the_same_bytes(market):
    exchange = Exchange()
    exchange.busy = 2
    replay, _ = run(exchange, market)
    assert replay.report.orders == 2
    exchange = Exchange()
    exchange.receipts = 2
    run(exchange, market)
    orders = [command for command in exchange.sent if isinstance(command, NewOrder)]
    assert orders[0] == orders[1] == orders[2]


def test_fills_are_put_together_from_both_sides(market):
    exchange = Exchange()
    replay, (buyer, seller) = run(exchange, market)
    common = {"event": "order_filled", "price": "223.81", "quantity": "3"}
    exchange.events[buyer.account] = [
        common | {"order_id": "1-6", "role": "TAKER", "trade_sequence": 8},
        {"event": "order_closed", "order_id": "1-6"},
        common | {"order_id": "1-6", "role": "TAKER", "trade_sequence": 7, "price": "223.8"},
    ]
    exchange.events[seller.account] = [
        common | {"order_id": "1-5", "role": "MAKER", "trade_sequence": 7},
        common | {"order_id": "1-5", "role": "MAKER", "trade_sequence": 8},
    ]
    assert replay.collect_fills() == [Fill("b", "a", 2238000, 3), Fill("b", "a", 2238100, 3)]
