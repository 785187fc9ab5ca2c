"""A load as it goes, on one screen of the terminal."""

from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from simulator.load.mix import Kind
from simulator.load.tally import Series, latency
from simulator.load.watch import Sample


class LiveScreen:
    """Draws once a second, as often as it is shown something; is a context for as long as it stands."""

    def __init__(self, console: Console, title: str, seconds: int) -> None:
        self._title, self._seconds = title, seconds
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "LiveScreen":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        self._live.update(Text(f"{self._title}: {text}"), refresh=True)

    def show(self, series: Series, samples: Sequence[Sample], passed_s: float) -> None:
        left_s = self._seconds + series.warm_up_s - passed_s
        phase = "warming up" if passed_s < series.warm_up_s else "measuring" if left_s > 0 else "waiting for answers"
        head = Text(f"{self._title}: {phase}, {max(left_s, 0):.0f} s left; Ctrl-C ends it")
        parts: list[Text | Table] = [head, _requests(series), _errors(series), _stages(samples), _processes(samples)]
        self._live.update(Group(*parts), refresh=True)


class PlainScreen:
    """Where nobody looks: says nothing."""

    def say(self, text: str) -> None:
        pass

    def show(self, series: Series, samples: Sequence[Sample], passed_s: float) -> None:
        pass


def _requests(series: Series) -> Table:
    table = Table("last second", "sent", "done", "p50 ms", "p99 ms", box=None, header_style="bold")
    for name in table.columns[1:]:
        name.justify = "right"
    if not series.all:
        return table
    last = series.all[-1]
    for kind in Kind:
        took = latency(last.took_ms[kind])
        table.add_row(f"{kind}s", str(last.sent[kind]), str(took.count), f"{took.p50_ms:.1f}", f"{took.p99_ms:.1f}")
    late = latency(last.late_ms)
    table.add_row("generator late", "", "", f"{late.p50_ms:.1f}", f"{late.p99_ms:.1f}")
    return table


def _errors(series: Series) -> Text:
    errors = ", ".join(f"{count:,} × {reason}" for reason, count in series.errors().most_common(5)) or "none"
    refused = ", ".join(f"{count:,} × {name}" for name, count in series.refused().most_common(5)) or "none"
    return Text(f"errors: {errors}\nrefused: {refused}")


def _stages(samples: Sequence[Sample]) -> Text:
    seen = [sample for sample in samples if sample.lag]
    if not seen:
        return Text("")
    lag = ", ".join(f"{stage} {behind:,}" for stage, behind in seen[-1].lag.items())
    return Text(f"records behind: {lag}\nrecords on trades: {_per_s(seen):,.0f}/s, ticks included")


def _per_s(seen: Sequence[Sample]) -> float:
    if len(seen) < 2:
        return 0.0
    before, now = seen[-2], seen[-1]
    return (now.trades_end - before.trades_end) / (now.at - before.at)


def _processes(samples: Sequence[Sample]) -> Table:
    table = Table("process", "% of a core", "MB", box=None, header_style="bold")
    table.columns[1].justify = table.columns[2].justify = "right"
    seen = [sample for sample in samples if sample.usage]
    if len(seen) < 2:
        return table
    before, now = seen[-2], seen[-1]
    for name, usage in sorted(now.usage.items()):
        if name in before.usage:
            share = (usage.cpu_s - before.usage[name].cpu_s) / (now.at - before.at)
            table.add_row(name, f"{100 * share:.0f}", f"{usage.memory_mb:.0f}")
    return table
