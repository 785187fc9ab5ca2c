"""`python -m benchmarks engine|stage|latency|recovery|layouts|all`."""

from typing import Annotated

import typer

from benchmarks import candles, engine, latency, layouts, recovery, sink, stage

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
def recovery_command(seconds: Seconds = 60, seed: Seed = 1, json: Json = False) -> None:
    """From SIGKILL of each program to trading again, on the default listing."""
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


@app.command("all")
def all_command(seconds: Seconds = 20, seed: Seed = 1, json: Json = False) -> None:
    """The first three, one after another, each for so many seconds."""
    for benchmark in (engine.run, stage.run, latency.run):
        benchmark(seconds, seed, json)


@app.callback()
def main() -> None: ...


if __name__ == "__main__":
    app()
