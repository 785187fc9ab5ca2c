"""The single-process baseline under the load generator, as it is compared: loaded, killed, and asked what it knows."""

from benchmarks.baseline import prepare
from benchmarks.compared_systems import BASELINE, running
from benchmarks.lost_by_kill import lost_by_kill
from simulator.load.doors import DoorName
from simulator.load.mix import Kind
from simulator.load.prepare import cancel_all
from simulator.load.result import Wanted
from simulator.load.verdict import MOST_P99_MS

BROKERS = 4


def test_the_baseline_is_loaded_measured_and_killed() -> None:
    wanted = Wanted(door=DoorName.REST, percent=20, seconds=2, warm_up_s=0)
    with running(BASELINE) as system:
        prepared = prepare(system, seed=1, brokers=BROKERS)
        result = system.load(prepared, wanted)
        found = result.findings
        assert not found.errors
        assert all(found.latency[kind].count == found.sent[kind] > 20 for kind in Kind)
        # A busy machine may be too slow for it; nothing else can be wrong.
        slow = max(latency.p99_ms for latency in found.latency.values()) >= MOST_P99_MS
        assert result.verdict.sustained != slow
        assert set(result.cpu_ms_by_process) == {BASELINE} and result.cpu_ms_per_order
        assert result.generator_ms_per_order > 0

        cancel_all(system.url, prepared)
        struck = Wanted(door=DoorName.BATCH, percent=20, seconds=3, warm_up_s=0, attempt=1)
        lost = lost_by_kill(system, prepared, struck)
        assert lost.acknowledged > 100
        assert lost.gone + lost.older < lost.acknowledged / 2
