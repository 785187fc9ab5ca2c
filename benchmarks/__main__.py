"""`python -m benchmarks NAME`: each of the figures by itself; `--help` lists them."""

from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from benchmarks import baseline, canary, candles, engine, feeds, latency, layouts, page, peers, recovery, sink, stage
from benchmarks import resting as resting_orders
from benchmarks.scaling import run as scaling
from benchmarks.scaling.found import Part
from benchmarks.scaling.ladder import MOST_PERCENT, numbers
from benchmarks.scaling.parts import Options
from simulator.load.doors import DoorName
from simulator.load.mix import BROKERS, SYMBOLS
from simulator.load.result import Wanted

MOST_PARTITIONS = 1_000
BROKEN_OFF = 130  # as a shell says it of Ctrl-C

app = typer.Typer(help="How fast Glassbook is on this machine.", no_args_is_help=True, add_completion=False)

Seconds = Annotated[float, typer.Option(help="About how long to measure.", min=1)]
Seed = Annotated[int, typer.Option(help="The same seed gives the same orders.")]
Json = Annotated[bool, typer.Option("--json", help="One line of JSON, nothing else.")]


@app.command("engine")
def engine_command(seconds: Seconds = 20, seed: Seed = 1, json: Json = False) -> None:
    """The matcher's pure engine beside a naive book, from 1,000 to 1,000,000 resting orders."""
    engine.run(seconds, seed, json)


@app.command("stage")
def stage_command(seconds: Seconds = 20, seed: Seed = 1, json: Json = False) -> None:
    """The matcher's process on a real broker: signed orders in, trades out."""
    stage.run(seconds, seed, json)


@app.command("latency")
def latency_command(
    seconds: Seconds = 20,
    seed: Seed = 1,
    json: Json = False,
    url: Annotated[str | None, typer.Option(help="A running gateway; else a system of its own is started.")] = None,
    per_s: Annotated[float, typer.Option(help="Orders a second.", min=0.1)] = latency.ORDERS_PER_S,
) -> None:
    """From an order's HTTP request to its final answer, through gateway, ledger and matcher."""
    latency.run(seconds, seed, json, url, per_s)


@app.command("recovery")
def recovery_command(
    seconds: Seconds = 60,
    seed: Seed = 1,
    json: Json = False,
    resting: Annotated[
        int, typer.Option(help="So many orders rest first; then only the matcher is killed.", min=0)
    ] = 0,
    partitions: Annotated[int, typer.Option(help="Over which they are spread.", min=1, max=32)] = 1,
    kills: Annotated[int, typer.Option(help="Of the matcher, where orders rest.", min=1)] = 3,
) -> None:
    """From SIGKILL of each program to trading again, on the default listing; or, with --resting, of the matcher alone.

    A million resting orders take some ten minutes to get there.
    """
    if resting:
        resting_orders.run(resting, partitions, kills, seed, json)
    else:
        recovery.run(seconds, seed, json)


@app.command("layouts")
def layouts_command(
    seconds: Seconds = 20,
    seed: Seed = 1,
    json: Json = False,
    rounds: Annotated[int, typer.Option(help="How often each is measured, in turn.", min=1)] = 1,
) -> None:
    """450 symbols on a partition each, against the same on 32 shared ones. Takes three minutes a layout."""
    layouts.run(seconds, seed, json, rounds)


@app.command("candles")
def candles_command(seconds: Seconds = 20, seed: Seed = 1, json: Json = False) -> None:
    """candle_agg's workers on a real broker: trades in, candles out, compared with a count anew."""
    candles.run(seconds, seed, json)


@app.command("sink")
def sink_command(seconds: Seconds = 20, seed: Seed = 1, json: Json = False) -> None:
    """The sinks on a real broker and the embedded ClickHouse: trades in, rows out; and how late they are seen."""
    sink.run(seconds, seed, json)


@app.command("canary")
def canary_command(
    seed: Seed = 1,
    json: Json = False,
    full: Annotated[bool, typer.Option("--full", help="The long form, which takes hours.")] = False,
    injections: Annotated[int | None, typer.Option(min=0, help="Of each kind, in memory.")] = None,
    honest_orders: Annotated[int | None, typer.Option(min=0, help="In memory.")] = None,
    broker_injections: Annotated[int | None, typer.Option(min=0, help="Of each kind, over the broker.")] = None,
    broker_orders: Annotated[int | None, typer.Option(min=0, help="Honest ones, under kills.")] = None,
    speed_orders: Annotated[int | None, typer.Option(min=0, help="Of the log that speed is measured on.")] = None,
    kind: Annotated[
        list[int] | None,
        typer.Option(min=1, max=len(canary.WAYS), help="Only this kind of manipulation; may be said again."),
    ] = None,
) -> None:
    """Manipulations of every kind in memory and over a real broker, honest orders, and the canary's speed.

    The sizes are those of the short form, or of the long one, where none is given; 0 leaves a part out. Exits with 1 if
    an injection wasn't caught, or if somebody honest was blamed.
    """
    given = {
        "injections": injections, "honest_orders": honest_orders, "broker_injections": broker_injections,
        "broker_orders": broker_orders, "speed_orders": speed_orders,
    }  # fmt: skip
    sizes = canary.FULL if full else canary.Sizes()
    changed = replace(sizes, **{name: size for name, size in given.items() if size is not None})
    raise typer.Exit(0 if canary.run(changed, seed, json, kind or canary.WAYS) else 1)


