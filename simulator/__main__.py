"""`python -m simulator`: trials of the whole exchange."""

import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from glassbook.settings import Settings
from simulator.broker_faults import Plan, Report
from simulator.broker_faults import run_campaign as run_broker_campaign
from simulator.canary_campaign import HONEST, Tally
from simulator.canary_campaign import run_campaign as run_canary_campaign
from simulator.canary_injections import INJECTIONS
from simulator.candle_faults import Plan as CandlePlan
from simulator.candle_faults import run_campaign as run_candle_campaign
from simulator.day.commands import app as day
from simulator.faults import Campaign, quiet, run_campaign, run_seed
from simulator.own_system import own_settings
from simulator.sink_faults import Plan as SinkPlan
from simulator.sink_faults import run_campaign as run_sink_campaign

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Trials of the whole exchange.")
app.add_typer(day, name="day")
console = Console()


@app.callback()
def trials() -> None:
    """Trials of the whole exchange."""


@app.command()
def faults(
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to run.")] = 10_000,
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; one a core if not given.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Run this one seed and show what happened.")] = None,
) -> None:
    """Run the real stages over a log in memory, with crashes, zombies, repeats and rebalances drawn from seeds.

    Examples:

      python -m simulator faults --seeds 1000

      python -m simulator faults --seed 4711
    """
    if seed is not None:
        raise typer.Exit(_replay(seed))
    campaign = Campaign()
    with Progress(console=console) as progress:
        bar = progress.add_task("seeds", total=seeds)
        for campaign in run_campaign(first, seeds, jobs):
            progress.update(bar, completed=campaign.seeds)
    rate = campaign.seeds / campaign.seconds
    console.print(f"{campaign.seeds} seeds in {campaign.seconds:.0f} s ({rate:.0f}/s), {len(campaign.failures)} failed")
    console.print(", ".join(f"{count:,} {what}" for what, count in sorted(campaign.figures.items())))
    for failure in campaign.failures[:20]:
        console.print(f"seed {failure.seed}: {failure.why}\n  again: python -m simulator faults --seed {failure.seed}")
    raise typer.Exit(1 if campaign.failures else 0)


@app.command("broker-faults")
def broker_faults(
    orders: Annotated[int, typer.Option(min=100, help="New orders of each campaign; cancels come on top.")] = 100_000,
    strikes: Annotated[int, typer.Option(min=1, help="Processes struck in each campaign.")] = 24,
    brokers: Annotated[int, typer.Option(min=1, max=3, help="One, or three that stand in for each other.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the load; kills and their moments are real.")] = 1,
) -> None:
    """Kill, then stop and wake, the processes of a real system under load, and audit its log by a clean replay.

    Examples:

      python -m simulator broker-faults

      python -m simulator broker-faults --orders 10000 --strikes 8
    """

    def play(settings: Settings, stop: bool) -> bool:
        plan = Plan(orders=orders, strikes=strikes, stop=stop, brokers=brokers, seed=seed)
        console.print(f"{strikes} processes {'stopped and continued' if stop else 'killed'} under {orders:,} orders")
        report = run_broker_campaign(settings, plan)
        _print_report(report)
        return report.exact and report.blames_nobody

    _play_both_ways(play)


@app.command("candle-faults")
def candle_faults(
    trades: Annotated[int, typer.Option(min=100, help="Trades of each campaign.")] = 200_000,
    strikes: Annotated[int, typer.Option(min=1, help="Workers struck in each campaign.")] = 20,
    symbols: Annotated[int, typer.Option(min=1)] = 40,
    partitions: Annotated[int, typer.Option(min=1)] = 8,
    seed: Annotated[int, typer.Option(help="Of the load; kills and their moments are real.")] = 1,
) -> None:
    """Kill, then stop and wake, the workers of candle_agg while trades come, and count every candle anew.

    Examples:

      python -m simulator candle-faults

      python -m simulator candle-faults --trades 20000 --strikes 4
    """

    def play(settings: Settings, stop: bool) -> bool:
        plan = CandlePlan(trades, strikes, symbols, partitions, stop, seed)
        console.print(f"{strikes} workers {'stopped and continued' if stop else 'killed'} under {trades:,} trades")
        report = run_candle_campaign(settings, plan)
        found = report.verdict
        console.print(
            f"{found.trades:,} trades and {report.trades_repeated:,} repeats of them, {found.closed:,} closed candles,"
            f" {found.forming:,} forming ones, {report.seconds:.0f} s: {len(found.differences)} differences,"
            f" {found.repeats} repeats, {report.dead_letters} dead letters:"
            f" {'exact' if report.exact else 'NOT EXACT'}"
        )
        for difference in found.differences[:20]:
            console.print(f"  {difference}", markup=False)
        return report.exact

    _play_both_ways(play)


