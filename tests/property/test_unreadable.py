"""Bytes that nobody meant: whatever lies on `accounts` or `orders`, a stage reads it, refuses it, and goes on."""

import json
from collections.abc import Iterator
from random import Random

from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.reasons import Reason
from simulator.workload import make_workload
from stage.partition import Gap, StagePartition, encode_state

SEEDS = range(60)
STRANGE: list[object] = [
    None, True, 0, -1, 2**63, 10**40, 1.5, 1e400, "", "\ud800", "\x00", "NaN", "-1", "1e5", "0" * 50, "9" * 40,
    "1.0000", [], {}, [[]], "ed25519:", "p256:AAAA", "A" * 5000, "é", "٣", "0-0", "99999-1", "BUY", "1970",
]  # fmt: skip


def fresh() -> list[StagePartition]:
    return [StagePartition(LedgerCore(0), 0), StagePartition(MatcherCore(0), 0)]


def mangled_bytes(random: Random, value: bytes) -> bytes:
    data = bytearray(value)
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(data))
        match random.randrange(4):
            case 0:
                data[place] = random.randrange(256)
            case 1:
                del data[place : place + random.randint(1, 20)]
            case 2:
                data[place:place] = random.choice([b'"', b"{", b"\\u0000", b"\xff", b",", b"1e9", b" "])
            case _:
                data[place:place] = data[random.randrange(len(data)) :][:30]
        data = data or bytearray(b"{}")
    return bytes(data)


def mangled_fields(random: Random, value: bytes) -> bytes:
    """One field somewhere in the record, of the command too, has a strange value, is gone, or is new."""
    record = json.loads(value)
    holders = [node for node in nodes(record) if node]
    holder = random.choice(holders)
    name = random.choice(list(holder))
    match random.randrange(4):
        case 0:
            del holder[name]
        case 1:
            holder[random.choice(["x", "record", "command", "path", "delegation"])] = random.choice(STRANGE)
        case _:
            holder[name] = random.choice(STRANGE)
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=random.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def nodes(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)


def test_mangled_records_never_end_a_stage():
    refused = 0
    for seed in SEEDS:
        random = Random(seed)
        workload = make_workload(random, 30)
        values = [delivery.value for delivery in (*workload.opening, *workload.commands) if len(delivery.value) > 10]
        values += [value for value in outputs(values) if b'"funded"' in value]
        stages = fresh()
        offsets = [0, 0]
        for value in values:
            versions = [mangled_bytes(random, value), mangled_fields(random, value), value]
            for version in versions:
                for number, stage in enumerate(stages):
                    try:
                        emissions = stage.feed(offsets[number], 1_000_000, version)
                    except Gap:
                        # A derived record, whose place in its edge was mangled, stops the stage on purpose.
                        assert b'"edge_sequence"' in version
                        stage.next_offset = offsets[number] + 1
                        emissions = []
                    offsets[number] += 1
                    refused += any(b'"reason":"' in emission.value for emission in emissions)
        for stage in stages:
            encode_state(stage.dump())
    assert refused > 1000


def outputs(values: list[bytes]) -> list[bytes]:
    ledger = fresh()[0]
    return [
        emission.value for offset, value in enumerate(values) for emission in ledger.feed(offset, 1_000_000, value)
    ]  # fmt: skip


def test_an_unreadable_record_is_a_dead_letter_with_its_reason_and_its_bytes():
    for stage in fresh():
        strange = [None, b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"record":"never"}', b'{"a":1}']
        for offset, value in enumerate(strange):
            (emission,) = stage.feed(offset, 1, value)
            letter = json.loads(emission.value)
            assert (emission.topic, emission.key) == ("dead-letters", f"{stage.core.stage}-0".encode())
            assert letter["edge_sequence"] == offset + 1 and letter["source"]["offset"] == offset
            assert letter["reason"] in (Reason.NOT_JSON, Reason.UNKNOWN_RECORD)
            assert letter["topic"] == stage.core.input_topic and letter["stage"] == stage.core.stage
