"""Logs altered afterwards: somebody with access to the broker's disk, or to a topic, changes one record.

Each edit takes an honest log and gives another, with the place that it touched; None where the log gives no occasion.
Offsets stay: what is deleted leaves a hole, what is inserted stands at a partition's end or takes a hole's place.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from schemas.topics import ACCOUNTS, LEDGER, ORDERS, TRADES
from simulator.canary_log import Log, Place, Record

Edit = Callable[[Log, Random], Log | None]
Json = dict[str, Any]
# What was cut off must have been due for so long before the log's end that it is late.
LATE_MS = 12_000


def decoded(record: Record) -> Json:
    found: Json = json.loads(record.value)
    return found


def encoded(record: Record, content: Json) -> Record:
    return record._replace(value=json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode())


def chosen(log: Log, random: Random, topic: str, fits: Callable[[Json], bool]) -> tuple[Place, int] | None:
    """A place of a topic whose record fits, and its number there."""
    found = [
        (place, number)
        for place, records in sorted(log.items())
        if place[0] == topic
        for number, record in enumerate(records)
        if record.value.startswith(b'{"record"') and fits(decoded(record))
    ]
    return random.choice(found) if found else None


def changed(topic: str, fits: Callable[[Json], bool], change: Callable[[Json, Random], None]) -> Edit:
    """An edit of one record's content, in place."""

    def edit(log: Log, random: Random) -> Log | None:
        at = chosen(log, random, topic, fits)
        if at is None:
            return None
        (place, number), record = at, log[at[0]][at[1]]
        content = decoded(record)
        change(content, random)
        return with_record(log, place, number, encoded(record, content))

    return edit


def with_record(log: Log, place: Place, number: int, record: Record) -> Log:
    records = list(log[place])
    records[number] = record
    return log | {place: records}


def without(topic: str, fits: Callable[[Json], bool]) -> Edit:
    """An edit that deletes one record; not the last, whose lack can't be told from lateness."""

    def edit(log: Log, random: Random) -> Log | None:
        at = chosen(log, random, topic, fits)
        if at is None or at[1] == len(log[at[0]]) - 1:
            return None
        place, number = at
        return log | {place: log[place][:number] + log[place][number + 1 :]}

    return edit


def appended(log: Log, place: Place, content: Json) -> Log:
    """With one record more at a partition's end."""
    last = log[place][-1]
    record = encoded(Record(last.offset + 1, last.log_time_ms, b"", b""), content)
    return log | {place: [*log[place], record]}


# --- what fits


def is_trade(content: Json) -> bool:
    return bool(content["record"] == "trade")


def is_depth(content: Json) -> bool:
    return bool(content["record"] == "depth")


def is_order(content: Json) -> bool:
    """A new order that the ledger let through."""
    return bool(content["record"] == "funded" and content["signed"]["command"]["command"] == "new_order")


def has_fill(content: Json) -> bool:
    """An entry of the journal with a fill that cost a fee."""
    events = content.get("events", [])
    return any(event["event"] == "order_filled" and event["fee"] != "0" for event in events)


def is_a(record: str) -> Callable[[Json], bool]:
    return lambda content: bool(content["record"] == record)


def is_reversal(content: Json) -> bool:
    """An entry that takes a trade back."""
    return any(event["event"] == "trade_reversed" for event in content.get("events", []))


def has_mandate(content: Json) -> bool:
    """An entry that arms one."""
    return any(event["event"] == "mandate_armed" for event in content.get("events", []))


def has_postings(content: Json) -> bool:
    return bool(content.get("postings"))


# --- any record


def other_decimal(text: str, by: int) -> str:
    """The number moved by so many units of its last digit, and above zero."""
    digits = len(text.partition(".")[2])
    units = max(1, int(text.replace(".", "")) + by)
    return f"{units / 10**digits:.{digits}f}" if digits else str(units)


def alter(field: str, by: int) -> Callable[[Json, Random], None]:
    def change(content: Json, random: Random) -> None:
        content[field] = other_decimal(content[field], by)

    return change


def other_copy(topic: str, field: str) -> Edit:
    """A record comes again under its old numbers, and says something else."""

    def edit(log: Log, random: Random) -> Log | None:
        at = chosen(log, random, topic, lambda content: field in content)
        if at is None:
            return None
        content = decoded(log[at[0]][at[1]])
        content[field] = content[field] + 1 if isinstance(content[field], int) else "7"
        return appended(log, at[0], content)

    return edit


# --- orders


def replayed_order(log: Log, random: Random) -> Log | None:
    """The same signed order stands on `orders` again, as if the ledger had let it through twice."""
    at = chosen(log, random, ORDERS, is_order)
    if at is None:
        return None
    content = decoded(log[at[0]][at[1]])
    partition = content["source"]["partition"]
    last = max(
        (decoded(r) for r in log[at[0]] if b'"funded"' in r.value and decoded(r)["source"]["partition"] == partition),
        key=lambda other: int(other["edge_sequence"]),
    )
    content |= {"edge_sequence": last["edge_sequence"] + 1, "source": last["source"] | {"index": 9}}
    content["command_id"] = f"{partition}-999999"
    return appended(log, at[0], content)


