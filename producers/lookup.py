"""An order by its id: from the view, else read back from the log. Its owner only."""

from producers.gateway import Gateway, Past
from producers.history import FoundOrder, Repeated
from producers.orders import MAX_FILLS, Order, OrderStatus, order_of_command
from producers.view import ClosedBefore
from schemas.commands import AmendOrder, CancelOrder
from schemas.journal import CommandRefused, CommandRepeated
from schemas.market import Terms
from schemas.reasons import Reason
from schemas.refusal import Refused


async def find_order(gateway: Gateway, account: str, order_id: str, past: Past | None = None) -> Order:
    """The order as the view has it, else as `past` does; `Refused(UNKNOWN_ORDER)` if it is not this account's. Without
    `past` it is the log: no command waits for ClickHouse."""
    past = past or gateway.past
    order = gateway.view.orders.get(order_id)
    if order is None:
        return await _read_back(gateway, account, order_id, past)
    if order.account != account:
        raise Refused(Reason.UNKNOWN_ORDER, order_id)
    if not order.complete and len(order.fills) < MAX_FILLS:
        await _complete(gateway, order, past)
    return order


async def find_named(gateway: Gateway, command: CancelOrder | AmendOrder) -> Order:
    """The order that a cancel or amend names."""
    order_id = command.order_id or gateway.order_id_of(command.account, command.client_order_id or "")
    if order_id is None:
        raise Refused(Reason.UNKNOWN_ORDER, command.client_order_id or "")
    return await find_order(gateway, command.account, order_id)


async def _read_back(gateway: Gateway, account: str, order_id: str, past: Past) -> Order:
    """An order that isn't in memory: it closed long ago, was refused, or has not come to the ledger yet."""
    partition, offset = _place(order_id)
    if partition != gateway.partition_of(account):
        raise Refused(Reason.UNKNOWN_ORDER, order_id)
    found = await past.command(partition, offset)
    if found is None or found.command.account != account:
        raise Refused(Reason.UNKNOWN_ORDER, order_id)
    terms = gateway.view.terms(partition, found.command.symbol)
    known = _without_scan(gateway, order_id, found, terms, offset, partition)
    if isinstance(known, str):
        return await find_order(gateway, account, known, past)
    if known is not None:
        return known
    position = gateway.view.partition(partition).edge_sequence
    try:
        return await past.order(partition, offset, found, terms, position)
    except Repeated as repeated:
        return await find_order(gateway, account, repeated.original_id, past)
    except Refused:
        before = gateway.view.closed_before.get(order_id)
        if before is None or terms is None:
            raise
        return _closed_before(order_id, before, found, terms)


def _without_scan(
    gateway: Gateway, order_id: str, found: FoundOrder, terms: Terms | None, offset: int, partition: int
) -> Order | str | None:
    """The order where the view knows all of its story, or the id of the order that it is a copy of."""
    order = order_of_command(order_id, found.command, terms, found.time_ms)
    if offset > gateway.view.partition(partition).input_offset:
        return order
    event = gateway.view.results.get(order_id)
    if isinstance(event, CommandRepeated):
        return event.original_id
    if isinstance(event, CommandRefused) and event.stage == "ledger":
        order.status, order.cause, order.detail = OrderStatus.REJECTED, event.reason, event.detail
        return order
    before = gateway.view.closed_before.get(order_id)
    if before is not None and (before.outcome is None or not before.outcome.filled_lots):
        return _closed_before(order_id, before, found, terms)
    return None


def _closed_before(order_id: str, before: ClosedBefore, found: FoundOrder, terms: Terms | None) -> Order:
    """An order as the ledger's snapshot remembers it: its sums, not its fills."""
    order = order_of_command(order_id, found.command, terms, found.time_ms)
    if before.outcome is None:
        order.status, order.cause = OrderStatus.REJECTED, before.reason
        return order
    order.status, order.cause = OrderStatus(before.outcome.status), before.outcome.cause
    order.filled_quote_minor = before.outcome.filled_quote_minor
    if before.outcome.filled_lots:
        assert terms is not None, "only a listed market has fills"
        order.filled_minor = before.outcome.filled_lots * terms.lot_minor
        order.complete = False
    return order


async def _complete(gateway: Gateway, order: Order, past: Past) -> None:
    """Adds the fills that a restored order had before the snapshot, if they can still be had within the bounds."""
    partition, offset = _place(order.order_id)
    terms = gateway.view.terms(partition, order.symbol)
    position = gateway.view.partition(partition).edge_sequence
    try:
        found = await past.command(partition, offset)
        if found is None:
            return
        # The view may have gone on meanwhile: what it has itself stays.
        if (known := await past.partial(order.account, order.order_id, found, terms)) is not None:
            order.add_fills(known.fills)
        if not order.complete:
            order.add_fills((await past.order(partition, offset, found, terms, position)).fills)
    except (Refused, Repeated):
        return


def _place(order_id: str) -> tuple[int, int]:
    partition, _, offset = order_id.partition("-")
    return int(partition), int(offset)
