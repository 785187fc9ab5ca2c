"""`glassbook report` as a person runs it, on a real ClickHouse with a made-up history."""

import re
import subprocess
from pathlib import Path

import pytest

from glassbook.settings import Settings
from tests.command_line import run_glassbook
from tests.integration.analyst import Analyst
from tests.integration.made_up_history import History


@pytest.fixture(scope="module")
def analyst(clickhouse: Settings) -> Analyst:
    return Analyst(clickhouse)


@pytest.fixture(scope="module")
def history() -> History:
    made = History(seed=11)
    made.trade_at_random(60, ["AAA-USD", "BBB-USD", "CCC-BTC"], ["ann", "bob"])
    return made


def report(settings: Settings, *arguments: str, **changes: object) -> subprocess.CompletedProcess[str]:
    return run_glassbook(["report", *arguments], settings.model_copy(update=changes).environment())


def test_before_any_sink_there_is_a_report_of_nothing(clickhouse: Settings, tmp_path: Path) -> None:
    done = report(clickhouse, "--out", str(tmp_path / "r.html"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 trades" in done.stdout
    assert (tmp_path / "r.html").read_text().count("No rows.") == 10
    assert "traded were: none yet" in report(clickhouse, "--symbol", "AAA-USD").stderr


def test_a_report_of_everything(clickhouse: Settings, analyst: Analyst, history: History, tmp_path: Path) -> None:
    analyst.show(history)
    out = tmp_path / "r.html"
    done = report(clickhouse, "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    said = re.fullmatch(rf"{re.escape(str(out))}: ([\d.]+) MB, 60 trades in all\n", done.stdout)
    assert said and float(said[1]) == pytest.approx(out.stat().st_size / 1e6, abs=0.06)
    html = out.read_text()
    assert html.count('"type":"candlestick"') == 3 and html.count('<div class="chart">') == 5
    assert "No answer" not in html and html.count("No rows.") == 0
    (vwap,) = analyst.ask("vwap", symbol="AAA-USD")
    assert f">{vwap['vwap']:,f}".rstrip("0") in html


def test_a_report_of_one_market(clickhouse: Settings, analyst: Analyst, history: History, tmp_path: Path) -> None:
    analyst.show(history)
    out = tmp_path / "r.html"
    assert report(clickhouse, "--out", str(out), "--symbol", "BBB-USD").returncode == 0
    html = out.read_text()
    assert html.count('"type":"candlestick"') == 1 and "Glassbook report: BBB-USD" in html
    assert "symbol = BBB-USD" in html


def test_a_question_without_an_answer_is_named_and_the_others_are_answered(
    clickhouse: Settings, analyst: Analyst, history: History, tmp_path: Path
) -> None:
    analyst.show(history)
    analyst.drop("postings")
    out = tmp_path / "r.html"
    try:
        done = report(clickhouse, "--out", str(out))
    finally:
        analyst.make_tables()
    assert done.returncode == 1 and str(out) in done.stdout
    assert re.fullmatch(r"no answer to balance_sheet: .*postings.*\n", done.stderr)
    assert "DB::Exception" not in done.stderr
    html = out.read_text()
    assert html.count("No answer: ") == 1 and html.count("<tbody>") == 9


def test_a_market_that_is_not_there_is_named(clickhouse: Settings, analyst: Analyst, history: History) -> None:
    analyst.show(history)
    done = report(clickhouse, "--symbol", "AAA-EUR")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "no market AAA-EUR" in done.stderr and "AAA-USD, BBB-USD, CCC-BTC" in done.stderr


def test_without_clickhouse_the_cure_is_named(clickhouse: Settings) -> None:
    done = report(clickhouse, clickhouse_url="http://127.0.0.1:9/glassbook")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "no ClickHouse answers on http://127.0.0.1:9" in done.stderr and "make up" in done.stderr


def test_a_file_that_cannot_be_written_is_named(clickhouse: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = report(clickhouse, "--out", str(tmp_path / "file" / "r.html"))
    assert done.returncode == 1 and "can't write the report" in done.stderr and "--out" in done.stderr
