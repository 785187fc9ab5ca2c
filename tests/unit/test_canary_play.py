"""What is played onto a broker: the order of its records, which is the bad one, and what a play can't leave there."""

from random import Random

from benchmarks.canary import WAYS, dealt_out
from schemas.alerts import Alert, Evidence, Kind, Severity
from schemas.topics import ACCOUNTS, LEDGER, ORDERS, TRADES
from simulator.audit import LoggedRecord
from simulator.canary_broker_alerts import false_alarms
from simulator.canary_broker_plan import Plan, entries_of, plan
from simulator.canary_campaign import injected
from simulator.canary_injections import INJECTIONS
from simulator.canary_log import Record
from simulator.canary_ways import honest

BY_NAME = {injection.name: injection for injection in INJECTIONS}
PLACE = (TRADES, 0)
LATE_MS = 10_000


def planned(name: str) -> Plan:
    injection = BY_NAME[name]
    log, workload, _ = injected(injection, 3)
    entries = entries_of(log)
    assert entries is not None
    found = plan(entries, workload, injection.kinds)
    assert found is not None
    return found


def records(*offsets: int) -> list[Record]:
    return [Record(offset, 1_000 + offset, b"", b"{}") for offset in offsets]


class TestEntries:
    def test_come_by_log_time_and_each_partition_in_its_order(self) -> None:
        entries = entries_of({PLACE: records(0, 1, 2), (ORDERS, 0): records(0, 1)})
        assert entries is not None
        assert [(entry.place[0], entry.record.offset) for entry in entries] == [
            (ORDERS, 0), (TRADES, 0), (ORDERS, 1), (TRADES, 1), (TRADES, 2),
        ]  # fmt: skip
        assert not any(entry.gap for entry in entries)

    def test_an_empty_offset_is_known_to_the_record_before_it(self) -> None:
        entries = entries_of({PLACE: records(0, 1, 3)})
        assert entries is not None
        assert [entry.gap for entry in entries] == [False, True, False]

    def test_holes_that_a_play_cannot_leave_are_refused(self) -> None:
        assert entries_of({PLACE: records(1, 2)}) is None
        assert entries_of({PLACE: records(0, 3)}) is None


class TestPlan:
    def test_a_record_that_was_altered_is_the_bad_one_and_tells(self) -> None:
        found = planned("a trade's price edited")
        assert found.bad == found.telling
        assert found.entries[found.bad].place[0] == TRADES
        assert found.is_told_at_once

    def test_silence_tells_only_after_it_has_lasted(self) -> None:
        found = planned("insider falls silent")
        assert found.entries[found.bad].place[0] == ORDERS
        assert found.waits_ms > LATE_MS
        assert not found.is_told_at_once

    def test_of_an_honest_log_there_is_nothing_to_tell(self) -> None:
        log, workload = honest(Random(1))
        entries = entries_of(log)
        assert entries is not None
        assert plan(entries, workload, frozenset({Kind.PRICE_ALTERED})) is None


def test_cases_are_dealt_out_over_all_ways_of_each_kind() -> None:
    for kind, ways in WAYS.items():
        cases = dealt_out(kind, len(ways) + 1, 100)
        assert cases == [*((way, 100) for way in ways), (ways[0], 101)]
    assert sum(map(len, WAYS.values())) == len(INJECTIONS)


class TestFalseAlarms:
    def alert(self, severity: Severity, place: Evidence) -> Alert:
        return Alert(
            alert_id="one", kind=Kind.STAGE_LATE, severity=severity, symbol="", time_ms=0, expected="this",
            found="that", evidence=[place],
        )  # fmt: skip

    def log(self, *entries_ms: int) -> dict[tuple[str, int], list[LoggedRecord]]:
        """One input at 1,000 ms, and the ledger's entries on it, all of one sequence."""
        entry = b'{"record":"entry","edge_sequence":1,"source":{"partition":0,"offset":0,"index":0,"digest":""}}'
        return {
            (ACCOUNTS, 0): [LoggedRecord(1_000, b"{}", b"")],
            (LEDGER, 0): [LoggedRecord(1_000 + after_ms, entry, b"") for after_ms in entries_ms],
        }

    def test_whoever_blames_an_honest_exchange_is_wrong(self) -> None:
        for severity in (Severity.WRONG, Severity.NOTICE):
            (said,) = false_alarms([self.alert(severity, Evidence(ACCOUNTS, 0, 0))], self.log(LATE_MS + 1), LATE_MS)
            assert said == f"{severity} STAGE_LATE one: expected this, found that"

    def test_late_is_who_took_longer_than_the_limit(self) -> None:
        late = [self.alert(Severity.LATE, Evidence(ACCOUNTS, 0, 0))]
        assert false_alarms(late, self.log(LATE_MS + 1), LATE_MS) == []
        assert len(false_alarms(late, self.log(LATE_MS), LATE_MS)) == 1
        assert len(false_alarms(late, self.log(), LATE_MS)) == 1

    def test_a_copy_that_comes_later_makes_nobody_late(self) -> None:
        late = [self.alert(Severity.LATE, Evidence(ACCOUNTS, 0, 0))]
        assert len(false_alarms(late, self.log(5, LATE_MS + 1), LATE_MS)) == 1