def unknown_order(sign: Callable[[Json], Json]) -> Edit:
    """An order that its owner signed, and that never was on `accounts`."""

    def edit(log: Log, random: Random) -> Log | None:
        replayed = replayed_order(log, random)
        if replayed is None:
            return None
        place = next(place for place in replayed if replayed[place] is not log[place])
        content = decoded(replayed[place][-1])
        content["signed"] = sign(content["signed"]["command"])
        return log | {place: [*log[place], encoded(replayed[place][-1], content)]}

    return edit


def swapped_orders(log: Log, random: Random) -> Log | None:
    """Two orders of one edge change places, and take each other's numbers."""
    pairs = []
    for place, records in sorted(log.items()):
        if place[0] != ORDERS:
            continue
        previous: dict[int, int] = {}
        for number, record in enumerate(records):
            if b'"record":"funded"' in record.value[:20]:
                edge = decoded(record)["source"]["partition"]
                if edge in previous:
                    pairs.append((place, previous[edge], number))
                previous[edge] = number
    if not pairs:
        return None
    place, one, other = random.choice(pairs)
    first, second = decoded(log[place][one]), decoded(log[place][other])
    if first["source"]["offset"] == second["source"]["offset"]:
        return None
    first["edge_sequence"], second["edge_sequence"] = second["edge_sequence"], first["edge_sequence"]
    log = with_record(log, place, one, encoded(log[place][one], second))
    return with_record(log, place, other, encoded(log[place][other], first))


def alter_order(content: Json, random: Random) -> None:
    """Another quantity than the one that was signed."""
    command = content["signed"]["command"]
    field = "quantity" if "quantity" in command else "max_quote"
    command[field] = other_decimal(command[field], 1)


# --- the journal


def more_loss(content: Json, random: Random) -> None:
    """The exchange bears some of what the account gives back. It sums to zero all the same."""
    asset = content["postings"][0]["asset"]
    content["postings"] += [{"book": content["postings"][0]["book"], "asset": asset, "amount": "1"}]
    content["postings"] += [{"book": "losses", "asset": asset, "amount": "-1"}]


def other_bust(content: Json, random: Random) -> None:
    """Another price than the operator signed."""
    content["signed"]["command"]["trade"]["price"] = "7"


def other_halt(content: Json, random: Random) -> None:
    content["halt_id"] += "-other"


def other_reason(content: Json, random: Random) -> None:
    content["reason"] += ", or so"


def move_fee(content: Json, random: Random) -> None:
    for posting in content["postings"]:
        if posting["book"] == "fees":
            posting["book"] = "world"


def unbalance(content: Json, random: Random) -> None:
    posting = random.choice(content["postings"])
    posting["amount"] = "77" if posting["amount"] != "77" else "78"


def more_balance(content: Json, random: Random) -> None:
    content["balances"][0]["free"] = other_decimal(content["balances"][0]["free"], 1)


def deeper(content: Json, random: Random) -> None:
    side = content["bids"] or content["asks"]
    side[0][1] = other_decimal(side[0][1], 1)


# --- edges and partitions


def later_mandate(content: Json, random: Random) -> None:
    for event in content["events"]:
        if event["event"] == "mandate_armed":
            event["due_ms"] += 1


def later_sequence(content: Json, random: Random) -> None:
    content["edge_sequence"] += 1


def other_source(content: Json, random: Random) -> None:
    content["source"]["partition"] += 1


def other_digest(content: Json, random: Random) -> None:
    content["source"]["digest"] = "A" * 43


def rewritten_input(topic: str) -> Edit:
    """A record that stages have read says the same in other bytes."""

    def edit(log: Log, random: Random) -> Log | None:
        places = [place for place in sorted(log) if place[0] == topic and log[place]]
        place = random.choice(places)
        number = random.randrange(_first_without_trace(log, place))
        record = log[place][number]
        return with_record(log, place, number, record._replace(value=record.value + b" "))

    return edit


def _first_without_trace(log: Log, place: Place) -> int:
    """The offset from which on nothing was made of a stage's input. Ticks at the end of `accounts` leave no trace."""
    made_of_it = log[(LEDGER if place[0] == ACCOUNTS else TRADES, place[1])]
    return int(json.loads(made_of_it[-1].value)["source"]["offset"]) + 1


def cut(topic: str) -> Edit:
    """A partition ends earlier than what was made of it."""

    def edit(log: Log, random: Random) -> Log | None:
        last_ms = max(record.log_time_ms for records in log.values() for record in records) - LATE_MS
        places = [place for place in sorted(log) if place[0] == topic and log[place]]
        place = random.choice(places)
        told = log[place][: _first_without_trace(log, place)]
        early = [number for number, record in enumerate(told) if record.log_time_ms < last_ms]
        return log | {place: log[place][: random.choice(early)]} if early else None

    return edit
