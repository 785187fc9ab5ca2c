"""Ledger and matcher as stages, over random flows: restore equals replay, no byte depends on a batch, sums hold."""

from collections import defaultdict
from collections.abc import Iterator
from random import Random

import msgspec
import pytest

from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.codec import trades_decoder
from schemas.records import Depth, Trade
from schemas.topics import DEPTH, LEDGER, TRADES
from simulator.memory_log import Cluster, MemoryLog, StoredRecord
from simulator.verdict import check_reserved
from simulator.workload import make_workload
from simulator.world import Odds, World
from stage.partition import StagePartition, decode_state, encode_state
from stage.service import Cadence, StageService

SEEDS = range(12)
CoreType = type[LedgerCore] | type[MatcherCore]
STAGES: list[tuple[str, CoreType, tuple[str, ...]]] = [
    ("ledger", LedgerCore, (LEDGER,)),
    ("matcher", MatcherCore, (TRADES, DEPTH)),
]


pytestmark = pytest.mark.usefixtures("quiet_stages")


def undisturbed(seed: int) -> Cluster:
    """The log of a run without faults."""
    random = Random(seed)
    world = World(random, make_workload(random, 60), Odds())
    world.run()
    return world.cluster


def inputs(cluster: Cluster, core_type: CoreType) -> list[tuple[int, list[StoredRecord]]]:
    return [(p, records) for (topic, p), records in cluster.records.items() if topic == core_type.input_topic]


def partitions(cluster: Cluster) -> Iterator[tuple[StagePartition, list[StoredRecord]]]:
    """A fresh stage for each input partition, and its records."""
    for _, core_type, _ in STAGES:
        for partition, records in inputs(cluster, core_type):
            yield StagePartition(core_type(partition), partition), records


def fresh(stage: StagePartition) -> StagePartition:
    core_type = LedgerCore if isinstance(stage.core, LedgerCore) else MatcherCore
    return StagePartition(core_type(stage.partition), stage.partition)


@pytest.mark.parametrize("seed", SEEDS)
def test_restore_equals_replay_byte_for_byte_at_every_point(seed):
    """One stage takes all records; beside it, before each record, a fresh one is restored from the other's dump."""
    for replayed, records in partitions(undisturbed(seed)):
        restored = replayed
        for offset, record in enumerate(records):
            state = encode_state(restored.dump())
            restored = fresh(replayed)
            restored.restore(decode_state(state))
            assert encode_state(restored.dump()) == state
            expected = replayed.feed(offset, record.log_time_ms, record.value)
            assert restored.feed(offset, record.log_time_ms, record.value) == expected
            assert encode_state(restored.dump()) == encode_state(replayed.dump())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restored_stage_goes_on_to_the_same_end(seed):
    for replayed, records in partitions(undisturbed(seed)):
        cut = Random(seed).randrange(len(records) + 1)
        for offset, record in enumerate(records[:cut]):
            replayed.feed(offset, record.log_time_ms, record.value)
        restored = fresh(replayed)
        restored.restore(decode_state(encode_state(replayed.dump())))
        for offset, record in enumerate(records[cut:], cut):
            expected = replayed.feed(offset, record.log_time_ms, record.value)
            assert restored.feed(offset, record.log_time_ms, record.value) == expected
        assert encode_state(restored.dump()) == encode_state(replayed.dump())


@pytest.mark.parametrize("seed", SEEDS)
def test_no_byte_depends_on_a_batch(seed):
    cluster = undisturbed(seed)
    for name, core_type, outputs in STAGES:
        given = {(core_type.input_topic, p): records for p, records in inputs(cluster, core_type)}
        runs = [run_in_batches(name, core_type, outputs, given, size) for size in (1, 3, 1000)]
        assert runs[0] == runs[1] == runs[2]


def run_in_batches(
    name: str,
    core_type: CoreType,
    outputs: tuple[str, ...],
    given: dict[tuple[str, int], list[StoredRecord]],
    size: int,
) -> dict[tuple[str, int, int], list[bytes]]:
    """What the stage writes, by output partition and edge: the order between edges is the broker's."""
    cluster = Cluster()
    cluster.records.update({place: list(records) for place, records in given.items()})
    before = {place: len(records) for place, records in given.items()}
    log = MemoryLog(cluster, name, core_type.input_topic)
    service = StageService(core_type, outputs, log, lambda: cluster.now_ms, Cadence(0, 10**9, 10**9))
    log.positions = service.open([partition for _, partition in given])
    while service.step(size):
        pass
    written: dict[tuple[str, int, int], list[bytes]] = defaultdict(list)
    for (topic, partition), records in cluster.records.items():
        for record in records[before.get((topic, partition), 0) :]:
            source = msgspec.json.decode(record.value)["source"]["partition"]
            written[(topic, partition, source)].append(record.value)
    return written


@pytest.mark.parametrize("seed", SEEDS)
def test_sums_hold_after_every_record(seed):
    """In each partition by itself: every asset of accounts and books sums to zero, and what is reserved is held."""
    for stage, records in partitions(undisturbed(seed)):
        core = stage.core
        if not isinstance(core, LedgerCore):
            continue
        for offset, record in enumerate(records):
            stage.feed(offset, record.log_time_ms, record.value)
            totals: dict[str, int] = defaultdict(int)
            for account in core.accounts.values():
                check_reserved(core, account)
                for asset, balance in account.balances.items():
                    totals[asset] += balance.free + balance.reserved
            for amounts in core.books.amounts.values():
                for asset, amount in amounts.items():
                    totals[asset] += amount
            assert not any(totals.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_depth_differences_rebuild_the_book_after_every_record(seed):
    decoder = msgspec.json.Decoder(Depth)
    for stage, records in partitions(undisturbed(seed)):
        core = stage.core
        if not isinstance(core, MatcherCore):
            continue
        shown: dict[tuple[str, bool, str], str] = {}
        sequences: dict[str, int] = defaultdict(int)
        for offset, record in enumerate(records):
            for emission in stage.feed(offset, record.log_time_ms, record.value):
                if emission.topic == DEPTH:
                    depth = decoder.decode(emission.value)
                    sequences[depth.symbol] += 1
                    assert depth.sequence == sequences[depth.symbol]
                    shown.update({(depth.symbol, True, price): total for price, total in depth.bids})
                    shown.update({(depth.symbol, False, price): total for price, total in depth.asks})
            shown = {level: total for level, total in shown.items() if total != "0"}
            assert shown == levels(core)


def levels(core: MatcherCore) -> dict[tuple[str, bool, str], str]:
    found = {}
    for symbol, book in core.books.items():
        book.engine.book.check()
        for is_buy in (True, False):
            for level in book.engine.book.side(is_buy):
                price, total = book.terms.price_text(level.price_ticks), book.terms.quantity_text(level.total_lots)
                found[(symbol, is_buy, price)] = total
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_trades_count_up_by_symbol_and_carry_the_time_of_their_order(seed):
    cluster = undisturbed(seed)
    sequences: dict[str, int] = defaultdict(int)
    times: dict[int, int] = defaultdict(int)
    for (topic, partition), records in cluster.records.items():
        for record in records if topic == TRADES else []:
            trade = trades_decoder().decode(record.value)
            assert trade.time_ms >= times[partition]
            times[partition] = trade.time_ms
            if isinstance(trade, Trade):
                sequences[trade.symbol] += 1
                assert trade.sequence == sequences[trade.symbol]
                assert trade.time_ms >= cluster.records[("orders", partition)][trade.source.offset].log_time_ms
    assert sequences
