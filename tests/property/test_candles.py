"""Candles over random trades: equal to a plain count, whatever the batches, restarts, repeats and strange bytes."""

import json
from random import Random

import pytest

from candle_agg.core import CandleCore
from candle_agg.service import CandleService
from schemas.codec import encode
from schemas.commands import Side
from schemas.decimals import format_decimal
from schemas.records import Source, Trade, TradesTick
from schemas.topics import CANDLES, DEAD_LETTERS, TRADES
from simulator.candle_load import Flow, records
from simulator.candle_recount import compare
from simulator.memory_log import Cluster, MemoryLog
from stage.partition import Gap, StagePartition, decode_state, encode_state
from stage.service import Cadence
from tests.property.test_unreadable import mangled_bytes, mangled_fields

SEEDS = range(25)
STEPS_MS = (0, 0, 1, 7, 300, 999, 1000, 1001, 59_999, 60_000, 299_000, 3_600_000, 14_400_000, 90_000_000)


pytestmark = pytest.mark.usefixtures("quiet_stages")


def trades(seed: int, number: int = 150) -> list[bytes]:
    """Times at and around every boundary, numbers of every size, several symbols."""
    random = Random(seed)
    time_ms, sequences, found = random.randrange(10**12), dict.fromkeys(("A-USD", "B-USD", "C-USD"), 0), []
    for edge in range(1, number + 1):
        time_ms += random.choice(STEPS_MS)
        if random.random() < 0.3:
            time_ms = time_ms // 1000 * 1000 + random.choice((0, 999))
        source = Source(0, edge, 0, "A" * 43)
        if random.random() < 0.2:
            found.append(encode(TradesTick(edge_sequence=edge, source=source, time_ms=time_ms)))
            continue
        symbol = random.choice(list(sequences))
        sequences[symbol] += 1
        price, quantity, quote = (
            format_decimal(random.randrange(1, 10 ** random.randint(1, 38)), random.randint(0, 18)) for _ in range(3)
        )
        found.append(
            encode(
                Trade(
                    edge_sequence=edge, source=source, symbol=symbol, sequence=sequences[symbol], trade_id="0-0-0",
                    time_ms=time_ms, price=price, quantity=quantity, quote_quantity=quote,
                    aggressor_side=random.choice((Side.BUY, Side.SELL)), taker_order_id="0-1", taker_account="a" * 40,
                    taker_fee="0", maker_order_id="0-2", maker_account="b" * 40, maker_fee="0", fee_asset="USD",
                )
            )
        )  # fmt: skip
    return found


def on_log(values: list[bytes]) -> Cluster:
    cluster = Cluster()
    for value in values:
        cluster.append(TRADES, 0, b"", value)
    return cluster


def start(cluster: Cluster, cadence: Cadence | None = None) -> CandleService:
    log = MemoryLog(cluster, "candle_agg", TRADES)
    service = CandleService(CandleCore, (CANDLES,), log, lambda: cluster.now_ms, cadence)
    log.positions = service.open([0])
    return service


def closed(cluster: Cluster) -> list[bytes]:
    return [value for value in cluster.values(CANDLES, 0) if b'"closed":true' in value]


def undisturbed(values: list[bytes]) -> Cluster:
    cluster = on_log(values)
    service = start(cluster)
    while service.step():
        pass
    return cluster


@pytest.mark.parametrize("seed", SEEDS)
def test_candles_equal_a_plain_count(seed: int):
    values = trades(seed)
    cluster = on_log(values)
    service = start(cluster)
    while service.step(Random(seed).randint(1, 9)):
        cluster.now_ms += 100
    found = compare(values, cluster.values(CANDLES, 0))
    assert found.differences == [] and found.closed and found.forming and not found.repeats
    assert not cluster.values(DEAD_LETTERS, 0)


