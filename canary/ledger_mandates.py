"""Mandates to cancel all, as the ledger must keep and fire them. From docs/matching-rules.md, "Mandates to cancel all".

`Alarms` says whose time has come, without a look at every account: each mandate leaves an alarm behind, also one that
was replaced since. So an alarm is a reason to look and no more; what counts is the mandate that the account has. The
replica puts the old ones away before they are too many.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from canary.account_book import Draft, Mandate
from canary.frames import encode
from canary.ledger_orders import pass_cancels
from canary.refusal import Refusal
from schemas.commands import CancelAllAfter
from schemas.journal import MandateArmed, MandateDisarmed, MandateFired
from schemas.reasons import Reason

if TYPE_CHECKING:
    from canary.ledger_decision import Decision

SHORTEST_MS = 1_000
LONGEST_MS = 24 * 60 * 60 * 1_000


class Alarm(Struct, frozen=True, order=True):
    """Ordered as mandates fire."""

    due_ms: int
    offset: int  # of the command
    account: str


class Alarms:
    def __init__(self, mandates: Iterable[tuple[str, Mandate | None]] = ()) -> None:
        """Of each account's mandate, if it has one."""
        alarms = {
            Alarm(mandate.due_ms, mandate.offset, account) for account, mandate in mandates if mandate is not None
        }
        self._waiting = sorted(alarms)

    def __len__(self) -> int:
        return len(self._waiting)

    def set(self, account: str, mandate: Mandate | None) -> None:
        """Once for each mandate, however many histories have it."""
        if mandate is None:
            return
        alarm = Alarm(mandate.due_ms, mandate.offset, account)
        at = bisect_left(self._waiting, alarm)
        if self._waiting[at : at + 1] != [alarm]:
            self._waiting.insert(at, alarm)

    def until(self, now_ms: int) -> list[Alarm]:
        """Those of which the time has come. O(1) while there are none."""
        if not self._waiting or self._waiting[0].due_ms > now_ms:
            return []
        return self._waiting[: self._count_until(now_ms)]

    def drop_until(self, now_ms: int) -> None:
        """Forgets those, which were heeded."""
        del self._waiting[: self._count_until(now_ms)]

    def _count_until(self, now_ms: int) -> int:
        return bisect_right(self._waiting, now_ms, key=lambda alarm: alarm.due_ms)


def cancel_all_after(decision: "Decision", draft: Draft, command: CancelAllAfter) -> None:
    timeout_ms, step = command.timeout_ms, decision.step
    if timeout_ms == 0:
        draft.set_mandate(None)
        draft.events.append(MandateDisarmed(decision.command_id))
        return
    if timeout_ms < SHORTEST_MS or timeout_ms > LONGEST_MS:
        raise Refusal(Reason.BAD_TIMEOUT)
    opened = decision.effects.opened
    assert opened is not None
    due_ms = step.time_ms + timeout_ms
    draft.set_mandate(Mandate(due_ms, step.offset, encode(opened.signed)))
    draft.events.append(MandateArmed(decision.command_id, due_ms))


def fire(decision: "Decision", alarms: list[Alarm]) -> None:
    """Whose mandate these alarms stand for: all that he has open is to be cancelled, and he has no mandate any more."""
    for alarm in alarms:
        book = decision.find_account(alarm.account)
        mandate = book.mandate if book is not None else None
        if book is None or mandate is None or (mandate.due_ms, mandate.offset) != (alarm.due_ms, alarm.offset):
            continue
        draft = decision.draft_of(book)
        draft.set_mandate(None)
        command_id = f"{decision.step.partition}-{mandate.offset}"
        draft.events.append(MandateFired(command_id, pass_cancels(decision, list(book.orders.values()), mandate)))
