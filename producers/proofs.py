"""What proves a trade: the records that caused it, as they stand on the log, for anybody to check.

A trade's id is the place of its cause in `orders`. From there come the taker's signed command, both orders as their
owners sent them, and where the maker amended its order since, the newest of those commands. Only what was traded is
shown so: what an account did besides stays its own.
"""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct
from starlette.requests import Request

from producers.gateway import Gateway
from producers.public_routes import market_of
from producers.stretches import PlacedRecord
from producers.trade_pages import TradeAsk
from producers.trade_pages import trades as read_trades
from producers.web import Answer, query
from schemas.commands import AmendOrder, NewOrder, decode_command
from schemas.documents import TradeAnswer
from schemas.reasons import Reason
from schemas.records import Funded, Role
from schemas.refusal import Refused
from schemas.topics import ACCOUNTS, ORDERS

SEQUENCE = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
# So far back the maker's amends are looked for, at first and at most. A busy maker's newest one is close by.
REACHES = (500, 5_000)
MAX_AMENDS = 8
EVERYTHING = b""
_funded = msgspec.json.Decoder(Funded)


class ProofRecord(Struct, frozen=True):
    """A record by its place. `value` is its text, byte for byte: what was signed in it must not be written anew."""

    role: Role
    topic: str
    partition: int
    offset: int
    value: str


class ProofAnswer(Struct, frozen=True):
    """`records` are the taker's cause of the trade and its order, the maker's order and its newest amends before the
    trade, oldest first. `complete`: no amend of the maker's lies further back."""

    symbol: str
    trade: TradeAnswer
    records: list[ProofRecord]
    complete: bool


async def proof(gateway: Gateway, request: Request) -> Answer:
    query(request)
    text = request.path_params["sequence"]
    if SEQUENCE.fullmatch(text) is None:
        raise Refused(Reason.BAD_PARAMETER, "a trade's sequence is a whole number from 1 on")
    symbol, listed = market_of(gateway, request.path_params["symbol"])
    trade = await _trade(gateway, symbol, listed.terms.partition, int(text))
    partition, offset = (int(part) for part in trade.trade_id.split("-")[:2])
    cause = await _record(gateway, Role.TAKER, ORDERS, partition, offset)
    taker = await _order(gateway, Role.TAKER, trade.taker_order_id)
    maker = await _order(gateway, Role.MAKER, trade.maker_order_id)
    amends, complete = await _amends(gateway, trade.maker_order_id, partition, offset)
    return Answer(200, ProofAnswer(symbol, trade, [taker, cause, maker, *amends], complete))


async def _trade(gateway: Gateway, symbol: str, partition: int, sequence: int) -> TradeAnswer:
    ask = TradeAsk(symbol=symbol, after=sequence - 1, before=None, first_ms=None, end_ms=None, limit=1)
    found = (await read_trades(gateway, ask, partition)).trades
    if not found or found[0].sequence != sequence:
        raise Refused(Reason.UNKNOWN_TRADE, f"{symbol} has no trade {sequence}")
    return found[0]


async def _order(gateway: Gateway, role: Role, order_id: str) -> ProofRecord:
    """An order's id is the place of its command in `accounts`."""
    partition, offset = (int(part) for part in order_id.split("-"))
    return await _record(gateway, role, ACCOUNTS, partition, offset)


async def _record(gateway: Gateway, role: Role, topic: str, partition: int, offset: int) -> ProofRecord:
    found = await gateway.stretches.read(topic, partition, offset, offset + 1, EVERYTHING)
    if not found:
        raise Refused(Reason.HISTORY_UNAVAILABLE, f"{topic}-{partition} has no record at {offset} to be read")
    return ProofRecord(role, topic, partition, offset, found[0].value.decode())


async def _amends(gateway: Gateway, order_id: str, partition: int, before: int) -> tuple[list[ProofRecord], bool]:
    """The maker's amends on the way to the matcher, and whether these are all."""
    needle = f'"{order_id}"'.encode()
    amends: list[ProofRecord] = []
    for reach in REACHES:
        start = max(0, before - reach)
        amends, began = _read(
            await gateway.stretches.read(ORDERS, partition, start, before, needle), order_id, partition
        )
        if amends or began or start == 0:
            return amends[-MAX_AMENDS:], began and len(amends) <= MAX_AMENDS
    return amends, False


def _read(found: Iterable[PlacedRecord], order_id: str, partition: int) -> tuple[list[ProofRecord], bool]:
    """The amends of this order among the records, and whether the order itself is there."""
    amends, began = [], False
    for record in found:
        try:
            funded = _funded.decode(record.value)
            command = decode_command(bytes(funded.signed.command))
        except (msgspec.DecodeError, UnicodeDecodeError, Refused):
            continue  # a stranger's record: no stage took it either
        if isinstance(command, NewOrder) and funded.command_id == order_id:
            began = True
        elif isinstance(command, AmendOrder) and order_id in funded.order_ids:
            amends.append(ProofRecord(Role.MAKER, ORDERS, partition, record.offset, record.value.decode()))
    return amends, began
