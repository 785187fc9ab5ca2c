"""A running exchange with a canary, for the tests of its process: orders through the real gateway, records forged
straight into topics, and what the canary says of them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import psutil
from confluent_kafka import Producer

from glassbook import groups
from glassbook.client.keys import Key
from glassbook.client.signer import Signer, now_ms, sign_command
from glassbook.cluster import STAGES, Cluster
from glassbook.operator import OperatorFolder
from schemas.alerts import Alert
from schemas.codec import encode
from schemas.commands import MAX_WINDOW_MS, Deposit, RegisterAccount
from schemas.records import SignedCommand
from schemas.topics import ALERTS
from simulator.topic_reader import read_topics

SYMBOL = "AMZN-USD"
PATIENCE_S = 60.0

CANARY = next(stage for stage in STAGES if stage.name == "canary")
WATCHED = tuple(stage for stage in STAGES if stage.name in ("ledger", "matcher", "clock", "canary", "producers"))


def until(holds: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if holds():
                return
        assert time.monotonic() < deadline, f"not within {patience_s} s: {what}"
        time.sleep(0.05)


class Watched:
    """The running system, two funded traders, and its topics."""

    def __init__(self, cluster: Cluster, symbol: str = SYMBOL) -> None:
        self.cluster = cluster
        self.symbol = symbol
        self.bootstrap = cluster.settings.bootstrap_servers
        self.http = httpx.Client(base_url=cluster.settings.gateway_url, timeout=20)
        self.domain = self.http.get("/api/v1/markets").json()["exchange"]
        self.maker, self.taker = self.trader(), self.trader()

    def trader(self) -> Signer:
        signer = Signer(Key.new(), self.domain, window_ms=MAX_WINDOW_MS)
        operator = OperatorFolder(self.cluster.settings.data_dir).key()
        self.post("/api/v1/accounts", sign_command(
            RegisterAccount(exchange=self.domain, root_key=signer.key.public, time_ms=now_ms()), signer.key
        ))  # fmt: skip
        for asset, amount in (("USD", "10000000"), (self.symbol.partition("-")[0], "100000")):
            deposit = Deposit(
                exchange=self.domain, account=signer.account, asset=asset, amount=amount, transfer_id=asset,
                time_ms=now_ms(),
            )  # fmt: skip
            self.post("/api/v1/deposits", sign_command(deposit, operator))
        return signer

    def post(self, path: str, signed: SignedCommand) -> dict[str, Any]:
        """Sent again, the very same bytes, until there is an answer: whoever gives it may have been killed."""
        answers: list[dict[str, Any]] = []

        def sent() -> bool:
            response = self.http.post(path, content=encode(signed), headers={"Content-Type": "application/json"})
            if response.status_code == 200:
                answers.append(response.json())
            else:
                assert response.status_code in (202, 503), response.text
            return bool(answers)

        until(sent, path)
        return answers[0]

    def trade(self, price: str = "200") -> dict[str, Any]:
        """One trade; the taker's order as the gateway answers it."""
        self.post("/api/v1/orders", self.maker.sign(self.maker.limit_order(self.symbol, "SELL", 5, price)))
        return self.post("/api/v1/orders", self.taker.sign(self.taker.limit_order(self.symbol, "BUY", 5, price)))

    # --- topics

    def append(self, topic: str, partition: int, value: bytes) -> int:
        placed: list[int | None] = []
        producer = Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(topic, value, partition=partition, on_delivery=lambda _, sent: placed.append(sent.offset()))
        assert producer.flush(10) == 0 and placed[0] is not None
        return placed[0]

    def last_trade(self) -> tuple[int, dict[str, Any]]:
        """The newest trade of the market, with its partition."""
        log = read_topics(self.bootstrap, ("trades",))
        found = [
            (record.log_time_ms, partition, value)
            for (_, partition), records in log.items()
            for record in records
            if (value := msgspec.json.decode(record.value))["record"] == "trade" and value["symbol"] == self.symbol
        ]
        _, partition, value = max(found, key=lambda at: (at[0], at[2]["sequence"]))
        return partition, value

    def forge_price(self, price: str) -> tuple[int, int]:
        """Appends a copy of the newest trade with another price; returns its place on `trades`."""
        partition, trade = self.last_trade()
        return partition, self.append("trades", partition, msgspec.json.encode(trade | {"price": price}))

    def alerts(self) -> list[Alert]:
        log = read_topics(self.bootstrap, (ALERTS,))
        return [msgspec.json.decode(record.value, type=Alert) for records in log.values() for record in records]

    def until_alerts(self, count: int) -> None:
        until(lambda: len(self.alerts()) >= count, f"{count} alerts; the log ends: {self.said()[-800:]}")

    def judged(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Up to where every partition is judged, and its end."""
        return {(p.topic, p.partition): (p.committed, p.end) for p in self.positions()}

    def owners(self) -> list[str]:
        """Who has the partitions; empty while they change hands."""
        return [position.owner for position in self.positions() if position.owner]

    def positions(self) -> list[groups.PartitionPosition]:
        return groups.positions(groups.GroupView(self.bootstrap), "canary", CANARY.inputs)

    def until_judged(self) -> None:
        """Until all that is on the topics now is judged."""
        ends = {place: end for place, (_, end) in self.judged().items()}
        until(
            lambda: all(self.judged()[place][0] >= end for place, end in ends.items()),
            f"all judged; the log ends: {self.said()[-800:]}",
        )

    # --- processes

    def said(self) -> str:
        return self.cluster.folder.log("canary").read_text()

    def pid(self, program: str) -> int:
        return next(process.pid for process in self.cluster.supervisor.processes() if process.name == program)

    @contextlib.contextmanager
    def second_canary(self) -> Iterator[subprocess.Popen[bytes]]:
        settings = self.cluster.settings
        environment = os.environ | settings.environment() | {"GLASSBOOK_MEMBER": "2"}
        process = subprocess.Popen([sys.executable, "-P", "-m", "canary"], env=environment)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, "a canary that is told to stop ends in good order"

    def kill(self, program: str) -> None:
        victim = psutil.Process(self.pid(program))
        children = victim.children(recursive=True) if program.startswith("broker") else []
        for process in [victim, *children]:
            with contextlib.suppress(psutil.NoSuchProcess):
                os.kill(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def watched(cluster: Cluster, symbol: str = SYMBOL) -> Iterator[Watched]:
    running = Watched(cluster, symbol)
    try:
        yield running
    finally:
        running.http.close()
