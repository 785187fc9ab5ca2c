"""How fast the canary judges: a recorded log of a busy exchange, fed to it on one core, every signature checked.

The log is what the real ledger and matcher write of a random order flow, half passive orders, a quarter aggressive,
a quarter cancels, each command signed by itself or in batches. Made before the clock starts.
"""

import gc
import time
from collections.abc import Iterator
from itertools import count, groupby, islice
from random import Random
from typing import Any, NamedTuple

from msgspec import Raw

from benchmarks.engine import EngineBook
from benchmarks.order_flow import Operation, OrderFlow, Place
from canary.core import Canary
from glassbook.client.keys import Key
from schemas.batches import members_of_batch
from schemas.codec import encode
from schemas.commands import (
    LATEST_ENGINE,
    CancelOrder,
    Command,
    Deposit,
    Genesis,
    ListMarket,
    NewOrder,
    OrderType,
    RegisterAccount,
    Side,
    TimeInForce,
    encode_command,
)
from schemas.market import Market, MarketState
from schemas.records import SignedCommand, Submitted
from schemas.signing import BATCH_PREFIX, account_partition, merkle_tree
from schemas.topics import ACCOUNTS, ORDERS
from simulator.canary_log import Log, Recording, interleaved
from simulator.workload import START_MS, Delivery, Workload

EXCHANGE = "speed"
ACCOUNTS_IN_PLAY = 500
RESTING_ORDERS = 2_000


class Rate(NamedTuple):
    orders: int
    records: int
    seconds: float
    alerts: int

    @property
    def orders_per_s(self) -> float:
        return self.orders / self.seconds


class SpeedFlow:
    """Signed commands of one market, as gateways append them."""

    def __init__(self, seed: int, batch: int, account_partitions: int) -> None:
        draw = Random(seed)
        self._operator = Key("ed25519", draw.randbytes(32))
        keys = [Key("ed25519", draw.randbytes(32)) for _ in range(ACCOUNTS_IN_PLAY)]
        self._keys = {key.account: key for key in keys}
        self._batch = batch
        self._account_partitions = account_partitions
        self._nonces = count(1)
        self._book = EngineBook()
        self._flow = OrderFlow(self._book, RESTING_ORDERS, seed, list(self._keys), burst=batch)
        self._names: dict[str, str] = {}

    def workload(self, orders: int) -> Workload:
        runs = [*self._run(self._flow.filling_runs())]
        commands = [*runs, *self._run(islice(self._flow.runs(), orders // self._flow.run_length))]
        return Workload(self._account_partitions, 1, self._opening(), commands)

    def _run(self, runs: Any) -> Iterator[Delivery]:
        for run in runs:
            self._book.run(run)
            for account, burst in groupby(run, key=lambda operation: operation.account):
                own = list(burst)
                for start in range(0, len(own), self._batch):
                    commands = [self._command(operation) for operation in own[start : start + self._batch]]
                    for signed in self._signed(self._keys[account], commands):
                        yield Delivery(ACCOUNTS, self._partition(account), encode(Submitted(signed)))

    def _partition(self, account: str) -> int:
        return account_partition(account, self._account_partitions)

    def _signed(self, key: Key, commands: list[Command]) -> Iterator[SignedCommand]:
        raws = [encode_command(command) for command in commands]
        if self._batch == 1:
            yield from (SignedCommand(Raw(raw), key.public, key.sign(raw)) for raw in raws)
            return
        root, paths = merkle_tree(raws)
        yield from members_of_batch(raws, paths, key.public, key.sign(BATCH_PREFIX + root))

    def _command(self, operation: Operation) -> Command:
        nonce = next(self._nonces)
        common: dict[str, Any] = {
            "exchange": EXCHANGE, "account": operation.account, "nonce": nonce, "time_ms": START_MS,
            "deadline_ms": START_MS + 60_000,
        }  # fmt: skip
        if not isinstance(operation, Place):
            return CancelOrder(client_order_id=f"o{operation.order_id[2:]}", **common)
        whole, cents = divmod(operation.price_ticks, 100)
        return NewOrder(
            client_order_id=f"o{operation.order_id[2:]}", symbol="ABC-USD",
            side=Side.BUY if operation.is_buy else Side.SELL, type=OrderType.LIMIT, time_in_force=TimeInForce.GTC,
            price=f"{whole}.{cents:02}", quantity=str(operation.lots), **common,
        )  # fmt: skip

    def _opening(self) -> list[Delivery]:
        listing = Market(
            symbol="ABC-USD", base="ABC", quote="USD", base_decimals=0, quote_decimals=4, tick="0.01", lot="1",
            min_quantity="1", max_quantity="1000000", min_notional="0.01", price_low="0.01", price_high="1000000",
            maker_fee="0.0001", taker_fee="0.0003", partition=0, state=MarketState.OPEN,
        )  # fmt: skip
        genesis = Genesis(
            exchange=EXCHANGE, operator_key=self._operator.public, engine_version=LATEST_ENGINE, max_open_orders=20_000,
            account_partitions=self._account_partitions, open_registration=False, time_ms=START_MS,
        )  # fmt: skip
        everywhere: list[Command] = [
            genesis, ListMarket(exchange=EXCHANGE, revision=1, market=listing, time_ms=START_MS)
        ]  # fmt: skip
        places = [(ORDERS, 0), *((ACCOUNTS, p) for p in range(self._account_partitions))]
        opening = [Delivery(*place, self._by_operator(command)) for place in places for command in everywhere]
        for key in self._keys.values():
            partition = self._partition(key.account)
            registered = RegisterAccount(exchange=EXCHANGE, root_key=key.public, time_ms=START_MS)
            opening.append(Delivery(ACCOUNTS, partition, self._by_operator(registered)))
            for asset in ("USD", "ABC"):
                funds = Deposit(exchange=EXCHANGE, account=key.account, asset=asset, amount="100000000000",
                                transfer_id=asset, time_ms=START_MS)  # fmt: skip
                opening.append(Delivery(ACCOUNTS, partition, self._by_operator(funds)))
        return opening

    def _by_operator(self, command: Command) -> bytes:
        raw = encode_command(command)
        return encode(Submitted(SignedCommand(Raw(raw), self._operator.public, self._operator.sign(raw))))


def record(seed: int, orders: int, batch: int, account_partitions: int = 2) -> tuple[Log, Workload]:
    workload = SpeedFlow(seed, batch, account_partitions).workload(orders)
    recording = Recording(workload)
    for delivery in workload.opening:
        recording.deliver(delivery)
    recording.settle()
    for number, delivery in enumerate(workload.commands):
        recording.deliver(delivery)
        if number % 50 == 0:
            recording.settle()
            recording.now_ms = max(recording.now_ms, START_MS + number * 30_000 // len(workload.commands))
    recording.settle()
    return recording.log, workload


def measure(log: Log, workload: Workload) -> Rate:
    canary = Canary(workload.account_partitions, workload.order_partitions)
    records = list(interleaved(log))
    commands = len(workload.commands)
    alerts = 0
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as in a running stage
    started = time.process_time()
    for (topic, partition), one in records:
        alerts += len(canary.feed(topic, partition, one.offset, one.log_time_ms, one.key, one.value))
    seconds = time.process_time() - started
    gc.unfreeze()
    return Rate(commands, len(records), seconds, alerts)
