"""What a difference between an expected and a found record means: a kind, and both in words.

Says None where the next record may still tell one kind from another, until it is told to decide.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from canary.board import Verdict
from canary.explain_fills import FillExplainer, Telling, told_by_report, told_by_trade
from canary.explain_money import (
    altered_entry,
    altered_order,
    cancelled_by_mandate,
    of_halts_and_busts,
    unexpected_entry,
    unexpected_order,
)
from canary.explain_refused import kind_of_refusal
from canary.frames import encode
from canary.leniency import in_words_of, is_same
from canary.matcher_decision import Moves
from canary.published import read_record
from canary.reader import Found
from schemas.alerts import Evidence, Kind
from schemas.records import BustReport, Depth, ExecutionReport, Filled, Funded, Trade, TradeBusted, TradesTick
from schemas.topics import ACCOUNTS, ORDERS, TRADES

RECENT_FILLS = 64
ENOUGH = 3  # records behind which a missing one is not looked for any more
LONGEST_WORDS = 1_000


def words(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")[:LONGEST_WORDS]


def fits(expected: Any, found: Found) -> bool:
    return found.value == encode(expected) or is_same(expected, found.value)


class Case(Struct):
    """A difference: `expected[index]` should be where `found[0]` is. `found` is all that stands there so far."""

    topic: str
    partition: int
    offset: int  # of the input
    expected: list[Any]
    index: int
    found: list[Found]
    change: Any
    stray: Found | None  # a record without a place that says it comes from this input
    decide: bool  # no more is to be waited for
    until_ms: int  # what stands there later than this would not have been waited for
    told_of: Callable[[str, str], bool | None]  # whether this input's reports speak of an account's order, if known


class Explainer:
    def __init__(self, replica: Any) -> None:
        self._replica = replica
        self._fills = FillExplainer(replica)
        self._recent: deque[Any] = deque(maxlen=RECENT_FILLS)

    def remember(self, records: list[Any]) -> None:
        """Fills that were as they should be: another one like them is one too many."""
        self._recent.extend(records)

    def remembered(self) -> list[Any]:
        return list(self._recent)

    @property
    def recent(self) -> list[Telling]:
        return [told_by_trade(record) for record in self._recent if isinstance(record, Trade)]

    # --- a record that should be another

    def differs(self, case: Case) -> Verdict | None:
        expected, found = case.expected[case.index], case.found[0]
        assert found.origin is not None
        if found.origin.source.offset > case.offset:
            return self._missing(case)
        record = read_record(case.topic, found.value)
        expected = in_words_of(record, expected)
        ours, theirs = words(encode(expected)), words(found.value)
        symbol = getattr(record, "symbol", "") or getattr(expected, "symbol", "")
        if record is None:
            return Verdict(Kind.EDGE_FORGED, ours, theirs, symbol)
        told = self._told(expected, record)
        kind = told or self._by_topic(case, expected, record)
        if kind is None:
            return None
        return Verdict(kind, ours, theirs, symbol, self._proof(case.topic, expected, record, kind))

    def _told(self, expected: Any, record: Any) -> Kind | None:
        """Differences that mean the same in every record."""
        if record.source.digest != expected.source.digest or record == expected:
            return Kind.LOG_REWRITTEN  # it comes from another input than lies on the log, or is spelled otherwise
        if type(record) is not type(expected):
            return None
        if replace(record, source=expected.source) == expected:
            return Kind.EDGE_FORGED
        if replace(record, source=expected.source, edge_sequence=expected.edge_sequence) == expected:
            return Kind.SEQUENCE_GAP
        if hasattr(record, "time_ms") and replace(record, time_ms=expected.time_ms) == expected:
            return Kind.TIME_ALTERED
        return None

    def _by_topic(self, case: Case, expected: Any, record: Any) -> Kind | None:
        match case.topic:
            case "trades":
                return self._trade(case, expected, record)
            case "depth":
                return Kind.DEPTH_WRONG
            case "ledger":
                return altered_entry(expected, record, case.change)
            case "orders":
                return altered_order(expected, record)
            case _:
                return self._report(expected, record, case.change)

    # --- fills

    def _trade(self, case: Case, expected: Any, record: Any) -> Kind | None:
        if isinstance(expected, TradeBusted) or isinstance(record, TradeBusted):
            return Kind.BUST_WRONG
        if not isinstance(expected, Trade):
            return self._fills.unjustified(told_by_trade(record), case.change, self.recent)
        if not isinstance(record, Trade):
            return Kind.OUTCOME_WRONG
        ours, theirs = told_by_trade(expected), told_by_trade(record)
        due = [told_by_trade(one) for one in case.expected if isinstance(one, Trade)]
        ahead = self._of_same_input(case)
        if theirs == ours:
            renumbered = replace(record, sequence=expected.sequence, trade_id=expected.trade_id, source=expected.source)
            return Kind.SEQUENCE_GAP if renumbered == expected else Kind.QUANTITY_ALTERED
        if 0 < ahead.count(theirs) <= due[case.index + 1 :].count(theirs):
            if ours in ahead:
                return Kind.FILLS_REORDERED
            enough = case.decide or len(ahead) < len(case.found) or len(ahead) >= len(due) - case.index
            return self._passed_over(case, expected, record) if enough else None
        if theirs in due[: case.index]:
            return Kind.FILL_DUPLICATED
        if ours in ahead:
            return self._fills.unjustified(theirs, case.change, self.recent)
        return self._fills.altered(ours, theirs, case.change)

    def _passed_over(self, case: Case, expected: Trade, record: Trade) -> Kind | None:
        """A fill isn't there, and a later one is: was it only not published, or did its maker not have his turn?"""
        told = case.told_of(expected.maker_account, expected.maker_order_id)
        if told is None:
            return None
        if told is not False or record.edge_sequence != expected.edge_sequence:
            return Kind.FILL_MISSING
        return Kind.QUEUE_JUMP if record.price == expected.price else Kind.TRADE_THROUGH

    def _of_same_input(self, case: Case) -> list[Telling]:
        """The fills found here that say they come from this input."""
        found = (one for one in case.found if one.origin is not None and one.origin.source.offset == case.offset)
        records = (read_record(TRADES, one.value) for one in found)
        return [told_by_trade(record) for record in records if isinstance(record, Trade)]

    @staticmethod
    def tells_of_more_fills(expected: Any, found: Found) -> bool:
        """Whether a report has fills that weren't due: of these there should be trades, which say more."""
        record = read_record(ACCOUNTS, found.value)
        if not isinstance(record, ExecutionReport):
            return False
        due = expected.events if isinstance(expected, ExecutionReport) else []
        return any(isinstance(event, Filled) and event not in due for event in record.events)

    def _report(self, expected: Any, record: Any, moves: Moves) -> Kind:
        """Told by the first event that differs."""
        if isinstance(expected, BustReport) or isinstance(record, BustReport):
            return Kind.BUST_WRONG
        book = self._replica.books.get(record.symbol)
        pairs = zip([*expected.events, None], [*record.events, None], strict=False)
        ours, theirs = next(((one, other) for one, other in pairs if one != other), (None, None))
        if isinstance(theirs, Filled):
            telling = told_by_report(theirs, record.symbol, book)
            if not isinstance(ours, Filled):
                before = record.events[: record.events.index(theirs)]
                told = [told_by_report(event, record.symbol, book) for event in before if isinstance(event, Filled)]
                return self._fills.unjustified(telling, moves, told)
            if theirs.role is not ours.role:
                return Kind.SIDE_FLIPPED
            if theirs in expected.events:
                return Kind.FILLS_REORDERED if ours in record.events else Kind.FILL_MISSING
            ours_told = told_by_report(ours, expected.symbol, book)
            return self._fills.altered(ours_told, telling, moves) or Kind.SEQUENCE_GAP
        if isinstance(ours, Filled):
            return Kind.FILL_MISSING
        return kind_of_refusal(moves.refused) or Kind.OUTCOME_WRONG

    def _proof(self, topic: str, expected: Any, record: Any, kind: Kind) -> tuple[Evidence, ...]:
        if topic != TRADES or kind in (Kind.LOG_REWRITTEN, Kind.EDGE_FORGED, Kind.TIME_ALTERED, Kind.FEE_WRONG):
            return ()
        fills = [one for one in (expected, record) if isinstance(one, Trade)]
        makers = dict.fromkeys(fill.maker_order_id for fill in fills)
        return self._fills.proof(record.symbol, list(makers)) if isinstance(record, Trade) else ()

    # --- a record that isn't there

    def _missing(self, case: Case) -> Verdict | None:
        expected, topic = case.expected[case.index], case.topic
        ours = words(encode(expected))
        symbol = getattr(expected, "symbol", "")
        near = [one for one in case.found[:ENOUGH] if one.log_time_ms <= case.until_ms]
        later = any(one.origin is not None and one.origin.source.offset == case.offset for one in near)
        if case.stray is not None:
            place = Evidence(topic, case.partition, case.stray.offset)
            kind = Kind.ORDER_FORGED if topic == ORDERS else Kind.BUST_WRONG
            return Verdict(kind, ours, words(case.stray.value), symbol, (place,))
        if not later and not case.decide and len(case.found) < ENOUGH and topic in (TRADES, ORDERS):
            return None
        nothing = "nothing of it" if not later else "it behind records of later inputs"
        return Verdict(missing_kind(topic, expected, later), ours, nothing, symbol)

    # --- a record too many

    def extra(self, topic: str, found: Found, change: Any, due: Sequence[Any] = ()) -> Verdict:
        """`change` is what its input did, if that is still known, and `due` what it caused on this edge."""
        record, theirs = read_record(topic, found.value), words(found.value)
        recent = [*self.recent, *(told_by_trade(one) for one in due if isinstance(one, Trade))]
        if record is None:
            return Verdict(Kind.EDGE_FORGED, "nothing", theirs)
        symbol = getattr(record, "symbol", "")
        kind = Kind.OUTCOME_WRONG
        proof: tuple[Evidence, ...] = ()
        if isinstance(record, Trade):
            kind = self._fills.unjustified(told_by_trade(record), change, recent)
            proof = self._fills.proof(symbol, [record.maker_order_id])
        elif isinstance(record, Depth):
            kind = kind_of_refusal(change.refused if change is not None else None) or Kind.DEPTH_WRONG
        elif isinstance(record, Funded):
            kind = unexpected_order(record, self._replica, change)
        elif isinstance(record, ExecutionReport):
            kind = kind_of_refusal(change.refused if change is not None else None) or kind
            fills = [event for event in record.events if isinstance(event, Filled)]
            if fills:
                telling = told_by_report(fills[0], symbol, self._replica.books.get(symbol))
                kind = self._fills.unjustified(telling, change, recent)
        elif isinstance(record, TradeBusted | BustReport):
            kind = Kind.BUST_WRONG
        elif not isinstance(record, TradesTick):
            kind = unexpected_entry(record, change)
        return Verdict(kind, "nothing", theirs, symbol, proof)


def missing_kind(topic: str, expected: Any, later: bool) -> Kind:
    if isinstance(expected, Trade):
        return Kind.FILLS_REORDERED if later else Kind.FILL_MISSING
    if isinstance(expected, Depth):
        return Kind.DEPTH_WRONG
    if isinstance(expected, Funded):
        return Kind.ORDERS_REORDERED if later else Kind.ORDER_DROPPED
    if isinstance(expected, ExecutionReport) and any(isinstance(event, Filled) for event in expected.events):
        return Kind.FILLS_REORDERED if later else Kind.FILL_MISSING
    if isinstance(expected, TradeBusted | BustReport):
        return Kind.BUST_WRONG
    if cancelled_by_mandate(expected):
        return Kind.ORDER_DROPPED
    return of_halts_and_busts(expected) or Kind.OUTCOME_WRONG
