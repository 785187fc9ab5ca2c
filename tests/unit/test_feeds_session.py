"""What a connection's messages mean: every request, every refusal, every limit, as tables."""

import json
from typing import Any

import msgspec
import pytest

from feeds.limits import Limits
from feeds.session import (
    Call,
    ListStreams,
    Overrun,
    Refusal,
    Session,
    State,
    Subscribe,
    Unsubscribe,
    called_text,
    refusal_text,
    result_text,
)
from feeds.stream import ACCOUNT, Kind, Stream, parse_stream
from schemas.candles import Interval
from schemas.reasons import Reason
from schemas.refusal import Refused

TRADES = Stream(Kind.TRADES, "ABC-USD")
DEPTH = Stream(Kind.DEPTH, "ABC-USD")
AUTH = {"account": "a" * 40, "key": "k", "time_ms": 1, "signature": "s"}


def only_abc(stream: Stream) -> None:
    if stream.symbol not in ("", "ABC-USD"):
        raise Refused(Reason.UNKNOWN_SYMBOL, stream.symbol)


def session(**limits: int) -> Session:
    return Session(Limits(**limits), frozenset({"order.place"}), only_abc)


def receive(to: Session, message: Any, now_ms: int = 0) -> Any:
    return to.receive(message if isinstance(message, bytes) else json.dumps(message).encode(), now_ms)


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("trades@BTC-USDT", Stream(Kind.TRADES, "BTC-USDT")),
        ("depth@BRK.B-USD", Stream(Kind.DEPTH, "BRK.B-USD")),
        ("depth@BTC-USDT@0ms", Stream(Kind.DEPTH, "BTC-USDT", None, True)),
        ("ticker@BTC-USDT@0ms", Stream(Kind.TICKER, "BTC-USDT", None, True)),
        ("candles@BTC-USDT:1m", Stream(Kind.CANDLES, "BTC-USDT", Interval.M1)),
        ("candles@BTC-USDT:4h@0ms", Stream(Kind.CANDLES, "BTC-USDT", Interval.H4, True)),
        ("alerts", Stream(Kind.ALERTS)),
        ("account", Stream(Kind.ACCOUNT)),
    ],
)
def test_a_streams_name_is_read_and_written(name, stream):
    assert parse_stream(name) == stream
    assert stream.name == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", Reason.UNKNOWN_STREAM),
        ("trades", Reason.UNKNOWN_STREAM),
        ("trades@", Reason.UNKNOWN_STREAM),
        ("trades@btc-usdt", Reason.UNKNOWN_STREAM),
        ("trades@BTC-USDT\n", Reason.UNKNOWN_STREAM),
        ("trades@BTC-USDT@0ms", Reason.UNKNOWN_STREAM),
        ("depth@BTC-USDT@10ms", Reason.UNKNOWN_STREAM),
        ("depth@BTC-USDT:1m", Reason.UNKNOWN_STREAM),
        ("candles@BTC-USDT", Reason.UNKNOWN_STREAM),
        ("candles@BTC-USDT:3m", Reason.UNKNOWN_INTERVAL),
        ("alerts@BTC-USDT", Reason.UNKNOWN_STREAM),
        ("trades@" + "A" * 33, Reason.UNKNOWN_STREAM),
    ],
)
def test_what_is_no_stream(name, reason):
    with pytest.raises(Refused) as refused:
        parse_stream(name)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"method": "SUBSCRIBE", "params": ["trades@ABC-USD"], "id": 1}, Subscribe(1, [TRADES], b"")),
        ({"method": "SUBSCRIBE", "params": ["trades@ABC-USD"]}, Subscribe(None, [TRADES], b"")),
        (
            {"method": "SUBSCRIBE", "params": ["alerts", "alerts"], "id": "x"},
            Subscribe("x", [Stream(Kind.ALERTS)], b""),
        ),
        ({"method": "SUBSCRIBE", "params": ["depth@ABC-USD"], "id": 2}, Subscribe(2, [], b"")),
        ({"method": "UNSUBSCRIBE", "params": ["depth@ABC-USD"], "id": 3}, Unsubscribe(3, [DEPTH])),
        ({"method": "LIST", "id": 4}, ListStreams(4, ["depth@ABC-USD"])),
        (
            {"method": "order.place", "params": {"a": 1}, "id": 5, "wait": "log", "timeout_ms": 9},
            Call(5, "order.place", b'{"a": 1}', "log", 9),
        ),
    ],
)
def test_requests(message, event):
    to = session()
    receive(to, {"method": "SUBSCRIBE", "params": ["depth@ABC-USD"]})
    assert receive(to, message) == event


