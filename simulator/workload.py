"""What a simulated exchange is asked to do: a seed's markets, accounts and signed commands, made before the run.

Commands are signed in batches, one signature over a Merkle root, so that a run spends its time on the protocol. They
name orders by client order id, since order ids follow from the log that the run has yet to write. Times count from
`START_MS` on the simulated broker's clock.
"""

from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from nacl.signing import SigningKey

from schemas.batches import members_of_batch
from schemas.codec import encode
from schemas.commands import (
    LATEST_ENGINE,
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    Deposit,
    Genesis,
    ListMarket,
    NewOrder,
    OrderType,
    RegisterAccount,
    SelfTrade,
    Side,
    TimeInForce,
    Withdraw,
    encode_command,
)
from schemas.market import Market, MarketState
from schemas.records import SignedCommand, Submitted
from schemas.signing import BATCH_PREFIX, account_of, account_partition, encode_bytes, merkle_tree
from stage.engine_version import FIRST_WITH_MANDATES

EXCHANGE = "simulation"
START_MS = 1_000_000
WINDOW_MS = 60_000
ACCOUNTS = 4
MANDATES = 0.08  # of the commands, under the rules that know them
TIMEOUTS_MS = (0, 500, 1_000, 1_000, 1_500, 3_000, 6_000)  # one ends the mandate, one is refused


class Delivery(NamedTuple):
    """A record that a gateway or an operator appends."""

    topic: str
    partition: int
    value: bytes


class Workload(NamedTuple):
    account_partitions: int
    order_partitions: int
    opening: list[Delivery]  # genesis, listings, accounts, deposits: in this order, before all else
    commands: list[Delivery]
    engine_version: int = LATEST_ENGINE

    @property
    def ticked(self) -> list[tuple[str, int]]:
        """The partitions that a clock writes ticks to."""
        accounts = range(self.account_partitions if self.engine_version >= FIRST_WITH_MANDATES else 0)
        return [*(("accounts", p) for p in accounts), *(("orders", p) for p in range(self.order_partitions))]


class BatchKey:
    """A key that signs lists of commands at once."""

    def __init__(self, seed: int) -> None:
        self._key = SigningKey(seed.to_bytes(32))
        self.public = "ed25519:" + encode_bytes(bytes(self._key.verify_key))
        self.account = account_of(self.public)

    def sign(self, commands: list[Command]) -> list[SignedCommand]:
        raws = [encode_command(command) for command in commands]
        root, paths = merkle_tree(raws)
        signature = encode_bytes(self._key.sign(BATCH_PREFIX + root).signature)
        return members_of_batch(raws, paths, self.public, signature)


@lru_cache
def keys() -> tuple[BatchKey, list[BatchKey]]:
    """(the operator's key, the accounts' keys)"""
    return BatchKey(10**9), [BatchKey(number) for number in range(1, ACCOUNTS + 1)]


def market(symbol: str, partition: int, **changes: Any) -> Market:
    base, _, quote = symbol.partition("-")
    terms: dict[str, Any] = {
        "symbol": symbol, "base": base, "quote": quote, "base_decimals": 0, "quote_decimals": 4, "tick": "0.01",
        "lot": "1", "min_quantity": "1", "max_quantity": "1000", "min_notional": "1", "price_low": "0.5",
        "price_high": "2", "maker_fee": "-0.0001", "taker_fee": "0.0010", "partition": partition,
        "state": MarketState.OPEN,
    }  # fmt: skip
    return Market(**(terms | changes))


