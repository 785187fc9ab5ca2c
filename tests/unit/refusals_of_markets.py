"""Refusals of what the operator and the halter ask about a market that trades."""

from typing import Any

from msgspec.structs import replace

from schemas.commands import BustTrade, Command, HaltMarket, PublishedTrade
from schemas.halts import MAX_HALTS, Halt
from schemas.reasons import Reason
from tests.unit.refusals import Scene, gives


def _everywhere(scene: Scene, command: Command) -> None:
    signed = scene.exchange.operator.sign(command)
    scene.exchange.submit_to("orders", 0, signed)
    for partition in range(scene.exchange.account_partitions):
        scene.exchange.submit_to("accounts", partition, signed)
    scene.exchange.run()


def _halt(scene: Scene, halt_id: str) -> None:
    command = HaltMarket(
        exchange="test", symbol="ABC-USD", partition=0, halt_id=halt_id, reason="why", evidence=[], time_ms=1
    )
    _everywhere(scene, command)


def _traded(scene: Scene) -> PublishedTrade:
    scene.exchange.place(scene.bob, "SELL", "1", "5")
    scene.place()
    (trade,) = scene.exchange.trades()
    return trade.published()  # type: ignore[no-any-return]


def _bust(scene: Scene, trade: PublishedTrade, **changes: Any) -> None:
    command = BustTrade(exchange="test", partition=0, trade=replace(trade, **changes), reason="why", time_ms=1)
    scene.exchange.submit_to("orders", 0, scene.exchange.operator.sign(command))
    scene.exchange.run()


@gives(Reason.MARKET_HALTED)
def an_order_in_a_market_that_an_alert_halted(scene: Scene) -> None:
    _halt(scene, "one")
    scene.place()


@gives(Reason.UNKNOWN_RECORD)
def a_halt_under_rules_that_have_none(scene: Scene) -> None:
    scene.start(engine_version=1)
    _halt(scene, "one")


@gives(Reason.DUPLICATE_HALT)
def a_halt_again(scene: Scene) -> None:
    _halt(scene, "one")
    for halts in _all_halts(scene):
        halts.resume(["one"])
    _halt(scene, "one")


@gives(Reason.TOO_MANY_HALTS)
def a_halt_too_many(scene: Scene) -> None:
    """Those before it are put into the state, and resumed there: to write them would take long."""
    for halts in _all_halts(scene):
        for number in range(MAX_HALTS):
            halts.add(Halt(str(number), "why", 1))
            halts.resume([str(number)])
    _halt(scene, "one-more")


def _all_halts(scene: Scene) -> list[Any]:
    cores = [scene.exchange.ledger_core(number) for number in range(scene.exchange.account_partitions)]
    return [core.halts["ABC-USD"] for core in cores] + [scene.exchange.matcher_core(0).books["ABC-USD"].halts]


@gives(Reason.UNKNOWN_TRADE)
def a_bust_of_a_trade_to_come(scene: Scene) -> None:
    _bust(scene, _traded(scene), sequence=2)


@gives(Reason.TRADE_DIFFERS)
def a_bust_of_other_numbers(scene: Scene) -> None:
    _bust(scene, _traded(scene), price="6")


@gives(Reason.ALREADY_BUSTED)
def a_bust_again(scene: Scene) -> None:
    trade = _traded(scene)
    _bust(scene, trade)
    _bust(scene, trade)


@gives(Reason.TOO_MANY_BUSTS)
def a_bust_too_many(scene: Scene) -> None:
    """Those before it are put into the state: to write them would take long."""
    trade = _traded(scene)
    scene.exchange.matcher_core(0).books["ABC-USD"].busted = {f"0-0-{number}": -number for number in range(65_536)}
    _bust(scene, trade)
