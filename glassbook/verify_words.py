"""What a verification found, in words for a person: what is wrong, what was expected, where one can see it."""

from collections.abc import Iterator
from typing import Any

import msgspec

from glassbook.verify import SHOWN, Outcome, Report
from glassbook.verify_source import Source
from schemas.alerts import Alert, Kind
from schemas.topics import DEPTH

MEANING = {
    Kind.FILL_UNJUSTIFIED: "A fill was published that no orders justify.",
    Kind.FILL_MISSING: "Two orders should have traded, and the fill is missing.",
    Kind.PRICE_ALTERED: "A fill has another price than the resting order's.",
    Kind.QUANTITY_ALTERED: "A fill has another quantity than the orders give.",
    Kind.QUEUE_JUMP: "A younger order was filled while an older one stood at the same price.",
    Kind.TRADE_THROUGH: "An order was filled at a worse price while a better one stood in the book.",
    Kind.SIDE_FLIPPED: "Maker and taker of a fill, or the aggressor's side, are exchanged.",
    Kind.FILLS_REORDERED: "Fills stand in another order than they came about in.",
    Kind.FILL_DUPLICATED: "A fill was published twice.",
    Kind.DEAD_ORDER_FILLED: "An order was filled that had been cancelled or had expired.",
    Kind.SELF_TRADE: "An account traded with itself, which the order's mode forbids.",
    Kind.FEE_WRONG: "A fee is wrong, or went elsewhere.",
    Kind.TIME_ALTERED: "A record carries another time than the input that caused it.",
    Kind.ORDER_UNKNOWN: "An order stands on `orders` that never was on `accounts`.",
    Kind.ORDER_UNFUNDED: "An order was let through without the funds that it needs.",
    Kind.ORDER_DROPPED: "An order was accepted on `accounts` and never reached `orders`.",
    Kind.ORDERS_REORDERED: "Orders reached the matcher in another order than they came in.",
    Kind.ORDER_FORGED: "An order was let through that its owner didn't sign.",
    Kind.ORDER_REPLAYED: "A signed order was used a second time.",
    Kind.POSTINGS_UNBALANCED: "An entry of the journal doesn't sum to zero.",
    Kind.BALANCE_WITHOUT_CAUSE: "A balance changed without a cause.",
    Kind.HALT_WRONG: "An order passed a halted market, or a halt or resumption was not carried out as it was signed.",
    Kind.BUST_WRONG: "A trade was taken back without the operator's word, or otherwise than the rules have it.",
    Kind.BUST_UNFOUNDED: "The operator took back a trade that was not published, or not so.",
    Kind.BUST_UNCHECKED: "A trade was taken back that is too old to be compared with what was published.",
    Kind.DEPTH_WRONG: "The published depth doesn't follow from the book.",
    Kind.COPIES_DIFFER: "Two copies of one record say different things.",
    Kind.SEQUENCE_GAP: "A number is missing in a sequence that has none missing.",
    Kind.EDGE_FORGED: "A record names a source that it can't come from.",
    Kind.LOG_REWRITTEN: "The log was rewritten: it isn't the one that the stages have read.",
    Kind.LOG_TRUNCATED: "The log was cut: records exist that were caused by what isn't there any more.",
    Kind.OUTCOME_WRONG: "An order or a command came out otherwise than the rules have it.",
    Kind.RECORD_FORGED: "Somebody wrote a record who had no right to.",
    Kind.STAGE_LATE: "What is due hasn't come.",
}
UNKNOWN_KIND = "Something doesn't follow from what came before."


def lines_of(report: Report, source: Source) -> Iterator[str]:
    """The verdict, the ground for it, and what was checked. The first line says which it is."""
    yield _headline(report)
    for alert in report.differences[:SHOWN]:
        yield ""
        yield from told(alert, source)
    if report.difference_count > len(report.differences):
        yield ""
        yield f"... and {report.difference_count - len(report.differences)} more."
    remarks = list(_remarks(report))
    if remarks:
        yield ""
        yield from remarks
    yield ""
    yield from _checked(report)


def told(alert: Alert, source: Source) -> Iterator[str]:
    """One difference."""
    meaning = MEANING[Kind(alert.kind)] if alert.kind in MEANING else UNKNOWN_KIND
    market = f" ({alert.symbol})" if alert.symbol else ""
    yield f"{alert.kind}{market}: {meaning}"
    yield from _compared(alert)
    yield "  the records that prove it, the first bad one first:"
    for place in alert.evidence:
        at = f"{place.topic}-{place.partition} offset {place.offset}"
        yield f"    {at:<26}  {source.where((place.topic, place.partition), place.offset)}"


def _compared(alert: Alert) -> Iterator[str]:
    """Of two records of one kind only the fields that differ; of all else the whole texts."""
    expected, found = _fields(alert.expected), _fields(alert.found)
    names = [name for name in expected if name in found and expected[name] != found[name]]
    if not names or expected.keys() != found.keys() or expected["record"] != found["record"]:
        yield f"  expected  {alert.expected}"
        yield f"  found     {alert.found}"
        return
    for name in names:
        yield f"  expected  {name} {_text(expected[name])}"
        yield f"  found     {name} {_text(found[name])}"


def _fields(text: str) -> dict[str, Any]:
    """The text as a record's fields; none if it is words, or a record that was cut short."""
    try:
        content = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return content if isinstance(content, dict) and "record" in content else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _headline(report: Report) -> str:
    if report.outcome is Outcome.DIVERGENCE:
        if report.stopped_early:
            return "DIVERGENCE: what was published does not follow from the orders. The first difference:"
        return f"DIVERGENCE: {_count(report.difference_count, 'difference')}."
    if report.outcome is Outcome.INCOMPLETE:
        return "INCOMPLETE: nothing contradicts its input, but what should have followed isn't there."
    return "EXACT: every fill, posting and level of depth follows from the orders."


def _remarks(report: Report) -> Iterator[str]:
    if report.begins_with_snapshot:
        yield "Begun with a snapshot of the exchange's own canary: what lies before it is believed, not checked."
    if report.leaves_out_depth:
        yield f"The beginning of {DEPTH} is no longer kept, so it was left out: fills and money don't depend on it."
    if report.before_range:
        yield f"{_count(report.before_range, 'difference')} before the range that was asked for."
    if report.other_markets:
        yield f"{_count(report.other_markets, 'difference')} in other markets."
    for kind, number in sorted(report.notices.items()):
        yield f"{_count(number, 'record')} of strangers ({kind}), refused, without effect."
    if report.late:
        yield f"A stage fell behind {_count(report.late, 'time')}: late, which is not wrong."
    for (topic, partition), (judged, end) in sorted(report.unjudged.items()):
        yield f"{topic}-{partition}: judged up to offset {judged}; {end - judged} behind it wait for what they cause."


def _checked(report: Report) -> Iterator[str]:
    yield f"checked   {report.records} records of exchange {report.exchange or '(unknown)'}"
    yield f"hash      {report.hash}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
