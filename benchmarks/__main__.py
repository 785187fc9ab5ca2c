"""`python -m benchmarks engine|stage|latency|all`."""

from typing import Annotated

import typer

from benchmarks import engine, stage

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


@app.callback()
def main() -> None: ...


if __name__ == "__main__":
    app()
