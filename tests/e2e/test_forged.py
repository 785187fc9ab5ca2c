"""No signature, no order: what is forged straight into a topic of the running system is refused, and never a fill."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from confluent_kafka import Producer
from msgspec import Raw

from glassbook.client.keys import Key
from glassbook.client.signer import Signer, now_ms, sign_command
from glassbook.cluster import Cluster
from glassbook.operator import OperatorFolder
from schemas.codec import encode, ledger_decoder
from schemas.commands import Deposit, NewOrder, RegisterAccount, encode_command
from schemas.journal import LedgerEntry
from schemas.reasons import Reason
from schemas.records import Funded, SignedCommand, Source, Submitted
from schemas.signing import account_partition
from simulator.topic_reader import read_topics

SYMBOL = "MSFT-USD"
DEADLINE_S = 20.0
Event = dict[str, Any]


class Victim:
    """A funded account with an ask on the book, which a forger would like to buy into or sell from."""

    def __init__(self, exchange: Cluster) -> None:
        self.cluster = exchange
        self.http = httpx.Client(base_url=exchange.settings.gateway_url)
        self.markets = {m["market"]["symbol"]: m["market"] for m in self.http.get("/api/v1/markets").json()["markets"]}
        self.domain = self.http.get("/api/v1/markets").json()["exchange"]
        self.signer = Signer(Key.new(), self.domain)
        self.maker = Signer(Key.new(), self.domain)
        operator = OperatorFolder(exchange.settings.data_dir).key()
        for signer in (self.signer, self.maker):
            register = RegisterAccount(exchange=self.domain, root_key=signer.key.public, time_ms=now_ms())
            self.post("/api/v1/accounts", sign_command(register, signer.key))
            for asset, amount in (("USD", "100000"), ("MSFT", "100")):
                deposit = Deposit(
                    exchange=self.domain, account=signer.account, asset=asset, amount=amount, transfer_id=asset,
                    time_ms=now_ms(),
                )  # fmt: skip
                self.post("/api/v1/deposits", sign_command(deposit, operator))
        self.post("/api/v1/orders", self.maker.sign(self.maker.limit_order(SYMBOL, "SELL", 5, "30")))

    def post(self, path: str, signed: SignedCommand) -> Event:
        response = self.http.post(path, content=encode(signed), headers={"Content-Type": "application/json"})
        assert response.status_code == 200, response.text
        return response.json()  # type: ignore[no-any-return]

    def buy(self) -> NewOrder:
        """What would take the ask, if its owner had signed it."""
        return self.signer.limit_order(SYMBOL, "BUY", 5, "30")

    def append(self, topic: str, partition: int, value: bytes) -> int:
        placed: list[int | None] = []
        producer = Producer({"bootstrap.servers": self.cluster.settings.bootstrap_servers})
        producer.produce(topic, value, partition=partition, on_delivery=lambda _, sent: placed.append(sent.offset()))
        producer.flush(10)
        assert placed[0] is not None
        return placed[0]

    @property
    def partition(self) -> int:
        return account_partition(self.signer.account, self.cluster.settings.account_partitions)

    def refusals(self, command_id: str) -> list[tuple[str, str]]:
        """(reason, stage) of each refusal of this record in the victim's journal, awaited."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            log = read_topics(self.cluster.settings.bootstrap_servers, ("ledger",))
            found = [
                (event["reason"], event.get("stage", "ledger"))
                for record in log[("ledger", self.partition)]
                if isinstance(entry := ledger_decoder().decode(record.value), LedgerEntry)
                and entry.account == self.signer.account
                for event in msgspec.to_builtins(entry.events)
                if event["event"] == "command_refused" and event["command_id"] == command_id
            ]
            if found:
                return found
        raise AssertionError(f"no refusal of {command_id} within {DEADLINE_S} s")

    def trades(self) -> int:
        log = read_topics(self.cluster.settings.bootstrap_servers, ("trades",))
        values = [record.value for records in log.values() for record in records]
        return sum(b'"record":"trade"' in value and SYMBOL.encode() in value for value in values)


@pytest.fixture(scope="module")
def victim(exchange: Cluster) -> Iterator[Victim]:
    victim = Victim(exchange)
    yield victim
    victim.http.close()


FORGERIES = (
    "unsigned",
    "signed by a stranger",
    "a stranger's signature under the owner's key",
    "altered after signing",
)


def forgeries(victim: Victim) -> dict[str, tuple[SignedCommand, Reason]]:
    order, stranger = victim.buy(), Key.new()
    raw = Raw(encode_command(order))
    good = victim.signer.sign(order)
    dearer = Raw(bytes(raw).replace(b'"price":"30"', b'"price":"90"'))
    return {
        "unsigned": (SignedCommand(raw, good.key, ""), Reason.NO_SIGNATURE),
        "signed by a stranger": (SignedCommand(raw, stranger.public, stranger.sign(bytes(raw))), Reason.WRONG_ACCOUNT),
        "a stranger's signature under the owner's key": (
            SignedCommand(raw, good.key, stranger.sign(bytes(raw))),
            Reason.BAD_SIGNATURE,
        ),
        "altered after signing": (SignedCommand(dearer, good.key, good.signature), Reason.BAD_SIGNATURE),
    }


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_into_accounts(victim: Victim, name: str) -> None:
    signed, reason = forgeries(victim)[name]
    before = victim.trades()
    offset = victim.append("accounts", victim.partition, encode(Submitted(signed)))
    assert victim.refusals(f"{victim.partition}-{offset}") == [(reason, "ledger")]
    assert victim.trades() == before


@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.parametrize("edge_sequence", [1, 10**6])
def test_forged_into_orders_as_if_by_the_ledger(victim: Victim, name: str, edge_sequence: int) -> None:
    signed, reason = forgeries(victim)[name]
    before = victim.trades()
    record = Funded(
        edge_sequence=edge_sequence, source=Source(victim.partition, 10**6, 0, "A" * 43), command_id="0-1000000",
        signed=signed, maker_fee_ppm=0, taker_fee_ppm=0,
    )  # fmt: skip
    partition = victim.markets[SYMBOL]["partition"]
    offset = victim.append("orders", partition, encode(record))
    assert victim.refusals(f"orders-{partition}-{offset}") == [(reason, "matcher")]
    assert victim.trades() == before


def test_rightly_signed_but_not_funded(victim: Victim) -> None:
    before = victim.trades()
    partition = victim.markets[SYMBOL]["partition"]
    offset = victim.append("orders", partition, encode(Submitted(victim.signer.sign(victim.buy()))))
    assert victim.refusals(f"orders-{partition}-{offset}") == [(Reason.NOT_FUNDED, "matcher")]
    assert victim.trades() == before


def test_the_stages_go_on(victim: Victim) -> None:
    """After all this, and after bytes that are no record, an honest order still trades."""
    partition = victim.markets[SYMBOL]["partition"]
    for topic, number in (("accounts", victim.partition), ("orders", partition)):
        for garbage in (b"", b"\xff\xfe", b"[]", b'{"record":"no such"}', b'{"record":"funded"}'):
            victim.append(topic, number, garbage)
    answer = victim.post("/api/v1/orders", victim.signer.sign(victim.buy()))
    assert (answer["status"], answer["filled"]) == ("FILLED", "5")
    log = read_topics(victim.cluster.settings.bootstrap_servers, ("dead-letters",))
    assert sum(len(records) for records in log.values()) >= 10
