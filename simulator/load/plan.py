"""What one process of a load is told, and what it tells: plain values that travel between processes."""

from msgspec import Struct

from schemas.market import Market
from simulator.load.doors import DoorName
from simulator.load.tally import Second


class Plan(Struct, frozen=True, kw_only=True):
    """`processes` share the brokers and the arrivals; `number` is this one's, from 0."""

    url: str
    exchange: str
    door: DoorName
    percent: float
    seconds: int
    warm_up_s: int
    seed: int
    run: str  # of the keys
    attempt: int  # of those with the same keys
    markets: list[Market]  # the busiest first
    brokers: int
    processes: int
    number: int
    folder: str  # for what was acknowledged


class Acknowledged(Struct, frozen=True, array_like=True):
    """A command that the exchange said it has, and what it said became of it."""

    command_id: str
    digest: bytes  # of its canonical bytes
    is_order: bool
    refused: str  # reason code, or ""
    order_id: str
    status: str  # of the order, as it was answered
    filled: str
    account: str  # whose command it is


class Ready(Struct, frozen=True):
    """The process waits for its start."""


class Start(Struct, frozen=True):
    at: float  # of time.monotonic


class Stop(Struct, frozen=True):
    """Nothing more is sent; what is under way is waited for."""


class Ended(Struct, frozen=True):
    connections: int


class Failed(Struct, frozen=True):
    why: str


Said = Ready | Second | Ended | Failed
