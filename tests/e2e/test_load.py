"""`glassbook load` against a running exchange: the line for programs, the page and the figures, and nothing lost."""

import json
import re
from pathlib import Path

import pytest

from glassbook.cluster import Cluster
from tests.e2e.conftest import RunCommand

KEYS = [
    "door", "percent", "orders_per_s", "p50_ms", "p99_ms", "errors", "lost", "sustained", "cpu_ms_per_order",
]  # fmt: skip
SMALL = ("--seconds", "2", "--warm-up", "0", "--symbols", "8", "--brokers", "10")


@pytest.mark.parametrize("door", ["rest", "ws"])
def test_a_small_load_is_sent_accounted_for_and_told(glassbook: RunCommand, tmp_path: Path, door: str) -> None:
    page = tmp_path / "load.html"
    done = glassbook("load", "--percent", "8", "--door", door, *SMALL, "--json", "--report", str(page))
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert list(told) == KEYS
    assert done.returncode == (0 if told["sustained"] else 1), done.stderr
    assert (told["door"], told["percent"], told["lost"]) == (door, 8.0, 0)
    assert told["orders_per_s"] > 20 and 0 < told["p50_ms"] <= told["p99_ms"] and told["cpu_ms_per_order"] > 0

    figures = json.loads(page.with_suffix(".json").read_text())
    assert {key: figures[key] for key in KEYS} == told
    assert figures["not_accounted_for"] == [] and figures["alerts"] == []
    commands = figures["sent"]["order"] + figures["sent"]["cancel"]
    assert figures["acknowledged"] + told["errors"] >= 0.9 * commands
    assert {"ledger", "matcher", "producers", "canary", "broker-1"} <= set(figures["cpu_ms_per_order_by_process"])
    assert any(sample["lag"] for sample in figures["samples"])
    # A busy machine may be too slow for it; whatever was wrong is said.
    assert told["sustained"] == (figures["verdict"] == "SUSTAINED")

    html = page.read_text()
    assert figures["verdict"].partition(":")[0] in html
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", html)


def test_without_the_operators_key_it_says_what_is_missing(
    exchange: Cluster, glassbook: RunCommand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(exchange.settings, "data_dir", tmp_path)
    done = glassbook("load", "--percent", "5")
    assert done.returncode == 1
    assert "needs the key of the exchange's operator" in done.stderr and str(tmp_path) in done.stderr


def test_a_door_that_is_not_there_is_refused(glassbook: RunCommand) -> None:
    done = glassbook("load", "--door", "fax")
    assert done.returncode == 1
    assert "no door 'fax': the doors are rest, batch, ws" in done.stderr
