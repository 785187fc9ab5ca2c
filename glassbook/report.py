"""One HTML file with everything in it: charts, the ten answers, and Plotly's own code. It opens without a network.

What comes from ClickHouse is text to the page, never markup: the template escapes it, and what goes into a script is
JSON without a `<`.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from glassbook.errors import GlassbookError
from glassbook.report_charts import candles_chart, volumes_charts
from glassbook.report_data import Answer, Candles, ReportData

TEMPLATES = Path(__file__).parent
ABSENT = "—"


class Cell(NamedTuple):
    text: str
    is_number: bool


class Column(NamedTuple):
    title: str
    is_number: bool


class Table(NamedTuple):
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


class Chart(NamedTuple):
    title: str
    note: str
    json: Markup


def render(data: ReportData, made_at: datetime) -> str:
    shown = [market for market in data.traded if data.symbol in ("", market.symbol)]
    return page(
        "report.html.jinja",
        symbol=data.symbol,
        made_at=f"{made_at:%Y-%m-%d %H:%M:%S}",
        trades=f"{sum(market.trades for market in shown):,}",
        markets=len(shown),
        first=cell(min((market.first_trade for market in shown), default=None)).text,
        last=cell(max((market.last_trade for market in shown), default=None)).text,
        candles=[_candles(candles) for candles in data.candles if candles.rows],
        volumes=[chart(f"in {asset}", "", figure) for asset, figure in volumes_charts(data.traded)],
        answers=data.answers,
        table=table,
        told=told,
    )


def page(template: str, folder: Path = TEMPLATES, **content: Any) -> str:
    """A page from a template of this folder, which extends `page.html.jinja`; Plotly's code is in it."""
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(plotly=Markup(get_plotlyjs()), **content)


def write_report(path: Path, html: str) -> int:
    """The file's size in bytes. It is there whole or not at all."""
    draft = path.with_name(path.name + ".draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        size = draft.write_bytes(html.encode())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise GlassbookError(f"can't write the report to {path} ({error.strerror}): say where with --out") from error
    return size


def _candles(candles: Candles) -> Chart:
    count = len(candles.rows)
    many = f"the last {count} candles" if candles.more else "1 candle" if count == 1 else f"{count} candles"
    return chart(candles.symbol, f"{many} of {candles.interval}, UTC", candles_chart(candles))


def chart(title: str, note: str, figure: go.Figure) -> Chart:
    return Chart(title, note, Markup(figure.to_json().replace("<", "\\u003c")))


# --- tables


def table(answer: Answer) -> Table:
    rows = [[cell(value) for value in row] for row in answer.rows]
    numeric = [any(row[column].is_number for row in rows) for column in range(len(answer.columns))]
    columns = [
        Column(name.replace("_percent", " %").replace("_", " "), is_number)
        for name, is_number in zip(answer.columns, numeric, strict=True)
    ]
    return Table(columns, rows)


def told(answer: Answer) -> str:
    """The parameters that the answer was given, as a person reads them; a period that was left open isn't one."""
    default = {parameter.name: parameter.default for parameter in answer.question.parameters}
    open_ends = {name for name in ("from", "to") if answer.parameters.get(name) == default.get(name)}
    given = [f"{name} = {value}" for name, value in answer.parameters.items() if value and name not in open_ends]
    return ", ".join(given) or "The whole history."


def cell(value: Any) -> Cell:
    if value is None or value == "":
        return Cell(ABSENT, False)
    if isinstance(value, bool):
        return Cell("yes" if value else "no", False)
    if isinstance(value, int):
        return Cell(f"{value:,}", True)
    if isinstance(value, Decimal):
        return Cell(_decimal(value), True)
    if isinstance(value, float):
        return Cell(f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}", True)
    if isinstance(value, datetime):
        text = f"{value:%Y-%m-%d %H:%M:%S}"
        return Cell(text + (f".{value.microsecond // 1000:03}" if value.microsecond else ""), False)
    return Cell(str(value), False)


def _decimal(value: Decimal) -> str:
    """Exact, without the zeros that its column's scale adds."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