def test_the_plain_count_sees_a_wrong_candle():
    """Or else it proves nothing: any number changed, a candle lost or doubled is a difference."""
    values = trades(1, 40)
    candles = undisturbed(values).values(CANDLES, 0)
    assert compare(values, candles).differences == []
    fields = list(json.loads(candles[0]))
    fields = fields[fields.index("open") :]
    for place, field in enumerate(fields * 4):
        candle = json.loads(candles[place])
        value = candle[field]
        wrong = encode(candle | {field: value + 1 if isinstance(value, int) else f"1{value}"})
        assert compare(values, [*candles[:place], wrong, *candles[place + 1 :]]).differences, field
        assert compare(values, [*candles[:place], *candles[place + 1 :]]).differences
    assert compare(values, [*candles, candles[0]]).repeats == 1
    assert compare(values, [*candles, candles[0].replace(b'"high":"', b'"high":"1')]).differences
    assert compare(values[:-30], candles).differences


@pytest.mark.parametrize("seed", SEEDS)
def test_no_byte_of_a_closed_candle_depends_on_batches_or_restarts(seed: int):
    values, random = trades(seed), Random(seed)
    cluster = on_log([])
    cadence = Cadence(0, random.choice([0, 10**9]), random.choice([1, 7, 10**9]), random.choice([100, 10**6]))
    service = start(cluster, cadence)
    for value in values:
        cluster.append(TRADES, 0, b"", value)
        if random.random() < 0.3:
            service.step(random.choice([1, 2, 100]))
            cluster.now_ms += random.choice([0, 50, 300])
        if random.random() < 0.1:
            service = start(cluster, cadence)  # killed, and started again
    while service.step(random.choice([1, 3, 1000])):
        pass
    alone = Cluster()
    alone.records[TRADES, 0] = cluster.records[TRADES, 0]
    service = start(alone)
    while service.step():
        pass
    assert closed(cluster) == closed(alone)


@pytest.mark.parametrize("seed", SEEDS)
def test_repeated_trades_change_no_candle(seed: int):
    """A zombie matcher's copies of anything that lies there, anywhere behind it."""
    values, random = trades(seed), Random(seed)
    repeated: list[bytes] = []
    for number, value in enumerate(values):
        repeated += [value, *(random.choice(values[: number + 1]) for _ in range(random.choice([0, 0, 1, 3])))]
    found = compare(values, undisturbed(repeated).values(CANDLES, 0))
    assert found.differences == [] and found.closed == compare(values, undisturbed(values).values(CANDLES, 0)).closed


@pytest.mark.parametrize("seed", SEEDS)
def test_restore_equals_replay_byte_for_byte_at_every_point(seed: int):
    replayed = StagePartition(CandleCore(0), 0)
    for offset, value in enumerate(trades(seed)):
        state = encode_state(replayed.dump())
        restored = StagePartition(CandleCore(0), 0)
        restored.restore(decode_state(state))
        assert encode_state(restored.dump()) == state
        assert restored.feed(offset, 5, value) == replayed.feed(offset, 5, value)
        assert encode_state(restored.dump()) == encode_state(replayed.dump())


@pytest.mark.parametrize("seed", range(60))
def test_whatever_lies_on_trades_is_read_refused_or_stops_the_stage_as_a_gap(seed: int):
    random = Random(seed)
    stage = StagePartition(CandleCore(0), 0)
    for value in trades(seed, 60):
        if random.random() < 0.3:
            strange = random.choice((mangled_bytes, mangled_fields))(random, value)
            try:
                stage.feed(stage.next_offset, 5, strange)
            except Gap:
                return
        try:
            stage.feed(stage.next_offset, 5, value)
        except Gap:  # a changed copy has taken the place of what comes now, or moved its symbol on
            return
        restored = StagePartition(CandleCore(0), 0)
        restored.restore(decode_state(encode_state(stage.dump())))
        assert encode_state(restored.dump()) == encode_state(stage.dump())
        list(restored.core.forming(0, Source(0, 0, 0, "")))  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(3))
def test_a_long_flow_of_many_symbols(seed: int):
    flow = Flow(0, tuple(f"S{number}-USD" for number in range(30)), 5000, seed)
    values = list(records(flow))
    found = compare(values, undisturbed(values).values(CANDLES, 0))
    assert found.differences == [] and found.trades == 5000
