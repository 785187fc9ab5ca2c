"""What an order costs on a running exchange: one level by batches, as a row, in words, and on the page."""

import json
import re
from pathlib import Path

from benchmarks.scaling.found import Found
from benchmarks.scaling.page import write_pages
from benchmarks.scaling.parts import Options, cost_of
from glassbook.cluster import Cluster
from simulator.load.doors import DoorName


def test_a_small_load_makes_a_row_and_a_page(exchange: Cluster, tmp_path: Path) -> None:
    options = Options(seconds=2, warm_up_s=0, doors=[DoorName.BATCH], percents=[5], symbols=8, brokers=10)
    found = Found(seed=options.seed, began_ms=0, seconds=2, warm_up_s=0, symbols=8, brokers=10)
    said: list[str] = []
    cost_of(exchange.settings, options, found, said.append)
    (level,) = found.cost
    assert (level.door, level.percent, level.lost, level.broken_off) == (DoorName.BATCH, 5.0, 0, False)
    assert level.sent_per_s > 10 and level.p99_ms >= level.p50_ms > 0
    assert {"ledger", "matcher", "producers", "canary", "broker-1"} <= set(level.cpu_ms_by_process)
    assert level.cpu_ms_per_order is not None
    assert abs(sum(level.cpu_ms_by_process.values()) - level.cpu_ms_per_order) < 0.1
    assert 0 < level.machine_used <= 1.1 and 0 <= level.others <= 1
    # A busy machine may be too slow for it; then that is the end of the row, and told.
    assert len(said) == 1 and level.verdict in said[0]

    page, figures = write_pages(tmp_path / "scaling.html", found)
    rows = json.loads(figures.read_text())
    assert [row["percent"] for row in rows["cost"]] == [5.0] and rows["words"]["cost batch"]
    html = page.read_text()
    assert "Processor time of an order or cancel by batch" in html
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", html)
