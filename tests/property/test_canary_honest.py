"""The canary blames nobody honest: random exchanges and what faults leave of them, in any interleaving, restored in
the middle. What it says depends on the log alone."""

from collections import Counter
from collections.abc import Iterator
from random import Random

import msgspec
import pytest
import structlog

from canary.core import Canary
from canary.state import CanaryState
from simulator.canary_campaign import disordered, injected, try_honest
from simulator.canary_injections import INJECTIONS
from simulator.canary_log import interleaved, judge, places
from simulator.canary_ways import honest
from simulator.faults import quiet

SEEDS = 80
SEEDS_A_TEST = 20
SIGNS = (
    "halt_market", "halter_authorised", "market_halted", "market_resumed", "MARKET_HALTED",
    "trade_busted", "bust_report", "trade_reversed", '"book":"losses"',
)  # fmt: skip
SIGNS_OF_MANDATES = ("cancel_all_after", "mandate_armed", "mandate_fired", "mandate_disarmed", "BAD_TIMEOUT")


@pytest.fixture(autouse=True)
def quiet_stages() -> Iterator[None]:
    before = structlog.get_config()
    quiet()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_honest_logs_under_faults_and_restores_give_no_alert(first):
    for seed in range(first, first + SEEDS_A_TEST):
        assert try_honest(seed).failures == []


@pytest.mark.parametrize("seed", [93, 205, 319, 379, 435])
def test_what_was_given_up_and_came_after_all_is_not_due_again(seed):
    """In these logs it comes while its input is still being judged, before more of that is given up."""
    assert try_honest(seed).failures == []


def test_honest_logs_have_halts_and_busts_and_losses_and_mandates():
    """And under a version that doesn't know of them, what was sent comes to nothing."""
    found: dict[int, Counter[str]] = {1: Counter(), 2: Counter(), 3: Counter()}
    for seed in range(SEEDS):
        log, workload = disordered(Random(seed)) if seed % 2 else honest(Random(seed))
        text = b"".join(record.value for records in log.values() for record in records)
        for words in SIGNS + SIGNS_OF_MANDATES:
            found[workload.engine_version][words] += text.count(words.encode())
    later = found[2] + found[3]
    assert all(later[words] for words in SIGNS)
    assert all(found[3][words] for words in SIGNS_OF_MANDATES)
    assert found[1]["halt_market"] and not any(found[1][words] for words in SIGNS[1:])
    assert not any(found[version][words] for version in (1, 2) for words in SIGNS_OF_MANDATES)


@pytest.mark.parametrize("seed", range(12))
def test_a_restored_canary_goes_on_as_the_first(seed):
    """Also in the middle of what is wrong."""
    injection = INJECTIONS[seed * 5 % len(INJECTIONS)]
    log, workload, random = injected(injection, seed)
    records = list(interleaved(log, random))
    first = Canary(workload.account_partitions, workload.order_partitions)
    second, stop = first, random.randrange(len(records))
    for number, ((topic, partition), record) in enumerate(records):
        if number == stop:
            state = msgspec.msgpack.encode(first.dump())
            second = Canary.restored(msgspec.msgpack.decode(state, type=CanaryState))
        fields = (topic, partition, record.offset, record.log_time_ms, record.key, record.value)
        told = first.feed(*fields)
        if second is not first:
            assert second.feed(*fields) == told
    assert second.at_ends(places(workload)) == first.at_ends(places(workload))
    assert second.dump() == first.dump()
    assert second.judged() == first.judged()


@pytest.mark.parametrize("seed", range(4))
def test_a_log_that_is_judged_again_gives_the_same_state(seed):
    log, workload = honest(Random(seed))
    first, again = judge(log, workload), judge(log, workload, random=Random(seed))
    assert first.alerts == again.alerts
    assert [judge.replica.dump() for judge in first.canary.ledgers + first.canary.matchers] == [
        judge.replica.dump() for judge in again.canary.ledgers + again.canary.matchers
    ]


@pytest.mark.parametrize("injection", INJECTIONS[::7], ids=lambda injection: injection.name)
def test_what_is_said_does_not_depend_on_the_interleaving(injection):
    log, workload, random = injected(injection, 0)
    told = [
        sorted((alert.alert_id, alert.kind) for alert in judge(log, workload, random=order).alerts)
        for order in (None, Random(1), Random(2), random)
    ]
    assert all(each == told[0] for each in told)
