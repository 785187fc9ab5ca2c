"""All that a connection needs, put together: markets, alerts, what others lend, and who is connected."""

from collections.abc import Callable
from typing import Protocol

from feeds.channels import Channel, Reader
from feeds.limits import Limits
from feeds.market import Market
from feeds.markets import Markets
from feeds.messages import CanaryState, encode
from feeds.ports import Accounts, Methods
from feeds.projections import AlertsProjection
from feeds.stream import Kind, Stream
from schemas.reasons import Reason
from schemas.refusal import Refused


class Ready(Protocol):
    def check(self, kind: Kind) -> None:
        """`Refused` unless what is here may speak for the log."""
        ...


class Connected(Protocol):
    """A connection as the desk sees it."""

    @property
    def address(self) -> str: ...
    def close(self, code: int, reason: str) -> None: ...
    def look(self, now: float) -> None:
        """Whether its reader still takes what it is given; called once a second."""
        ...


class Desk:
    def __init__(
        self,
        *,
        limits: Limits,
        markets: Markets,
        alerts: AlertsProjection,
        ready: Ready,
        methods: Methods,
        accounts: Accounts | None,
        now_ms: Callable[[], int],
    ) -> None:
        self.limits = limits
        self.markets = markets
        self.alerts = alerts
        self.ready = ready
        self.methods = methods
        self.accounts = accounts
        self.now_ms = now_ms
        self.connections: dict[Connected, None] = {}
        self.canary: CanaryState | None = None
        self._of_address: dict[str, int] = {}
        self._unconflated = 0
        self._at_once = 0

    # --- connections

    def enter(self, connection: Connected) -> str | None:
        """Why there is no room for one more; None if it is in."""
        if len(self.connections) >= self.limits.connections:
            return "full"
        count = self._of_address.get(connection.address, 0)
        if count >= self.limits.connections_of_address:
            return "too many connections from this address"
        self._of_address[connection.address] = count + 1
        self.connections[connection] = None
        return None

    def leave(self, connection: Connected) -> None:
        if connection not in self.connections:
            return
        del self.connections[connection]
        self._of_address[connection.address] -= 1
        if not self._of_address[connection.address]:
            del self._of_address[connection.address]

    def send_away(self, code: int, reason: str) -> None:
        for connection in tuple(self.connections):
            connection.close(code, reason)

    # --- streams

    def check(self, stream: Stream) -> None:
        """`Refused` if the stream can't be had here and now."""
        if stream.kind is Kind.ACCOUNT:
            if self.accounts is None:
                raise Refused(Reason.UNKNOWN_STREAM, "account is served where orders are taken")
            return
        self.ready.check(stream.kind)
        if stream.symbol:
            self.market(stream.symbol)
        if stream.unconflated and self._unconflated >= self.limits.unconflated:
            raise Refused(Reason.TOO_MANY_STREAMS, f"{self.limits.unconflated} unconflated ones in this process")

    def market(self, symbol: str) -> Market:
        market = self.markets.by_symbol.get(symbol)
        if market is None:
            raise Refused(Reason.UNKNOWN_SYMBOL, symbol[:40])
        return market

    def join(self, stream: Stream, reader: Reader) -> Channel:
        """Gives the reader what the stream begins with, and all that follows it."""
        if stream.kind is Kind.ALERTS:
            channel = self.alerts.channel
            first = None if self.canary is None else channel.frame(encode(self.canary))
        else:
            market = self.market(stream.symbol)
            market.flush()
            channel = market.channel(stream)
            first = market.first_frame(stream)
        self._unconflated += stream.unconflated
        self._at_once += stream.is_at_once
        channel.add(reader)
        if first is not None:
            reader.send(first)
        return channel

    def part(self, channel: Channel, reader: Reader) -> None:
        channel.remove(reader)
        self._unconflated -= channel.stream.unconflated
        self._at_once -= channel.stream.is_at_once

    @property
    def tells_at_once(self) -> bool:
        """Whether anybody reads a stream that tells of each change as it happens."""
        return self._at_once > 0

    def canary_judged(self, state: CanaryState) -> None:
        moved = self.canary is None or self.canary.judged != state.judged or self.canary.behind != state.behind
        self.canary = state
        if moved:
            self.alerts.channel.publish(encode(state))

    def flush(self) -> None:
        for market in self.markets.by_symbol.values():
            market.flush()
