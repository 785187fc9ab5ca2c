"""What a stream is called: `trades@BTC-USD`, `depth@BTC-USD@0ms`, `candles@BTC-USD:1m`, `alerts`, `account`. Pure."""

import re
from enum import StrEnum

from msgspec import Struct

from schemas.candles import Interval
from schemas.reasons import Reason
from schemas.refusal import Refused

_NAME = re.compile(
    r"(?:(trades|depth|ticker)@([A-Z0-9][A-Z0-9.-]{0,31})|(candles)@([A-Z0-9][A-Z0-9.-]{0,31}):([0-9]{1,2}[smhd]))"
    r"(@0ms)?",
    re.ASCII,
)


class Kind(StrEnum):
    TRADES = "trades"
    DEPTH = "depth"
    TICKER = "ticker"
    CANDLES = "candles"
    ALERTS = "alerts"
    ACCOUNT = "account"


class Stream(Struct, frozen=True):
    """`unconflated`: every change by itself, and not in frames. Trades and alerts always come so."""

    kind: Kind
    symbol: str = ""
    interval: Interval | None = None
    unconflated: bool = False

    @property
    def name(self) -> str:
        if not self.symbol:
            return self.kind.value
        interval = f":{self.interval}" if self.interval is not None else ""
        return f"{self.kind}@{self.symbol}{interval}{'@0ms' if self.unconflated else ''}"

    @property
    def is_at_once(self) -> bool:
        """It tells of each change of a market as it happens, not in frames."""
        return self.unconflated or self.kind is Kind.TRADES


ALERTS = Stream(Kind.ALERTS)
ACCOUNT = Stream(Kind.ACCOUNT)
_INTERVALS = {interval.value: interval for interval in Interval}


def parse_stream(name: str) -> Stream:
    """`Refused` where there can be no such stream; whether the market is listed is for others to say."""
    if name in (Kind.ALERTS, Kind.ACCOUNT):
        return Stream(Kind(name))
    found = _NAME.fullmatch(name)
    if found is None:
        raise Refused(Reason.UNKNOWN_STREAM, name[:64])
    kind = Kind(found[1] or found[3])
    interval = None
    if kind is Kind.CANDLES:
        interval = _INTERVALS.get(found[5])
        if interval is None:
            raise Refused(Reason.UNKNOWN_INTERVAL, f"{found[5]}: the intervals are {', '.join(_INTERVALS)}")
    unconflated = found[6] is not None
    if unconflated and kind is Kind.TRADES:
        raise Refused(Reason.UNKNOWN_STREAM, f"{name[:64]}: trades are never conflated")
    return Stream(kind, found[2] or found[4], interval, unconflated)
