"""`glassbook up`, `down`, `status` and `logs`: the local system as a whole."""

import signal
import sys
import time
from types import FrameType
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from glassbook import leftovers, logs_tail, preflight
from glassbook.cluster import STOP_S, Cluster, StoppedElsewhere
from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError
from glassbook.settings import Settings, read_settings
from glassbook.status import SystemStatus, system_status
from glassbook.supervision import Supervisor
from glassbook.tables import print_table
from glassbook.welcome import welcome

POLL_S = 0.25
UP_NOTICES_S = 5

UP_HELP = """Start the exchange, or go on where it stopped; Ctrl-C stops it.

Examples:

    glassbook up

    glassbook up --quiet         without the market makers and takers that otherwise trade in it, with play money

    glassbook up --brokers 3     three brokers, three copies of every record (fixed at the first start)

    GLASSBOOK_DATA_DIR=/srv/other GLASSBOOK_KAFKA_PORT=29092 GLASSBOOK_GATEWAY_PORT=8100 glassbook up
"""
DOWN_HELP = """Stop the exchange, from any terminal; also ends what a killed `up` left behind.

Example:

    glassbook down
"""
STATUS_HELP = """Show each process, and how far each stage is in its input.

Examples:

    glassbook status

    glassbook status --json | python3 -m json.tool
"""
LOGS_HELP = """Show what the processes wrote; without a name, of all of them.

Examples:

    glassbook logs matcher -n 50

    glassbook logs broker-1 -f
"""


def add_to(app: typer.Typer) -> None:
    app.command("up", help=UP_HELP)(up)
    app.command("down", help=DOWN_HELP)(down)
    app.command("status", help=STATUS_HELP)(status)
    app.command("logs", help=LOGS_HELP)(logs)


class _AskedToStop(BaseException):
    """Raised by a signal, wherever the start has got to."""


def _ask_to_stop(number: int, frame: FrameType | None) -> None:
    # Once is enough: a second Ctrl-C must not break off the orderly stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _AskedToStop


def up(
    brokers: Annotated[
        int | None, typer.Option(min=1, max=3, help="1, or 3 for three copies. Only at the first start. [default: 1]")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Nobody trades by himself; the same as GLASSBOOK_QUIET=true.")
    ] = False,
) -> None:
    if brokers == 2:
        raise GlassbookError("two brokers can't outvote one another: say --brokers 1 or --brokers 3")
    settings = read_settings()
    if quiet:
        settings = settings.model_copy(update={"quiet": True})
    console = Console(highlight=False)
    cluster = Cluster(settings, brokers)
    signal.signal(signal.SIGINT, _ask_to_stop)
    signal.signal(signal.SIGTERM, _ask_to_stop)
    why = ""
    try:
        _start(cluster, console)
        while True:
            cluster.check_alive()
            time.sleep(POLL_S)
    except _AskedToStop:
        why = "stopping"
    except StoppedElsewhere:
        why = "stopped from elsewhere"
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if why:
            console.print(f"\n{why}: gateway, stages, then the broker")
        cluster.stop()
    console.print("stopped; 'make up' goes on from here")


def _start(cluster: Cluster, console: Console) -> None:
    began = time.monotonic()
    for title, step in cluster.steps():
        step_began = time.monotonic()
        said = ""
        with console.status(title) as line:

            def say(text: str, title: str = title) -> None:
                nonlocal said
                said = text
                line.update(f"{title}  [dim]{text}[/dim]")

            step(say)
        took = time.monotonic() - step_began
        console.print(f"[green]✓[/green] {title:<40} [dim]{took:5.1f} s  {said}[/dim]", soft_wrap=True)
    console.print(f"\n[bold]ready[/bold] after {time.monotonic() - began:.1f} s\n")
    console.print(welcome(cluster.settings, cluster.folder), soft_wrap=True, markup=False)


def down() -> None:
    folder = DataFolder(read_settings().data_dir)
    instance = folder.instance()
    running = instance is not None and bool(leftovers.find(instance.id))
    holder = preflight.holder(folder)
    if not running and holder is None:
        typer.echo(f"nothing is running on {folder.root}")
        return
    if Supervisor(folder).answers():
        Supervisor(folder).shutdown()
    elif holder is not None:
        psutil.Process(holder).terminate()  # it is still before its supervisor, or already stopping
    elif instance is not None:
        typer.echo(f"ended {leftovers.end(instance.id)} processes that an earlier start left behind")
        return
    _wait_until_ended(folder)
    typer.echo("stopped")


def _wait_until_ended(folder: DataFolder) -> None:
    deadline, ended = time.monotonic() + STOP_S, 0.0
    while (now := time.monotonic()) < deadline:
        instance, holder = folder.instance(), preflight.holder(folder)
        if instance is None or not leftovers.find(instance.id):
            if holder is None:
                return
            ended = ended or now
            if now - ended > UP_NOTICES_S:  # an `up` in the middle of a step, waiting for what is gone
                psutil.Process(holder).terminate()
                ended = now
        time.sleep(0.1)
    raise GlassbookError(f"not stopped within {STOP_S} s: see {folder.log('supervisor')}")


def status(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    settings = read_settings()
    state = system_status(settings)
    if json:
        typer.echo(state.to_json())
    else:
        _print_status(state, settings)
    if not state.running:
        sys.exit(3)


def _print_status(state: SystemStatus, settings: Settings) -> None:
    console = Console(highlight=False)
    if not state.running:
        console.print(f"not running on {settings.data_dir}; start it with 'make up' or 'glassbook up'", soft_wrap=True)
        return
    processes = Table("process", "alive", "pid", "uptime", "restarts", box=None, header_style="bold")
    for process in state.processes:
        alive = "[green]yes[/green]" if process.alive else f"[red]{process.state.lower()}[/red]"
        uptime = f"{process.uptime_s // 3600}:{process.uptime_s // 60 % 60:02}:{process.uptime_s % 60:02}"
        processes.add_row(process.name, alive, str(process.pid or ""), uptime, str(process.restarts))
    print_table(processes)
    if state.kafka_error:
        console.print(f"\n[red]Kafka on {settings.bootstrap_servers} does not answer:[/red] {state.kafka_error}")
        return
    stages = Table("stage", "input", "partition", "owner", "last offset", "end", "lag", box=None, header_style="bold")
    for stage, positions in state.groups.items():
        for p in positions:
            last = str(p.committed - 1) if p.committed > 0 else "-"
            stages.add_row(stage, p.topic, str(p.partition), p.owner or "[red]none[/red]", last, str(p.end), str(p.lag))
    console.print()
    print_table(stages)
    notes = dict.fromkeys(
        f"{s} {p.topic}: {p.note}" for s, positions in state.groups.items() for p in positions if p.note
    )
    for note in notes:
        console.print(f"[red]{escape(note)}[/red]", soft_wrap=True)
    if state.dead_letters:
        console.print(f"\n{state.dead_letters} dead letters; see 'glassbook topic tail dead-letters'")


def logs(
    program: Annotated[str | None, typer.Argument(help="A stage, broker-1, or supervisor.")] = None,
    lines: Annotated[int, typer.Option("-n", min=0, help="So many lines of the end.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as more is written; Ctrl-C ends it.")] = False,
) -> None:
    folder = DataFolder(read_settings().data_dir)
    logs_tail.show(folder.logs, program, lines, follow, typer.echo)
