"""The gateway's pure parts: the view's repeats and gaps, bounds, freshness, waiting."""

import asyncio
from typing import Any

import pytest

from producers.executions import Entry, RecentEntries
from producers.health import Health, Part
from producers.view import Bounds, View
from producers.waiting import Waiting
from schemas.codec import encode, ledger_decoder
from schemas.commands import CancelOrder
from schemas.journal import CommandRefused
from schemas.reasons import Reason
from schemas.records import Funded, Source
from schemas.refusal import Refused
from stage.followed import Freshness, Gap
from tests.exchange import Exchange
from tests.unit.gateway_world import GatewayWorld, run


def records(exchange: Exchange) -> list[tuple[int, Any]]:
    partitions = range(exchange.account_partitions)
    return [(p, record) for p in partitions for record in exchange.read("ledger", p, ledger_decoder())]


def test_repeats_change_nothing_and_a_gap_is_said():
    exchange = Exchange()
    me = exchange.open_account(USD="1000")
    exchange.place(me, "BUY", "1", "9.50")
    once, twice = View(), View()
    for partition, record in records(exchange):
        assert once.apply(partition, record) is not None
        assert twice.apply(partition, record) is not None
        assert twice.apply(partition, record) is None
    assert (once.accounts, once.orders, once.results) == (twice.accounts, twice.orders, twice.results)
    missing = View()
    later = [(partition, record) for partition, record in records(exchange) if record.edge_sequence > 1]
    with pytest.raises(Gap):
        missing.apply(*later[0])


def test_memory_is_bounded_whatever_was():
    exchange = Exchange()
    me = exchange.open_account(USD="1000000")
    for _ in range(30):
        exchange.cancel(me, exchange.place(me, "BUY", "1", "9.50"))
    view, entries = View(Bounds(closed_orders=5, results=7)), RecentEntries(11)
    for partition, record in records(exchange):
        view.apply(partition, record)
        if hasattr(record, "account"):
            entries.add(partition, 0, record.account, Entry(record.edge_sequence, record.sequence, b""))
    account = view.accounts[me.account]
    assert (len(view.orders), len(view.results), len(account.client_ids), len(account.open_orders)) == (5, 7, 5, 0)
    assert len(entries) == 11


def test_every_gateway_knows_a_refused_order_by_its_client_order_id():
    exchange = Exchange()
    me = exchange.open_account(USD="5")
    order_id = exchange.place(me, "BUY", "1", "9.50", client_order_id="too-dear")
    exchange.place(me, "BUY", "1", "9.60", client_order_id="too-dear")  # refused as a duplicate: changes nothing
    view = View()
    for partition, record in records(exchange):
        view.apply(partition, record)
    assert view.accounts[me.account].client_ids == {"too-dear": order_id}
    assert view.closed_before[order_id].reason is Reason.INSUFFICIENT_FUNDS


def test_pages_from_memory_know_where_memory_ends():
    entries = RecentEntries(3)
    for sequence in range(1, 6):
        entries.add(0, sequence - 1, "a" if sequence % 2 else "b", Entry(sequence, 0, b"%d" % sequence))
    assert entries.page(0, "a", 1, 10, 5) is None
    page = entries.page(0, "a", 2, 1, 5)
    assert page is not None
    assert (page.values, page.next_after, page.more) == ([b"3"], 3, True)
    page = entries.page(0, "a", 3, 10, 6)
    assert page is not None
    assert (page.values, page.next_after, page.more) == ([b"5"], 6, False)
    entries.reset()
    entries.start(0, 40)
    assert entries.page(0, "a", 39, 10, 41) is None
    assert entries.page(0, "a", 40, 10, 41) is not None


def test_freshness_is_what_stood_on_the_log_at_the_last_probe():
    fresh = Freshness()
    place = ("ledger", 0)
    fresh.probed({place: 5}, {}, 0.0)
    assert (fresh.is_fresh(0.0), fresh.behind) == (False, 5)
    fresh.probed({place: 9}, {place: 5}, 1.0)
    assert fresh.is_fresh(1.0), "it has read all that stood there a probe ago; the log goes on meanwhile"
    fresh.probed({place: 20}, {place: 6}, 2.0)
    assert (fresh.is_fresh(2.0), fresh.behind) == (True, 3)
    assert not fresh.is_fresh(4.5), "not for ever"
    fresh.lost()
    assert not fresh.is_fresh(1.0)


@pytest.mark.parametrize(
    "broken, reason",
    [
        ({"started": False}, Reason.NOT_READY),
        ({"producer_open": False}, Reason.LOG_UNAVAILABLE),
        ({"answered_at": None}, Reason.LOG_UNAVAILABLE),
        ({"disk_full": "1 MB are free"}, Reason.STORAGE_FULL),
    ],
)
def test_health_says_no_before_anything_is_sent(broken, reason):
    health = Health()
    health.started = health.producer_open = True
    health.answered_at = 0.0
    for part in Part:
        health.parts[part].fresh_at = 0.0
    health.check_command(0.0, grows=True)
    assert health.missing(0.0) == []
    for name, value in broken.items():
        setattr(health, name, value)
    with pytest.raises(Refused) as refused:
        health.check_command(0.0, grows=True)
    assert refused.value.reason is reason


def test_who_gave_up_waiting_is_forgotten():
    async def scene() -> Waiting:
        waiting = Waiting()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await waiting.touched("0-1")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await waiting.position(0, 5)
        one, two = asyncio.create_task(waiting.touched("0-2")), asyncio.create_task(waiting.position(0, 5))
        await asyncio.sleep(0)
        waiting.touch(["0-2", "0-3"])
        waiting.reached(0, 7)
        await asyncio.gather(one, two)
        return waiting

    waiting = run(scene())
    assert (waiting._by_id, waiting._by_position) == ({}, {0: []})


def test_a_record_forged_into_orders_hides_no_accepted_order():
    """Somebody who can write to `orders` sends a record under the order's id: its owner still sees it open."""
    world = GatewayWorld()
    me = world.exchange.open_account(USD="1000")
    world.pump()
    order = world.place(me, "BUY", "1", "9.50").json()
    stranger = world.exchange.open_account(USD="1000")
    # Signed by another key for my account: the matcher refuses it, and says so to my account under this id.
    forged = stranger.sign(CancelOrder(order_id=order["order_id"], **world.exchange.window(me)))
    source = Source(0, 10**6, 0, "x")
    record = Funded(
        edge_sequence=1, source=source, command_id=order["order_id"], signed=forged, order_ids=[order["order_id"]]
    )
    world.exchange.cluster.append("orders", 0, b"", encode(record))
    world.settle()
    refused = [event for event in world.exchange.events(me) if isinstance(event, CommandRefused)]
    assert [event.stage for event in refused] == ["matcher"]
    assert world.read(me, f"/api/v1/orders/{order['order_id']}").json()["status"] == "OPEN"
    again = GatewayWorld(exchange=world.exchange, bounds=Bounds(closed_orders=1))
    assert again.read(me, f"/api/v1/orders/{order['order_id']}").json()["status"] == "OPEN"


def test_garbage_on_a_public_topic_is_passed_over():
    world = GatewayWorld()
    me = world.exchange.open_account(USD="1000")
    for topic in ("ledger", "depth", "trades"):
        for value in (b"", b"garbage", b"\xff", b'{"record":"entry"}'):
            world.exchange.cluster.append(topic, 0, b"", value)
    world.pump()
    assert world.place(me, "BUY", "1", "9.50").json()["status"] == "OPEN"
    assert world.request("GET", "/api/v1/markets/ABC-USD/book").json()["bids"] == [["9.5", "1"]]
