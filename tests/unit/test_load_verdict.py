"""A load's verdict in words, its search, what answers mean, and its page."""

import json
import re
from array import array
from typing import Any

import pytest

from simulator.load.find import Search
from simulator.load.measuring import percentile
from simulator.load.mix import Kind
from simulator.load.page import render
from simulator.load.replies import Document, Reply, read_batch, read_read, read_reply
from simulator.load.tally import Latency, Second, Series, latency
from simulator.load.verdict import Findings, in_words, judge
from simulator.load.watch import Sample, Usage, Used, used_between


def took(p99_ms: float, count: int = 1_000) -> Latency:
    return Latency(count, 5.0, 8.0, p99_ms, p99_ms, p99_ms)


def findings(**changes: Any) -> Findings:
    usual: dict[str, Any] = dict(
        latency={kind: took(20.0) for kind in Kind}, sent={Kind.ORDER: 1_000, Kind.CANCEL: 360, Kind.READ: 500},
        errors={}, refused={"cancel ORDER_CLOSED": 40}, settle_s=1.0, missing=0, alerts=[], judged=True,
        late_p99_ms=1.0, busy=0.3,
    )  # fmt: skip
    return Findings(**(usual | changes))


def test_a_load_without_a_flaw_is_sustained() -> None:
    verdict = judge(findings())
    assert verdict.sustained and in_words(verdict) == "SUSTAINED" and not verdict.remarks


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"missing": 1}, "1 acknowledged commands are not accounted for"),
        ({"alerts": ["WRONG"]}, "the canary said 1 times"),
        ({"judged": False}, "not judged to the end"),
        ({"errors": {"503 NOT_READY": 2, "no answer": 1}}, "3 requests were not answered: 2 × 503 NOT_READY, 1 × no"),
        ({"errors": {"429 RATE_LIMITED": 1}}, "GLASSBOOK_RATE_PER_ADDRESS"),
        ({"latency": {Kind.ORDER: took(20), Kind.CANCEL: took(100), Kind.READ: took(20)}}, "p99 of cancels is 100 ms"),
        ({"latency": {Kind.ORDER: took(20), Kind.CANCEL: took(20), Kind.READ: took(999)}}, "p99 of reads is 999 ms"),
        ({"settle_s": 5.1, "behind": "sinks is at 3 of 9"}, "(sinks is at 3 of 9), done only after 5 s"),
        ({"settle_s": None}, "done never"),
        ({"refused": {"order TOO_MANY_OPEN_ORDERS": 11}}, "11 × TOO_MANY_OPEN_ORDERS (max_open_orders is fixed"),
    ],
)
def test_every_flaw_is_told(changes: dict[str, Any], why: str) -> None:
    verdict = judge(findings(**changes))
    assert not verdict.sustained and verdict.limit == "exchange"
    assert why in in_words(verdict)


def test_what_few_refusals_of_business_there_are_does_not_matter() -> None:
    assert judge(findings(refused={"order INSUFFICIENT_FUNDS": 10, "order SELF_TRADE": 500})).sustained


@pytest.mark.parametrize(("busy", "limit"), [(0.9, "generator"), (0.4, "machine")])
def test_who_is_late_himself_does_not_blame_the_exchange(busy: float, limit: str) -> None:
    slow = {kind: took(300) for kind in Kind}
    verdict = judge(findings(latency=slow, late_p99_ms=200.0, busy=busy))
    assert verdict.limit == limit and "the generator itself was late: p99 200 ms" in verdict.remarks[0]
    assert judge(findings(latency=slow, late_p99_ms=200.0, busy=busy, missing=1)).limit == "exchange"
    assert judge(findings(late_p99_ms=30.0)).sustained


def test_others_on_the_machine_are_told() -> None:
    assert judge(findings(others=0.05)).remarks == []
    assert judge(findings(others=0.4)).remarks == ["other programs had 40% of this machine's processor"]


# --- the search


@pytest.mark.parametrize("most", [0, 10, 40, 95, 100, 270, 1234])
def test_the_search_finds_the_most_to_ten_percent(most: int) -> None:
    search, tries = Search(100), []
    while not search.done:
        tries.append(search.percent)
        search.tell(search.percent <= most)
        assert len(tries) < 20
    assert search.sustained == most // 10 * 10
    assert len(set(tries)) == len(tries)


# --- what answers mean


@pytest.mark.parametrize(
    ("status", "body", "error", "refused"),
    [
        (200, b'{"order_id":"1-2","command_id":"1-2","status":"OPEN","filled":"0","more":[1]}', "", ""),
        (409, b'{"status":409,"code":"ORDER_CLOSED","command_id":"1-3"}', "", "ORDER_CLOSED"),
        (422, b'{"status":422,"code":"INSUFFICIENT_FUNDS"}', "", "INSUFFICIENT_FUNDS"),
        (404, b'{"status":404,"code":"UNKNOWN_ORDER"}', "", "UNKNOWN_ORDER"),
        (404, b'{"status":404,"code":"NOT_FOUND"}', "404 NOT_FOUND", ""),
        (401, b'{"status":401,"code":"BAD_SIGNATURE"}', "401 BAD_SIGNATURE", ""),
        (429, b'{"status":429,"code":"RATE_LIMITED"}', "429 RATE_LIMITED", ""),
        (503, b'{"status":503,"code":"NOT_READY"}', "503 NOT_READY", ""),
        (202, b'{"outcome":"UNKNOWN"}', "202 outcome unknown", ""),
        (0, b"", "connection broken", ""),
        (200, b"<html>", "200 unreadable", ""),
    ],
)
def test_answers_are_told_from_errors(status: int, body: bytes, error: str, refused: str) -> None:
    found = read_reply(status, body)
    assert (found.error, found.refused) == (error, refused)


