"""The report's pure parts: the questions' files, what a page says of little and of hostile data, how figures read."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from glassbook.errors import GlassbookError
from glassbook.report import cell, render, write_report
from glassbook.report_data import Answer, Candles, ReportData, Traded, interval_for
from glassbook.report_questions import ORDER, QUERIES, questions, read_question
from schemas.candles import Interval

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOSTILE = "</script><script>alert(1)</script><b>"


class Page(HTMLParser):
    """What a browser would see: the tags, the JSON of each chart, and the text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.charts: list[dict[str, Any]] = []
        self._open = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = "chart" if dict(attrs).get("type") == "application/json" else tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "chart":
            self.charts.append(json.loads(data))
        elif self._open not in ("script", "style"):
            self.text += data


def traded(symbol: str = "AAA-USD", trades: int = 1, lasted: timedelta = timedelta(0)) -> Traded:
    return Traded(symbol, symbol.partition("-")[2], trades, Decimal("12.5"), NOW - lasted, NOW)


def candles(symbol: str, count: int, more: bool = False) -> Candles:
    row = (Decimal("10.1"), Decimal(11), Decimal(9), Decimal("10.5"), Decimal(3))
    return Candles(symbol, Interval.M1, [(NOW + timedelta(minutes=n), *row) for n in range(count)], more)


def test_the_ten_questions_are_those_of_the_folder() -> None:
    assert {path.stem for path in QUERIES.glob("*.sql")} - {"candles_check"} == set(ORDER)
    assert len(ORDER) == 10 and all(question.text.endswith("?") for question in questions())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT 1", "needs its question"),
        ("-- What?\n", "and then SQL"),
        ("-- What?\n-- :a\nSELECT {a:String}", "no parameter: :a"),
        ("-- What?\nSELECT {a:String}", "differ in parameters: a"),
        ("-- What?\n-- :a = '1'  one\nSELECT 1", "differ in parameters: a"),
    ],
)
def test_a_query_that_says_too_little_of_itself_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "q.sql").write_text(text)
    with pytest.raises(GlassbookError, match=complaint):
        read_question(tmp_path / "q.sql")


def test_a_question_is_read_with_its_notes_and_defaults(tmp_path: Path) -> None:
    comment = "-- How\n-- many?\n--\n-- A note.\n--\n-- :a = 'x y'    which\n-- :limit = 5\n"
    text = comment + "SELECT {a:String}, {limit:UInt8}\n"
    (tmp_path / "how_many.sql").write_text(text)
    question = read_question(tmp_path / "how_many.sql")
    assert (question.title, question.text, question.notes) == ("How many", "How many?", "A note.")
    assert question.parameters == (("a", "x y", "which"), ("limit", "5", ""))
    assert question.values({"limit": "7", "other": "1"}) == {"a": "x y", "limit": "7"}


def test_without_any_data_the_page_says_so() -> None:
    answers = [Answer(question, question.values({})) for question in questions()]
    page = Page(render(ReportData("", [], [], answers), NOW))
    assert page.charts == [] and page.text.count("No rows.") == 10
    assert "Nothing has been traded yet." in page.text and "No closed candle yet" in page.text
    assert all(question.text in page.text for question in questions())


def test_everything_is_in_the_one_file_and_drawn_once() -> None:
    data = ReportData(
        "", [traded(), traded("BBB-EUR")], [candles("AAA-USD", 1), candles("BBB-EUR", 400, more=True)], []
    )
    html = render(data, NOW)
    page = Page(html)
    assert not [tag for tag, attributes in page.tags if tag in ("link", "img") or "src" in attributes]
    assert len([tag for tag, attributes in page.tags if tag == "script" and not attributes]) == 2  # Plotly's, and ours
    kinds = [[trace["type"] for trace in chart["data"]] for chart in page.charts]
    assert kinds == [["candlestick", "bar"], ["candlestick", "bar"], ["bar"], ["bar"]]
    assert page.charts[0]["data"][0]["open"] == [10.1]
    assert "1 candle of 1m" in page.text and "the last 400 candles of 1m" in page.text
    assert "prefers-color-scheme: dark" in html


def test_what_comes_from_outside_stays_text() -> None:
    symbol = f"{HOSTILE}-USD"
    (question,) = [question for question in questions() if question.name == "vwap"]
    answers = [
        Answer(question, {"symbol": HOSTILE}, ("symbol",), [(symbol,)]),
        Answer(question, {}, error=HOSTILE),
    ]
    harmless = Page(render(ReportData("AAA-USD", [traded()], [candles("AAA-USD", 2)], answers[:0]), NOW))
    page = Page(render(ReportData(symbol, [traded(symbol)], [candles(symbol, 2)], answers), NOW))
    assert [t for t in page.tags if t[0] == "script"] == [t for t in harmless.tags if t[0] == "script"]
    assert "b" not in {tag for tag, attributes in page.tags if not attributes} - {tag for tag, _ in harmless.tags}
    assert page.text.count(HOSTILE) >= 4
    assert page.charts[0]["data"][0]["name"] == symbol


def test_an_answer_that_failed_says_why_and_a_long_one_is_cut() -> None:
    question = questions()[0]
    rows = [(f"S{number}", number) for number in range(100)]
    answers = [
        Answer(question, {}, error="Code: 241. Memory limit exceeded"),
        Answer(question, {"from": "2026-01-01"}, ("symbol", "trades"), rows, more=True),
    ]
    text = Page(render(ReportData("", [], [], answers), NOW)).text
    assert "No answer: Code: 241. Memory limit exceeded" in text
    assert "The first 100 rows; there are more" in text and "from = 2026-01-01" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        ("", "—"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (Decimal("12345.500000000000000000"), "12,345.5"),
        (Decimal("-0.000000000000000001"), "-0.000000000000000001"),
        (Decimal("100"), "100"),
        (1234.567, "1,234.57"),
        (0.0001234567, "0.0001235"),
        (NOW, "2026-03-01 12:00:00"),
        (NOW.replace(microsecond=250000), "2026-03-01 12:00:00.250"),
        (NOW.date(), "2026-03-01"),
    ],
)
def test_a_figure_reads_exactly_and_without_empty_decimals(value: object, text: str) -> None:
    assert cell(value).text == text


@pytest.mark.parametrize(
    ("minutes", "interval"),
    [(0, "1s"), (6, "1s"), (3 * 60, "1m"), (2 * 1440, "15m"), (300 * 1440, "1d"), (3000 * 1440, "1d")],
)
def test_the_candles_are_as_fine_as_the_history_allows(minutes: int, interval: str) -> None:
    assert interval_for(traded(lasted=timedelta(minutes=minutes))) == interval


def test_a_report_that_cannot_be_written_says_where_it_was_to_go(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GlassbookError, match=r"can't write the report to .*r\.html .*--out"):
        write_report(tmp_path / "file" / "r.html", "")
    assert write_report(tmp_path / "new" / "r.html", "ä") == 2
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["r.html"]
    assert not re.search("draft", str(list(tmp_path.rglob("*"))))
