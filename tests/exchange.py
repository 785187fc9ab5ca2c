"""A whole exchange in memory for tests: signed commands in, the real ledger and matcher over an in-memory log."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw
from nacl.signing import SigningKey

from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.codec import encode, ledger_decoder, trades_decoder
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
from schemas.records import SignedCommand, Submitted, Tick
from schemas.signing import account_of, account_partition, encode_bytes
from simulator.memory_log import Cluster, MemoryLog
from stage.engine_version import FIRST_WITH_MANDATES
from stage.service import Cadence, StageService

EXCHANGE = "test"


def market(symbol: str = "ABC-USD", partition: int = 0, **changes: Any) -> Market:
    terms = dict(
        symbol=symbol, base=symbol.partition("-")[0], quote=symbol.partition("-")[2], base_decimals=0, quote_decimals=4,
        tick="0.01", lot="1", min_quantity="1", max_quantity="1000000", min_notional="1", price_low="0.01",
        price_high="100000", maker_fee="0.0002", taker_fee="0.001", partition=partition, state=MarketState.OPEN,
    )  # fmt: skip
    return Market(**(terms | changes))  # type: ignore[arg-type]


class Signer:
    """A key from a seed, and its account."""

    def __init__(self, seed: int) -> None:
        self._key = SigningKey(seed.to_bytes(32))
        self.key = "ed25519:" + encode_bytes(bytes(self._key.verify_key))
        self.account = account_of(self.key)
        self.nonces = itertools.count(1)

    def sign(self, command: Command) -> SignedCommand:
        raw = encode_command(command)
        return SignedCommand(Raw(raw), self.key, encode_bytes(self._key.sign(raw).signature))


class Exchange:
    """The log, one ledger and one matcher process, an operator, and as many accounts as asked for."""

    def __init__(self, markets: list[Market] | None = None, account_partitions: int = 2, **genesis: Any) -> None:
        self.cluster = Cluster()
        self.account_partitions = account_partitions
        self.markets = markets or [market()]
        self.order_partitions = max(listed.partition for listed in self.markets) + 1
        self.operator = Signer(10**9)
        self._seeds = itertools.count(1)
        terms = dict(
            exchange=EXCHANGE, operator_key=self.operator.key, engine_version=LATEST_ENGINE,
            account_partitions=account_partitions, max_open_orders=100, open_registration=False, time_ms=1,
        )  # fmt: skip
        opened = Genesis(**(terms | genesis))  # type: ignore[arg-type]
        self.engine_version = opened.engine_version
        signed = self.operator.sign(opened)
        for partition in range(account_partitions):
            self.submit_to("accounts", partition, signed)
        for partition in range(self.order_partitions):
            self.submit_to("orders", partition, signed)
        for listed in self.markets:
            self.list_market(listed)
        self.ledger = self.start(LedgerCore, ("ledger",), list(range(account_partitions)))
        self.matcher = self.start(MatcherCore, ("trades", "depth"), list(range(self.order_partitions)))
        self.run()

    def start(
        self, core: Any, outputs: tuple[str, ...], partitions: list[int], cadence: Cadence | None = None
    ) -> StageService:
        """A new process of a stage, which takes these partitions over."""
        log = MemoryLog(self.cluster, core.stage, core.input_topic)
        service = StageService(core, outputs, log, lambda: self.cluster.now_ms, cadence or Cadence(0, 0, 1))
        log.positions = service.open(partitions)
        return service

    def run(self) -> None:
        """Until nothing moves."""
        while self.ledger.step() + self.matcher.step():
            self.cluster.now_ms += 1

    # --- what goes in

    def submit_to(self, topic: str, partition: int, signed: SignedCommand) -> int:
        return self.cluster.append(topic, partition, b"", encode(Submitted(signed)))

    def submit(self, signed: SignedCommand, account: str) -> str:
        """Puts a command on its account's partition; returns its id."""
        partition = account_partition(account, self.account_partitions)
        return f"{partition}-{self.submit_to('accounts', partition, signed)}"

    def list_market(self, listed: Market, revision: int = 1) -> None:
        signed = self.operator.sign(ListMarket(exchange=EXCHANGE, revision=revision, market=listed, time_ms=1))
        self.submit_to("orders", listed.partition, signed)
        for partition in range(self.account_partitions):
            self.submit_to("accounts", partition, signed)

    def tick(self, ms: int = 1000) -> None:
        self.cluster.now_ms += ms
        for partition in range(self.order_partitions):
            self.cluster.append("orders", partition, b"", encode(Tick()))
        if self.engine_version >= FIRST_WITH_MANDATES:
            for partition in range(self.account_partitions):
                self.cluster.append("accounts", partition, b"", encode(Tick()))

    def open_account(self, **funds: str) -> Signer:
        signer = Signer(next(self._seeds))
        command = RegisterAccount(exchange=EXCHANGE, root_key=signer.key, time_ms=1)
        self.submit(self.operator.sign(command), signer.account)
        for asset, amount in funds.items():
            self.deposit(signer.account, asset, amount)
        self.run()
        return signer

    def deposit(self, account: str, asset: str, amount: str, transfer_id: str | None = None) -> str:
        command = Deposit(
            exchange=EXCHANGE, account=account, asset=asset, amount=amount, transfer_id=transfer_id or f"t-{asset}",
            time_ms=1,
        )  # fmt: skip
        return self.submit(self.operator.sign(command), account)

    def window(self, signer: Signer) -> dict[str, Any]:
        now = self.cluster.now_ms
        return dict(
            exchange=EXCHANGE, account=signer.account, nonce=next(signer.nonces), time_ms=now, deadline_ms=now + 5000
        )

    def order(self, signer: Signer, side: str, quantity: str | None, price: str | None, **more: Any) -> NewOrder:
        fields = self.window(signer)
        fields |= dict(
            client_order_id=f"c{fields['nonce']}", symbol=self.markets[0].symbol, side=Side(side),
            type=OrderType.LIMIT if price is not None else OrderType.MARKET,
            time_in_force=TimeInForce.GTC if price is not None else TimeInForce.IOC, price=price, quantity=quantity,
        )  # fmt: skip
        return NewOrder(**(fields | more))

    def place(self, signer: Signer, side: str, quantity: str | None, price: str | None, **more: Any) -> str:
        """Submits an order and lets everything settle; returns its id."""
        order_id = self.submit(signer.sign(self.order(signer, side, quantity, price, **more)), signer.account)
        self.run()
        return order_id

    def cancel(self, signer: Signer, order_id: str) -> str:
        command_id = self.submit(signer.sign(CancelOrder(order_id=order_id, **self.window(signer))), signer.account)
        self.run()
        return command_id

    def send(self, signer: Signer, kind: type, **fields: Any) -> str:
        command_id = self.submit(signer.sign(kind(**(self.window(signer) | fields))), signer.account)
        self.run()
        return command_id

    # --- what comes out

    def trades(self) -> list[Any]:
        records = (self.read("trades", p, trades_decoder()) for p in range(self.order_partitions))
        return [r for r in itertools.chain.from_iterable(records) if r.__class__.__name__ == "Trade"]

    def entries(self) -> list[Any]:
        records = (self.read("ledger", p, ledger_decoder()) for p in range(self.account_partitions))
        return [r for r in itertools.chain.from_iterable(records) if r.__class__.__name__ == "LedgerEntry"]

    def events(self, signer: Signer) -> list[Any]:
        return [event for entry in self.entries() if entry.account == signer.account for event in entry.events]

    def read(self, topic: str, partition: int, decoder: msgspec.json.Decoder[Any]) -> Iterator[Any]:
        return (decoder.decode(value) for value in self.cluster.values(topic, partition))

    def balance(self, signer: Signer, asset: str) -> tuple[int, int]:
        """(free, reserved) in minor units."""
        partition = account_partition(signer.account, self.account_partitions)
        balance = self.ledger_core(partition).accounts[signer.account].balances.get(asset)
        return (balance.free, balance.reserved) if balance is not None else (0, 0)

    def ledger_core(self, partition: int) -> LedgerCore:
        core = self.ledger.partitions[partition].core
        assert isinstance(core, LedgerCore)
        return core

    def matcher_core(self, partition: int) -> MatcherCore:
        core = self.matcher.partitions[partition].core
        assert isinstance(core, MatcherCore)
        return core
