"""`glassbook canary watch`, `failed` and `key`: what the canary says, and up to where it has judged."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event
from typing import Annotated

import msgspec
import typer
from confluent_kafka import Consumer, KafkaException, TopicPartition
from rich.console import Console
from rich.markup import escape

from glassbook import groups
from glassbook.canary_key import canary_key
from glassbook.cluster import STAGES
from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError
from glassbook.settings import read_settings
from schemas.alerts import Alert, Severity
from schemas.topics import ALERTS

DIVERGED = 2
TIMEOUT_S = 10
SAY_JUDGED_S = 5.0
COLOURS = {Severity.NOTICE: "cyan", Severity.LATE: "yellow", Severity.WRONG: "bold red"}

WATCH_HELP = """Show what the canary says, as it says it. Ctrl-C ends it.

The exit code is 2 once a divergence (WRONG) was seen, else 0; alerts that stand already count.

Examples:

    glassbook canary watch

    glassbook canary watch --once     the state now: 0 green, 2 red
"""
FAILED_HELP = """Show the alerts that the webhook (GLASSBOOK_ALERT_WEBHOOK) didn't take.

Examples:

    glassbook canary failed

    glassbook canary failed --json | python3 -m json.tool --json-lines
"""
KEY_HELP = """Show the public key by which the canary signs, such as what it sends to the webhook.

Example:

    glassbook canary key
"""


def add_to(app: typer.Typer) -> None:
    canary = typer.Typer(help="The canary: does what was published follow from the orders?", no_args_is_help=True)
    canary.command("watch", help=WATCH_HELP)(watch)
    canary.command("failed", help=FAILED_HELP)(failed)
    canary.command("key", help=KEY_HELP)(key)
    app.add_typer(canary, name="canary")


def watch(
    once: Annotated[bool, typer.Option("--once", help="Say how it is now, and end.")] = False,
    count: Annotated[int, typer.Option("-n", min=0, help="So many alerts of the past.")] = 10,
) -> None:
    bootstrap = read_settings().bootstrap_servers
    console = Console(highlight=False, soft_wrap=True)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "glassbook-canary-watch",  # never joined nor committed to
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 2,
        }
    )
    wrong = False
    try:
        standing = list(_standing(consumer))
        wrong = any(alert.severity is Severity.WRONG for alert in standing)
        for alert in standing[max(len(standing) - count, 0) :]:
            console.print(_line(alert))
        console.print(_verdict(standing, bootstrap))
        if not once:
            with _interrupted() as interrupted:
                for alert in _coming(consumer, console, bootstrap, interrupted):
                    wrong = wrong or alert.severity is Severity.WRONG
                    console.print(_line(alert))
    except KeyboardInterrupt:
        pass
    except (KafkaException, TimeoutError) as error:
        raise GlassbookError(f"Kafka on {bootstrap} does not answer: {error}") from error
    finally:
        consumer.close()
    if wrong:
        sys.exit(DIVERGED)


def _standing(consumer: Consumer) -> Iterator[Alert]:
    """Every alert that stands now, partition after partition; behind them the consumer goes on."""
    topics = consumer.list_topics(timeout=TIMEOUT_S).topics
    if ALERTS not in topics:
        raise GlassbookError(f"there is no topic {ALERTS}: start the exchange with 'glassbook up'")
    places = [TopicPartition(ALERTS, partition, 0) for partition in sorted(topics[ALERTS].partitions)]
    ends = {}
    for place in places:
        place.offset, ends[place.partition] = consumer.get_watermark_offsets(place, TIMEOUT_S)
    unread = {place.partition for place in places if place.offset < ends[place.partition]}
    consumer.assign(places)
    found = []
    deadline = time.monotonic() + TIMEOUT_S
    while unread:
        for message in consumer.consume(1000, 0.2):
            if message.error() is None:
                deadline = time.monotonic() + TIMEOUT_S
                found.append((message.timestamp()[1], message.value()))
                if (message.offset() or 0) + 1 >= ends[message.partition() or 0]:
                    unread.discard(message.partition() or 0)
        if time.monotonic() > deadline:
            raise TimeoutError(f"no alerts to read within {TIMEOUT_S} s")
    for _, value in sorted(found, key=lambda at: at[0]):
        if (alert := _read(value)) is not None:
            yield alert


@contextmanager
def _interrupted() -> Iterator[Event]:
    """Set by Ctrl-C, which would otherwise be raised anywhere: in a call of Kafka's clients it can be lost."""
    interrupted = Event()
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _coming(consumer: Consumer, console: Console, bootstrap: str, interrupted: Event) -> Iterator[Alert]:
    said, last = time.monotonic(), ""
    while not interrupted.is_set():
        message = consumer.poll(0.2)
        if message is not None and message.error() is None and (alert := _read(message.value())) is not None:
            yield alert
        if time.monotonic() - said > SAY_JUDGED_S:
            said, judged = time.monotonic(), _judged(bootstrap)
            if judged != last:
                console.print(f"[dim]{judged}[/dim]")
                last = judged


def _read(value: bytes | None) -> Alert | None:
    """None for what isn't the canary's."""
    try:
        return msgspec.json.decode(value or b"", type=Alert)
    except msgspec.DecodeError:
        return None


def _line(alert: Alert) -> str:
    moment = datetime.fromtimestamp(alert.time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    places = " ".join(f"{place.topic}-{place.partition}-{place.offset}" for place in alert.evidence)
    colour = COLOURS[alert.severity]
    return (
        f"{moment} [{colour}]{alert.severity} {escape(alert.kind)}[/{colour}] {escape(alert.symbol or '-')}"
        f"  expected {escape(alert.expected)}; found {escape(alert.found)}  [dim]{places}[/dim]"
    )


def _verdict(standing: list[Alert], bootstrap: str) -> str:
    wrong = sum(alert.severity is Severity.WRONG for alert in standing)
    judged = _judged(bootstrap)
    if wrong:
        divergences = "1 divergence" if wrong == 1 else f"{wrong} divergences"
        return f"[bold red]red[/bold red]: {divergences}; {judged}"
    return f"[green]green[/green]: no divergence; {judged}"


def _judged(bootstrap: str) -> str:
    """Up to where everything is judged: the last offset of each partition, by topic."""
    stage = next(stage for stage in STAGES if stage.name == "canary")
    assert stage.group is not None, "the canary commits what it has judged"
    positions = groups.positions(groups.GroupView(bootstrap), stage.group, stage.inputs)
    behind = sum(position.lag for position in positions)
    topics = []
    for topic in stage.inputs:
        last = ["-" if p.committed <= 0 else str(p.committed - 1) for p in positions if p.topic == topic]
        topics.append(f"{topic} {','.join(last)}")
    return f"judged up to {'; '.join(topics)} ({behind} records behind)"


def failed(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    from canary.webhook import FailedAlerts

    found = FailedAlerts(DataFolder(read_settings().data_dir).failed_alerts).read()
    console = Console(highlight=False, soft_wrap=True)
    for one in found:
        if json:
            typer.echo(msgspec.json.encode(one).decode())
            continue
        moment = datetime.fromtimestamp(one.time_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        alert = _read(bytes(one.alert))
        what = _line(alert) if alert is not None else escape(bytes(one.alert).decode(errors="replace"))
        console.print(f"given up {moment} after {one.attempts} attempts: {escape(one.why)}\n  {what}")
    if not found and not json:
        typer.echo("the webhook has taken every alert, or there is none")


def key() -> None:
    typer.echo(canary_key(DataFolder(read_settings().data_dir).canary_key).public)
