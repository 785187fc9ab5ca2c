"""A journal entry in two short texts, as statements show it: what happened, and what it was about."""

from collections.abc import Sequence

from schemas.journal import (
    AccountEvent,
    CommandPassed,
    CommandRefused,
    CommandRepeated,
    Deposited,
    WithdrawalClosed,
    WithdrawalOpened,
)

MAX_REFERENCES = 16  # an entry that is about more names the first


def cause_of(events: Sequence[AccountEvent]) -> str:
    """The events by name, each once, separated by commas."""
    return ",".join(dict.fromkeys(str(event.__struct_config__.tag) for event in events))


def reference_of(events: Sequence[AccountEvent]) -> str:
    """The orders, transfer or withdrawal that the entry is about, separated by commas."""
    named = dict.fromkeys(name for event in events for name in _named(event))
    return ",".join(list(named)[:MAX_REFERENCES]) + (",..." if len(named) > MAX_REFERENCES else "")


def _named(event: AccountEvent) -> Sequence[str]:
    match event:
        case Deposited():
            return (event.transfer_id,)
        case WithdrawalOpened() | WithdrawalClosed():
            return (event.withdrawal_id,)
        case CommandPassed():
            return event.order_ids
        case CommandRefused():
            return (event.order_id,) if event.order_id else ()
        case CommandRepeated():
            return ()
    order_id = getattr(event, "order_id", None)
    return (order_id,) if order_id else ()
