"""A load's result as one HTML file with everything in it, and as JSON beside it. Pure but for the writing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from glassbook.report import page, write_report
from simulator.load.load_charts import charts

TEMPLATE, FOLDER = "load.html.jinja", Path(__file__).parent
PERCENTILES = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")


class Table(NamedTuple):
    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def write_pages(path: Path, run: dict[str, Any]) -> tuple[Path, Path]:
    """Where the page and the figures are now; `run` is what `told.document` says."""
    figures = path.with_suffix(".json")
    write_report(path, render(run))
    write_report(figures, msgspec.json.format(msgspec.json.encode(run)).decode() + "\n")
    return path.absolute(), figures.absolute()


def render(run: dict[str, Any]) -> str:
    return page(
        TEMPLATE,
        FOLDER,
        title=f"{run['percent']:g}% by {run['door']}",
        run=run,
        began_at=f"{datetime.fromtimestamp(run['began_ms'] / 1000, UTC):%Y-%m-%d %H:%M:%S}",
        figures=_figures(run),
        tables=tables(run),
        charts=charts(run),
    )


def _figures(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    cpu_ms = run["cpu_ms_per_order"]
    return [
        ("orders a second", f"{run['orders_per_s']:,.1f}"),
        ("p50 of an order", f"{run['p50_ms']:,.1f} ms"),
        ("p99 of an order", f"{run['p99_ms']:,.1f} ms"),
        ("errors", f"{run['errors']:,}"),
        ("lost of acknowledged", f"{run['lost']:,} of {run['acknowledged']:,}"),
        ("processor time an order", "unknown" if cpu_ms is None else f"{cpu_ms:.2f} ms"),
        ("trades", f"{run['trades']:,}"),
    ]


def tables(run: Mapping[str, Any]) -> list[Table]:
    """For the page and for the terminal alike."""
    found = [_latencies(run)]
    for title, note, name in (
        ("Errors", "Requests that were not answered, the warm-up's too.", "errors_by_reason"),
        ("Refusals", "Answers that said no, for a reason of business.", "refused_by_reason"),
    ):
        if run[name]:
            ordered = sorted(run[name].items(), key=lambda item: -item[1])
            found.append(Table(title, note, ("reason", "count"), [(reason, f"{count:,}") for reason, count in ordered]))
    if run["cpu_ms_per_order_by_process"]:
        found.append(_processors(run))
    return found


def _latencies(run: Mapping[str, Any]) -> Table:
    late = run["generator"]["late_p99_ms"]
    rows = [
        (f"{kind}s", f"{run['sent'].get(kind, 0):,}", f"{of['count']:,}", *(f"{of[name]:,.1f}" for name in PERCENTILES))
        for kind, of in run["latency_ms"].items()
    ]
    note = f"From when a request was due until its answer was there. The generator itself was late: p99 {late:,.1f} ms."
    return Table("Latency, ms", note, ("", "sent", "answered", "p50", "p90", "p99", "p99.9", "max"), rows)


def _processors(run: Mapping[str, Any]) -> Table:
    by_process = sorted(run["cpu_ms_per_order_by_process"].items(), key=lambda item: -item[1])
    rows = [(name, f"{cpu_ms:.3f}") for name, cpu_ms in by_process]
    rows.append(("the exchange", f"{run['cpu_ms_per_order']:.3f}"))
    rows.append(("the generator, not part of it", f"{run['generator']['cpu_ms_per_order']:.3f}"))
    note = "Of each process, for each new order or cancel; reads are part of it."
    return Table("Processor time an order, ms", note, ("process", "ms"), rows)
