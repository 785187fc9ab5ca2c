"""What a stage finds at its start: its own last records among whatever else lies there."""

from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.journal import CommandRefused
from schemas.reasons import Reason
from schemas.records import SignedCommand
from tests.exchange import Exchange


def test_bytes_that_a_stranger_put_on_public_topics_stop_no_start():
    exchange = Exchange()
    buyer, seller = exchange.open_account(USD="1000"), exchange.open_account(ABC="10")
    exchange.place(seller, "SELL", "5", "10")
    exchange.place(buyer, "BUY", "2", "10")
    for topic in ("trades", "depth", "ledger"):
        for garbage in (b"", b"\xff", b"[]", b'{"record":"trade"}', b'{"edge_sequence":"x"}'):
            exchange.cluster.append(topic, 0, b"", garbage)
    exchange.ledger = exchange.start(LedgerCore, ("ledger",), [0, 1])
    exchange.matcher = exchange.start(MatcherCore, ("trades", "depth"), [0])
    exchange.place(buyer, "BUY", "3", "10")
    trades = [value for value in exchange.cluster.values("trades", 0) if b'"trade_id"' in value]
    assert [value.split(b'"quantity":"')[1][:1] for value in trades] == [b"2", b"3"]


def test_a_key_of_any_length_is_not_even_looked_at():
    exchange = Exchange()
    me = exchange.open_account(USD="1000")
    good = me.sign(exchange.order(me, "BUY", "1", "10"))
    long_key = SignedCommand(good.command, "ed25519:" + "A" * 100_000, good.signature)
    command_id = exchange.submit(long_key, me.account)
    exchange.run()
    assert exchange.events(me)[-1] == CommandRefused(command_id, Reason.BAD_KEY, "the key is too long")
