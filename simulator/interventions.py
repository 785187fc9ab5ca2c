"""What an operator and a halter do to a simulated exchange while it trades: halts, resumptions, busts.

Each record of a halt goes to its partitions at a moment of its own, so that logs see halts and resumptions in different
orders. Trades can be made up, since the run has yet to make its own: about half of such busts fit what the matcher can
check, and are taken back on accounts that may hold nothing to take. Or a trade is taken back as it was published.
"""

from collections.abc import Iterable
from functools import lru_cache
from random import Random
from typing import Any

import msgspec

from schemas.codec import encode
from schemas.commands import (
    AuthoriseHalter,
    BustTrade,
    Command,
    HaltMarket,
    PublishedTrade,
    RecordPlace,
    ResumeMarket,
    Side,
)
from schemas.records import Submitted
from simulator.workload import EXCHANGE, START_MS, BatchKey, Delivery, Workload, keys

MAX_HALTS = 3
MAX_BUSTS = 4


@lru_cache
def halter() -> BatchKey:
    return BatchKey(10**8)


def intervened(random: Random, workload: Workload, made_up_busts: bool = True) -> Workload:
    """The same with a halter from the start, and interventions between its commands."""
    operator, _ = keys()
    named = AuthoriseHalter(exchange=EXCHANGE, revision=1, halter_key=halter().public, time_ms=START_MS)
    value = _signed(operator, named)
    places = [("orders", number) for number in range(workload.order_partitions)]
    places += [("accounts", number) for number in range(workload.account_partitions)]
    opening = [*workload.opening, *(Delivery(topic, partition, value) for topic, partition in places)]
    commands = list(workload.commands)
    for delivery in [*_halts(random, workload), *(_busts(random, workload) if made_up_busts else [])]:
        commands.insert(random.randrange(len(commands) + 1), delivery)
    return workload._replace(opening=opening, commands=commands)


def _halts(random: Random, workload: Workload) -> list[Delivery]:
    operator, _ = keys()
    result: list[Delivery] = []
    for number in range(random.randint(0, MAX_HALTS)):
        symbol, partition = _market(random, workload)
        fields: dict[str, Any] = {"exchange": EXCHANGE, "symbol": symbol, "partition": partition, "time_ms": START_MS}
        halt_id = f"alert-{random.randint(0, number)}"  # now and then one that was before
        evidence = [RecordPlace("trades", partition, number)]
        halt = HaltMarket(**fields, halt_id=halt_id, reason="a divergence", evidence=evidence)
        signer = random.choice([operator, halter(), halter(), BatchKey(1)])
        result += _everywhere(workload, partition, _signed(signer, halt))
        if random.random() < 0.7:
            resume = ResumeMarket(**fields, halt_ids=[halt_id], reason="looked into")
            result += _everywhere(workload, partition, _signed(random.choice([operator, operator, halter()]), resume))
    return result


def _everywhere(workload: Workload, partition: int, value: bytes) -> list[Delivery]:
    accounts = [Delivery("accounts", number, value) for number in range(workload.account_partitions)]
    return [Delivery("orders", partition, value), *accounts]


def _busts(random: Random, workload: Workload) -> list[Delivery]:
    operator, accounts = keys()
    result: list[Delivery] = []
    for _ in range(random.randint(0, MAX_BUSTS)):
        symbol, partition = _market(random, workload)
        taker, maker = random.sample(accounts, 2)
        quantity = random.randrange(1, random.choice([40, 400, 400]))  # now and then more than anybody has
        # The id is no real trade's: kills shift the places of those, and it would be one's in some runs only.
        trade = PublishedTrade(
            symbol=symbol, sequence=random.choice([1, 1, 2, 4]), trade_id=f"{partition}-{random.randint(3, 9)}-99",
            time_ms=START_MS, price="1", quantity=str(quantity), quote_quantity=str(quantity),
            aggressor_side=random.choice(list(Side)), taker_order_id="0-1", taker_account=taker.account,
            taker_fee=f"0.00{random.randint(1, 9)}", maker_order_id="0-2", maker_account=maker.account,
            maker_fee=random.choice(["-0.001", "0.001", "0"]), fee_asset="USD",
        )  # fmt: skip
        bust = BustTrade(exchange=EXCHANGE, partition=partition, trade=trade, reason="made up", time_ms=START_MS)
        value = _signed(random.choice([operator, operator, operator, halter()]), bust)
        result += [Delivery("orders", partition, value)] * random.choice([1, 1, 2])
    return result


def any_trade(random: Random, trades: Iterable[bytes]) -> PublishedTrade | None:
    """One of the records of `trades`; None if there is no trade among them."""
    found = [value for value in trades if value.startswith(b'{"record":"trade",')]
    if not found:
        return None
    fields = msgspec.json.decode(random.choice(found))
    return msgspec.convert({name: fields[name] for name in PublishedTrade.__struct_fields__}, PublishedTrade)


def bust_of(partition: int, trade: PublishedTrade, key: BatchKey | None = None) -> Delivery:
    """The operator takes the trade back, or who has this key would like to."""
    operator, _ = keys()
    bust = BustTrade(exchange=EXCHANGE, partition=partition, trade=trade, reason="a wrong price", time_ms=START_MS)
    return Delivery("orders", partition, _signed(key or operator, bust))


def _market(random: Random, workload: Workload) -> tuple[str, int]:
    return random.choice([("ABC-USD", 0), ("XYZ-USD", workload.order_partitions - 1)])


def _signed(key: BatchKey, command: Command) -> bytes:
    return encode(Submitted(key.sign([command])[0]))
