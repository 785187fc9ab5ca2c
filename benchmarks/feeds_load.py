"""Who writes and who reads for `benchmarks/feeds.py`: trades and depth of one busy market onto the topics, and many
WebSocket readers in one process.

A reader is a bare asyncio protocol that only tells frames apart: a client library would cost more than what is
measured.
"""

import asyncio
import base64
import os
import time
from collections.abc import Callable
from typing import cast

from confluent_kafka import Producer

from schemas.codec import encode
from schemas.commands import Side
from schemas.records import Depth, Source, Trade
from schemas.topics import DEPTH, TRADES

SYMBOL = "BUSY-USD"
LEVELS = 200  # of each side, at most
SOURCE = Source(0, 0, 0, "x" * 43)
_SEQUENCE = b'"data":{"sequence":'


class Market:
    """Writes records as a matcher would, contiguous; remembers when each trade was handed to the broker's client."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._producer = Producer(
            {"bootstrap.servers": bootstrap_servers, "linger.ms": 0, "enable.idempotence": True, "acks": "all"}
        )
        self.trades = self.depths = 0
        self.sent_at: dict[int, float] = {}

    def trade(self) -> None:
        self.trades += 1
        sequence, price = self.trades, 20_000 + self.trades % 50
        record = Trade(
            edge_sequence=sequence, source=SOURCE, symbol=SYMBOL, sequence=sequence, trade_id=f"0-{sequence}-0",
            time_ms=time.time_ns() // 1_000_000, price=f"{price // 100}.{price % 100:02}", quantity="3",
            quote_quantity=f"{3 * price // 100}.{3 * price % 100:02}", aggressor_side=Side.BUY,
            taker_order_id=f"1-{sequence}", taker_account="a" * 40, taker_fee="0.3",
            maker_order_id=f"2-{sequence}", maker_account="b" * 40, maker_fee="0.1", fee_asset="USD",
        )  # fmt: skip
        self.sent_at[sequence] = time.perf_counter()
        self._producer.produce(TRADES, encode(record), SYMBOL.encode(), 0)

    def depth(self) -> None:
        self.depths += 1
        sequence = self.depths
        bid, ask = 19_999 - sequence * 7 % LEVELS, 20_001 + sequence * 11 % LEVELS
        record = Depth(
            edge_sequence=sequence, source=SOURCE, symbol=SYMBOL, sequence=sequence,
            time_ms=time.time_ns() // 1_000_000,
            bids=[(f"{bid // 100}.{bid % 100:02}", str(1 + sequence % 90))],
            asks=[(f"{ask // 100}.{ask % 100:02}", str(1 + sequence % 80))],
        )  # fmt: skip
        self._producer.produce(DEPTH, encode(record), SYMBOL.encode(), 0)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0, "the broker didn't take the records"

    def poll(self) -> None:
        self._producer.poll(0)


class Reader(asyncio.Protocol):
    """Subscribes by path, counts frames, and hands each one's text on."""

    def __init__(self, path: str, take: Callable[[bytes], None]) -> None:
        self._path = path
        self._take = take
        self._waits = b""
        self._open = False
        self.frames = 0
        self.close_code: int | None = None
        self.lost = False
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: feeds\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        data = self._waits + data if self._waits else data
        at = 0
        if not self._open:
            head = data.find(b"\r\n\r\n")
            if head < 0:
                self._waits = data
                return
            assert data.startswith(b"HTTP/1.1 101"), data[:200]
            self._open, at = True, head + 4
        end = len(data)
        while end - at >= 2:
            size, start = data[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if start + size > end:
                break
            self._frame(data[at], data[start : start + size])
            at = start + size
        self._waits = data[at:]

    def _frame(self, head: int, text: bytes) -> None:
        if head == 0x81:
            self.frames += 1
            self._take(text)
        elif head == 0x88:
            self.close_code = int.from_bytes(text[:2], "big")

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True


def trade_sequence(text: bytes) -> int:
    at = text.index(_SEQUENCE) + len(_SEQUENCE)
    return int(text[at : text.index(b",", at)])
