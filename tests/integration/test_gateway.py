"""The gateway on the real thing: broker, ledger, matcher and gateway as processes, orders from the client package."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import httpx
import msgspec
import pytest

from glassbook.client import answers
from glassbook.client.calls import Account, AnswerT, Call, Operator, markets
from glassbook.client.keys import Key, load_key
from glassbook.client.rest import AsyncClient, Client, Refusal
from glassbook.client.signer import Signer
from glassbook.cluster import STAGES, Cluster
from producers.executions import Page
from producers.history import History
from producers.orders import Order
from schemas.market import Terms
from tests.conftest import StartCluster

SYMBOL = "AMZN-USD"
PATIENCE_S = 60.0


class System:
    """A running exchange and those who trade on it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.url = cluster.settings.gateway_url
        self.client = Client(self.url)
        self.exchange = self.client.exchange()
        self.operator = Operator(load_key(cluster.settings.data_dir / "operator" / "key.json"), self.exchange)

    def trader(self, **funds: str) -> Account:
        account = Account(Signer(Key.new(), self.exchange))
        done(self.send(account.register()))
        for asset, amount in (funds or {"USD": "1000000", "AMZN": "10000"}).items():
            done(self.send(self.operator.deposit(account.id, asset, amount)))
        return account

    def place(self, account: Account, side: str, quantity: int, price: str) -> answers.Order:
        return order(self.send(account.place(account.signer.limit_order(SYMBOL, side, quantity, price))))

    def send(self, call: Call[AnswerT]) -> AnswerT:
        """As a client should: while other processes start, the gateway may be too late to take more."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.client.send(call)
            except Refusal as refusal:
                if refusal.code != "OVERLOADED" or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def pid(self, program: str) -> int:
        return next(process.pid for process in self.cluster.supervisor.processes() if process.name == program)


def done(answer: answers.Done | answers.Receipt) -> answers.Done:
    assert isinstance(answer, answers.Done), answer
    return answer


def order(answer: answers.Order | answers.Receipt) -> answers.Order:
    assert isinstance(answer, answers.Order), answer
    return answer


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(httpx.HTTPError, Refusal):
            if holds():
                return
        assert time.monotonic() < deadline, "not within a minute"
        time.sleep(0.05)


def ready(url: str) -> bool:
    return httpx.get(f"{url}/readyz", timeout=2).status_code == 200


def missing(url: str) -> list[str]:
    """What keeps the gateway from being ready."""
    found: list[str] = httpx.get(f"{url}/readyz", timeout=5).json().get("missing", [])
    return found


@pytest.fixture(scope="module")
def system(start_cluster: StartCluster) -> Iterator[System]:
    running = System(start_cluster(stages=STAGES))
    with running.client:
        yield running


@pytest.fixture
def second_gateway(system: System) -> Iterator[str]:
    """Another gateway process beside the first."""
    settings = system.cluster.settings
    port = settings.clickhouse_port - 1
    environment = os.environ | settings.environment() | {"GLASSBOOK_GATEWAY_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-P", "-m", "producers"], env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: ready(url))
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, "a gateway that is told to stop ends in good order"


def test_place_fill_amend_and_cancel(system: System) -> None:
    maker, taker = system.trader(), system.trader()
    resting = system.place(maker, "SELL", 10, "223.81")
    assert (resting.status, resting.remaining) == ("OPEN", "10")
    filled = system.place(taker, "BUY", 4, "223.81")
    assert (filled.status, filled.filled_quote, filled.average_price) == ("FILLED", "895.24", "223.81")
    assert [fill.role for fill in filled.trades or []] == ["TAKER"]

    amend = maker.signer.amend_order(8, order_id=resting.order_id)
    amended = order(system.client.send(maker.amend(amend)))
    assert (amended.quantity, amended.filled, amended.remaining) == ("8", "4", "4")
    cancel = maker.signer.cancel_order(order_id=resting.order_id)
    cancelled = order(system.client.send(maker.cancel(cancel)))
    assert (cancelled.status, cancelled.filled) == ("CANCELLED", "4")
    assert system.client.send(maker.order(resting.order_id)).status == "CANCELLED"
    with pytest.raises(Refusal) as refusal:
        system.client.send(maker.cancel(maker.signer.cancel_order(order_id=filled.order_id)))
    assert (refusal.value.status, refusal.value.code) == (404, "UNKNOWN_ORDER")

    kinds = [event["event"] for one in system.client.send(taker.executions()).executions for event in one.events]
    assert kinds[-3:] == ["order_opened", "order_filled", "order_closed"]
    price = httpx.get(f"{system.url}/api/v1/markets/{SYMBOL}/price")
    until(lambda: httpx.get(price.url).json()["last"] == "223.81")


def test_batch_and_mass_cancel(system: System) -> None:
    me = system.trader()
    orders = [me.signer.limit_order(SYMBOL, "BUY", 1, f"{100 + i}") for i in range(20)]
    batch = system.client.send(me.batch([*orders, me.signer.limit_order(SYMBOL, "BUY", 1, "0.001")]))
    assert [one.status for one in batch.results] == [200] * 20 + [422]
    assert len(system.client.send(me.open_orders()).orders) == 20
    book = httpx.get(f"{system.url}/api/v1/markets/{SYMBOL}/book?levels=3")
    until(lambda: ["119", "1"] in httpx.get(book.url).json()["bids"])
    cancelled = system.client.send(me.cancel_all())
    assert {one.status for one in cancelled.orders} == {"CANCELLED"}
    assert len(cancelled.orders) == 20
    assert system.client.send(me.open_orders()).orders == []


def test_two_orders_race_for_one_balance(system: System) -> None:
    me = system.trader(USD="1000")

    async def both() -> list[object]:
        async with AsyncClient(system.url) as client:
            calls = [me.place(me.signer.limit_order(SYMBOL, "BUY", 8, "100")) for _ in range(2)]
            return await asyncio.gather(*(client.send(call) for call in calls), return_exceptions=True)

    outcomes = asyncio.run(both())
    refused = [one for one in outcomes if isinstance(one, Refusal)]
    assert [one.code for one in refused] == ["INSUFFICIENT_FUNDS"]
    assert [one.status for one in outcomes if isinstance(one, answers.Order)] == ["OPEN"]


def test_two_gateways_read_each_others_writes(system: System, second_gateway: str) -> None:
    me = system.trader()
    with Client(system.url) as first, Client(second_gateway) as second:
        for i in range(20):
            writer, reader = (first, second) if i % 2 else (second, first)
            call = me.place(me.signer.limit_order(SYMBOL, "BUY", 1, "90"))
            response = writer._http.request(call.method, call.target, content=call.body, headers=call.all_headers())
            placed = msgspec.json.decode(response.content, type=answers.Order)
            target = f"/api/v1/orders/{placed.order_id}"
            position = {"Glassbook-Read-After": response.headers["Glassbook-Position"]}
            read = reader._http.get(target, headers=me.signer.read_headers(target) | position)
            assert read.json()["status"] == "OPEN"


def test_a_restarted_gateway_knows_what_was(system: System) -> None:
    """Killed, so that it can only come back from snapshots and the log."""
    maker, me = system.trader(), system.trader()
    system.place(maker, "SELL", 4, "150")
    partly = system.place(me, "BUY", 10, "150")
    closed = order(
        system.client.send(me.cancel(me.signer.cancel_order(order_id=system.place(me, "BUY", 1, "80").order_id)))
    )
    with pytest.raises(Refusal) as refusal:
        system.place(me, "BUY", 1_000_000, "90")
    ids = [partly.order_id, closed.order_id, str(refusal.value.problem.command_id)]
    before = [system.client.send(me.order(one)) for one in ids]
    assert [one.status for one in before] == ["OPEN", "CANCELLED", "REJECTED"]
    # Snapshots after this: a part of the story is then in them, and a part behind them.
    for stage in ("ledger", "matcher"):
        os.kill(system.pid(stage), signal.SIGTERM)
    first = system.pid("producers")
    os.kill(first, signal.SIGKILL)
    until(lambda: system.pid("producers") not in (0, first) and ready(system.url))
    after = [system.client.send(me.order(one)) for one in ids]
    for one, other in zip(before, after, strict=True):
        same = {
            "status",
            "filled",
            "filled_quote",
            "average_price",
            "trades",
            "cause",
            "price",
            "quantity",
            "remaining",
        }
        assert {name: getattr(one, name) for name in same} == {name: getattr(other, name) for name in same}
    by_client_id = f"/api/v1/orders/by-client-id/{closed.client_order_id}"
    found = httpx.get(system.url + by_client_id, headers=me.signer.read_headers(by_client_id))
    assert found.json()["order_id"] == closed.order_id
    until(lambda: system.place(maker, "SELL", 6, "150").status == "FILLED")


def test_old_orders_and_entries_are_read_back_from_the_log(system: System) -> None:
    """As they are once they have left a gateway's memory: found by halving among entries of many others."""
    maker, me = system.trader(), system.trader()
    system.place(maker, "SELL", 3, "160")
    first = system.place(me, "BUY", 3, "160")
    for price in ("50", "51", "52"):
        system.client.send(me.batch([me.signer.limit_order(SYMBOL, "BUY", 1, price) for _ in range(100)]))
    last = system.place(me, "BUY", 1, "53")
    pages = list(_pages(system, me))
    partition = int(first.order_id.partition("-")[0])
    terms = Terms(next(one.market for one in system.client.send(markets()).markets if one.market.symbol == SYMBOL))

    async def read_back() -> tuple[list[Order], Page]:
        history = History(system.cluster.settings.bootstrap_servers)
        found = []
        for order_id in (first.order_id, last.order_id):
            offset = int(order_id.partition("-")[2])
            signed = await history.command(partition, offset)
            assert signed is not None
            found.append(await history.order(partition, offset, signed, terms, pages[-1].cursor))
        assert await history.command(partition, 10**9) is None
        page = await history.page(partition, me.id, 0, 1000, pages[-1].cursor)
        await history.close()
        return found, page

    (old, new), page = asyncio.run(read_back())
    assert (old.status, [fill.trade_id for fill in old.fills]) == (
        "FILLED",
        [fill.trade_id for fill in first.trades or []],
    )
    assert (new.status, new.client_order_id) == ("OPEN", last.client_order_id)
    assert [msgspec.json.decode(value)["edge_sequence"] for value in page.values] == [one.cursor for one in pages]
    assert (page.next_after, page.more) == (pages[-1].cursor, False)
    system.client.send(me.cancel_all())


