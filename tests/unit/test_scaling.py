"""What an order costs, against load, layouts and sizes: rows in order, the end of a row, the words, the page."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import BROKEN_OFF, app
from benchmarks.scaling.bends import cost_words, layout_words, size_words
from benchmarks.scaling.found import Found, Layout, Level, Part, Sized, lag_growth
from benchmarks.scaling.ladder import LAYOUT_PERCENTS, PERCENTS, climb, not_kept_up, not_sustained, numbers
from benchmarks.scaling.page import document, render
from benchmarks.scaling.parts import PARTS, Options, of_size
from simulator.load.doors import DoorName
from simulator.load.watch import Sample


def level(percent: float, **changes: Any) -> Level:
    """At so many per cent an exchange with a fixed part of 0.2 cores and 1 ms for each command."""
    per_s = 9.51 * percent
    by_process = {"broker-1": 0.2 + 0.0006 * per_s, "ledger": 0.0004 * per_s}
    usual: dict[str, Any] = dict(
        door=DoorName.BATCH, percent=percent, orders_per_s=7 * percent, p50_ms=5.0, p99_ms=20.0, errors=0, lost=0,
        sustained=True, cpu_ms_per_order=sum(by_process.values()) / per_s * 1000,
        cpu_ms_by_process={name: cores / per_s * 1000 for name, cores in by_process.items()},
        cores_by_process=by_process, generator_cores=0.1, machine_used=0.5, others=0.0, sent_per_s=7 * percent,
        done_per_s=7 * percent, commands_per_s=per_s, lag_growth_per_s={"ledger": 0.5}, settle_s=0.5, seconds=30.0,
        broken_off=False, limit="", verdict="SUSTAINED",
    )  # fmt: skip
    return Level(**(usual | changes))


def too_much(percent: float, **changes: Any) -> Level:
    usual: dict[str, Any] = dict(
        sustained=False, limit="exchange", verdict="NOT SUSTAINED (limit: exchange): p99 of orders is 480 ms",
        p99_ms=480.0, machine_used=0.98, done_per_s=5 * percent, lag_growth_per_s={"ledger": 700.0, "sinks": 3.0},
    )  # fmt: skip
    return level(percent, **(usual | changes))


def layout(partitions: int, processes: int, *done: float) -> Layout:
    """One that did so many orders a second, level by level; the last one was too much."""
    levels = [level(100.0 * number, done_per_s=per_s) for number, per_s in enumerate(done, 1)]
    return Layout(partitions=partitions, gateway_processes=processes, levels=[*levels, too_much(900, done_per_s=1.0)])


def sized(resting_orders: int, us: float) -> Sized:
    return Sized(
        resting_orders=resting_orders, price_levels=resting_orders // 50, operations_per_s=1e6 / us,
        us_per_operation=us, p50_us=us, p99_us=4 * us,
    )  # fmt: skip


def everything() -> Found:
    return Found(
        seed=7, began_ms=1_800_000_000_000, seconds=30, warm_up_s=60, symbols=450, brokers=100,
        machine={part: f"a machine at its {part}" for part in Part},
        cost=[level(10), level(25, others=0.2), too_much(50), level(10, door=DoorName.WS)],
        layouts=[layout(1, 1, 700, 1400), layout(4, 1, 700, 2800), layout(1, 2, 700, 1450)],
        sizes=[sized(1_000, 2.0), sized(1_000_000, 3.0)],
    )  # fmt: skip


# --- which loads, and when it ends


def test_a_row_ends_with_the_first_level_that_is_not_sustained() -> None:
    tried: list[float] = []

    def once(percent: float) -> Level:
        tried.append(percent)
        return level(percent) if percent < 50 else too_much(percent)

    climb(PERCENTS, once, not_sustained)
    assert tried == [10, 25, 50]
    tried.clear()
    climb((10.0, 25.0), once, not_sustained)
    assert tried == [10, 25]


def test_what_is_slow_but_done_leaves_open_how_much_can_be_done() -> None:
    assert not not_kept_up(too_much(50, done_per_s=0.95 * 350))
    assert not_kept_up(too_much(50, done_per_s=0.85 * 350))


def test_loads_are_tried_from_the_least_on_each_once() -> None:
    assert numbers("50,10,25,10", 1, 100) == [10, 25, 50]
    assert list(PERCENTS) == sorted(set(PERCENTS)) and PERCENTS[0] == 10
    assert list(LAYOUT_PERCENTS) == sorted(set(LAYOUT_PERCENTS))


@pytest.mark.parametrize("text", ["", "ten", "0", "5,101", "nan", "5,,6"])
def test_what_is_no_load_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        numbers(text, 1, 100)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--percents", "0"],
        ["--partitions", "0"],
        ["--partitions", "1.5"],
        ["--gateways", "65"],
        ["--only", "x"],
        ["--door", "fax"],
    ],
)
def test_the_command_refuses_what_it_can_not_do(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["scaling", *arguments]).exit_code == 2


# --- rows


def test_who_falls_behind_is_told_by_a_line_through_what_was_seen() -> None:
    seen = [Sample(float(at), {}, {"ledger": 100 * at, "sinks": 40 * (at % 2)}, 0) for at in range(20)]
    seen[0] = Sample(0.0, {}, {"ledger": 9_000, "sinks": 0}, 0)  # before it
    seen[5] = Sample(5.0, {}, {}, 0)  # nothing was seen
    growth = lag_growth(seen, 1, 19)
    assert growth["ledger"] == 100 and abs(growth["sinks"]) < 1
    assert lag_growth(seen, 1, 8) == {}


def test_a_layout_is_as_good_as_its_best_level() -> None:
    found = layout(4, 1, 700, 2_800, 2_700)
    assert (found.best.done_per_s, found.best.percent, found.sustained_percent) == (2_800, 200, 300)
    assert found.at_its_limit
    open_ended = Layout(partitions=4, gateway_processes=1, levels=[level(100)])
    assert not open_ended.at_its_limit and layout_words([open_ended])[0].endswith("; more was not tried.")
    assert Layout(partitions=1, gateway_processes=1, levels=[too_much(50)]).sustained_percent == 0


def test_the_engine_is_measured_at_a_size() -> None:
    found = of_size(1_000, 0.05, seed=1)
    assert found.resting_orders == 1_000 and 2 < found.price_levels < 1_000
    assert found.us_per_operation == pytest.approx(1e6 / found.operations_per_s, rel=0.01)
    assert 0 < found.p50_us <= found.p99_us


# --- the words


def test_a_fixed_part_that_is_shared_is_found() -> None:
    told = cost_words([level(percent) for percent in (10, 25, 50, 75)])
    assert told[0] == (
        "A fixed part of 0.20 cores (broker-1: 0.20), which more orders share, and 1.00 ms for each order or cancel"
        " describe these levels to within 0%."
    )
    assert told[1] == (
        "10% to 25%: an order or cancel costs 41% less (3.10, then 1.84 ms), most of all in broker-1 (2.70, then"
        " 1.44 ms); the machine's processors were 50% used; the busiest process was broker-1 with 0.34 cores, the"
        " generator had 0.10."
    )
    assert told[2].startswith("25% to 50%: an order or cancel costs 23% less") and len(told) == 3


def test_where_nothing_is_shared_no_fixed_part_is_told() -> None:
    rising = [level(per_cent, cores_by_process={"ledger": per_cent**2 / 10_000}) for per_cent in (10, 50, 100)]
    assert cost_words(rising)[0].startswith("What the exchange uses grows no slower than the load")


def test_the_end_is_told_with_what_was_full_and_who_fell_behind() -> None:
    steady = {"cpu_ms_per_order": 1.0, "cpu_ms_by_process": {"ledger": 1.0}}
    told = cost_words([level(50, **steady), too_much(75, others=0.3, **steady)])
    assert told[0] == "50% to 75%: p99 rises from 20 to 480 ms."
    assert told[1].startswith("75% NOT SUSTAINED (limit: exchange): p99 of orders is 480 ms; ")
    assert "98% used, which is all there is" in told[1] and "ledger fell behind by 700 records a second" in told[1]
    assert "sinks" not in told[1] and told[1].endswith("other programs had 30% of the machine.")


def test_a_cost_that_rises_names_who_costs_more() -> None:
    dear = {"cpu_ms_per_order": 4.0, "cpu_ms_by_process": {"broker-1": 1.0, "gateway": 3.0}}
    cheap = {"cpu_ms_per_order": 2.0, "cpu_ms_by_process": {"broker-1": 1.5, "gateway": 0.5}}
    assert (
        "costs 100% more (2.00, then 4.00 ms), most of all in gateway (0.50, then 3.00 ms)"
        in (cost_words([level(50, **cheap), level(75, **dear)])[0])
    )


def test_what_did_not_change_is_no_bend_and_what_was_broken_off_says_nothing() -> None:
    steady = {"cpu_ms_per_order": 1.0, "cpu_ms_by_process": {}, "cores_by_process": {}}
    flat = [level(50, **steady), level(75, **steady), too_much(100, broken_off=True)]
    assert cost_words(flat) == ["No bend of more than 10%."]
    unseen: dict[str, Any] = {"cpu_ms_per_order": None, "cpu_ms_by_process": {}, "cores_by_process": {}}
    assert cost_words([level(50, **unseen), level(75, **unseen)]) == ["No bend of more than 10%."]


def test_layouts_are_compared_one_change_at_a_time() -> None:
    told = layout_words([layout(1, 1, 1_000), layout(4, 1, 2_000), layout(1, 2, 1_050), layout(4, 2, 2_600)])
    assert told[0].startswith("The most orders done were 2,600 a second, with 4 partitions and 2 gateway processes: ")
    assert told[1].startswith("1 to 4 partitions, 1 gateway process: 1,000, then 2,000 orders/s; the machine's")
    assert told[2].startswith("1 to 4 partitions, 2 gateway processes: 1,050, then 2,600 orders/s; ")
    assert told[3] == "1 to 2 gateway processes, 1 partitions: no difference of more than 10%."
    assert told[4].startswith("1 to 2 gateway processes, 4 partitions: 2,000, then 2,600 orders/s; ")


def test_sizes_are_compared_step_by_step_and_in_all() -> None:
    told = size_words([sized(1_000, 2.0), sized(10_000, 2.1), sized(100_000, 3.0)])
    assert len(told) == 2 and told[0].startswith("10,000 to 100,000 resting orders, on 200 and 2,000 price levels: ")
    assert told[1] == "In all, 100 times the orders take 1.50 times as long."
    assert size_words([sized(1_000, 2.0)]) == []


# --- the page and the figures


def test_the_page_has_everything_in_it_and_loads_nothing() -> None:
    html = render(everything())
    assert re.findall(r"<h3>(.*?)</h3>", html) == [
        "Processor time of an order or cancel by batch", "Processor time of an order or cancel by ws",
        "Processor time of an order or cancel, all doors", "Latency of an order",
        "The bends, by batch", "The bends, by ws", "Levels by batch", "Levels by ws",
        "Orders done against partitions and processes", "The bends", "Layouts",
        "Time of an operation against resting orders", "The bends", "Sizes",
    ]  # fmt: skip
    charts = [
        json.loads(chart) for chart in re.findall(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    ]
    assert len(charts) == 6 and all(chart["data"] for chart in charts)
    stacked = charts[0]
    assert [line["name"] for line in stacked["data"]] == ["broker-1", "ledger", "all"]
    assert stacked["data"][0]["x"] == ["10%", "25%", "50% (not sustained)"]
    assert stacked["data"][0]["marker"]["pattern"]["shape"] == ["", "", "/"]
    assert charts[3]["data"][0]["marker"]["symbol"] == ["circle", "circle", "x"]
    for told in ("a machine at its cost", "Other programs had", "20% at most", "98% used", "not, limit: exchange"):
        assert told in html
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", html)


def test_the_figures_are_the_rows() -> None:
    rows = json.loads(msgspec.json.encode(document(everything())))
    assert [row["percent"] for row in rows["cost"] if row["door"] == "batch"] == [10, 25, 50]
    assert [(row["partitions"], row["gateway_processes"], row["orders_per_s"]) for row in rows["partitions"]] == [
        (1, 1, 1_400), (4, 1, 2_800), (1, 2, 1_450),
    ]  # fmt: skip
    assert [row["resting_orders"] for row in rows["engine"]] == [1_000, 1_000_000]
    assert list(rows["words"]) == ["cost batch", "cost ws", "partitions", "engine"]
    assert rows["seed"] == 7 and rows["machine"]["engine"] == "a machine at its engine"


def test_with_nothing_measured_there_is_a_page_too() -> None:
    nothing = msgspec.structs.replace(
        everything(), cost=[], sizes=[], broken_off=True, layouts=[Layout(partitions=1, gateway_processes=1)]
    )
    html = render(nothing)
    assert "Nothing was measured." in html and "Broken off" in html
    assert document(nothing)["partitions"] == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
def test_what_there_is_by_an_interrupt_or_an_error_is_written(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(options: Options, found: Found, say: object) -> None:
        found.cost.append(level(10))
        raise error

    monkeypatch.setitem(PARTS, Part.COST, measure)
    out = tmp_path / "scaling.html"
    arguments = ["scaling", "--only", "cost", "--out", str(out), "--json"]
    done = CliRunner().invoke(app, arguments)
    rows = json.loads(out.with_suffix(".json").read_text())
    assert [row["percent"] for row in rows["cost"]] == [10] and json.loads(done.stdout) == rows
    assert rows["broken_off"] == (error is KeyboardInterrupt)
    assert done.exit_code == (BROKEN_OFF if error is KeyboardInterrupt else 1)
    assert "Levels by batch" in out.read_text()
