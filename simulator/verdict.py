"""Judges a run that has come to rest: by a clean replay of its own input, and by what every trader may expect."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from ledger.account import Account
from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.codec import ledger_decoder
from schemas.journal import CommandPassed, LedgerEntry, MandateFired, OrderClosed
from schemas.topics import ACCOUNTS, LEDGER, PUBLIC_TOPICS
from simulator.audit import Audit, LoggedRecord, audit, outcomes
from simulator.memory_log import Cluster
from simulator.world import SimulationFailed, World
from stage.partition import encode_state


def judge(world: World) -> Audit:
    """Raises `SimulationFailed` with the first thing that is wrong."""
    cluster = world.cluster
    result = audit(
        {
            place: [LoggedRecord(record.log_time_ms, record.value) for record in records]
            for place, records in cluster.records.items()
            if place[0] != "snapshots"
        }
    )
    _require(not result.differences, "; ".join(result.differences[:5]))
    _check_survivors(world, result)
    _check_public_repeats(cluster)
    _check_outcomes(cluster)
    _check_open_orders(result)
    _check_halts(result)
    return result


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise SimulationFailed(why)


def _check_survivors(world: World, result: Audit) -> None:
    """Every partition's living state is, byte for byte, that of the clean replay."""
    for group in world.groups:
        for partition, owner in group.owners.items():
            assert owner is not None
            state = encode_state(owner.service.partitions[partition].dump())
            _require(
                state == result.states[(group.stage, partition)], f"{group.stage} {partition} differs from its replay"
            )


class _Sequence(Struct):
    edge_sequence: int
    closed: bool = True  # false for a candle that still forms


def _check_public_repeats(cluster: Cluster) -> None:
    """A plain consumer sees each record once, but for what a process wrote that had lost its partition or its life."""
    for (topic, partition), records in cluster.records.items():
        if topic in PUBLIC_TOPICS:
            places = [msgspec.json.decode(record.value, type=_Sequence) for record in records if not record.late]
            timely = Counter(place.edge_sequence for place in places if place.closed)
            twice = [sequence for sequence, copies in timely.items() if copies > 1]
            _require(not twice, f"{topic}-{partition} repeats {twice[:5]} without a zombie")


class _Kind(Struct):
    record: str
    signed: msgspec.Raw = msgspec.Raw(b"")


def _check_outcomes(cluster: Cluster) -> None:
    """Every command that reached `accounts` has an outcome on `ledger`."""
    values = [r.value for place, records in cluster.records.items() if place[0] == LEDGER for r in records]
    done = outcomes(values)
    closed: set[str] = set()
    passed: dict[str, list[str]] = {}
    fired: list[str] = []
    for event in _events(values):
        if isinstance(event, OrderClosed):
            closed.add(event.order_id)
        elif isinstance(event, CommandPassed):
            passed[event.command_id] = event.order_ids
        elif isinstance(event, MandateFired):
            fired += event.order_ids
    # A mass cancel says nothing of an order that had closed by itself before it came.
    done |= {command for command, orders in passed.items() if closed.issuperset(orders)}
    _require(closed.issuperset(fired), "an order is open whose account's mandate has fired")
    for place, records in cluster.records.items():
        if place[0] == ACCOUNTS:
            for offset, record in enumerate(records):
                if b'"account":' in record.value and _is_submitted(record.value):
                    _require(f"{place[1]}-{offset}" in done, f"command {place[1]}-{offset} has no outcome")


def _is_submitted(value: bytes) -> bool:
    try:
        return msgspec.json.decode(value, type=_Kind).record == "submitted"
    except msgspec.DecodeError:
        return False


def _events(values: list[bytes]) -> Iterator[object]:
    decoder = ledger_decoder()
    for value in values:
        entry = decoder.decode(value)
        if isinstance(entry, LedgerEntry):
            yield from entry.events


def _check_open_orders(result: Audit) -> None:
    """Ledger and matcher agree on what is open, to the lot."""
    resting: dict[str, tuple[int, int]] = {}
    opened: dict[str, tuple[int, int]] = {}
    for (_, partition), core in result.cores.items():
        if isinstance(core, MatcherCore):
            for order in core.resting.orders.values():
                resting[order.order_id] = (order.filled_lots, order.remaining_lots)
            for book in core.books.values():
                book.engine.book.check()
        elif isinstance(core, LedgerCore):
            for account in core.accounts.values():
                check_reserved(core, account)
                for offset, held in account.orders.items():
                    _require(not held.pending, f"an amend of order {partition}-{offset} is still under way")
                    total = held.quantity_lots or 0
                    opened[f"{partition}-{offset}"] = (held.filled_lots, total - held.filled_lots)
    _require(opened == resting, f"the ledger has {opened} open, the matcher {resting}")


def _check_halts(result: Audit) -> None:
    """Whatever the order in which halts and resumptions reached them, all partitions agree on what stands still."""
    standing: dict[str, set[frozenset[str]]] = defaultdict(set)
    for core in result.cores.values():
        if isinstance(core, LedgerCore):
            for symbol, halts in core.halts.items():
                standing[symbol].add(frozenset(halts.standing))
        elif isinstance(core, MatcherCore):
            for symbol, book in core.books.items():
                standing[symbol].add(frozenset(book.halts.standing))
    for symbol, found in standing.items():
        _require(len(found) == 1, f"ledger and matcher differ in what halts {symbol}")


def check_reserved(core: LedgerCore, account: Account) -> None:
    """What an account has reserved is just what its open orders and its waiting withdrawals hold."""
    held: dict[str, int] = defaultdict(int)
    for withdrawal in account.withdrawals.values():
        held[withdrawal.asset] += withdrawal.amount_minor
    for order in account.orders.values():
        terms = core.markets[order.order.symbol]
        held[terms.quote if order.is_buy else terms.base] += order.reserved_minor
    for asset, balance in account.balances.items():
        _require(balance.reserved == held[asset], f"{account.account} holds {balance}, not {held[asset]} {asset}")
        _require(balance.free >= 0 and balance.reserved >= 0, f"{account.account} holds {balance} {asset}")
