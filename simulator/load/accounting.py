"""Whether each acknowledged command is accounted for: on the log at its place with its bytes, and in the ledger's
journal with the outcome that its sender was told. Pure: the records are handed in.

An order's status was true if the journal has a moment at which it was so: later fills may have changed it.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec
from msgspec import Raw, Struct

from schemas.journal import (
    CommandRefused,
    LedgerEntry,
    OrderClosed,
    OrderFilled,
    OrderOpened,
    OrderRested,
)
from schemas.records import CloseStatus, Role
from simulator.load.plan import Acknowledged


class _Signed(Struct, frozen=True):
    command: Raw = Raw(b"")


class _OfAccounts(Struct):
    record: str
    signed: _Signed = _Signed()


class _Wanted(Struct):
    said: Acknowledged
    filled: Decimal
    on_log: bool = False
    agreed: bool = False


class _Order(Struct):
    status: str = "PENDING"
    filled: Decimal = Decimal(0)


_decoder = msgspec.json.Decoder(_OfAccounts)


class Accounting:
    """Takes what was acknowledged, then the records of `accounts` and `ledger` since before the first of it."""

    def __init__(self, acknowledged: Iterable[Acknowledged], digest_of: Callable[[bytes], bytes]) -> None:
        self.trades_in_second: Counter[int] = Counter()  # by log time
        self._digest_of = digest_of
        self._wanted: dict[str, _Wanted] = {}
        self._twice: list[str] = []
        self._orders: dict[str, _Order] = {}
        self._marks: dict[int, int] = {}  # partition -> edge sequence of the last entry taken
        for said in acknowledged:
            if said.command_id in self._wanted:
                self._twice.append(said.command_id)
            self._wanted[said.command_id] = _Wanted(said, Decimal(said.filled))

    def take_command(self, partition: int, offset: int, value: bytes) -> None:
        """A record of `accounts`."""
        wanted = self._wanted.get(f"{partition}-{offset}")
        if wanted is None:
            return
        try:
            found = _decoder.decode(value)
        except msgspec.DecodeError:
            return
        wanted.on_log = (
            found.record == "submitted" and self._digest_of(bytes(found.signed.command)) == wanted.said.digest
        )

    def take_entry(self, entry: LedgerEntry) -> None:
        """An entry of the journal; of a copy nothing changes."""
        if entry.edge_sequence <= self._marks.get(entry.source.partition, 0):
            return
        self._marks[entry.source.partition] = entry.edge_sequence
        touched: dict[str, _Order] = {}
        for event in entry.events:
            match event:
                case OrderOpened():
                    touched[event.order_id] = self._orders[event.order_id] = _Order()
                case OrderRested():
                    self._of(event.order_id, touched).status = "OPEN"
                case OrderFilled():
                    self._of(event.order_id, touched).filled += Decimal(event.quantity)
                    self.trades_in_second[entry.time_ms // 1000] += event.role is Role.TAKER
                case OrderClosed():
                    self._of(event.order_id, touched).status = event.status
                    self._closed(event)
                case CommandRefused():
                    self._refused(event)
        for order_id, order in touched.items():
            self._compare(order_id, order)

    def missing(self) -> list[str]:
        """What is not accounted for, a line each."""
        found = [f"{command_id}: acknowledged for two commands" for command_id in self._twice]
        for command_id, wanted in self._wanted.items():
            said = wanted.said
            if not wanted.on_log:
                found.append(f"{command_id}: accounts doesn't have it there, with its bytes")
            elif not wanted.agreed:
                told = said.refused or f"order {said.order_id} {said.status}, {said.filled} filled"
                found.append(f"{command_id}: the journal doesn't say what was answered: {told}")
        return found

    @property
    def counted(self) -> int:
        return len(self._wanted)

    # --- the journal

    def _of(self, order_id: str, touched: dict[str, _Order]) -> _Order:
        """Orders from before the run are followed too: an early cancel may have closed one."""
        order = touched[order_id] = self._orders.setdefault(order_id, _Order())
        return order

    def _closed(self, event: OrderClosed) -> None:
        by = self._wanted.get(event.command_id or "")
        if by is not None and not by.said.is_order:
            by.agreed = by.agreed or (by.said.status == event.status and by.said.order_id == event.order_id)
        if event.status is CloseStatus.REJECTED and (order := self._wanted.get(event.order_id)) is not None:
            order.agreed = order.agreed or order.said.refused == event.cause

    def _refused(self, event: CommandRefused) -> None:
        wanted = self._wanted.get(event.command_id)
        if wanted is not None:
            wanted.agreed = wanted.agreed or wanted.said.refused == event.reason

    def _compare(self, order_id: str, order: _Order) -> None:
        wanted = self._wanted.get(order_id)
        if wanted is None:
            return
        if wanted.said.is_order and not wanted.said.refused:
            wanted.agreed = wanted.agreed or (order.status == wanted.said.status and order.filled == wanted.filled)
