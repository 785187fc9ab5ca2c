"""`python -m simulator`: trials of the whole exchange."""

import traceback
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from simulator.faults import Campaign, quiet, run_campaign, run_seed

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Trials of the whole exchange.")
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
