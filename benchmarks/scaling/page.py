"""What was found as one HTML file with everything in it, and as a document for JSON. Pure but for the writing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.scaling.bends import words
from benchmarks.scaling.charts import cost_charts, layout_charts, size_charts
from benchmarks.scaling.found import Found, Layout, Level, Part, Sized
from glassbook.report import Chart, page, write_report
from simulator.load.page import Table

TEMPLATE, FOLDER = "scaling.html.jinja", Path(__file__).parent
TITLES = {
    Part.COST: "Cost against load",
    Part.PARTITIONS: "Orders a second against partitions and processes",
    Part.ENGINE: "Time against resting orders",
}


class Section(NamedTuple):
    """A part of the page. `machine` is as it was when that part began."""

    title: str
    machine: str
    charts: Sequence[Chart]
    tables: Sequence[Table]
    words: Sequence[tuple[str, Sequence[str]]]


def write_pages(path: Path, found: Found) -> tuple[Path, Path]:
    """Where the page and the figures are now."""
    figures = path.with_suffix(".json")
    write_report(path, render(found))
    write_report(figures, msgspec.json.format(msgspec.json.encode(document(found))).decode() + "\n")
    return path.absolute(), figures.absolute()


def document(found: Found) -> dict[str, Any]:
    rows = {
        "cost": found.cost,
        "partitions": [_layout_row(layout) for layout in found.measured_layouts],
        "engine": found.sizes,
    }
    about: dict[str, Any] = msgspec.to_builtins(found)
    for key in ("cost", "layouts", "sizes"):
        del about[key]
    about |= msgspec.to_builtins(rows)
    return about | {"words": words(found)}


def _layout_row(layout: Layout) -> dict[str, Any]:
    best = layout.best
    return {
        "partitions": layout.partitions,
        "gateway_processes": layout.gateway_processes,
        "orders_per_s": best.done_per_s,
        "percent": best.percent,
        "sustained_percent": layout.sustained_percent,
        "at_its_limit": layout.at_its_limit,
        "cpu_ms_per_order": best.cpu_ms_per_order,
        "machine_used": best.machine_used,
        "levels": layout.levels,
    }


def render(found: Found) -> str:
    return page(
        TEMPLATE, FOLDER, found=found, sections=_sections(found), others=_others(found),
        began_at=f"{datetime.fromtimestamp(found.began_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}",
    )  # fmt: skip


def _sections(found: Found) -> list[Section]:
    layouts, said = found.measured_layouts, words(found)
    shown = {
        Part.COST: (cost_charts(found), [_levels(door, found.of_door(door)) for door in found.doors]),
        Part.PARTITIONS: (layout_charts(layouts), [_layouts(layouts)] if layouts else []),
        Part.ENGINE: (size_charts(found.sizes), [_sizes(found.sizes)] if found.sizes else []),
    }
    return [
        Section(
            TITLES[part], found.machine.get(part, ""), charts, tables,
            [(name.removeprefix(part).strip(), lines) for name, lines in said.items() if name.startswith(part)],
        )
        for part, (charts, tables) in shown.items()
        if charts
    ]  # fmt: skip


def _others(found: Found) -> str:
    """What else ran, as far as it was seen: beside the loads."""
    levels = [*found.cost, *(level for layout in found.layouts for level in layout.levels)]
    if not levels:
        return ""
    shares = [level.others for level in levels]
    return (
        f"Other programs had {sum(shares) / len(shares):.0%} of this machine's processor beside the loads on average,"
        f" {max(shares):.0%} at most."
    )


def _levels(door: str, levels: Sequence[Level]) -> Table:
    note = "Of each order or cancel: processor time. Of the machine: all programs, the generator's too."
    columns = (
        "load", "verdict", "orders/s", "p50 ms", "p99 ms", "errors", "lost", "processor ms", "machine used", "others",
        "most time in",
    )  # fmt: skip
    return Table(f"Levels by {door}", note, columns, [_level_row(level) for level in levels])


def _level_row(level: Level) -> Sequence[str]:
    cpu_ms = level.cpu_ms_per_order
    most = ", ".join(f"{name} {ms:.2f}" for name, ms in list(level.cpu_ms_by_process.items())[:3])
    verdict = "broken off" if level.broken_off else "sustained" if level.sustained else f"not, limit: {level.limit}"
    return (
        f"{level.percent:g}%", verdict, f"{level.done_per_s:,.1f}", f"{level.p50_ms:,.1f}", f"{level.p99_ms:,.1f}",
        f"{level.errors:,}", f"{level.lost:,}", "unknown" if cpu_ms is None else f"{cpu_ms:.2f}",
        f"{level.machine_used:.0%}", f"{level.others:.0%}", most,
    )  # fmt: skip


def _layouts(layouts: Sequence[Layout]) -> Table:
    note = "A load is raised until less than 90% of it is done in time. Sustained also needs a p99 below 100 ms."
    columns = (
        "partitions", "gateway processes", "most orders/s", "at a load of", "more tried", "sustained", "machine used",
    )  # fmt: skip
    rows = [
        (
            str(layout.partitions), str(layout.gateway_processes), f"{layout.best.done_per_s:,.1f}",
            f"{layout.best.percent:g}%", "yes" if layout.at_its_limit else "no", f"{layout.sustained_percent:g}%",
            f"{layout.best.machine_used:.0%}",
        )
        for layout in layouts
    ]  # fmt: skip
    return Table("Layouts", note, columns, rows)


def _sizes(sizes: Sequence[Sized]) -> Table:
    rows = [
        (
            f"{sized.resting_orders:,}", f"{sized.price_levels:,}", f"{sized.operations_per_s:,.0f}",
            f"{sized.us_per_operation:.2f}", f"{sized.p50_us:.2f}", f"{sized.p99_us:.2f}",
        )
        for sized in sizes
    ]  # fmt: skip
    return Table(
        "Sizes", "An operation is an order or a cancel.",
        ("resting orders", "price levels", "operations/s", "us on average", "p50 us", "p99 us"), rows,
    )  # fmt: skip
