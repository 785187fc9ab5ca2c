"""The canary's loop over a log in memory: killed anywhere it judges every offset and writes every alert once."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from itertools import count
from random import Random

import msgspec
import pytest

from canary.core import Canary
from canary.halter import MarketHalter
from canary.log import LogFailed, Place, Record
from canary.own_alert import is_own
from canary.service import Cadence, CanaryService, alert_partition
from canary.snapshots import decode_state, newest_snapshot
from glassbook.client.keys import Key
from schemas.alerts import Alert, Evidence, Kind, Severity
from schemas.commands import HaltMarket, decode_command
from schemas.records import Submitted
from schemas.topics import ACCOUNTS, ALERTS, ORDERS, SNAPSHOTS, TRADES
from simulator.canary_log import Log, Recording, judge, places
from simulator.canary_log import Record as Written
from simulator.workload import Workload, make_workload

ALERT_PARTITIONS = 2
KEY = Key.new()
CADENCE = Cadence(max_records=7, ends_ms=3, commit_ms=2, snapshot_ms=25, snapshot_round=1, behind_records=1)


class Killed(Exception):
    """The process ends here, and nothing behind it happens."""


class MemoryLog:
    """The canary's port. It is killed once `lives` calls have been made; what was not flushed by then may be lost."""

    def __init__(self, log: Log, workload: Workload, random: Random) -> None:
        self.log = log
        self.places = places(workload)
        self.written: dict[str, list[tuple[int, bytes, bytes]]] = defaultdict(list)
        self.committed: dict[Place, int] = {}
        self.positions: dict[Place, int] = {}
        self.held: Set[Place] = set()
        self.lives = 10**9
        self._pending: list[tuple[str, int, bytes, bytes]] = []
        self._random = random

    def _live(self) -> None:
        self.lives -= 1
        if self.lives <= 0:
            for record in self._pending[: self._random.randint(0, len(self._pending))]:
                self._write(*record)
            self._pending = []
            raise Killed

    def _write(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        self.written[topic].append((partition, key, value))

    def fetch(self, max_records: int) -> Sequence[Record]:
        self._live()
        found: list[Record] = []
        for place in self._random.sample(self.places, len(self.places)):
            if place in self.held:
                continue
            start = self.positions[place]
            records = self.log.get(place, [])[start : start + self._random.randint(0, max_records)]
            found += [Record(*place, record.offset, record.log_time_ms, record.key, record.value) for record in records]
            self.positions[place] += len(records)
        return found

    def ends(self) -> Mapping[Place, int]:
        self._live()
        return {place: len(self.log.get(place, [])) for place in self.places}

    def hold(self, places: Set[Place]) -> None:
        self.held = places

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        self._live()
        self._pending.append((topic, partition, key, value))

    def flush(self) -> None:
        self._live()
        for record in self._pending:
            self._write(*record)
        self._pending = []

    def commit(self, offsets: Mapping[Place, int]) -> None:
        self._live()
        self.committed |= offsets

    # --- what is asked of it

    @property
    def alerts(self) -> list[Alert]:
        return [msgspec.json.decode(value, type=Alert) for _, _, value in self.written[ALERTS]]

    def halts(self, topic: str) -> list[HaltMarket]:
        """Those that were asked for on the first partition of a topic, or on all of `orders`."""
        values = [value for p, _, value in self.written[topic] if topic == ORDERS or p == 0]
        commands = [decode_command(bytes(msgspec.json.decode(v, type=Submitted).signed.command)) for v in values]
        return [command for command in commands if isinstance(command, HaltMarket)]

    def is_judged(self) -> bool:
        return all(self.committed.get(place, 0) >= len(self.log.get(place, [])) for place in self.places)


class Host:
    """Starts the canary as its process does, and lets it live as long as it is let."""

    def __init__(self, log: MemoryLog, workload: Workload) -> None:
        self.log = log
        self._workload = workload
        self.now_ms = 0
        self.tick_ms = 1
        self.from_snapshots = 0

    def _tick(self) -> int:
        self.now_ms += self.tick_ms
        return self.now_ms

    def start(self) -> CanaryService:
        snapshot = newest_snapshot((key, value) for _, key, value in self.log.written[SNAPSHOTS])
        if snapshot is None:
            canary, number = Canary(self._workload.account_partitions, self._workload.order_partitions), 0
        else:
            canary, number = Canary.restored(decode_state(snapshot.state)), snapshot.number
            self.from_snapshots += 1
        known = [alert.alert_id for alert in self.log.alerts]
        halter = MarketHalter(KEY.public, KEY.sign)
        service = CanaryService(
            self.log, canary, ALERT_PARTITIONS, known, number, self._tick, KEY.sign, halter, CADENCE
        )
        self.log.positions = service.canary.positions()
        return service

    def run(self, lives: int) -> None:
        self.log.lives = lives
        try:
            service = self.start()
            while not self.log.is_judged():
                service.step()
        except Killed:
            return
        self.log.lives = 10**9
        service.close()


def forged(log: Log, random: Random, count: int) -> Log:
    """The log with copies of trades put behind them, each with another price."""
    changed = {place: list(records) for place, records in log.items()}
    trades = [
        (place, index)
        for place, records in log.items()
        if place[0] == TRADES
        for index, record in enumerate(records)
        if b'"record":"trade"' in record.value
    ]
    for place, index in sorted(random.sample(trades, count), reverse=True):
        record = log[place][index]
        value = msgspec.json.encode(msgspec.json.decode(record.value) | {"price": "1.99"})
        changed[place].insert(index + 1, record._replace(value=value))
    return {
        place: [Written(offset, record.log_time_ms, record.key, record.value) for offset, record in enumerate(records)]
        for place, records in changed.items()
    }


def recorded(seed: int) -> tuple[Workload, Log]:
    random = Random(seed)
    workload = make_workload(random, 60, 2)
    return workload, Recording(workload).play(random)


@pytest.mark.parametrize("seed", range(6))
def test_killed_anywhere_it_writes_every_alert_once(seed: int) -> None:
    workload, honest = recorded(seed)
    random = Random(seed)
    bad = forged(honest, random, 3)
    expected = {alert.alert_id for alert in judge(bad, workload).alerts}
    assert len(expected) >= 3, seed
    log = MemoryLog(bad, workload, random)
    host = Host(log, workload)
    for _ in range(12):
        host.run(random.randint(1, 80))
    host.run(10**9)
    ids = [alert.alert_id for alert in log.alerts]
    assert (len(ids), set(ids)) == (len(expected), expected), seed
    assert host.from_snapshots, seed


@pytest.mark.parametrize("seed", range(4))
def test_an_honest_log_gives_no_divergence_however_it_is_killed(seed: int) -> None:
    workload, honest = recorded(100 + seed)
    random = Random(seed)
    log = MemoryLog(honest, workload, random)
    host = Host(log, workload)
    for _ in range(12):
        host.run(random.randint(1, 80))
    host.run(10**9)
    assert {alert.severity for alert in log.alerts} <= {Severity.NOTICE}, seed


def test_nothing_is_committed_or_kept_before_its_alerts_are_written() -> None:
    workload, honest = recorded(7)
    bad = forged(honest, Random(7), 2)
    for lives in range(1, 150, 3):
        log = MemoryLog(bad, workload, Random(lives))
        host = Host(log, workload)
        host.run(lives)
        written = {alert.alert_id for alert in log.alerts}
        for alert in judge(bad, workload).alerts:
            bad_record = alert.evidence[0]
            behind = log.committed.get((bad_record.topic, bad_record.partition), 0) > bad_record.offset
            assert not behind or alert.alert_id in written, lives


def diverging(alerts: list[Alert]) -> set[str]:
    return {alert.symbol for alert in alerts if alert.severity is Severity.WRONG}


@pytest.mark.parametrize("seed", range(4))
def test_no_alert_stands_whose_market_it_did_not_halt_before(seed: int) -> None:
    workload, honest = recorded(seed)
    bad = forged(honest, Random(seed), 3)
    for lives in range(1, 200, 12):
        log = MemoryLog(bad, workload, Random(lives))
        host = Host(log, workload)
        host.run(lives)
        assert diverging(log.alerts) <= {halt.symbol for halt in log.halts(ORDERS)}, lives
        host.run(10**9)
        halts = log.halts(ORDERS)
        assert {halt.halt_id for halt in halts} == {halt.halt_id for halt in log.halts(ACCOUNTS)}, lives
        assert {halt.symbol for halt in halts} == diverging(log.alerts), lives
        # What stands still is halted once in each of the two lives at most.
        assert max(Counter(halt.symbol for halt in halts).values()) <= 2, lives


def test_its_alerts_are_signed() -> None:
    workload, honest = recorded(2)
    log = MemoryLog(forged(honest, Random(2), 2), workload, Random(2))
    Host(log, workload).run(10**9)
    values = [value for _, _, value in log.written[ALERTS]]
    assert values and all(is_own(value, KEY.public) for value in values)
    for value in values:
        assert not is_own(value, Key.new().public)
        assert not is_own(value.replace(b'"alert_id":"', b'"alert_id":"1'), KEY.public)
        unsigned = msgspec.json.decode(value)
        del unsigned["signature"]
        assert not is_own(msgspec.json.encode(unsigned), KEY.public)
    assert not any(is_own(value, KEY.public) for value in (None, b"", b"{}", b"\xff", values[0][:-1]))


def test_it_says_that_it_is_behind(capsys: pytest.CaptureFixture[str]) -> None:
    workload, honest = recorded(3)
    Host(MemoryLog(honest, workload, Random(3)), workload).run(10**9)
    assert "records behind" in capsys.readouterr().out


class LopsidedLog(MemoryLog):
    """Gives many records at a time of what stages wrote, and one of what they read."""

    def fetch(self, max_records: int) -> Sequence[Record]:
        found: list[Record] = []
        for place in self.places:
            start, most = self.positions[place], 1 if place[0] in (ACCOUNTS, ORDERS) else max_records
            records = self.log.get(place, [])[start : start + most] if place not in self.held else []
            found += [Record(*place, record.offset, record.log_time_ms, record.key, record.value) for record in records]
            self.positions[place] += len(records)
        return found


@pytest.mark.parametrize("ahead_ms, most", [(100, 80), (10**9, 250)])
def test_who_is_far_behind_reads_all_partitions_side_by_side(ahead_ms: int, most: int) -> None:
    workload, honest = recorded(3)
    log = LopsidedLog(honest, workload, Random(3))
    canary = Canary(workload.account_partitions, workload.order_partitions)
    log.positions, now_ms, waited = canary.positions(), count(), []
    cadence = Cadence(max_records=7, ends_ms=1, ahead_ms=ahead_ms, commit_ms=1)
    service = CanaryService(log, canary, ALERT_PARTITIONS, [], 0, lambda: next(now_ms), KEY.sign, None, cadence)
    while not log.is_judged():
        service.step()
        readers = [reader for judge in (*canary.ledgers, *canary.matchers) for reader in judge.readers.values()]
        waited.append(sum(len(reader.waiting) for reader in readers))
    assert most / 2 < max(waited) < most
    assert not any(alert.severity is Severity.WRONG for alert in log.alerts)


def test_a_dear_snapshot_is_taken_seldom() -> None:
    """Here each look at the clock is 50 ms later, so that a snapshot seems to take as long."""
    workload, honest = recorded(3)
    host = Host(MemoryLog(honest, workload, Random(3)), workload)
    host.tick_ms = 50
    service = host.start()
    while host.now_ms < 50_000:
        service.step()
    taken = sum(key.endswith(b"/manifest") for _, key, _ in host.log.written[SNAPSHOTS])
    assert 30 <= taken <= 50_000 / (CADENCE.snapshot_share * 50)


@pytest.mark.parametrize(
    "evidence, partition",
    [
        ([("trades", 5, 1), ("accounts", 1, 1)], 5),
        ([("accounts", 1, 1), ("orders", 6, 1)], 6),
        ([("accounts", 3, 1), ("ledger", 3, 1)], 3),
        ([("ledger", 11, 1)], 3),
    ],
)
def test_an_alert_stands_with_its_market(evidence: list[tuple[str, int, int]], partition: int) -> None:
    alert = Alert(
        alert_id="x", kind=Kind.DEPTH_WRONG, severity=Severity.WRONG, symbol="", time_ms=0, expected="", found="",
        evidence=[Evidence(*place) for place in evidence],
    )  # fmt: skip
    assert alert_partition(alert, 8) == partition


def test_a_log_that_was_cut_off_is_told_and_stops_it() -> None:
    workload, honest = recorded(5)
    log = MemoryLog(honest, workload, Random(5))
    host = Host(log, workload)
    host.run(10**9)
    place, records = max(honest.items(), key=lambda item: len(item[1]))
    log.log = honest | {place: records[:-3]}
    log.committed.clear()
    for _ in range(2):
        service = host.start()
        with pytest.raises(LogFailed, match=f"ends at {len(records) - 3}"):
            for _ in range(100):
                service.step()
    (alert,) = [alert for alert in log.alerts if alert.kind == Kind.LOG_TRUNCATED]
    assert alert.evidence == [Evidence(*place, len(records) - 4)]
    assert (alert.expected, alert.found) == (
        f"{place[0]}-{place[1]} to reach {len(records)}",
        f"it ends at {len(records) - 3}",
    )


def test_each_partition_that_was_cut_off_is_told_and_its_markets_halted() -> None:
    workload, honest = recorded(5)
    log = MemoryLog(honest, workload, Random(5))
    host = Host(log, workload)
    host.run(10**9)
    log.log = {place: records[:-1] for place, records in honest.items()}
    service = host.start()
    with pytest.raises(LogFailed, match="ends at"):
        for _ in range(100):
            service.step()
    cut = [alert for alert in log.alerts if alert.kind == Kind.LOG_TRUNCATED]
    assert {(alert.evidence[0].topic, alert.evidence[0].partition) for alert in cut} == set(log.places)
    assert {halt.symbol for halt in log.halts(ORDERS)} == {"ABC-USD", "XYZ-USD"}


def test_a_moment_of_a_shorter_log_is_nothing() -> None:
    workload, honest = recorded(5)
    log = MemoryLog(honest, workload, Random(5))
    host = Host(log, workload)
    host.run(10**9)
    service = host.start()
    for _ in range(5):
        log.log = {place: records[:-1] for place, records in honest.items()}
        for _ in range(CADENCE.ends_ms * 3):
            service.step()
        log.log = honest
        for _ in range(CADENCE.ends_ms * 3):
            service.step()
    assert {alert.severity for alert in log.alerts} <= {Severity.NOTICE}
