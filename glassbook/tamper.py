"""The manipulations that `glassbook tamper` plays: what each writes, what the system makes of it, what the canary says.

Only forms records, from records that stand on the log; reads and writes nothing. All are of the kind that somebody can
play who may write to a topic: nothing that stands there is changed. "Under its own numbers" means a copy that every
reader drops as a repeat; "under the next numbers" means that it takes the place of the record to come.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from glassbook.errors import GlassbookError
from glassbook.verify_source import LogRecord, Place
from schemas.alerts import Kind
from schemas.topics import ACCOUNTS, DEPTH, LEDGER, ORDERS, TRADES

Json = dict[str, Any]
GAP = 5
FAR_AWAY = 10**9  # an edge sequence that is never reached
REMEMBERED = 2_000  # records of a partition whose copies the canary can still compare
NO_ORDERS = ("0-999999999", "0-999999998")


class Forgery(NamedTuple):
    """A record to be appended, and the record that it was made from."""

    place: Place
    key: bytes | None
    value: bytes
    model: LogRecord


class Manipulation(NamedTuple):
    name: str
    topic: str
    what: str
    effect: str  # on the running system
    kind: Kind | None  # what the canary calls it; None where it is refused and nothing is wrong
    fits: Callable[[Json], bool]  # a record that it can be made from
    make: Callable[[Json, Json], Json]  # from such a record, and from the partition's last one on the edge
    takes_next: bool = False  # it must be written before the true record of the next number is


def forge(manipulation: Manipulation, records: Sequence[LogRecord], symbol: str = "") -> Forgery:
    """From the newest record that fits. `records` are the last of the topic, each partition's in order.

    Entries of the journal are an account's: there `symbol` chooses nothing.
    """
    found = _fitting(manipulation, records, symbol)
    if not found:
        of = f" of {symbol}" if symbol else ""
        raise GlassbookError(
            f"nothing on {manipulation.topic}{of} to make it from: trade first, so that there is a record to forge"
        )
    model, content = max(found, key=lambda pair: (pair[0].log_time_ms, pair[0].offset))
    last = _last_on_edge(content, [record for record in records if record.place == model.place])
    if not manipulation.takes_next and last.get("edge_sequence", 0) - content.get("edge_sequence", 0) > REMEMBERED:
        raise GlassbookError("the last one lies so far back that nobody compares copies of it any more: trade first")
    value = json.dumps(manipulation.make(content, last), separators=(",", ":"), ensure_ascii=False).encode()
    return Forgery(model.place, model.key, value, model)


def can_forge(manipulation: Manipulation, records: Sequence[LogRecord], symbol: str = "") -> bool:
    return bool(_fitting(manipulation, records, symbol))


def _fitting(manipulation: Manipulation, records: Sequence[LogRecord], symbol: str) -> list[tuple[LogRecord, Json]]:
    return [
        (record, content)
        for record in records
        if (content := _content(record)) is not None
        and manipulation.fits(content)
        and (not symbol or manipulation.topic == LEDGER or _symbol_of(content) == symbol)
    ]


def _content(record: LogRecord) -> Json | None:
    try:
        content = json.loads(record.value or b"")
    except ValueError:
        return None
    return content if isinstance(content, dict) and "record" in content else None


def _last_on_edge(content: Json, records: Sequence[LogRecord]) -> Json:
    """The one with the highest number of the edge that `content` is on."""
    if "edge_sequence" not in content:
        return content
    edge = content["source"]["partition"]
    contents = (_content(record) for record in records)
    return max(
        (one for one in contents if one is not None and one.get("source", {}).get("partition") == edge),
        key=lambda one: int(one["edge_sequence"]),
    )


def _symbol_of(content: Json) -> str:
    if "signed" in content:
        return str(content["signed"]["command"].get("symbol", ""))
    return str(content.get("symbol", ""))


# --- what fits


def _is(record: str) -> Callable[[Json], bool]:
    return lambda content: bool(content["record"] == record)


def _is_order(content: Json) -> bool:
    command = content.get("signed", {}).get("command", {})
    return command.get("command") == "new_order" and "quantity" in command


def _is_funded_order(content: Json) -> bool:
    return content["record"] == "funded" and _is_order(content)


def _has_postings(content: Json) -> bool:
    return bool(content.get("postings")) and bool(content.get("balances"))


# --- what is done to them


def _more(text: str) -> str:
    """The decimal, one unit of its last digit higher."""
    digits = len(text.partition(".")[2])
    units = int(text.replace(".", "")) + 1
    sign, padded = "-" if units < 0 else "", str(abs(units)).rjust(digits + 1, "0")
    return f"{sign}{padded[:-digits]}.{padded[-digits:]}" if digits else f"{sign}{padded}"


def _raise(field: str) -> Callable[[Json, Json], Json]:
    return lambda content, last: content | {field: _more(content[field])}


def _other_time(content: Json, last: Json) -> Json:
    return content | {"time_ms": content["time_ms"] - 1000}


def _other_depth(content: Json, last: Json) -> Json:
    side = "bids" if content["bids"] else "asks"
    (price, quantity), *rest = content[side]
    return content | {side: [[price, _more(quantity)], *rest]}


def _unbalanced(content: Json, last: Json) -> Json:
    first, *rest = content["postings"]
    return content | {"postings": [first | {"amount": _more(first["amount"])}, *rest]}


def _next(content: Json, last: Json, by: int = 1) -> Json:
    """Under the next numbers of its edge, as if the last input had caused it too."""
    source = last["source"] | {"index": last["source"]["index"] + 1}
    return content | {"edge_sequence": last["edge_sequence"] + by, "source": source}


def _invented_fill(content: Json, last: Json) -> Json:
    taker, maker = NO_ORDERS
    forged = _next(content, last) | {"taker_order_id": taker, "maker_order_id": maker}
    return forged | {"sequence": content["sequence"] + 1}


def _invented_depth(content: Json, last: Json) -> Json:
    return _next(_other_depth(content, last), last) | {"sequence": content["sequence"] + 1}


def _gap(content: Json, last: Json) -> Json:
    return _next(content, last, GAP)


def _altered_order(content: Json, last: Json) -> Json:
    command = content["signed"]["command"]
    altered = command | {"quantity": "1" + command["quantity"]}
    return content | {"signed": content["signed"] | {"command": altered}}


def _forged_order(content: Json, last: Json) -> Json:
    return _altered_order(content, last) | {"edge_sequence": FAR_AWAY}


def _replayed_order(content: Json, last: Json) -> Json:
    return _next(content, last)


DROPPED = "None: every reader drops it as a repeat."
TAKES_PLACE = "Candles, history and the gateway's last trades take it for true, and drop the next true one."

MANIPULATIONS: dict[str, Manipulation] = {
    one.name: one
    for one in (
        Manipulation(
            "altered-price", TRADES, "the last trade once more under its own numbers, at a higher price",
            DROPPED, Kind.COPIES_DIFFER, _is("trade"), _raise("price"),
        ),
        Manipulation(
            "altered-fee", TRADES, "the last trade once more under its own numbers, with a higher fee",
            DROPPED, Kind.COPIES_DIFFER, _is("trade"), _raise("taker_fee"),
        ),
        Manipulation(
            "other-time", TRADES, "the last trade once more under its own numbers, a second earlier",
            DROPPED, Kind.COPIES_DIFFER, _is("trade"), _other_time,
        ),
        Manipulation(
            "wrong-depth", DEPTH, "the last change of depth once more under its own numbers, with another total",
            DROPPED, Kind.COPIES_DIFFER, _is("depth"), _other_depth,
        ),
        Manipulation(
            "unbalanced-entry", LEDGER, "the last postings once more under their own numbers, not summing to zero",
            DROPPED, Kind.COPIES_DIFFER, _has_postings, _unbalanced,
        ),
        Manipulation(
            "invented-fill", TRADES, "a fill under the next numbers, of orders that never were",
            TAKES_PLACE, Kind.FILL_UNJUSTIFIED, _is("trade"), _invented_fill, True,
        ),
        Manipulation(
            "doubled-fill", TRADES, "the last fill a second time, under the next numbers",
            TAKES_PLACE, Kind.FILL_DUPLICATED, _is("trade"), _next, True,
        ),
        Manipulation(
            "invented-depth", DEPTH, "a change of depth under the next numbers, that the book doesn't have",
            "The gateway's book shows it, and drops the next true change.", Kind.DEPTH_WRONG, _is("depth"),
            _invented_depth, True,
        ),
        Manipulation(
            "sequence-gap", DEPTH, f"a change of depth {GAP} numbers ahead",
            "The gateway drops the true ones up to there.", Kind.DEPTH_WRONG, _is("depth"), _gap, True,
        ),
        Manipulation(
            "forged-command", ACCOUNTS, "somebody's last order with another quantity than the owner signed",
            "The ledger refuses it: BAD_SIGNATURE.", None, _is_order, _altered_order,
        ),
        Manipulation(
            "forged-order", ORDERS, "the last order as if the ledger had let it through with another quantity",
            "The matcher refuses it: BAD_SIGNATURE.", Kind.RECORD_FORGED, _is_funded_order, _forged_order,
        ),
        Manipulation(
            "replayed-order", ORDERS, "the last signed order a second time, under the ledger's next number",
            "The matcher takes it for the ledger's and drops the next true order on that edge: it gets no outcome.",
            Kind.ORDER_REPLAYED, _is_funded_order, _replayed_order, True,
        ),
    )
}  # fmt: skip


def manipulation_of(name: str) -> Manipulation:
    found = MANIPULATIONS.get(name)
    if found is None:
        raise GlassbookError(f"there is no manipulation {name!r}: see `glassbook tamper --list`")
    return found