@app.command("feeds")
def feeds_command(seconds: Seconds = 15, seed: Seed = 1, json: Json = False) -> None:
    """The live streams on a real broker: from a trade on the log to many sockets, and the most frames a second."""
    feeds.run(seconds, seed, json)


@app.command("page")
def page_command(seconds: Seconds = 15, seed: Seed = 1, json: Json = False) -> None:
    """The trading page in the system's chromium, while a market takes 200 orders a second."""
    page.run(seconds, seed, json)


@app.command("baseline")
def baseline_command(
    percent: Annotated[float, typer.Option(min=0.1, help="Of B3's; with --find, where to begin.")] = 10,
    seconds: Annotated[int, typer.Option(min=1, help="How long each load is measured.")] = 15,
    warm_up: Annotated[int, typer.Option(min=0, help="Seconds of the same before.")] = baseline.WARM_UP_S,
    batch: Annotated[bool, typer.Option("--batch", help="Commands in signed batches of up to 20.")] = False,
    seed: Seed = 1,
    json: Json = False,
    rounds: Annotated[int, typer.Option(min=0, help="How often each is loaded so, in turn.")] = 1,
    find: Annotated[bool, typer.Option("--find", help="Also search the most that each sustains.")] = False,
    kills: Annotated[int, typer.Option(min=0, help="How often each is killed under that load.")] = 5,
) -> None:
    """Glassbook beside one Python process without a log, under the same load; and what each loses by SIGKILL."""
    door = DoorName.BATCH if batch else DoorName.REST
    wanted = Wanted(door=door, percent=percent, seconds=seconds, warm_up_s=warm_up)
    baseline.run(wanted, seed, json, rounds, find, kills)


@app.command("peers")
def peers_command(
    seed: Seed = 1,
    json: Json = False,
    resting: Annotated[int, typer.Option(help="Orders on the book.", min=100)] = peers.RESTING_ORDERS,
    operations: Annotated[int, typer.Option(help="Measured, behind those that fill the book.", min=1)] = (
        peers.OPERATIONS
    ),
    rounds: Annotated[
        int, typer.Option(help="How often each engine is measured, in turn; the best counts.", min=1)
    ] = 3,
) -> None:
    """The matcher's engine beside those on PyPI, on one workload, once they agree on its fills."""
    peers.run(seed, json, resting, operations, rounds)


@app.command("scaling")
def scaling_command(
    only: Annotated[Part | None, typer.Option(help="One part. [default: all three]", show_default=False)] = None,
    seconds: Annotated[int, typer.Option(help="Of each level of load.", min=1)] = 30,
    warm_up: Annotated[int, typer.Option(help="Of each system, before its first level.", min=0)] = 60,
    seed: Seed = 1,
    door: Annotated[
        list[DoorName] | None, typer.Option(help="May be said again. [default: all three]", show_default=False)
    ] = None,
    percents: Annotated[
        str, typer.Option(help="Loads, as 10,25,50. [default: until it is too much]", show_default=False)
    ] = "",
    beyond: Annotated[
        bool, typer.Option("--beyond", help="Past a load that isn't sustained, as long as its orders are done in time.")
    ] = False,
    partitions: Annotated[
        str, typer.Option(help="Of orders and of accounts, to compare; where there are fewer markets, some stay empty.")
    ] = "1,4,8,32",
    gateways: Annotated[str, typer.Option(help="Gateway processes, to compare.")] = "1,2",
    symbols: Annotated[int, typer.Option(help="Markets.", min=1, max=9_999)] = SYMBOLS,
    brokers: Annotated[int, typer.Option(help="Accounts that trade.", min=1, max=10_000)] = BROKERS,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write the page; the figures go beside it, as .json.")
    ] = Path("glassbook-scaling.html"),
    json: Json = False,
) -> None:
    """What an order costs, as a page: against load, against partitions and processes, against resting orders.

    Takes over an hour in full. Ctrl-C ends it, and what there is by then is written.
    """
    options = Options(
        seconds=seconds, warm_up_s=warm_up, seed=seed, symbols=symbols, brokers=brokers, beyond=beyond,
        doors=door or tuple(DoorName), percents=_numbers(percents, 0.1, MOST_PERCENT) if percents else (),
        partitions=_counts(partitions, MOST_PARTITIONS), gateway_processes=_counts(gateways, 64),
    )  # fmt: skip
    found = scaling.run(options, [only] if only else list(Part), out, json)
    raise typer.Exit(BROKEN_OFF if found.broken_off else 0)


def _numbers(text: str, least: float, most: float) -> list[float]:
    try:
        return numbers(text, least, most)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}") from error


def _counts(text: str, most: int) -> list[int]:
    found = _numbers(text, 1, most)
    if any(not number.is_integer() for number in found):
        raise typer.BadParameter(f"{text!r}: whole numbers are wanted")
    return [int(number) for number in found]


@app.command("all")
def all_command(seconds: Seconds = 20, seed: Seed = 1, json: Json = False) -> None:
    """The first three, one after another, each for so many seconds."""
    for benchmark in (engine.run, stage.run, latency.run):
        benchmark(seconds, seed, json)


@app.callback()
def main() -> None: ...


if __name__ == "__main__":
    app()