def test_a_batch_has_a_reply_for_each_command() -> None:
    body = b'{"results":[{"status":200,"answer":{"order_id":"1-2"}},{"status":503,"answer":{"code":"NOT_READY"}}]}'
    assert [reply.error for reply in read_batch(200, body, 2)] == ["", "503 NOT_READY"]
    assert [reply.error for reply in read_batch(200, body, 3)] == ["2 results of 3 commands"] * 3
    assert [reply.error for reply in read_batch(200, body, 1)] == ["2 results of 1 commands"]
    assert read_batch(0, b"", 2) == [Reply("connection broken")] * 2
    assert read_read(200, b"anything") == Reply(document=Document())


# --- what was counted


def test_percentiles_are_of_what_was_measured_and_errors_of_the_whole_run() -> None:
    series = Series(warm_up_s=1)
    for number, took_ms in ((0, 900.0), (1, 10.0), (1, 20.0), (2, 30.0)):
        second = Second(number)
        second.sent[Kind.ORDER] += 1
        second.took_ms[Kind.ORDER] = array("f", [took_ms])
        second.errors["no answer"] += 1
        series.add(second)
    orders = series.latency(Kind.ORDER)
    assert (orders.count, orders.p50_ms, orders.max_ms) == (3, 20.0, 30.0)
    assert series.sent() == {Kind.ORDER: 3}
    assert series.errors() == {"no answer": 4}
    assert series.latency(Kind.READ) == Latency(0, 0, 0, 0, 0, 0)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, part) for part in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert latency([3.0]).p99_ms == 3.0


def test_processor_time_is_that_between_the_two_moments() -> None:
    def sample(at: float, cpu_s: float) -> Sample:
        return Sample(at, {"ledger": Usage(cpu_s, 50.0)} if cpu_s >= 0 else {}, {}, 0, 2 * cpu_s)

    samples = [sample(0, 1), sample(1, 2), sample(2, -1), sample(3, 5), sample(4, 9)]
    assert used_between(samples, 1, 3) == Used({"ledger": 3}, 6, 2)
    assert used_between(samples, 8, 9) == Used({}, 0, 0)


def test_a_process_that_wasnt_seen_at_first_counts_from_where_it_was() -> None:
    seen: list[dict[str, Usage]] = [{"ledger": Usage(2, 50.0)}, {"ledger": Usage(3, 50.0), "canary": Usage(10, 50.0)}]
    seen.append({"ledger": Usage(5, 50.0), "canary": Usage(14, 50.0)})
    samples = [Sample(at, usage, {}, 0) for at, usage in enumerate(seen)]
    assert used_between(samples, 0, 2).by_process == {"ledger": 3, "canary": 4}


# --- the page


def run_of_a_page(**changes: Any) -> dict[str, Any]:
    per_kind = dict.fromkeys(Kind, 10)
    second = dict(
        second=0, sent=per_kind, done=per_kind, p50_ms=per_kind, p99_ms=per_kind, errors={"no answer": 1}, trades=3,
        generator_cpu_s=0.2,
    )  # fmt: skip
    sample = dict(second=0.0, lag={"ledger": 4}, cpu_s={"ledger": 1.0}, memory_mb={"ledger": 50.0})
    run: dict[str, Any] = dict(
        door="rest", percent=100.0, orders_per_s=700.0, p50_ms=5.0, p99_ms=20.0, errors=1, lost=0, sustained=True,
        cpu_ms_per_order=1.5, verdict="SUSTAINED", remarks=[], machine="a machine", seed=1, run="abc", symbols=450,
        brokers=100, seconds=60.0, warm_up_s=10, began_ms=1_800_000_000_000, broken_off=False,
        latency_ms={kind: dict(count=9, p50_ms=5, p90_ms=6, p99_ms=7, p999_ms=8, max_ms=9) for kind in Kind},
        sent=per_kind, errors_by_reason={"no answer": 1}, refused_by_reason={}, acknowledged=20, not_accounted_for=[],
        alerts=[], trades=3, trades_per_order=0.2, settle_s=1.0, cpu_ms_per_order_by_process={"ledger": 1.5},
        generator=dict(processes=1, connections=2, late_p99_ms=1.0, cpu_ms_per_order=0.2, busy=0.3),
        by_second=[second], samples=[sample, sample | {"second": 1.0}],
    )  # fmt: skip
    return run | changes


def test_the_page_has_everything_in_it_and_loads_nothing() -> None:
    html = render(run_of_a_page())
    assert "100% by rest" in html and "SUSTAINED" in html
    titles = re.findall(r"<h3>(.*?)</h3>", html)
    assert titles == [
        "Latency, ms", "Errors", "Processor time an order, ms",
        "Requests", "Latency", "Trades", "Errors", "Lag", "Processor", "Memory",
    ]  # fmt: skip
    charts = re.findall(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert len(charts) == 7 and all(json.loads(chart)["data"] for chart in charts)
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", html)


def test_what_others_said_is_text_to_the_page() -> None:
    hostile = "</script><script>alert(1)</script>"
    html = render(run_of_a_page(alerts=[hostile], not_accounted_for=[hostile], errors_by_reason={hostile: 1}))
    assert hostile not in html and html.count("alert(1)") == 3


def test_a_run_that_was_broken_off_at_once_has_a_page_too() -> None:
    html = render(run_of_a_page(by_second=[], samples=[], cpu_ms_per_order=None, cpu_ms_per_order_by_process={}))
    assert "Nothing was measured." in html
