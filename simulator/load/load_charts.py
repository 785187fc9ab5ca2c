"""The charts of a load's page, as Plotly figures, from what `told.document` says. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from glassbook.report import Chart, chart
from simulator.load.mix import Kind

HEIGHT = 340


def charts(run: Mapping[str, Any]) -> list[Chart]:
    seconds, samples = run["by_second"], run["samples"]
    if not seconds:
        return []
    found = [
        chart("Requests", "A second; done is what was answered in it.", _requests(seconds)),
        chart("Latency", "Of what was answered in each second, by kind.", _latency(seconds)),
        chart("Trades", "A second, by log time.", _lines([("trades", seconds, lambda row: row["trades"])], "trades/s")),
    ]
    if any(row["errors"] for row in seconds):
        found.append(chart("Errors", "A second, by reason.", _errors(seconds)))
    if any(sample["lag"] for sample in samples):
        found.append(chart("Lag", "Records that each stage had yet to read.", _samples(samples, "lag", "records")))
    if any(sample["cpu_s"] for sample in samples):
        found.append(chart("Processor", "Of each process, in per cent of a core.", _processor(samples, seconds)))
        found.append(chart("Memory", "Resident, of each process.", _samples(samples, "memory_mb", "MB")))
    return found


Line = tuple[str, Sequence[Mapping[str, Any]], Any]
"""A line's name, its rows, and what it shows of a row."""


def _lines(lines: Iterable[Line], title: str) -> go.Figure:
    figure = go.Figure()
    for name, rows, value in lines:
        figure.add_scatter(x=[row["second"] for row in rows], y=[value(row) for row in rows], name=name, mode="lines")
    figure.update_layout(height=HEIGHT, hovermode="x unified", legend={"orientation": "h", "y": 1.15})
    figure.update_yaxes(title_text=title, rangemode="tozero")
    return figure


def _requests(seconds: Sequence[Mapping[str, Any]]) -> go.Figure:
    lines: list[Line] = []
    for kind in Kind:
        lines.append((f"{kind}s sent", seconds, lambda row, kind=kind: row["sent"][kind]))
        lines.append((f"{kind}s done", seconds, lambda row, kind=kind: row["done"][kind]))
    return _lines(lines, "requests/s")


def _latency(seconds: Sequence[Mapping[str, Any]]) -> go.Figure:
    lines: list[Line] = []
    for kind in Kind:
        for name in ("p50", "p99"):
            lines.append(
                (f"{kind}s {name}", seconds, lambda row, kind=kind, name=name: row[f"{name}_ms"][kind] or None)
            )
    figure = _lines(lines, "ms")
    figure.update_yaxes(type="log", rangemode="normal")
    return figure


def _errors(seconds: Sequence[Mapping[str, Any]]) -> go.Figure:
    reasons = sorted({reason for row in seconds for reason in row["errors"]})
    return _lines([(name, seconds, lambda row, name=name: row["errors"].get(name, 0)) for name in reasons], "errors/s")


def _samples(samples: Sequence[Mapping[str, Any]], field: str, title: str) -> go.Figure:
    names = sorted({name for sample in samples for name in sample[field]})
    seen = [sample for sample in samples if sample[field]]
    return _lines([(name, seen, lambda row, name=name: row[field].get(name)) for name in names], title)


def _processor(samples: Sequence[Mapping[str, Any]], seconds: Sequence[Mapping[str, Any]]) -> go.Figure:
    """From one sample to the next; and the generator's own."""
    seen = [sample for sample in samples if sample["cpu_s"]]
    rows = [
        {
            "second": after["second"],
            "used": {
                name: max(100 * (cpu_s - before["cpu_s"][name]) / max(after["second"] - before["second"], 0.01), 0)
                for name, cpu_s in after["cpu_s"].items()
                if name in before["cpu_s"]
            },
        }
        for before, after in pairwise(seen)
    ]
    names = sorted({name for row in rows for name in row["used"]})
    lines: list[Line] = [(name, rows, lambda row, name=name: row["used"].get(name)) for name in names]
    return _lines([*lines, ("generator", seconds, lambda row: 100 * row["generator_cpu_s"])], "% of a core")
