"""What the view knows of a command's outcome: nothing yet, done, or refused. Pure.

A command is decided when the journal says so: a new order when it rests or closes, a cancel when its order closes by
it, a mass cancel when all orders that it was passed on for are closed, everything else by its own event.
"""

from msgspec import Struct

from producers.orders import Order, OrderStatus
from producers.view import View
from schemas.commands import AmendOrder, CancelAll, CancelOrder, Command, NewOrder
from schemas.journal import AccountEvent, CommandPassed, CommandRefused, CommandRepeated, OrderAmended
from schemas.reasons import Reason

MAX_REPEATS = 4


class Refusal(Struct, frozen=True):
    """The log said no. `order` is the order that was refused after the ledger had opened it."""

    reason: Reason
    command_id: str
    detail: str = ""
    stage: str = "ledger"
    order_id: str | None = None
    original_id: str | None = None
    order: Order | None = None


class Done(Struct, frozen=True):
    """`orders` are those that the command was about; `original_id` is set where the same bytes came before.

    `event` and `order_ids` are missing where a repeat's original is too old to be remembered.
    """

    command_id: str
    original_id: str | None = None
    event: AccountEvent | None = None
    order_ids: tuple[str, ...] = ()


def outcome(view: View, command: Command, command_id: str) -> Refusal | Done | str:
    """What became of the command, or the id whose next event may tell."""
    event = view.results.get(command_id)
    original_id: str | None = None
    for _ in range(MAX_REPEATS):
        if not isinstance(event, CommandRepeated):
            break
        original_id = event.original_id
        if event.reason is not None:
            return Refusal(event.reason, command_id, "the same bytes were refused before", original_id=original_id)
        event = view.results.get(original_id)
        if event is None and original_id not in view.orders:
            return Done(command_id, original_id)
    # Once the ledger has opened an order, a refusal under its id is of a record forged into `orders`.
    if isinstance(event, CommandRefused) and (original_id or command_id) not in view.orders:
        return Refusal(event.reason, command_id, event.detail, event.stage, event.order_id, original_id)
    return _decided(view, command, command_id, original_id, event)


def _decided(
    view: View, command: Command, command_id: str, original_id: str | None, event: AccountEvent | None
) -> Refusal | Done | str:
    first_id = original_id or command_id
    match command:
        case NewOrder():
            order = view.orders.get(first_id)
            if order is None or order.status is OrderStatus.PENDING:
                return first_id
            if order.status is OrderStatus.REJECTED:
                reason = order.cause or Reason.NOT_FUNDED
                return Refusal(reason, command_id, "", "matcher", first_id, original_id, order)
            return Done(command_id, original_id, None, (first_id,))
        case CancelOrder() | AmendOrder() | CancelAll() if isinstance(event, CommandPassed):
            waits_for = _still_open(view, command, first_id, event)
            return waits_for or Done(command_id, original_id, event, tuple(event.order_ids))
        case _ if event is None:
            return first_id
    order_ids = (event.order_id,) if isinstance(event, OrderAmended) else ()
    return Done(command_id, original_id, event, order_ids)


def _still_open(view: View, command: Command, first_id: str, passed: CommandPassed) -> str | None:
    """The id to wait for, if an order that a cancel or amend was passed on for has not been heard of yet."""
    for order_id in passed.order_ids:
        order = view.orders.get(order_id)
        if order is None:
            continue  # closed so long ago that it is forgotten
        if not order.status.is_closed:
            return order_id if isinstance(command, CancelAll) else first_id
        if not isinstance(command, CancelAll) and order.closed_by != first_id:
            return first_id
    return None
