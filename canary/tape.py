"""The trades of a partition as they were published, so that a bust can be held against the one that it takes back.

Of the last ones it keeps a hash of what each said, with its place and id: 36 bytes a trade. A bust of an older one
can't be compared, and that is said too; whoever judges the log again and keeps more of it, can.
"""

import hashlib

import msgspec
from msgspec import Struct

from canary.board import Board, Verdict
from canary.frames import Unreadable, encode
from canary.reader import Found, Reader
from canary.ring import Ring
from schemas.alerts import Evidence, Kind, Severity
from schemas.records import TradeBusted
from schemas.topics import ORDERS, TRADES

KEPT_TRADES = 65_536
HASH_BYTES = 16
OFFSET_BYTES = 8
ID_BYTES = 12
_ID_AT = HASH_BYTES + OFFSET_BYTES

# A trade's own words are what stands behind its place on the edge.
_TRADE, _BUSTED, _WORDS, _ID = b'{"record":"trade",', b'{"record":"trade_busted",', b'"symbol":', b'"trade_id":"'
_read_busted = msgspec.json.Decoder(TradeBusted).decode


class TapeState(Struct):
    trades: bytes
    forgot: bool


class Tape:
    """The last trades, the oldest first: (hash, offset on `trades`, id) of each."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._trades = Ring(_ID_AT + ID_BYTES, most)
        self._forgot = False

    def add(self, value: bytes, offset: int) -> None:
        begins = value.find(_ID) + len(_ID)
        trade_id = value[begins : value.find(b'"', begins)]
        self._forgot = self._forgot or len(self._trades) == self.most
        self._trades.append(_hash_of(value) + offset.to_bytes(OFFSET_BYTES) + _packed(trade_id))

    def find(self, trade_id: str) -> list[tuple[bytes, int]]:
        """(hash, offset) of what was published under this id, the oldest first. O(trades kept)."""
        ages = self._trades.ages_of(_packed(trade_id.encode()), _ID_AT)
        kept = [self._trades[age] for age in reversed(ages)]
        return [(each[:HASH_BYTES], int.from_bytes(each[HASH_BYTES:_ID_AT])) for each in kept]

    def may_have_forgotten(self, trade_id: str) -> bool:
        return self._forgot and _packed(trade_id.encode()) <= self._trades[len(self._trades) - 1][_ID_AT:]

    def dump(self) -> TapeState:
        return TapeState(self._trades.dump(), self._forgot)

    def restore(self, state: TapeState) -> None:
        self._trades.extend(state.trades)
        self._forgot = state.forgot


def _hash_of(value: bytes) -> bytes:
    return hashlib.sha256(value[value.find(_WORDS) :]).digest()[:HASH_BYTES]


def _packed(trade_id: bytes) -> bytes:
    """A trade's id as bytes that are ordered as its place is: the order's offset, and which of its fills it is. What is
    no such id stands behind all that are, by its hash."""
    place = trade_id.split(b"-")[1:]
    if len(place) == 2 and all(number.isdigit() and len(number) < 20 for number in place):
        offset, index = map(int, place)
        if offset < 2**63 and index < 2**32:
            return offset.to_bytes(8) + index.to_bytes(4)
    return b"\xff" * 4 + hashlib.sha256(trade_id).digest()[: ID_BYTES - 4]


class TradesReader(Reader):
    """The edge to `trades`: what was judged there, bad or good, is what was published."""

    def __init__(self, topic: str, partition: int, board: Board, kept_trades: int) -> None:
        super().__init__(topic, partition)
        self.tape = Tape(kept_trades)
        self._board = board

    def take(self, found: Found, sequence: int) -> None:
        is_new = sequence > self.mark
        super().take(found, sequence)
        value = found.value or b""
        if not is_new:
            return
        if value.startswith(_TRADE):
            self.tape.add(value, found.offset)
        elif value.startswith(_BUSTED):
            self._compare(found, value)

    def _compare(self, found: Found, value: bytes) -> None:
        """Says whether there was no such trade, or another one."""
        try:
            busted = _read_busted(value)
        except Unreadable:
            return
        trade = busted.trade
        ours, published = encode(trade), self.tape.find(trade.trade_id)
        if any(content == _hash_of(ours) for content, _ in published):
            return
        kind, severity = Kind.BUST_UNFOUNDED, Severity.WRONG
        expected = f"a trade {trade.trade_id} as it was published at {published[0][1]}" if published else "no bust"
        if not published and self.tape.may_have_forgotten(trade.trade_id):
            kind, severity = Kind.BUST_UNCHECKED, Severity.NOTICE
            expected = f"one of the last {self.tape.most} trades"
        bust = Evidence(ORDERS, busted.source.partition, busted.source.offset)
        places = [bust, Evidence(TRADES, self.partition, found.offset)]
        trades = tuple(Evidence(TRADES, self.partition, offset) for _, offset in published)
        verdict = Verdict(kind, expected, ours.decode(), trade.symbol, trades)
        self._board.raise_alert(severity, verdict, found.log_time_ms, places, bust)