@pytest.mark.parametrize(
    ("message", "message_id", "reason"),
    [
        (b"", None, Reason.NOT_JSON),
        (b"{", None, Reason.NOT_JSON),
        (b"\xff\xfe", None, Reason.NOT_JSON),
        (b"[" * 60_000, None, Reason.WRONG_TYPE),
        (b'{"method":"LIST","id":1,"params":' + b"[" * 60_000, None, Reason.NOT_JSON),
        (b"[]", None, Reason.WRONG_TYPE),
        ({"id": 1}, 1, Reason.MISSING_FIELD),
        ({"method": 7, "id": 1}, 1, Reason.WRONG_TYPE),
        ({"method": "LIST", "id": 1, "depth": 5}, 1, Reason.UNKNOWN_FIELD),
        ({"method": "LIST", "id": {}}, None, Reason.WRONG_TYPE),
        ({"method": "LIST", "id": "x" * 65}, None, Reason.BAD_PARAMETER),
        ({"method": "LIST", "id": 1, "wait": "log"}, 1, Reason.UNKNOWN_FIELD),
        ({"method": "subscribe", "params": ["alerts"], "id": 1}, 1, Reason.UNKNOWN_METHOD),
        ({"method": "order.steal", "params": {}, "id": 1}, 1, Reason.UNKNOWN_METHOD),
        ({"method": "SUBSCRIBE", "id": 1}, 1, Reason.MISSING_FIELD),
        ({"method": "SUBSCRIBE", "params": "alerts", "id": 1}, 1, Reason.WRONG_TYPE),
        ({"method": "SUBSCRIBE", "params": [1], "id": 1}, 1, Reason.WRONG_TYPE),
        ({"method": "SUBSCRIBE", "params": ["alerts", "nothing"], "id": 1}, 1, Reason.UNKNOWN_STREAM),
        ({"method": "SUBSCRIBE", "params": ["alerts", "trades@XYZ-USD"], "id": 1}, 1, Reason.UNKNOWN_SYMBOL),
        ({"method": "SUBSCRIBE", "params": ["account"], "id": 1}, 1, Reason.NO_SIGNATURE),
        ({"method": "UNSUBSCRIBE", "params": ["alerts"], "id": 1}, 1, Reason.UNKNOWN_STREAM),
        ({"method": "UNSUBSCRIBE", "params": [], "id": 1}, 1, Reason.MISSING_FIELD),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(message, message_id, reason):
    to = session()
    receive(to, {"method": "SUBSCRIBE", "params": ["depth@ABC-USD"]})
    refusal = receive(to, message)
    assert isinstance(refusal, Refusal) and (refusal.id, refusal.reason) == (message_id, reason)
    assert list(to.streams) == [DEPTH]
    assert to.state is State.OPEN


def test_an_account_is_subscribed_to_with_a_signature():
    to = session()
    asked = receive(to, {"method": "SUBSCRIBE", "params": ["account"], "id": 1, "auth": AUTH})
    assert isinstance(asked, Subscribe) and asked.streams == [ACCOUNT]
    assert msgspec.json.decode(asked.auth) == AUTH
    to.left(ACCOUNT)
    assert not to.streams


def test_a_connection_has_so_many_streams_and_no_more():
    to = session(streams=2)
    receive(to, {"method": "SUBSCRIBE", "params": ["depth@ABC-USD"]})
    refusal = receive(to, {"method": "SUBSCRIBE", "params": ["trades@ABC-USD", "alerts"], "id": 1})
    assert refusal.reason is Reason.TOO_MANY_STREAMS
    assert isinstance(receive(to, {"method": "SUBSCRIBE", "params": ["trades@ABC-USD", "depth@ABC-USD"]}), Subscribe)


def test_too_many_messages_a_second_end_it():
    to = session(messages_per_s=3)
    for _ in range(3):
        assert isinstance(receive(to, {"method": "LIST"}, now_ms=999), ListStreams)
    assert isinstance(receive(to, b"nonsense", now_ms=1000), Refusal), "another second"
    for _ in range(2):
        receive(to, {"method": "LIST"}, now_ms=1001)
    assert isinstance(receive(to, {"method": "LIST"}, now_ms=1999), Overrun)
    assert to.state is State.CLOSED
    assert receive(to, {"method": "LIST"}, now_ms=9000) is None, "nothing is taken from a closed session"


def test_order_entry_has_rates_of_its_own():
    to = session(messages_per_s=1)
    events = [receive(to, {"method": "order.place", "params": {}, "id": i}) for i in range(100)]
    assert all(isinstance(event, Call) for event in events)


def test_answers_in_json():
    assert json.loads(result_text(1)) == {"id": 1, "result": None}
    assert json.loads(called_text("x", 200, b'{"a":"1.50"}')) == {"id": "x", "status": 200, "result": {"a": "1.50"}}
    assert json.loads(called_text(2, 401, b"{}")) == {"id": 2, "status": 401, "error": {}}
    refusal = json.loads(refusal_text(Refusal(None, Reason.UNKNOWN_STREAM, "x")))
    assert refusal == {"id": None, "error": {"code": "UNKNOWN_STREAM", "message": "There is no such stream. x"}}
