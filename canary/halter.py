"""Which markets an alert halts, and the signed records that do it.

A halt, its bytes too, is a function of its alert: told twice, by whomever, it halts once. What is known of markets and
of resumptions is what the canary itself has derived from the log. Pure.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec import Raw
from msgspec.structs import replace

from canary.core import Canary
from canary.engines import HALTS_AND_BUSTS, version_of
from canary.frames import encode
from schemas.alerts import Alert, Severity
from schemas.commands import encode_command
from schemas.halt_of_alert import halt_of_alert, halt_places
from schemas.market import MarketState
from schemas.records import SignedCommand, Submitted
from schemas.topics import DEPTH, ORDERS, TRADES

BY_MARKET = frozenset({ORDERS, TRADES, DEPTH})


class HaltRecord(NamedTuple):
    """What halts a market, on one of its places."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class MarketHalter:
    """Signs as the exchange's halter. `sign`: a message → its signature's text."""

    def __init__(self, public_key: str, sign: Callable[[bytes], str]) -> None:
        self._public_key = public_key
        self._sign = sign
        self._asked: dict[str, str] = {}  # market → the last halt that was asked for
        self._was_halter = False  # when it was

    def halts(self, alert: Alert, canary: Canary) -> list[HaltRecord]:
        """Nothing for what is no divergence, and for a market that stands still for an alert before this one."""
        if alert.severity is not Severity.WRONG:
            return []
        if not _has_halts(canary):
            return []
        if self._was_halter is not self._is_halter(canary):  # what was refused then may be taken now
            self._was_halter = not self._was_halter
            self._asked.clear()
        markets = {symbol: p for symbol, p in _markets(alert, canary) if not self._stands(symbol, canary)}
        self._asked |= dict.fromkeys(markets, alert.alert_id)
        return [record for symbol, p in markets.items() for record in self._records(alert, symbol, p, canary)]

    def objection(self, canary: Canary) -> str:
        """Why halts may come to nothing, in words; empty if they don't. Where another is the halter they are asked for
        all the same: the log may name this one further on."""
        if not _has_halts(canary):
            return "the exchange's engine version has no halts"
        if not self._is_halter(canary):
            return f"the canary's key isn't the halter's: `glassbook halter --authorise {self._public_key}`"
        return ""

    def _is_halter(self, canary: Canary) -> bool:
        return any(judge.replica.halter.key == self._public_key for judge in canary.ledgers)

    def _stands(self, symbol: str, canary: Canary) -> bool:
        """Whether a halt that was asked for stands, or is on its way. A resumption counts as soon as it is seen on any
        partition: what comes up behind it the operator didn't know of."""
        asked = self._asked.get(symbol)
        if asked is None:
            return False
        return not any(asked in judge.replica.halts_of(symbol).resumed for judge in canary.ledgers)

    def _records(self, alert: Alert, symbol: str, partition: int, canary: Canary) -> Iterator[HaltRecord]:
        genesis = canary.matchers[partition].replica.genesis
        command = halt_of_alert(replace(alert, symbol=symbol), genesis.exchange, partition)
        raw = encode_command(command)
        value = encode(Submitted(SignedCommand(Raw(raw), self._public_key, self._sign(raw))))
        for topic, number in halt_places(partition, len(canary.ledgers)):
            yield HaltRecord(topic, number, symbol.encode(), value)


def _has_halts(canary: Canary) -> bool:
    return any(version_of(judge.replica.genesis) >= HALTS_AND_BUSTS for judge in canary.ledgers)


def _markets(alert: Alert, canary: Canary) -> list[tuple[str, int]]:
    """(symbol, partition) of the alert's market; if it names none that is listed, of all on the partition that its
    evidence names; if that isn't one of a market either, of all."""
    listed = [
        (symbol, judge.partition)
        for judge in canary.matchers
        for symbol, book in judge.replica.books.items()
        if book.terms.market.state is not MarketState.DELISTED
    ]
    named = [market for market in listed if market[0] == alert.symbol]
    concerned = {place.partition for place in alert.evidence if place.topic in BY_MARKET}
    return named or [market for market in listed if market[1] in concerned] or listed