@lru_cache
def opening(account_partitions: int, order_partitions: int, engine_version: int) -> list[Delivery]:
    """The same for each seed with these partitions, so its signatures are checked once a process."""
    operator, accounts = keys()
    markets = [market("ABC-USD", 0), market("XYZ-USD", order_partitions - 1, maker_fee="0.0003")]
    genesis = Genesis(
        exchange=EXCHANGE, operator_key=operator.public, engine_version=engine_version,
        account_partitions=account_partitions, max_open_orders=8, open_registration=False, time_ms=START_MS,
    )  # fmt: skip
    listings = [ListMarket(exchange=EXCHANGE, revision=1, market=item, time_ms=START_MS) for item in markets]
    funds = [("USD", "150"), ("ABC", "120"), ("XYZ", "80")]
    registered: list[Command] = []
    for key in accounts:
        registered.append(RegisterAccount(exchange=EXCHANGE, root_key=key.public, time_ms=START_MS))
        registered += [
            Deposit(
                exchange=EXCHANGE, account=key.account, asset=asset, amount=amount, transfer_id=asset, time_ms=START_MS
            )
            for asset, amount in funds
        ]
    values = [encode(Submitted(signed)) for signed in operator.sign([genesis, *listings, *registered])]
    everywhere, single = values[: 1 + len(listings)], values[1 + len(listings) :]
    result = [Delivery("accounts", p, value) for p in range(account_partitions) for value in everywhere]
    result += [Delivery("orders", p, everywhere[0]) for p in range(order_partitions)]
    result += [Delivery("orders", m.partition, value) for m, value in zip(markets, everywhere[1:], strict=True)]
    per_account = 1 + len(funds)
    for number, value in enumerate(single):
        partition = account_partition(accounts[number // per_account].account, account_partitions)
        result.append(Delivery("accounts", partition, value))
    return result


def make_workload(random: Random, commands: int, engine_version: int = LATEST_ENGINE) -> Workload:
    account_partitions, order_partitions = random.choice([(1, 1), (2, 1), (2, 2), (3, 2)])
    _, accounts = keys()
    mandates = MANDATES if engine_version >= FIRST_WITH_MANDATES else 0
    authors = [_Author(random, key, mandates) for key in accounts]
    turns = [random.randrange(len(authors)) for _ in range(commands)]
    for turn in turns:
        authors[turn].write()
    queues = [author.signed() for author in authors]
    deliveries = [
        Delivery("accounts", account_partition(accounts[turn].account, account_partitions), queues[turn].pop(0))
        for turn in turns
    ]
    _add_noise(random, deliveries, account_partitions, order_partitions)
    first = opening(account_partitions, order_partitions, engine_version)
    return Workload(account_partitions, order_partitions, first, deliveries, engine_version)


def _add_noise(random: Random, deliveries: list[Delivery], account_partitions: int, order_partitions: int) -> None:
    """Records that should not be there: unreadable, forged, on another partition; and a market that stops."""
    if random.random() < 0.3:
        garbage = random.choice([b"", b"{", b"\xff\x00", b'{"record":"unheard_of"}', b"[1,2]"])
        delivery = Delivery("accounts", random.randrange(account_partitions), garbage)
        deliveries.insert(random.randrange(len(deliveries)), delivery)
    if random.random() < 0.3:
        place = random.randrange(len(deliveries))
        value = random.choice([b"null", deliveries[place].value])
        deliveries.insert(place, Delivery("orders", random.randrange(order_partitions), value))
    if random.random() < 0.2:
        place = random.randrange(len(deliveries))
        forged = deliveries[place].value.replace(b'"quantity":"', b'"quantity":"1')
        deliveries.insert(place, deliveries[place]._replace(value=forged))
    if random.random() < 0.2:
        deliveries += _revision(random, account_partitions, order_partitions)


def _revision(random: Random, account_partitions: int, order_partitions: int) -> list[Delivery]:
    operator, _ = keys()
    state = random.choice([MarketState.CANCEL_ONLY, MarketState.HALTED, MarketState.DELISTED])
    changed = market("ABC-USD", 0, state=state, taker_fee="0.002")
    command = ListMarket(exchange=EXCHANGE, revision=2, market=changed, time_ms=START_MS)
    value = encode(Submitted(operator.sign([command])[0]))
    return [Delivery("orders", 0, value), *(Delivery("accounts", p, value) for p in range(account_partitions))]


class _Author:
    """One account's commands, in the order of their nonces."""

    def __init__(self, random: Random, key: BatchKey, mandates: float) -> None:
        self._random = random
        self._key = key
        self._mandates = mandates
        self._commands: list[Command] = []
        self._orders = 0

    def signed(self) -> list[bytes]:
        return [encode(Submitted(signed)) for signed in self._key.sign(self._commands)] if self._commands else []

    def write(self) -> None:
        chance = self._random.random()
        fields: dict[str, Any] = {
            "exchange": EXCHANGE, "account": self._key.account, "nonce": len(self._commands) + 1, "time_ms": START_MS,
            "deadline_ms": START_MS + (WINDOW_MS if self._random.random() < 0.95 else self._random.randrange(1, 2000)),
        }  # fmt: skip
        if self._mandates and self._random.random() < self._mandates:
            self._commands.append(CancelAllAfter(**fields, timeout_ms=self._random.choice(TIMEOUTS_MS)))
            return
        earlier = f"o{self._random.randrange(self._orders)}" if self._orders else "none"
        if chance < 0.72 or not self._orders:
            self._commands.append(self._order(fields))
        elif chance < 0.82:
            self._commands.append(CancelOrder(**fields, client_order_id=earlier))
        elif chance < 0.94:
            price = self._price() if self._random.random() < 0.6 else None
            self._commands.append(AmendOrder(**fields, client_order_id=earlier, quantity=self._quantity(), price=price))
        elif chance < 0.97:
            self._commands.append(CancelAll(**fields, symbol=self._random.choice([None, "ABC-USD"])))
        else:
            amount = str(self._random.randrange(1, 40))
            self._commands.append(Withdraw(**fields, asset="USD", amount=amount, destination="x"))

    def _order(self, fields: dict[str, Any]) -> NewOrder:
        random = self._random
        # Now and then the client order id is that of the order before: a refusal.
        name = f"o{self._orders - 1}" if self._orders and random.random() < 0.03 else f"o{self._orders}"
        self._orders += 1
        side = random.choice([Side.BUY, Side.SELL])
        fields |= {
            "client_order_id": name, "symbol": random.choice(["ABC-USD", "ABC-USD", "XYZ-USD"]), "side": side,
            "self_trade": random.choice(list(SelfTrade)),
        }  # fmt: skip
        if random.random() < 0.12:
            fields |= {"type": OrderType.MARKET, "time_in_force": random.choice([TimeInForce.IOC, TimeInForce.FOK])}
            if side is Side.SELL:
                return NewOrder(**fields, quantity=self._quantity())
            if fields["self_trade"] is SelfTrade.DECREMENT or random.random() < 0.5:
                return NewOrder(**fields, quantity=self._quantity(), max_quote=str(random.randrange(1, 30)))
            return NewOrder(**fields, max_quote=str(random.randrange(1, 30)))
        fields |= {
            "type": OrderType.LIMIT, "price": self._price(), "quantity": self._quantity(),
            "time_in_force": random.choices(list(TimeInForce), [6, 1, 1, 2])[0],
        }  # fmt: skip
        if fields["time_in_force"] is TimeInForce.GTD:
            fields["valid_until_ms"] = START_MS + random.randrange(1, 4000)
        elif fields["time_in_force"] is TimeInForce.GTC:
            fields["post_only"] = random.random() < 0.15
        return NewOrder(**fields)

    def _price(self) -> str:
        cents = round(self._random.gauss(100, 4))
        return f"{cents // 100}.{cents % 100:02d}"

    def _quantity(self) -> str:
        return str(self._random.randrange(1, 40))
