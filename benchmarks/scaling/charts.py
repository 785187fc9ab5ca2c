"""The charts of the page, as Plotly figures. Pure. A level that was not sustained is hatched, or drawn as a cross."""

from collections.abc import Sequence
from itertools import cycle, groupby

import plotly.graph_objects as go

from benchmarks.scaling.found import Found, Layout, Level, Sized
from glassbook.report import Chart, chart
from simulator.load.doors import DoorName

HEIGHT = 360
PROCESS_COLOURS = (
    "#2f6fd6", "#0a8f6c", "#d1493f", "#b07cc6", "#e3a13a", "#4fb3bf", "#8c6d46", "#d67fa8", "#7f8fa3", "#9bb83c",
)  # fmt: skip
DOOR_COLOURS = {DoorName.REST: "#2f6fd6", DoorName.BATCH: "#0a8f6c", DoorName.WS: "#e3a13a"}


def cost_charts(found: Found) -> list[Chart]:
    if not found.cost:
        return []
    note = "Of all of the exchange's processes, for each order or cancel, without the generator's."
    return [
        *(_of_door(found, door) for door in found.doors),
        chart("Processor time of an order or cancel, all doors", note, _totals(found)),
        chart("Latency of an order", "From when it was due; p50 dotted, p99 drawn through.", _latencies(found)),
    ]


def _of_door(found: Found, door: DoorName) -> Chart:
    levels = [level for level in found.of_door(door) if level.cpu_ms_per_order is not None]
    figure, shown = go.Figure(), [_label(level) for level in levels]
    for name, colour in _colours(found.cost).items():
        values = [level.cpu_ms_by_process.get(name) for level in levels]
        if any(values):
            hatched = ["" if level.sustained else "/" for level in levels]
            marker = {"color": colour, "pattern": {"shape": hatched}}
            figure.add_bar(x=shown, y=values, name=name, marker=marker)
    totals = [level.cpu_ms_per_order for level in levels]
    figure.add_scatter(
        x=shown, y=totals, name="all", mode="lines+markers+text", text=[f"{total:.2f}" for total in totals],
        textposition="top center", line={"color": "var(--text)", "width": 1, "dash": "dot"}, marker=_marks(levels),
    )  # fmt: skip
    figure.update_layout(barmode="stack")
    _laid_out(figure, "load, % of B3's", "ms of processor time")
    figure.update_xaxes(type="category")
    return chart(f"Processor time of an order or cancel by {door}", "By process. Hatched: not sustained.", figure)


def _totals(found: Found) -> go.Figure:
    figure = go.Figure()
    for door in found.doors:
        levels = [level for level in found.of_door(door) if level.cpu_ms_per_order is not None]
        figure.add_scatter(
            x=[level.done_per_s for level in levels], y=[level.cpu_ms_per_order for level in levels], name=str(door),
            mode="lines+markers", text=[_label(level) for level in levels], marker=_marks(levels),
            line={"color": DOOR_COLOURS[door]},
        )  # fmt: skip
    return _laid_out(figure, "orders done a second", "ms of processor time")


def _latencies(found: Found) -> go.Figure:
    figure = go.Figure()
    for door in found.doors:
        levels = found.of_door(door)
        for name, values, dash in (
            ("p50", [level.p50_ms for level in levels], "dot"),
            ("p99", [level.p99_ms for level in levels], "solid"),
        ):
            figure.add_scatter(
                x=[level.percent for level in levels], y=values, name=f"{door} {name}", mode="lines+markers",
                text=[_label(level) for level in levels], marker=_marks(levels),
                line={"color": DOOR_COLOURS[door], "dash": dash},
            )  # fmt: skip
    _laid_out(figure, "load, % of B3's", "ms")
    figure.update_yaxes(type="log", rangemode="normal")
    return figure


def layout_charts(layouts: Sequence[Layout]) -> list[Chart]:
    if not layouts:
        return []
    figure = go.Figure()
    by_processes = sorted(layouts, key=lambda layout: (layout.gateway_processes, layout.partitions))
    for processes, group in groupby(by_processes, key=lambda layout: layout.gateway_processes):
        row = list(group)
        figure.add_scatter(
            x=[str(layout.partitions) for layout in row], y=[layout.best.done_per_s for layout in row],
            name=f"{processes} gateway process{'es' if processes > 1 else ''}", mode="lines+markers",
            text=[f"{layout.best.percent:g}% sent" for layout in row],
        )  # fmt: skip
    _laid_out(figure, "partitions of orders, and of accounts", "orders done a second")
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=_in_order(layouts))
    note = "The most that were answered while they were sent, in signed batches, each layout on a system of its own."
    return [chart("Orders done against partitions and processes", note, figure)]


def _in_order(layouts: Sequence[Layout]) -> list[str]:
    return [str(count) for count in sorted({layout.partitions for layout in layouts})]


def size_charts(sizes: Sequence[Sized]) -> list[Chart]:
    if not sizes:
        return []
    figure = go.Figure()
    for name, values in (
        ("on average", [sized.us_per_operation for sized in sizes]),
        ("p50", [sized.p50_us for sized in sizes]),
        ("p99", [sized.p99_us for sized in sizes]),
    ):
        figure.add_scatter(x=[sized.resting_orders for sized in sizes], y=values, name=name, mode="lines+markers")
    _laid_out(figure, "resting orders", "us")
    figure.update_xaxes(type="log")
    note = "The matcher's pure engine: an order or a cancel with its events; no log, no signatures."
    return [chart("Time of an operation against resting orders", note, figure)]


def _label(level: Level) -> str:
    return f"{level.percent:g}%" + (
        " (broken off)" if level.broken_off else "" if level.sustained else " (not sustained)"
    )


def _marks(levels: Sequence[Level]) -> dict[str, object]:
    return {"symbol": ["circle" if level.sustained else "x" for level in levels], "size": 8}


def _colours(levels: Sequence[Level]) -> dict[str, str]:
    """A process's colour, the same at each door; the one with most time first, so that it is drawn lowest."""
    names = {name for level in levels for name in level.cpu_ms_by_process}
    most = {name: max(level.cpu_ms_by_process.get(name, 0.0) for level in levels) for name in names}
    return dict(zip(sorted(names, key=lambda name: (-most[name], name)), cycle(PROCESS_COLOURS), strict=False))


def _laid_out(figure: go.Figure, across: str, up: str) -> go.Figure:
    figure.update_layout(height=HEIGHT, legend={"orientation": "h", "y": 1.2})
    figure.update_xaxes(title_text=across)
    figure.update_yaxes(title_text=up, rangemode="tozero")
    return figure
