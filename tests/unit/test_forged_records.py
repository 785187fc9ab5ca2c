"""Records that a stranger with access to the topics writes: refused or recognised, and never a fill."""

import json

import pytest

from matcher.core import MatcherCore
from schemas.codec import encode
from schemas.journal import OrderRested
from schemas.reasons import Reason
from simulator.memory_log import MemoryLog
from stage.partition import Gap, LogRewritten, StagePartition
from stage.published import LastPublished
from tests.exchange import Exchange, Signer


def traded() -> tuple[Exchange, Signer, Signer]:
    exchange = Exchange()
    alice, bob = exchange.open_account(USD="1000"), exchange.open_account(ABC="100")
    exchange.place(alice, "BUY", "10", "5")
    return exchange, alice, bob


def funded(exchange: Exchange) -> dict[str, object]:
    value = exchange.cluster.values("orders", 0)[-1]
    record: dict[str, object] = json.loads(value)
    assert record["record"] == "funded"
    return record


def put(exchange: Exchange, record: object) -> None:
    exchange.cluster.append("orders", 0, b"", json.dumps(record, separators=(",", ":")).encode())
    exchange.run()


def test_a_funded_record_that_comes_again_is_dropped():
    exchange, _, _ = traded()
    before = exchange.cluster.values("accounts", 0) + exchange.cluster.values("accounts", 1)
    put(exchange, funded(exchange))
    assert exchange.cluster.values("accounts", 0) + exchange.cluster.values("accounts", 1) == before


def test_a_forged_signature_takes_no_place_on_the_edge():
    """A stranger writes the next number of the edge; the true record with that number still counts."""
    exchange, _, bob = traded()
    forged = funded(exchange)
    forged["edge_sequence"] = int(str(forged["edge_sequence"])) + 1
    signed = dict(forged["signed"])  # type: ignore[call-overload]
    forged["signed"] = signed | {"signature": "A" * 86}
    put(exchange, forged)
    exchange.place(bob, "SELL", "10", "5")
    assert len(exchange.trades()) == 1


def test_a_forged_record_does_not_answer_for_the_command_that_it_names():
    """It claims the id of alice's good order; its refusal must not look like that order's."""
    exchange, alice, _ = traded()
    order_id = str(funded(exchange)["command_id"])
    forged = funded(exchange)
    signed = dict(forged["signed"])  # type: ignore[call-overload]
    forged["signed"] = signed | {"signature": "A" * 86}
    put(exchange, forged)
    refused = exchange.events(alice)[-1]
    assert refused.reason is Reason.BAD_SIGNATURE and refused.command_id.startswith("orders-0-")
    assert any(isinstance(e, OrderRested) and e.order_id == order_id for e in exchange.events(alice))


def test_an_edge_that_jumps_ahead_stops_the_stage():
    exchange, _, _ = traded()
    record = funded(exchange)
    record["edge_sequence"] = int(str(record["edge_sequence"])) + 2
    with pytest.raises(Gap, match="jumps from sequence 1 to 3"):
        put(exchange, record)


def test_a_cancel_in_somebodys_name_reaches_no_order_of_others():
    """Bob's own signed cancel, with alice's order written into the record beside it."""
    exchange, _, bob = traded()
    order_id = str(funded(exchange)["command_id"])
    theirs = exchange.place(bob, "SELL", "1", "9")
    exchange.cancel(bob, theirs)
    cancel = funded(exchange)
    cancel["edge_sequence"] = int(str(cancel["edge_sequence"])) + 1
    cancel["order_ids"] = [order_id]
    put(exchange, cancel)
    assert order_id in exchange.matcher_core(0).resting.orders


def test_a_public_record_that_differs_from_what_the_input_gives_stops_the_stage():
    exchange, _, bob = traded()
    exchange.place(bob, "SELL", "10", "5")
    records = exchange.cluster.records[("orders", 0)]
    published = exchange.cluster.values("trades", 0)[-1]
    stage = StagePartition(MatcherCore(0), 0)
    stage.resume(len(records), {("trades", 0): LastPublished(1, len(records) - 1, published.replace(b'"10"', b'"11"'))})
    with pytest.raises(LogRewritten, match="differs"):
        for offset, record in enumerate(records):
            stage.feed(offset, record.log_time_ms, record.value)


def test_a_record_out_of_its_place_stops_the_stage():
    stage = StagePartition(MatcherCore(0), 0)
    with pytest.raises(LogRewritten, match="expected offset 0"):
        stage.feed(1, 1, encode({}))


def test_a_log_that_is_shorter_than_what_was_read_stops_the_stage():
    exchange, _, _ = traded()
    exchange.matcher.close([0])
    exchange.cluster.records[("orders", 0)].pop()
    with pytest.raises(LogRewritten, match="has read it up to"):
        exchange.start(MatcherCore, ("trades", "depth"), [0])


def test_a_committed_offset_alone_shows_that_a_log_was_cut():
    exchange, _, _ = traded()
    log = MemoryLog(exchange.cluster, "matcher", "orders")
    assert log.committed([0])[0] == len(exchange.cluster.records[("orders", 0)])
    exchange.cluster.records[("snapshots", 0)].clear()
    for partition in range(8):
        exchange.cluster.records[("snapshots", partition)].clear()
    exchange.cluster.records[("orders", 0)].pop()
    with pytest.raises(LogRewritten, match="has read it up to"):
        exchange.start(MatcherCore, ("trades", "depth"), [0])
