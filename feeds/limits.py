"""What one process of streams allows. Whatever can grow has its limit here."""

from msgspec import Struct

MAX_MESSAGE_BYTES = 72 * 1024  # a command's body has up to 64 KiB, and there is its envelope
MAX_ID_CHARACTERS = 64
MAX_CALLS = 256  # of order entry, in flight on one connection; behind them its messages wait in the socket
HIGH_WATER_BYTES = 64 * 1024  # what waits for a reader; above it, its subscriptions wait
MAX_WAITING_BYTES = 2 * 1024 * 1024  # above it a reader is too slow
SOCKET_BUFFER_BYTES = 128 * 1024  # of the kernel, which would hide for minutes that a reader has stopped
STALL_S = 10  # a reader that is above the high water for so long is too slow
PING_S = 20
PONG_S = 20
CLOSE_S = 30  # for a reader to take what waits for it, and why it is closed
STOP_S = 2  # the same where the process stops
TRADES_KEPT = 200  # of each market, for who asks over REST
ALERTS_KEPT = 5_000  # known by their id, so that a copy isn't told twice


class Limits(Struct, frozen=True, kw_only=True):
    """Those that depend on the machine and its clients."""

    connections: int = 5_000
    connections_of_address: int = 500
    streams: int = 200  # of a connection
    unconflated: int = 500  # subscriptions to single changes, of all connections
    messages_per_s: int = 50  # of a connection, besides order entry, which has its own rates
    frame_ms: int = 100
