"""An audit of a whole log by a clean replay: what must be on the derived topics, and what is.

Fresh cores are fed `accounts`, `orders` and `trades` from offset 0. What they emit is what an undisturbed system would
have written; what lies on the log must be just that, each edge in its sequence, repeats identical to their first copy.
Candles, those that still form too, are counted anew besides. Pure: the log is given as lists of records.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from candle_agg.core import CandleCore
from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.codec import ledger_decoder
from schemas.journal import CommandPassed, CommandRefused, CommandRepeated, LedgerEntry, OrderOpened
from schemas.records import Source
from schemas.topics import ACCOUNTS, CANDLES, DEAD_LETTERS, DEPTH, LEDGER, ORDERS, PUBLIC_TOPICS, TRADES
from simulator.candle_recount import compare
from stage.partition import Core, StagePartition, encode_state

DERIVED_TOPICS = (ACCOUNTS, ORDERS, TRADES, DEPTH, LEDGER, CANDLES, DEAD_LETTERS)
_WRITER = {ORDERS: "ledger", LEDGER: "ledger", CANDLES: "candle_agg"}


class LoggedRecord(NamedTuple):
    """A record as the broker has it; its offset is its place in its list."""

    log_time_ms: int
    value: bytes
    key: bytes = b""


Log = Mapping[tuple[str, int], Sequence[LoggedRecord]]
"""(topic, partition) → records from offset 0."""

_Edge = tuple[str, int, str, int]
"""Topic and partition written, the stage that wrote, and its input partition."""


class _Origin(Struct):
    record: str
    edge_sequence: int = 0
    source: Source | None = None
    stage: str | None = None  # of a dead letter
    closed: bool = True  # false for a candle that still forms, and has no place on its edge


class Audit(Struct):
    """What the replay found. An exact log has no `differences`."""

    inputs: int = 0
    emitted: int = 0
    repeats: int = 0  # identical copies on any topic
    public_repeats: int = 0  # of these, on public topics
    differences: list[str] = []
    states: dict[tuple[str, int], bytes] = {}  # (stage, partition) -> encoded state after the last input
    cores: dict[tuple[str, int], Core] = {}


def audit(log: Log) -> Audit:
    """Replays the stages' inputs and compares every derived record. O(records)."""
    result = Audit()
    expected: dict[_Edge, list[bytes]] = defaultdict(list)
    for topic, core_type in ((ACCOUNTS, LedgerCore), (ORDERS, MatcherCore), (TRADES, CandleCore)):
        for (name, partition), records in sorted(log.items()):
            if name == topic:
                _replay(result, expected, core_type(partition), partition, records)
    _compare(result, expected, log)
    _count_candles(result, log)
    _check_sums(result)
    return result


def _replay(
    result: Audit, expected: dict[_Edge, list[bytes]], core: Core, partition: int, records: Sequence[LoggedRecord]
) -> None:
    stage = StagePartition(core, partition)
    for offset, record in enumerate(records):
        for emission in stage.feed(offset, record.log_time_ms, record.value):
            expected[(emission.topic, emission.partition, core.stage, partition)].append(emission.value)
            result.emitted += 1
    result.inputs += len(records)
    result.states[(core.stage, partition)] = encode_state(stage.dump())
    result.cores[(core.stage, partition)] = core


def _compare(result: Audit, expected: dict[_Edge, list[bytes]], log: Log) -> None:
    """Each derived topic's records against what the replay emitted, edge by edge."""
    taken: dict[_Edge, int] = defaultdict(int)
    for (topic, partition), records in sorted(log.items()):
        if topic not in DERIVED_TOPICS:
            continue
        for offset, record in enumerate(records):
            origin = _origin(record.value)
            if origin is None or origin.source is None or not origin.closed:
                continue
            stage = origin.stage or _WRITER.get(topic, "matcher")
            edge = (topic, partition, stage, origin.source.partition)
            wanted, sequence = expected.get(edge, []), origin.edge_sequence
            if sequence > len(wanted) or wanted[sequence - 1] != record.value:
                result.differences.append(f"{topic}-{partition} at {offset}: not what the replay gives as {sequence}")
            elif sequence == taken[edge] + 1:
                taken[edge] = sequence
            elif sequence <= taken[edge]:
                result.repeats += 1
                result.public_repeats += topic in PUBLIC_TOPICS
            else:
                result.differences.append(f"{topic}-{partition} at {offset}: {sequence} follows {taken[edge]}")
    for edge, values in expected.items():
        if taken[edge] != len(values):
            result.differences.append(f"edge {edge}: {taken[edge]} of {len(values)} records are on the log")


def _origin(value: bytes) -> _Origin | None:
    try:
        return msgspec.json.decode(value, type=_Origin)
    except msgspec.DecodeError:
        return None  # not ours: forged or unreadable, and judged as an input


def _count_candles(result: Audit, log: Log) -> None:
    for (topic, partition), trades in log.items():
        if topic == TRADES:
            candles = [record.value for record in log.get((CANDLES, partition), ())]
            found = compare([record.value for record in trades], candles)
            result.differences += [f"{CANDLES}-{partition}: {difference}" for difference in found.differences]


def _check_sums(result: Audit) -> None:
    """Every asset's balances and books sum to zero over all partitions, and every clearing book nets to zero."""
    totals: dict[str, int] = defaultdict(int)
    clearing: dict[tuple[str, str], int] = defaultdict(int)
    for core in result.cores.values():
        if not isinstance(core, LedgerCore):
            continue
        for account in core.accounts.values():
            for asset, balance in account.balances.items():
                totals[asset] += balance.free + balance.reserved
                if balance.free < 0 or balance.reserved < 0:
                    result.differences.append(f"{account.account} has {balance} {asset}")
        for book, assets in core.books.amounts.items():
            for asset, amount in assets.items():
                totals[asset] += amount
                if book.startswith("clearing:"):
                    clearing[(book, asset)] += amount
    result.differences += [f"{asset} sums to {amount}" for asset, amount in totals.items() if amount]
    result.differences += [f"{book} holds {amount} {asset}" for (book, asset), amount in clearing.items() if amount]


def outcomes(ledger_records: Iterable[bytes]) -> set[str]:
    """The ids of all commands of which the journal says what became of them in the end.

    An order's outcome is that it rests or has closed; another command's is its own event.
    """
    done: set[str] = set()
    decoder = ledger_decoder()
    for value in ledger_records:
        entry = decoder.decode(value)
        if not isinstance(entry, LedgerEntry):
            continue
        for event in entry.events:
            if isinstance(event, OrderOpened | CommandPassed):
                if isinstance(event, CommandPassed) and not event.order_ids:
                    done.add(event.command_id)
                continue
            if isinstance(event, CommandRefused | CommandRepeated):
                done.add(event.command_id)
            else:
                names = (getattr(event, field, None) for field in ("order_id", "command_id", "withdrawal_id"))
                done.update(name for name in names if name)
    return done
