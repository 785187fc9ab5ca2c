"""The campaign against the canary: every manipulation many times, and honest logs of every kind of disorder.

A case is a name and a seed, and gives the same log again. An injection is caught when an alert of one of its kinds
comes; its control takes that check out, and then all must come but that. Honest logs are those of an exchange in good
order and those of the fault simulation, with its kills, zombies and repeats; the canary is stopped and restored in
the middle of them, and nobody may be blamed.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from random import Random

import msgspec
from msgspec import Struct

from canary.board import ALL_CHECKS
from canary.core import Canary
from canary.frames import origin_of
from canary.judge import Limits
from canary.state import CanaryState
from schemas.alerts import Alert, Kind, Severity
from schemas.topics import ACCOUNTS, DEPTH, LEDGER, ORDERS, TRADES
from simulator.canary_injections import INJECTIONS, Injection
from simulator.canary_log import Log, Record, interleaved, judge, places
from simulator.canary_ways import ENGINE_VERSIONS, INTERVENED, honest
from simulator.faults import quiet
from simulator.interventions import intervened
from simulator.workload import Workload, make_workload
from simulator.world import Odds, World

TRIES = 2_000  # logs looked through for an occasion
CASES_A_TASK = 20
LATE_MS = (10_000, 1_000, 100, 100)  # honest logs are judged with one of these limits: by the last most is late
CLOCK_JUMPS_MS = 50  # by which a broker's log times may tell less than passed
LOOKS = 0.2  # of the records: how often it is looked for what is late
RESTORES = 0.004  # of the records: how often an honest log's canary is restored from its state


class Tally(Struct):
    """What became of the cases of one injection, or of the honest logs under the name HONEST."""

    name: str
    injected: int = 0
    caught: int = 0
    controls: int = 0  # … whose alert stopped when its check was taken out
    orders: int = 0
    failures: list[str] = []

    def add(self, other: "Tally") -> None:
        self.injected += other.injected
        self.caught += other.caught
        self.controls += other.controls
        self.orders += other.orders
        self.failures += other.failures


HONEST = "honest"
CAUSED_BY = {ACCOUNTS: (LEDGER, ORDERS), ORDERS: (TRADES, DEPTH, ACCOUNTS)}


# --- injections


def injected(injection: Injection, seed: int) -> tuple[Log, Workload, Random]:
    """The case's log, and the chance that its judging goes on with."""
    random = Random(f"{injection.name}/{seed}")
    for _ in range(TRIES):
        found = injection.inject(random)
        if found is not None:
            return *found, random
    raise LookupError(f"{injection.name}: no occasion in {TRIES} logs")


def try_injection(injection: Injection, seed: int) -> Tally:
    log, workload, random = injected(injection, seed)
    order = random.random() if random.random() < 0.5 else None

    def alerts(checks: frozenset[Kind]) -> list[Alert]:
        return judge(log, workload, checks, Random(order) if order is not None else None).alerts

    tally = Tally(injection.name, injected=1)
    all_alerts = alerts(ALL_CHECKS)
    if len({alert.alert_id for alert in all_alerts}) < len(all_alerts):
        tally.failures.append(f"{_again(injection.name, seed)}: two alerts of one id")
        return tally
    caught = next((alert for alert in all_alerts if alert.kind in injection.kinds), None)
    if caught is None:
        came = ", ".join(alert.kind for alert in all_alerts) or "no alert"
        tally.failures.append(f"{_again(injection.name, seed)}: {came}")
        return tally
    tally.caught = 1
    rest = [alert for alert in all_alerts if alert.kind != caught.kind]
    if alerts(ALL_CHECKS - {Kind(caught.kind)}) == rest:
        tally.controls = 1
    else:
        tally.failures.append(f"{_again(injection.name, seed)}: without {caught.kind} it says something else")
    return tally


def _again(name: str, seed: int) -> str:
    return f'python -m simulator canary --only "{name}" --seed {seed} --injections 1 --honest 1'


# --- honest logs


def disordered(random: Random) -> tuple[Log, Workload]:
    """What lies on the log after a run of the fault simulation."""
    workload = make_workload(random, random.randint(20, 60), random.choice(ENGINE_VERSIONS))
    if random.random() < INTERVENED:
        workload = intervened(random, workload)
    world = World(random, workload, Odds.drawn(random))
    world.run()
    log: Log = {}
    for place in places(workload):
        records = world.cluster.records[place]
        log[place] = [Record(offset, r.log_time_ms, r.key, r.value) for offset, r in enumerate(records)]
    return log, workload


