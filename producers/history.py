"""What has left the gateway's memory, read back from the log: an order's command and fills, an account's older entries.

Every read is bounded; beyond the bound an order is `Refused(HISTORY_UNAVAILABLE)`, and a page of entries simply ends
earlier, with the cursor to go on from.
"""

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from producers.executions import Page
from producers.orders import ORDER_EVENTS, Order, OrderStatus, order_of_command
from schemas.codec import decode_accounts, ledger_decoder
from schemas.commands import NewOrder, decode_command
from schemas.journal import AccountEvent, CommandRefused, CommandRepeated, LedgerEntry, LedgerRecord
from schemas.market import Terms
from schemas.reasons import Reason
from schemas.records import Submitted
from schemas.refusal import Refused
from schemas.topics import ACCOUNTS, LEDGER
from stage.log_reader import SharedReader, read_from

MAX_SCAN_RECORDS = 200_000
MAX_PAGE_RECORDS = 20_000
PROBE_RECORDS = 100
QUEUE_S = 10.0


class _Origin(msgspec.Struct):
    offset: int


class _JournalOrigin(msgspec.Struct):
    edge_sequence: int
    source: _Origin


_origin_decoder = msgspec.json.Decoder(_JournalOrigin)


class FoundOrder(msgspec.Struct, frozen=True):
    """A new order as it was signed, and when it reached the log."""

    command: NewOrder
    time_ms: int


class History:
    """One reader, one request at a time: what is old is asked for seldom."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._reader = SharedReader(bootstrap_servers, (ACCOUNTS, LEDGER), QUEUE_S)
        self._decode = ledger_decoder().decode

    async def close(self) -> None:
        await self._reader.close()

    # --- orders

    async def command(self, partition: int, offset: int) -> FoundOrder | None:
        """The new order that stands at this place of `accounts`, if one does."""
        async with self._reader.turn() as consumer:
            place = TopicPartition(ACCOUNTS, partition)
            if not 0 <= offset < (await consumer.end_offsets([place]))[place]:
                return None
            async for record in read_from(consumer, place, offset, 1):
                return _found(record) if record.offset == offset else None
        return None

    async def order(self, partition: int, offset: int, found: FoundOrder, terms: Terms | None, position: int) -> Order:
        """The order as the journal up to the edge sequence `position` has it, with all its fills."""
        order_id = f"{partition}-{offset}"
        order = order_of_command(order_id, found.command, terms, found.time_ms)
        async with self._reader.turn() as consumer:
            place = TopicPartition(LEDGER, partition)
            start = await self._first_entry(consumer, place, offset)
            scanned = 0
            async for record in read_from(consumer, place, start, MAX_SCAN_RECORDS):
                scanned += 1
                # Most of what is scanned is about other orders: bytes are searched before they are decoded.
                if order_id.encode() in record.value:
                    replay(order, self._decode(record.value))
                if order.status.is_closed or _origin_decoder.decode(record.value).edge_sequence >= position:
                    return order
        raise Refused(Reason.HISTORY_UNAVAILABLE, f"{order_id}: not all of it stands within {scanned} records")

    async def partial(self, account: str, order_id: str, found: FoundOrder, terms: Terms | None) -> Order | None:
        return None

    async def _first_entry(self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> int:
        """An offset of the journal at or before the first entry that the input at `offset` caused; O(log n) reads.

        The journal's sources only grow, but for late repeats; so each probe goes by the highest of some records.
        """
        low = (await consumer.beginning_offsets([place]))[place]
        high = (await consumer.end_offsets([place]))[place]
        while high - low > PROBE_RECORDS:
            middle = (low + high) // 2
            highest = -1
            async for record in read_from(consumer, place, middle, PROBE_RECORDS):
                highest = max(highest, _origin_decoder.decode(record.value).source.offset)
            if highest < offset:
                low = middle
            else:
                high = middle
        return max(int(low) - PROBE_RECORDS, 0)

    # --- entries

    async def page(self, partition: int, account: str, after: int, limit: int, position: int) -> Page:
        """The account's entries behind the edge sequence `after`, as far as the bound on what is scanned allows."""
        values: list[bytes] = []
        last = after
        needle = f'"account":"{account}"'.encode()
        async with self._reader.turn() as consumer:
            place = TopicPartition(LEDGER, partition)
            # Repeats only push records back: sequence s stands at offset s - 1 or behind it.
            async for record in read_from(consumer, place, after, MAX_PAGE_RECORDS):
                sequence = _origin_decoder.decode(record.value).edge_sequence
                if sequence <= last:
                    continue
                if sequence > position:
                    break
                last = sequence
                if needle in record.value:
                    values.append(record.value)
                    if len(values) == limit:
                        break
        return Page(values, last, last < position)


def replay(order: Order, record: LedgerRecord) -> None:
    """Takes from a journal record what it says about this order. Raises `Repeated` for a copy of another one."""
    if not isinstance(record, LedgerEntry) or record.account != order.account:
        return
    for event in record.events:
        replay_event(order, event, record.time_ms)


def replay_event(order: Order, event: AccountEvent, time_ms: int) -> None:
    # Only the ledger refuses a new order by its id; what the matcher calls so was forged into `orders`.
    if isinstance(event, CommandRefused) and event.command_id == order.order_id and event.stage == "ledger":
        order.status, order.cause, order.detail = OrderStatus.REJECTED, event.reason, event.detail
    elif isinstance(event, CommandRepeated) and event.command_id == order.order_id:
        raise Repeated(event.original_id)
    elif isinstance(event, ORDER_EVENTS) and event.order_id == order.order_id:
        order.apply(event, time_ms)


class Repeated(Exception):
    """The record asked for is a copy; the original has this id."""

    def __init__(self, original_id: str) -> None:
        super().__init__(original_id)
        self.original_id = original_id


def _found(record: ConsumerRecord) -> FoundOrder | None:
    try:
        submitted = decode_accounts(record.value)
        if not isinstance(submitted, Submitted):
            return None
        command = decode_command(bytes(submitted.signed.command))
    except Refused:
        return None
    return FoundOrder(command, record.timestamp) if isinstance(command, NewOrder) else None
