"""`glassbook verify` over a recorded history: the verdict, its words, the range, and the hash of what was checked."""

import hashlib
import struct
from random import Random

import pytest

from glassbook.errors import GlassbookError
from glassbook.verify import Outcome, Report, Verification, Wanted
from glassbook.verify_hash import RunningHash, hash_of_all
from glassbook.verify_source import Bounds, LogRecord
from glassbook.verify_words import MEANING, lines_of
from schemas.alerts import Kind
from schemas.topics import DEPTH, LEDGER, ORDERS, TRADES
from simulator import canary_edits as edits
from simulator.canary_log import Log, Place
from tests.unit.verified_log import LogSource, recorded

LOG, EVERY = recorded()


def verified(log: Log, **wanted: object) -> Report:
    source = LogSource(log, EVERY)
    return Verification(source, Wanted(**wanted)).run(lambda count: None)  # type: ignore[arg-type]


def with_price_altered() -> Log:
    """Of a trade of ABC-USD."""
    altered = edits.changed(TRADES, lambda record: record.get("symbol") == "ABC-USD" and edits.is_trade(record),
                            edits.alter("price", 1))(LOG, Random(1))  # fmt: skip
    assert altered is not None
    return dict(altered)


def test_an_honest_history_is_exact() -> None:
    report = verified(LOG)
    assert report.outcome is Outcome.EXACT
    assert report.exchange == "simulation"
    assert report.records == sum(len(records) for records in LOG.values())
    assert not report.unjudged and not report.notices
    lines = list(lines_of(report, LogSource(LOG, EVERY)))
    assert lines[0].startswith("EXACT:")
    assert lines[-1] == f"hash      {report.hash}"


def test_the_first_difference_is_told_by_what_differs_and_where_one_sees_it() -> None:
    log = with_price_altered()
    report = verified(log)
    assert (report.outcome, report.difference_count, report.stopped_early) == (Outcome.DIVERGENCE, 1, True)
    (alert,) = report.differences
    assert alert.kind == Kind.PRICE_ALTERED
    bad = alert.evidence[0]
    assert log[TRADES, bad.partition][bad.offset].value != LOG[TRADES, bad.partition][bad.offset].value
    text = "\n".join(lines_of(report, LogSource(log, EVERY)))
    assert "PRICE_ALTERED (ABC-USD): A fill has another price" in text
    assert "  expected  price " in text and "  found     price " in text
    assert "digest" not in text  # the fields that agree are left out
    assert f"trades-{bad.partition} in memory, offset {bad.offset}" in text


def test_with_all_it_goes_on_to_the_end() -> None:
    log = with_price_altered()
    report = verified(log, goes_on=True)
    assert report.difference_count >= 1 and not report.stopped_early
    assert report.records == sum(len(records) for records in log.values())


def test_a_history_whose_end_is_missing_is_incomplete_and_not_exact() -> None:
    place = next(place for place, records in sorted(LOG.items()) if place[0] == TRADES and len(records) > 20)
    report = verified(LOG | {place: LOG[place][:4]})
    assert report.outcome is Outcome.INCOMPLETE
    assert (ORDERS, place[1]) in report.unjudged
    lines = list(lines_of(report, LogSource(LOG, EVERY)))
    assert lines[0].startswith("INCOMPLETE:")
    assert any("wait for what they cause" in line for line in lines)


def test_depth_whose_beginning_retention_has_deleted_is_left_out_and_that_is_said() -> None:
    place = next(place for place, records in sorted(LOG.items()) if place[0] == DEPTH and len(records) > 5)
    report = verified(LOG | {place: LOG[place][3:]})
    assert report.outcome is Outcome.EXACT and report.leaves_out_depth
    assert all(partition.topic != DEPTH for partition in report.partitions)
    assert any("no longer kept" in line for line in lines_of(report, LogSource(LOG, EVERY)))


def test_a_hole_in_what_is_kept_for_ever_is_a_divergence() -> None:
    place = next(place for place, records in sorted(LOG.items()) if place[0] == LEDGER and len(records) > 20)
    assert verified(LOG | {place: LOG[place][5:]}).outcome is Outcome.DIVERGENCE


# --- a range