def judge_with_restores(log: Log, workload: Workload, limits: Limits, random: Random) -> Iterator[Alert]:
    """Judges in any interleaving. Now and then the canary looks for what is late, as it does while it reads; now and
    then it is restored from its encoded state, which must be the same state again."""
    canary = Canary(workload.account_partitions, workload.order_partitions, limits=limits)
    unread = {place: len(log.get(place, ())) for place in places(workload)}
    for place, record in interleaved(log, random):
        yield from canary.feed(*place, record.offset, record.log_time_ms, record.key, record.value)
        unread[place] -= 1
        if random.random() < LOOKS:
            yield from canary.at_ends([place for place, left in unread.items() if not left])
        if random.random() < RESTORES:
            state = msgspec.msgpack.encode(canary.dump())
            canary = Canary.restored(msgspec.msgpack.decode(state, type=CanaryState), limits=limits)
            assert msgspec.msgpack.encode(canary.dump()) == state, "a restored state is another one"
    for _ in range(2):
        yield from canary.at_ends(places(workload))
    unjudged = {place: at for place, at in canary.judged().items() if at != len(log.get(place, ()))}
    assert not unjudged, f"not judged to the end: {unjudged}"


def try_honest(seed: int) -> Tally:
    random = Random(f"{HONEST}/{seed}")
    log, workload = disordered(random) if seed % 2 else honest(random)
    limits = Limits(late_ms=random.choice(LATE_MS))
    strangers = {delivery.value for delivery in workload.commands if delivery.topic == ORDERS}
    tally = Tally(HONEST, injected=1, orders=_orders(log))
    try:
        for alert in judge_with_restores(log, workload, limits, random):
            late = _is_late(alert, log, limits)
            if not (late or _tells_of_a_stranger(alert, log, strangers) or _is_unfounded(alert, log)):
                tally.failures.append(f"{_again(HONEST, seed)}: {alert.kind} {alert.alert_id}")
                return tally
    except AssertionError as error:
        tally.failures.append(f"{_again(HONEST, seed)}: {error}")
    return tally


def _tells_of_a_stranger(alert: Alert, log: Log, strangers: set[bytes]) -> bool:
    """Workloads have some records on `orders` that strangers wrote there, which is to be noticed and no more."""
    first = alert.evidence[0]
    value = log[(first.topic, first.partition)][first.offset].value
    return alert.severity is Severity.NOTICE and first.topic == ORDERS and value in strangers


def _is_unfounded(alert: Alert, log: Log) -> bool:
    """Workloads have busts of trades that never were, which is to be said."""
    if alert.kind != Kind.BUST_UNFOUNDED:
        return False
    first = alert.evidence[0]
    bust = msgspec.json.decode(log[(first.topic, first.partition)][first.offset].value)
    taken_back = bust["signed"]["command"]["trade"].items()
    published = (msgspec.json.decode(record.value) for record in log.get((TRADES, first.partition), ()))
    return not any(taken_back <= {**record, "source": None}.items() for record in published)


def _is_late(alert: Alert, log: Log, limits: Limits) -> bool:
    """Faults may hold a stage up for as long as makes it late, which is true then and may be said."""
    if alert.severity is not Severity.LATE:
        return False
    topic, partition, offset = msgspec.structs.astuple(alert.evidence[0])
    latest_ms = 0
    for place, records in log.items():
        if place[0] in CAUSED_BY[topic]:
            for record in records:
                origin = origin_of(record.value)
                if origin is not None and (origin.source.partition, origin.source.offset) == (partition, offset):
                    latest_ms = max(latest_ms, record.log_time_ms)
    waited_ms: int = latest_ms - log[(topic, partition)][offset].log_time_ms
    return waited_ms + CLOCK_JUMPS_MS > limits.late_ms


def _orders(log: Log) -> int:
    """How many new orders were sent."""
    values = (record.value for (topic, _), records in log.items() if topic == ACCOUNTS for record in records)
    return sum(value.startswith(b'{"record":"submitted"') and b'"command":"new_order"' in value for value in values)


# --- many of them


def run_campaign(
    injections: int, honest_logs: int, seed: int = 0, only: str | None = None, jobs: int | None = None
) -> Iterator[Tally]:
    """Gives what became of a few cases at a time: `injections` of each manipulation, then the honest logs."""
    cases: list[tuple[str, int]] = []
    for injection in INJECTIONS:
        if only in (None, injection.name):
            cases += [(injection.name, seed + number) for number in range(injections)]
    if only in (None, HONEST):
        cases += [(HONEST, seed + number) for number in range(honest_logs)]
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        tasks = [cases[start : start + CASES_A_TASK] for start in range(0, len(cases), CASES_A_TASK)]
        for tallies in pool.map(run_cases, tasks):
            yield from tallies


def run_cases(cases: Iterable[tuple[str, int]]) -> list[Tally]:
    quiet()
    by_name = {injection.name: injection for injection in INJECTIONS}
    tallies: dict[str, Tally] = {}
    for name, seed in cases:
        run = try_honest if name == HONEST else partial(try_injection, by_name[name])
        tallies.setdefault(name, Tally(name)).add(run(seed))
    return list(tallies.values())
