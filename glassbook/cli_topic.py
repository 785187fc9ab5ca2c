"""`glassbook topic tail`: the records of a topic as a person reads them, with their partition, offset and log time."""

import json
import time
from collections import deque
from datetime import UTC, datetime
from typing import Annotated

import typer
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from glassbook.errors import GlassbookError
from glassbook.settings import read_settings

TIMEOUT_S = 10
TAIL_HELP = """Show the last records of a topic, oldest first: partition, offset, log time, key and record.

Examples:

    glassbook topic tail trades

    glassbook topic tail orders --partition 2 --from 100 -n 5

    glassbook topic tail ledger -f --no-pretty | grep alice
"""


def add_to(app: typer.Typer) -> None:
    topic = typer.Typer(help="Read the log itself.", no_args_is_help=True)
    topic.command("tail", help=TAIL_HELP)(tail)
    topic.callback()(lambda: None)  # with a single command, typer would leave out its name
    app.add_typer(topic, name="topic")


def tail(
    name: Annotated[str, typer.Argument(help="accounts, orders, trades, depth, ledger, dead-letters...")],
    partition: Annotated[int | None, typer.Option(min=0, help="Only this partition. [default: all]")] = None,
    start: Annotated[int | None, typer.Option("--from", min=0, help="From this offset on.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, help="At most so many records.")] = 10,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as records come; Ctrl-C ends it.")] = False,
    pretty: Annotated[bool, typer.Option(help="Indent the records; without, one line each.")] = True,
) -> None:
    bootstrap = read_settings().bootstrap_servers
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "glassbook-tail",  # never joined nor committed to: partitions are assigned by hand
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": False,
            "log_level": 2,
        }
    )
    try:
        _tail(consumer, bootstrap, name, partition, start, count, follow, pretty)
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


def _tail(
    consumer: Consumer,
    bootstrap: str,
    name: str,
    partition: int | None,
    start: int | None,
    count: int,
    follow: bool,
    pretty: bool,
) -> None:
    ends: dict[int, int] = {}
    positions = []
    for number in _partitions(consumer, bootstrap, name, partition):
        low, high = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=TIMEOUT_S)
        first = max(low, high - count if start is None else min(start, high))
        ends[number] = high
        positions.append(TopicPartition(name, number, first))
    consumer.assign(positions)
    # The newest of all partitions by log time are the last ones asked for; from an offset on, it is the first ones.
    shown = _until_ends(consumer, {p.partition: p.offset for p in positions}, ends)
    shown.sort(key=lambda message: (message.timestamp()[1], message.partition() or 0, message.offset() or 0))
    for message in shown[-count:] if start is None or follow else shown[:count]:
        typer.echo(_readable(message, pretty))
    while follow:
        for message in consumer.consume(100, timeout=0.5):
            typer.echo(_readable(_sound(message), pretty))


def _partitions(consumer: Consumer, bootstrap: str, name: str, partition: int | None) -> list[int]:
    try:
        topics = consumer.list_topics(timeout=TIMEOUT_S).topics
    except KafkaException as error:
        raise GlassbookError(f"Kafka on {bootstrap} does not answer: start the exchange with 'make up'") from error
    if name not in topics:
        known = ", ".join(sorted(topic for topic in topics if not topic.startswith("__")))
        raise GlassbookError(f"there is no topic {name}: there are {known or 'none'}")
    numbers = sorted(topics[name].partitions)
    if partition is None:
        return numbers
    if partition not in numbers:
        raise GlassbookError(f"{name} has the partitions 0 to {numbers[-1]}, not {partition}")
    return [partition]


def _until_ends(consumer: Consumer, positions: dict[int, int], ends: dict[int, int]) -> list[Message]:
    """What lies between positions and ends. Ends are passed, not met: a compacted topic has holes."""
    messages: deque[Message] = deque()
    deadline = time.monotonic() + TIMEOUT_S
    while any(positions[number] < end for number, end in ends.items()) and time.monotonic() < deadline:
        for message in consumer.consume(1000, timeout=0.2):
            number, offset = _sound(message).partition() or 0, message.offset() or 0
            positions[number] = offset + 1
            messages.append(message)
            deadline = time.monotonic() + TIMEOUT_S
    return list(messages)


def _sound(message: Message) -> Message:
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise GlassbookError(f"Kafka says: {error.str()}")
    return message


def _readable(message: Message, pretty: bool) -> str:
    moment = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC).isoformat(timespec="milliseconds")
    key = (message.key() or b"").decode(errors="backslashreplace")
    head = f"{message.topic()} {message.partition()} {message.offset()}  {moment.replace('+00:00', 'Z')}  {key}"
    value = message.value()
    if value is None:
        return f"{head}  (deleted)"
    try:
        record = json.loads(value)
    except ValueError:
        return f"{head}  {value!r}"
    if not pretty:
        return f"{head}  {json.dumps(record, separators=(',', ':'), ensure_ascii=False)}"
    text = json.dumps(record, indent=2, ensure_ascii=False)
    return head + "\n" + "\n".join("    " + line for line in text.splitlines())