def test_a_difference_before_the_range_is_counted_and_not_judged() -> None:
    log = with_price_altered()
    last = max(len(records) for place, records in log.items() if place[0] == ORDERS) - 1
    report = verified(log, start=last)
    assert report.outcome is Outcome.EXACT
    assert report.before_range >= 1
    assert any("before the range" in line for line in lines_of(report, LogSource(log, EVERY)))


def test_a_range_that_begins_before_the_difference_has_it() -> None:
    assert verified(with_price_altered(), start=0, symbol="ABC-USD").outcome is Outcome.DIVERGENCE


def test_a_difference_in_another_market_is_counted_and_not_judged() -> None:
    report = verified(with_price_altered(), symbol="XYZ-USD")
    assert report.outcome is Outcome.EXACT
    assert report.other_markets >= 1


@pytest.mark.parametrize(
    ("wanted", "says"),
    [({"symbol": "NO-SUCH"}, "no market NO-SUCH is listed"), ({"start": 10**9}, "orders ends before offset")],
)
def test_a_range_that_is_not_there_is_an_error(wanted: dict[str, object], says: str) -> None:
    with pytest.raises(GlassbookError, match=says):
        verified(LOG, **wanted)


def test_nothing_at_all_is_an_error() -> None:
    with pytest.raises(GlassbookError, match="no partitions"):
        Verification(LogSource({}, []), Wanted())


# --- a start in the middle


def test_from_a_snapshot_it_reads_only_what_lies_behind_it() -> None:
    from canary.core import Canary

    source, canary = LogSource(LOG, EVERY), Canary(2, len([place for place in EVERY if place[0] == ORDERS]))
    half = list(source.records(("accounts", ORDERS, TRADES, DEPTH, LEDGER)))
    half = half[: len(half) // 2]
    for record in half:
        assert not canary.feed(*record)
    verification = Verification(source, Wanted(start=0), canary.dump())
    report = verification.run(lambda count: None)
    assert report.outcome is Outcome.EXACT and report.begins_with_snapshot
    assert report.records == verification.total == sum(len(records) for records in LOG.values()) - len(half)
    assert any("believed, not checked" in line for line in lines_of(report, source))


# --- the hash


def test_the_hash_is_the_one_that_the_documentation_describes() -> None:
    """Written out by hand, as an outsider would from docs/verify.md."""
    lines = []
    for topic, partition in sorted(place for place in EVERY if place[0] != "alerts"):
        records, sha256 = LOG.get((topic, partition), []), hashlib.sha256()
        for record in records:
            sha256.update(struct.pack(">qqi", record.offset, record.log_time_ms, len(record.value)) + record.value)
        first, end = (records[0].offset, records[-1].offset + 1) if records else (0, 0)
        lines.append(f"{topic} {partition} {len(records)} {first} {end} {sha256.hexdigest()}\n")
    expected = hashlib.sha256(("glassbook-checked-v1\n" + "".join(lines)).encode()).hexdigest()
    assert verified(LOG).hash == expected


PLACE: Place = (TRADES, 0)
RECORD = LogRecord(*PLACE, 7, 1_000, b"key", b"value")


@pytest.mark.parametrize(
    "other",
    [
        RECORD._replace(offset=8),
        RECORD._replace(log_time_ms=1_001),
        RECORD._replace(value=b"valuf"),
        RECORD._replace(value=b""),
        RECORD._replace(value=None),
    ],
)
def test_every_part_of_a_record_is_in_the_hash(other: LogRecord) -> None:
    hashes = []
    for record in (RECORD, other):
        running = RunningHash(PLACE)
        running.add(record)
        hashes.append(running.result().sha256)
    assert hashes[0] != hashes[1]


def test_the_hash_of_all_does_not_depend_on_the_order_in_which_partitions_were_read() -> None:
    found = [RunningHash((topic, 0)).result() for topic in (TRADES, LEDGER)]
    assert hash_of_all(found) == hash_of_all(reversed(found))


def test_every_kind_of_alert_has_words() -> None:
    assert MEANING.keys() == set(Kind)


def test_bounds_of_an_empty_partition() -> None:
    assert LogSource({}, [PLACE]).bounds == {PLACE: Bounds(0, 0)}
