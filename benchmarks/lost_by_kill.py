"""What an exchange has lost of what it acknowledged when it is killed under load.

Each order that was acknowledged, its end by a cancel too, is asked for afterwards by its owner. It is gone where the
exchange doesn't know it any more, and older where less has happened to it than its owner was told.
"""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from benchmarks.compared_systems import System
from glassbook.client import answers
from glassbook.client.calls import Account, Call, Placed
from glassbook.client.rest import Client, Refusal
from glassbook.client.signer import Signer
from glassbook.errors import GlassbookError
from schemas.commands import Side, TimeInForce
from simulator.load.brokers import broker_key
from simulator.load.plan import Acknowledged
from simulator.load.prepare import Prepared
from simulator.load.result import Wanted
from simulator.load.sending import send
from simulator.load.tally import Series
from simulator.makers.accounts import is_temporary

SENDING_S = 4
RETRY_S = 0.2
PATIENCE_S = 60.0
NOT_FOUND = 404


class Lost(NamedTuple):
    acknowledged: int
    gone: int
    older: int

    def __str__(self) -> str:
        return (
            f"{self.acknowledged:,} acknowledged until the kill, {self.gone:,} of them gone after it, {self.older:,} in"
            " an earlier state"
        )


def lost_by_kill(system: System, prepared: Prepared, wanted: Wanted) -> Lost:
    """Sends, kills when half of it has gone out or up to a second later, brings the system back, and asks."""
    keys = (broker_key(prepared.seed, prepared.run, number) for number in range(prepared.brokers))
    accounts = {key.account: Account(Signer(key, prepared.exchange)) for key in keys}
    _await_trading(system.url, next(iter(accounts.values())), prepared.markets[0].symbol)
    acknowledged = _acknowledged_until_killed(system, prepared, wanted)
    system.bring_back()
    with Client(system.url) as client:
        found = [(said, _asked(client, accounts[said.account].order(said.order_id))) for said in acknowledged]
    gone = sum(order is None for _, order in found)
    older = sum(order is not None and is_older(order, said) for said, order in found)
    return Lost(len(found), gone, older)


def _await_trading(url: str, account: Account, symbol: str) -> None:
    """An earlier kill may not be over for all: until an order is answered with what became of it."""

    def order() -> Call[Placed]:
        return account.place(account.signer.limit_order(symbol, Side.BUY, 1, 1, time_in_force=TimeInForce.IOC))

    with Client(url) as client:
        _answer(client, order)


def _acknowledged_until_killed(system: System, prepared: Prepared, wanted: Wanted) -> list[Acknowledged]:
    alive = True

    def strike(passed_s: float) -> None:
        nonlocal alive
        if alive and passed_s >= wanted.seconds / 2:
            alive = False
            system.kill()

    sent = send(system.url, prepared, wanted, Series(0), strike, lambda: not alive)
    assert not alive, "it ended before it was killed"
    return [said for said in sent.acknowledged if not said.refused]


def _asked(client: Client, call: Call[answers.Order]) -> answers.Order | None:
    """The order as it is now; None where nobody knows it."""
    try:
        return _answer(client, lambda: call)
    except Refusal as refusal:
        if refusal.status != NOT_FOUND:
            raise
        return None


def _answer(client: Client, make: Callable[[], Call[Placed]]) -> answers.Order:
    """Asks again while the exchange isn't ready, or doesn't know yet what became of the order."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            found = client.send(make())
            if isinstance(found, answers.Order):
                return found
        except Refusal as refusal:
            if not is_temporary(refusal):
                raise
        time.sleep(RETRY_S)
    raise GlassbookError(f"no order is answered within {PATIENCE_S:.0f} s")


def is_older(order: answers.Order, said: Acknowledged) -> bool:
    """Whether less has happened to it than was said."""
    return (order.is_open and said.status != "OPEN") or Decimal(order.filled) < Decimal(said.filled)
