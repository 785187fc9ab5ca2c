"""What is wrong with an entry of the ledger's journal, or with an order on its way from `accounts` to `orders`."""

from collections import defaultdict
from typing import Any

from msgspec.structs import replace

from canary.account_book import command_digest
from canary.authority import claimed_account
from canary.explain_refused import kind_of_refusal
from canary.ledger_decision import Effects
from canary.ledger_replica import LedgerReplica
from canary.numbers import NotPlain, TooFine, signed_units_of
from schemas.alerts import Kind
from schemas.journal import (
    CommandPassed,
    HalterAuthorised,
    LedgerEntry,
    MandateFired,
    MarketHalted,
    MarketResumed,
    OrderFilled,
    OrderOpened,
    TradeReversed,
)
from schemas.records import Funded

FINEST = 18  # decimals of any asset


def altered_entry(expected: Any, found: Any, effects: Effects) -> Kind:
    if isinstance(found, LedgerEntry) and is_unbalanced(found):
        return Kind.POSTINGS_UNBALANCED
    if not isinstance(found, LedgerEntry) or not isinstance(expected, LedgerEntry):
        let_through = isinstance(found, LedgerEntry) and _lets_through(found)
        refused = kind_of_refusal(effects.refused) if let_through else None
        return of_halts_and_busts(expected) or of_halts_and_busts(found) or refused or Kind.OUTCOME_WRONG
    # First what fires before the input is looked at: a bust may be in the same entry, and be as it should.
    due, fired = cancelled_by_mandate(expected), cancelled_by_mandate(found)
    if due != fired:
        return Kind.ORDER_DROPPED if due - fired else Kind.OUTCOME_WRONG
    is_reversal = of_halts_and_busts(found) is not None or of_halts_and_busts(expected) is not None
    if is_reversal and _what_happened(found) != _what_happened(expected):
        return Kind.BUST_WRONG
    if _lets_through(found) and effects.refused is not None:
        return kind_of_refusal(effects.refused) or Kind.OUTCOME_WRONG
    if _lets_through(expected) and not _lets_through(found):
        return Kind.ORDER_DROPPED
    if _fees(expected) != _fees(found):
        return Kind.FEE_WRONG
    if (expected.postings, expected.balances) != (found.postings, found.balances):
        return Kind.BALANCE_WITHOUT_CAUSE
    return Kind.SEQUENCE_GAP if replace(found, sequence=expected.sequence) == expected else Kind.OUTCOME_WRONG


def unexpected_entry(found: Any, effects: Effects | None) -> Kind:
    """An entry that no input caused."""
    if isinstance(found, LedgerEntry):
        if is_unbalanced(found):
            return Kind.POSTINGS_UNBALANCED
        if of_halts_and_busts(found):
            return Kind.BUST_WRONG
        if effects is not None and effects.refused is not None and _lets_through(found):
            return kind_of_refusal(effects.refused) or Kind.OUTCOME_WRONG
        if found.postings or found.balances:
            return Kind.BALANCE_WITHOUT_CAUSE
    return of_halts_and_busts(found) or Kind.OUTCOME_WRONG


def of_halts_and_busts(record: Any) -> Kind | None:
    """What it is to be wrong about this record of the journal; None if it tells of no halt and no bust."""
    if isinstance(record, HalterAuthorised | MarketHalted | MarketResumed):
        return Kind.HALT_WRONG
    is_reversal = isinstance(record, LedgerEntry) and any(isinstance(event, TradeReversed) for event in record.events)
    return Kind.BUST_WRONG if is_reversal else None


def cancelled_by_mandate(record: Any) -> set[str]:
    """The orders whose cancel went on by a mandate that fired."""
    events = record.events if isinstance(record, LedgerEntry) else ()
    return {order_id for event in events if isinstance(event, MandateFired) for order_id in event.order_ids}


def _what_happened(entry: LedgerEntry) -> Any:
    return entry.events, entry.postings


def is_unbalanced(entry: LedgerEntry) -> bool:
    """Whether the postings of some asset don't sum to zero."""
    sums: dict[str, int] = defaultdict(int)
    try:
        for posting in entry.postings:
            sums[posting.asset] += signed_units_of(posting.amount, FINEST)
    except (TooFine, NotPlain):
        return True
    return any(sums.values())


def _lets_through(entry: LedgerEntry) -> bool:
    return any(isinstance(event, OrderOpened | CommandPassed) for event in entry.events)


def _fees(entry: LedgerEntry) -> tuple[list[Any], list[Any]]:
    charged = [(event.order_id, event.fee, event.fee_asset) for event in entry.events if isinstance(event, OrderFilled)]
    return charged, [posting for posting in entry.postings if posting.book == "fees"]


# --- orders


def altered_order(expected: Funded, found: Any) -> Kind:
    if not isinstance(found, Funded):
        return Kind.EDGE_FORGED
    ours, theirs = (expected.maker_fee_ppm, expected.taker_fee_ppm), (found.maker_fee_ppm, found.taker_fee_ppm)
    if bytes(expected.signed.command) == bytes(found.signed.command) and ours != theirs:
        return Kind.FEE_WRONG
    return Kind.ORDER_FORGED


def unexpected_order(record: Funded, replica: LedgerReplica, effects: Effects | None) -> Kind:
    """An order on `orders` that the ledger had no right to let through."""
    raw = bytes(record.signed.command)
    book = replica.accounts.get(claimed_account(raw) or "")
    mandate = book.mandate if book is not None else None
    if mandate is not None and record.command_id == f"{record.source.partition}-{mandate.offset}":
        return Kind.OUTCOME_WRONG  # it isn't due yet, whatever became of the input
    if effects is not None and effects.refused is not None:
        return kind_of_refusal(effects.refused) or Kind.ORDER_UNKNOWN
    known = book.recent.get(command_digest(raw)) if book is not None else None
    if known is None:
        return Kind.ORDER_UNKNOWN
    if known.reason is None:
        return Kind.ORDER_REPLAYED
    return kind_of_refusal(known.reason) or Kind.ORDER_UNKNOWN