@app.command("sink-faults")
def sink_faults(
    trades: Annotated[int, typer.Option(min=1000, help="Trades of each campaign.")] = 1_000_000,
    strikes: Annotated[int, typer.Option(min=1, help="Strikes at sinks and ClickHouse in each campaign.")] = 20,
    symbols: Annotated[int, typer.Option(min=1)] = 40,
    partitions: Annotated[int, typer.Option(min=1)] = 8,
    seed: Annotated[int, typer.Option(help="Of the load; strikes and their moments are real.")] = 1,
) -> None:
    """Kill, then stop and wake, the sinks and the embedded ClickHouse while trades come, and count the rows.

    Examples:

      python -m simulator sink-faults

      python -m simulator sink-faults --trades 50000 --strikes 6
    """

    def play(settings: Settings, stop: bool) -> bool:
        plan = SinkPlan(trades, strikes, symbols, partitions, stop, seed)
        console.print(f"{strikes} strikes, {'stopped and continued' if stop else 'killed'}, under {trades:,} trades")
        report = run_sink_campaign(settings, plan)
        struck = ", ".join(f"{target} {count}" for target, count in report.struck.items())
        console.print(
            f"struck: {struck}; {report.topic.distinct:,} trades and {report.repeats:,} repeats of them on the topic,"
            f" {report.rows.trades:,} rows of {report.rows.distinct:,} trades, {report.seconds:.0f} s:"
            f" {'exact' if report.exact else 'NOT EXACT'}"
        )
        if not report.exact:
            console.print(f"  topic  {report.topic}\n  rows   {report.rows}", markup=False)
        return report.exact

    _play_both_ways(play)


def _play_both_ways(play: Callable[[Settings, bool], bool]) -> NoReturn:
    """A campaign of kills, then one of stops, each in a folder of its own; `play` says whether all was exact."""
    exact = True
    for stop in (False, True):
        with TemporaryDirectory(prefix="glassbook-faults-") as folder:
            exact = play(own_settings(Path(folder)), stop) and exact
    raise typer.Exit(0 if exact else 1)


@app.command("canary")
def canary(
    injections: Annotated[int, typer.Option(min=0, help="How many of each manipulation.")] = 100,
    honest: Annotated[int, typer.Option(min=0, help="How many honest logs, half of them under faults.")] = 2_000,
    seed: Annotated[int, typer.Option(min=0, help="The first seed of each.")] = 0,
    only: Annotated[str | None, typer.Option(help="Only this manipulation, or `honest`.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; one a core if not given.")] = None,
) -> None:
    """Inject every manipulation into logs in memory, and see whether the canary tells it and blames nobody honest.

    Examples:

      python -m simulator canary --injections 3000 --honest 100000

      python -m simulator canary --only "insider alters a price" --seed 4711 --injections 1
    """
    if only not in (None, HONEST, *(injection.name for injection in INJECTIONS)):
        raise typer.BadParameter(f"there is no manipulation {only!r}", param_hint="--only")
    tallies = {injection.name: Tally(injection.name) for injection in INJECTIONS} | {HONEST: Tally(HONEST)}
    with Progress(console=console) as progress:
        chosen = [name for name in tallies if only in (None, name)]
        total = sum(honest if name == HONEST else injections for name in chosen)
        bar = progress.add_task("cases", total=total)
        for tally in run_canary_campaign(injections, honest, seed, only, jobs):
            tallies[tally.name].add(tally)
            progress.update(bar, advance=tally.injected)
    _print_tallies(tallies)
    raise typer.Exit(1 if any(tally.failures for tally in tallies.values()) else 0)


def _print_tallies(tallies: dict[str, Tally]) -> None:
    table = Table("", "manipulation", "injected", "caught", "controls")
    for injection in INJECTIONS:
        tally = tallies[injection.name]
        if tally.injected:
            figures = f"{tally.injected:,}", f"{tally.caught:,}", f"{tally.controls:,}"
            table.add_row(str(injection.number), injection.name, *figures)
    console.print(table)
    honest = tallies[HONEST]
    console.print(
        f"{honest.injected:,} honest logs with {honest.orders:,} orders: {len(honest.failures)} with a false alarm"
    )
    for tally in tallies.values():
        for failure in tally.failures[:5]:
            console.print(f"  {failure}", markup=False)


def _print_report(report: Report) -> None:
    load = report.load
    console.print(
        f"{load.acknowledged:,} orders and {load.cancels:,} cancels acknowledged, {load.mandates:,} mandates,"
        f" {load.resent_batches:,} batches sent again, {report.trades:,} trades,"
        f" {report.seconds:.0f} s with start and audit"
    )
    for target in report.plan.targets:
        times = sorted(strike.recovery_s for strike in report.strikes if strike.target == target)
        if times:
            console.print(f"  {target}: trading again after {times[len(times) // 2]:.1f} s, at most {times[-1]:.1f} s")
    console.print(
        f"{report.without_outcome} acknowledged without outcome, {len(report.differences)} records and"
        f" {len(report.state_differences)} states differ from the clean replay, {report.repeats:,} repeats,"
        f" {report.public_repeats:,} of them on public topics: {'exact' if report.exact else 'NOT EXACT'}"
    )
    console.print(
        f"the canary judged {report.judged:,} records, {report.unjudged} not; {len(report.false_alarms)} false alarms,"
        f" and {report.late_alerts} times it said that a stage is late, which was true"
    )
    for difference in [*report.differences, *report.state_differences, *report.false_alarms][:20]:
        console.print(f"  {difference}", markup=False)


def _replay(seed: int) -> int:
    quiet()
    trace: list[str] = []
    try:
        figures = run_seed(seed, trace=trace)
    except Exception:  # shown to whoever replays the seed, with what led to it
        console.print("\n".join(trace), markup=False)
        console.print(f"seed {seed} failed:\n{traceback.format_exc()}", markup=False)
        return 1
    console.print("\n".join(trace), markup=False)
    console.print(f"seed {seed} holds: {dict(figures)}", markup=False)
    return 0


if __name__ == "__main__":
    app(prog_name="python -m simulator")
