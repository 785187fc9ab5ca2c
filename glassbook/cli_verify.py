"""`glassbook verify` and `glassbook export`: whoever may read the log checks the exchange for themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from glassbook.errors import GlassbookError
from glassbook.settings import read_settings
from glassbook.verify_source import Source

DIVERGED = 2
VERIFY_HELP = """Derive every fill, posting and level of depth again from the signed orders, and compare.

It reads the topics with a reader's rights, or files that `glassbook export` wrote, and needs no running stage. Ledger
and matcher are the canary's, which share no code with the exchange's own. The verdict comes with the hash of what was
checked: whoever checked the same records has the same hash (see docs/verify.md).

Exit code: 0 exact; 2 something doesn't follow, or is missing; 1 it couldn't be checked.

Examples:

    glassbook verify

    glassbook verify --symbol BTC-USDT --from 100000

    glassbook verify --files history
"""
EXPORT_HELP = """Write every copy of every record, with partition, offset and log time, into Parquet files.

One file a partition, and `manifest.json` with counts and SHA-256. The files are there whole or not at all; an earlier
export in the same folder is replaced, anything else is left alone. `glassbook verify --files DIR` checks them, on any
machine.

Examples:

    glassbook export history

    glassbook export tape --topic trades --topic depth
"""


def add_to(app: typer.Typer) -> None:
    app.command("verify", help=VERIFY_HELP)(verify)
    app.command("export", help=EXPORT_HELP)(export)


def verify(
    start: Annotated[
        int | None, typer.Option("--from", min=0, help="Judge from this offset of `orders` on. [default: all]")
    ] = None,
    symbol: Annotated[str, typer.Option(help="Judge only this market.", show_default=False)] = "",
    files: Annotated[Path | None, typer.Option(metavar="DIR", help="Check exported files, offline.")] = None,
    go_on: Annotated[bool, typer.Option("--all", help="Go on behind the first difference.")] = False,
    partitions: Annotated[bool, typer.Option("--partitions", help="Show the hash of each partition too.")] = False,
) -> None:
    # Kafka's client, Arrow and the canary take a second to import: not for every other command.
    from glassbook.verify import Outcome, Verification, Wanted
    from glassbook.verify_words import lines_of

    console = Console(stderr=True)
    wanted = Wanted(start, symbol, go_on)
    source: Source
    with _progress(console) as progress:
        if files is not None:
            from glassbook.export_read import FileSource

            task = progress.add_task("files", total=None)
            source = FileSource(files, lambda total: progress.update(task, total=total), _stepper(progress, task))
            progress.remove_task(task)
            verification = Verification(source, wanted)
        else:
            from glassbook.verify_snapshot import verification_of_topics

            verification, source = verification_of_topics(read_settings().bootstrap_servers, wanted)
        task = progress.add_task("records", total=verification.total)
        report = verification.run(_stepper(progress, task))
    for line in lines_of(report, source):
        typer.echo(line)
    if partitions:
        for partition in sorted(report.partitions, key=lambda one: (one.topic, one.partition)):
            typer.echo("  " + partition.line.decode().rstrip())
    if report.outcome is not Outcome.EXACT:
        raise typer.Exit(DIVERGED)


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder, or an earlier export.")],
    topic: Annotated[list[str] | None, typer.Option(help="Only this topic; may be given several times.")] = None,
) -> None:
    from glassbook.export import export as write_export
    from glassbook.export_exchange import exchange_of
    from glassbook.verify_source import EXPORTED
    from glassbook.verify_topics import TopicSource

    topics = tuple(name for name in EXPORTED if not topic or name in topic)
    unknown = [name for name in topic or () if name not in EXPORTED]
    if unknown:
        raise GlassbookError(f"{unknown[0]} can't be exported: there are {', '.join(EXPORTED)}")
    bootstrap = read_settings().bootstrap_servers
    source = TopicSource(bootstrap, topics)
    total = sum(end - first for first, end in source.bounds.values())
    with _progress(Console(stderr=True)) as progress:
        task = progress.add_task("records", total=total)
        manifest = write_export(source, topics, folder, exchange_of(bootstrap), _stepper(progress, task))
    records, size = (sum(getattr(file, what) for file in manifest.files) for what in ("records", "bytes"))
    typer.echo(f"{folder.absolute()}: {records} records in {len(manifest.files)} files, {size / 1e6:.1f} MB")
    if manifest.hash:
        typer.echo(f"hash      {manifest.hash}")


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _stepper(progress: Progress, task: TaskID) -> Callable[[int], None]:
    return lambda count: progress.advance(task, count)
