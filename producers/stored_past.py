"""Orders that have left memory, out of ClickHouse where it has them, else read back from the log. For reads only.

An order is put together from its signed command, which stands on the log under its id, and the journal's events about
it. Only these come from one or the other, so that both give the same order.
"""

import re

import msgspec

from producers.executions import Page
from producers.gateway import Gateway, Past
from producers.history import FoundOrder, replay_event
from producers.history_store import HistoryStore, StoreUnavailable, Table
from producers.journal_pages import JournalReading
from producers.orders import Order, order_of_command
from schemas.journal import CommandRefused, LedgerEntry, OrderOpened
from schemas.market import Terms
from schemas.reasons import Reason
from schemas.refusal import Refused

CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9._:-]{1,36}", re.ASCII)

_entry_decoder = msgspec.json.Decoder(LedgerEntry)


class StoredPast:
    def __init__(self, store: HistoryStore, log: Past) -> None:
        self._store = store
        self._log = log

    async def command(self, partition: int, offset: int) -> FoundOrder | None:
        return await self._log.command(partition, offset)

    async def partial(self, account: str, order_id: str, found: FoundOrder, terms: Terms | None) -> Order | None:
        try:
            events = await self._store.order_events(account, order_id)
        except StoreUnavailable:
            return None
        if not events:
            return None
        order = order_of_command(order_id, found.command, terms, found.time_ms)
        for time_ms, event in events:
            replay_event(order, event, time_ms)
        return order

    async def order(self, partition: int, offset: int, found: FoundOrder, terms: Terms | None, position: int) -> Order:
        """From ClickHouse once its last event is there: rows come in the journal's order, so then all are."""
        order = await self.partial(found.command.account, f"{partition}-{offset}", found, terms)
        if order is not None and order.status.is_closed:
            return order
        return await self._log.order(partition, offset, found, terms, position)

    async def page(self, partition: int, account: str, after: int, limit: int, position: int) -> Page:
        return await self._log.page(partition, account, after, limit, position)


async def order_id_of_old(gateway: Gateway, account: str, client_order_id: str) -> str | None:
    """The newest order that had this client order id, where memory knows of none. None means that there is none: as
    `Refused(HISTORY_UNAVAILABLE)` where that can't be told now."""
    if CLIENT_ORDER_ID.fullmatch(client_order_id) is None or not gateway.view.accounts[account].forgot_orders:
        return None
    reading = JournalReading(gateway, account)
    found = _named(reading, client_order_id)
    try:
        if found is None:
            await reading.meet(Table.ORDER_EVENTS)
            found = _named(reading, client_order_id)
        if found is None:
            found = await gateway.store.order_named(account, client_order_id)
    except StoreUnavailable as error:
        detail = f"whether an order that is no longer remembered has this client order id: {error}"
        raise Refused(Reason.HISTORY_UNAVAILABLE, detail) from None
    return found


def _named(reading: JournalReading, client_order_id: str) -> str | None:
    needle = f'"client_order_id":"{client_order_id}"'.encode()
    for kept in reversed(reading.entries):
        if needle in kept.value:
            for event in _entry_decoder.decode(kept.value).events:
                if isinstance(event, OrderOpened) and event.client_order_id == client_order_id:
                    return event.order_id
                if isinstance(event, CommandRefused) and event.client_order_id == client_order_id:
                    return event.command_id
    return None