def _pages(system: System, account: Account) -> Iterator[answers.Execution]:
    after, more = 0, True
    while more:
        page = system.client.send(account.executions(after=after, limit=97))
        yield from page.executions
        after, more = page.next_after, page.more


def test_the_log_goes_away_and_comes_back(system: System) -> None:
    """While the broker is dead commands are refused before they are sent; nothing acknowledged is lost."""
    me = system.trader()
    resting = system.place(me, "BUY", 1, "70")
    broker = system.pid("broker-1")
    os.kill(broker, signal.SIGSTOP)
    try:
        # A busy machine may be unready for a moment by other reasons, and take commands again.
        until(lambda: "the log does not answer" in missing(system.url))
        with pytest.raises(Refusal) as refusal:
            system.place(me, "BUY", 1, "71")
        assert (refusal.value.status, refusal.value.code) == (503, "LOG_UNAVAILABLE")
        assert httpx.get(f"{system.url}/healthz", timeout=5).status_code == 200
    finally:
        os.kill(broker, signal.SIGCONT)
    until(lambda: ready(system.url))
    until(lambda: [one.order_id for one in system.client.send(me.open_orders()).orders] == [resting.order_id])
    assert system.place(me, "BUY", 1, "72").status == "OPEN"


def test_an_answer_after_the_broker_died_is_true(system: System) -> None:
    """Orders in flight while the broker is killed: each ends as 200 or 202, and every 202 can be asked for."""
    until(lambda: ready(system.url))
    me = system.trader()
    calls = [me.place(me.signer.limit_order(SYMBOL, "BUY", 1, "60"), timeout_ms=1000) for _ in range(60)]

    async def flood() -> list[object]:
        async with AsyncClient(system.url) as client:
            tasks = []
            for i, call in enumerate(calls):
                tasks.append(asyncio.create_task(client.send(call)))
                if i == 20:
                    os.kill(system.pid("broker-1"), signal.SIGKILL)
                await asyncio.sleep(0.005)
            return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = asyncio.run(flood())
    until(lambda: ready(system.url))
    sent = [one for one in outcomes if isinstance(one, answers.Order | answers.Receipt)]
    codes = {one.code for one in outcomes if isinstance(one, Refusal)}
    assert len(sent) + sum(isinstance(one, Refusal) for one in outcomes) == len(calls), outcomes
    assert codes <= {"LOG_UNAVAILABLE", "NOT_READY", "TOO_OLD"}

    def known(client_order_id: str) -> bool:
        target = f"/api/v1/orders/by-client-id/{client_order_id}"
        found = httpx.get(system.url + target, headers=me.signer.read_headers(target)).json()
        # One that reached the log only after its deadline was refused there, and says so.
        return bool(found.get("status") == "OPEN" or found.get("cause") == "TOO_OLD")

    for one in sent:
        until(partial(known, str(one.client_order_id)))


def test_the_unsigned_reads_work(system: System) -> None:
    for path in ("/", "/docs", "/openapi.json", "/refusals", "/api/v1/time", "/api/v1/markets", "/healthz"):
        assert httpx.get(system.url + path).status_code == 200, path
