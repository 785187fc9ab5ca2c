"""An `orders` partition as the ledger would have written it: signed commands of a random flow, ready to append.

The ledger is made up, the signatures are real: one for each command, or one for a batch over its Merkle root.
"""

import random
import time
from collections.abc import Iterable, Iterator
from itertools import count, groupby, islice
from typing import Any

from msgspec import Raw

from benchmarks.engine import EngineBook
from benchmarks.order_flow import Operation, OrderFlow, Place
from glassbook.client.keys import Key
from schemas.batches import members_of_batch
from schemas.codec import encode
from schemas.commands import (
    LATEST_ENGINE,
    CancelOrder,
    Command,
    Genesis,
    ListMarket,
    NewOrder,
    OrderType,
    Side,
    TimeInForce,
    encode_command,
)
from schemas.market import Market, MarketState
from schemas.records import Funded, SignedCommand, Source, Submitted, Tick
from schemas.signing import BATCH_PREFIX, encode_bytes, merkle_tree

EXCHANGE = "benchmark"
ACCOUNT_PARTITIONS = 4
KEYS = 1_000
DIGEST = encode_bytes(bytes(32))
DEADLINE_MS = 3_600_000


def market(partition: int) -> Market:
    return Market(
        symbol=f"M{partition}-USD", base=f"M{partition}", quote="USD", base_decimals=0, quote_decimals=4,
        tick="0.01", lot="1", min_quantity="1", max_quantity="1000000", min_notional="0.01", price_low="0.01",
        price_high="1000000", maker_fee="0.0001", taker_fee="0.0003", partition=partition, state=MarketState.OPEN,
    )  # fmt: skip


def opening(partition: int, operator: Key) -> list[bytes]:
    """Genesis and the listing of the partition's one market."""
    genesis = Genesis(
        exchange=EXCHANGE, operator_key=operator.public, engine_version=LATEST_ENGINE,
        account_partitions=ACCOUNT_PARTITIONS, max_open_orders=1000, open_registration=False, time_ms=1,
    )  # fmt: skip
    listing = ListMarket(exchange=EXCHANGE, revision=1, market=market(partition), time_ms=1)
    return [encode(Submitted(_signed(command, operator))) for command in (genesis, listing)]


def tick() -> bytes:
    return encode(Tick())


class SignedFlow:
    """Records of one partition, in order. `batch` commands share a signature; 1 is each by itself."""

    def __init__(self, partition: int, resting_orders: int, seed: int, batch: int) -> None:
        self._symbol = market(partition).symbol
        self._batch = batch
        draw = random.Random(seed)
        keys = [Key("ed25519", draw.randbytes(32)) for _ in range(KEYS)]
        self._keys = {key.account: key for key in keys}
        self._sequence = count(1)
        self._nonce = 0
        self._now_ms = time.time_ns() // 1_000_000
        self._book = EngineBook()
        self._flow = OrderFlow(self._book, resting_orders, seed, list(self._keys), burst=batch)

    def fill(self) -> list[bytes]:
        """The orders that rest before anything is measured."""
        return self._records(self._flow.filling_runs())

    def records(self, number: int) -> list[bytes]:
        """At least so many more."""
        runs = -(-number // self._flow.run_length)
        return self._records(islice(self._flow.runs(), runs))

    def _records(self, runs: Iterable[list[Operation]]) -> list[bytes]:
        operations: list[Operation] = []
        for run in runs:
            self._book.run(run)
            operations += run
        records: list[bytes] = []
        for account, burst in groupby(operations, key=lambda operation: operation.account):
            own = list(burst)
            for start in range(0, len(own), self._batch):
                records += self._signed(self._keys[account], own[start : start + self._batch])
        return records

    def _signed(self, key: Key, operations: list[Operation]) -> Iterator[bytes]:
        commands = [encode_command(self._command(operation)) for operation in operations]
        if self._batch > 1:
            root, paths = merkle_tree(commands)
            signed = members_of_batch(commands, paths, key.public, key.sign(BATCH_PREFIX + root))
        else:
            signed = [SignedCommand(Raw(raw), key.public, key.sign(raw)) for raw in commands]
        return map(self._funded, operations, signed)

    def _funded(self, operation: Operation, signed: SignedCommand) -> bytes:
        """A new order's id is its command's; a cancel has one of its own, and names the order's."""
        sequence = next(self._sequence)
        placed = isinstance(operation, Place)
        return encode(
            Funded(
                edge_sequence=sequence, source=Source(0, sequence, 0, DIGEST), signed=signed,
                command_id=operation.order_id if placed else f"1-{sequence}",
                order_ids=[] if placed else [operation.order_id],
                maker_fee_ppm=100 if placed else 0, taker_fee_ppm=300 if placed else 0,
            )
        )  # fmt: skip

    def _command(self, operation: Operation) -> Command:
        self._nonce += 1
        common: dict[str, Any] = dict(
            exchange=EXCHANGE, account=operation.account, nonce=self._nonce, time_ms=self._now_ms,
            deadline_ms=self._now_ms + DEADLINE_MS,
        )  # fmt: skip
        if not isinstance(operation, Place):
            return CancelOrder(order_id=operation.order_id, **common)
        whole, cents = divmod(operation.price_ticks, 100)
        return NewOrder(
            client_order_id=f"b{self._nonce}", symbol=self._symbol, side=Side.BUY if operation.is_buy else Side.SELL,
            type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, price=f"{whole}.{cents:02}",
            quantity=str(operation.lots), **common,
        )  # fmt: skip


def _signed(command: Command, key: Key) -> SignedCommand:
    raw = encode_command(command)
    return SignedCommand(Raw(raw), key.public, key.sign(raw))
