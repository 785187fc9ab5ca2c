"""Every reason that the log can give, with the record put straight on the log: a refusal, no fill, and it goes on."""

import pytest

from schemas.reasons import TEXTS, Reason
from tests.unit import refusals_of_accounts, refusals_of_bytes, refusals_of_markets, refusals_of_orders
from tests.unit.refusals import CASES, Scene

ONLY_THE_GATEWAY = {
    Reason.BODY_TOO_LARGE, Reason.WRONG_CONTENT_TYPE, Reason.BAD_PARAMETER, Reason.RATE_LIMITED, Reason.STORAGE_FULL,
    Reason.LOG_UNAVAILABLE, Reason.NOT_READY, Reason.NOT_FOUND, Reason.METHOD_NOT_ALLOWED, Reason.INTERNAL_ERROR,
    Reason.NO_LIQUIDITY, Reason.HISTORY_UNAVAILABLE, Reason.UNKNOWN_INTERVAL, Reason.BAD_RANGE,
    Reason.NO_DEMONSTRATION, Reason.UNKNOWN_STREAM, Reason.UNKNOWN_METHOD, Reason.TOO_MANY_STREAMS, Reason.OVERLOADED,
}  # fmt: skip
ONLY_THE_CANDLES = {Reason.BUCKET_CLOSED}
CLOSE_THE_MARKET = {
    Reason.MARKET_NOT_OPEN, Reason.MARKET_HALTED, Reason.DELISTED, Reason.TOO_MANY_OPEN_ORDERS, Reason.NO_GENESIS,
}  # fmt: skip
FILLS_ON_PURPOSE = {
    refusals_of_orders.a_cancel_that_meets_a_fill_on_its_way,
    refusals_of_orders.an_amend_to_what_is_filled,
    refusals_of_markets.a_bust_of_a_trade_to_come,
    refusals_of_markets.a_bust_of_other_numbers,
    refusals_of_markets.a_bust_again,
    refusals_of_markets.a_bust_too_many,
}


@pytest.mark.parametrize(("reason", "case"), CASES, ids=[f"{r}-{case.__name__}" for r, case in CASES])
def test_the_log_gives_the_reason(reason, case):
    scene = Scene()
    case(scene)
    assert reason in scene.reasons()
    if case not in FILLS_ON_PURPOSE:
        assert not scene.exchange.trades()


@pytest.mark.parametrize(("reason", "case"), CASES, ids=[f"{r}-{case.__name__}" for r, case in CASES])
def test_the_stages_go_on_after_it(reason, case):
    """Unless the market itself was closed, two honest orders trade behind the refused record."""
    scene = Scene()
    case(scene)
    if reason in CLOSE_THE_MARKET:
        return
    before = len(scene.exchange.trades())
    carol = scene.exchange.open_account(USD="99999999")
    dave = scene.exchange.open_account(ABC="100")
    scene.exchange.place(dave, "SELL", "20", "3")
    scene.exchange.place(carol, "BUY", "20", "3")
    assert len(scene.exchange.trades()) > before


def test_every_reason_that_the_log_can_give_has_a_case():
    assert {reason for reason, _ in CASES} == set(Reason) - ONLY_THE_GATEWAY - ONLY_THE_CANDLES
    assert set(TEXTS) == set(Reason)


def test_cases_come_from_all_modules():
    modules = {refusals_of_accounts, refusals_of_bytes, refusals_of_markets, refusals_of_orders}
    assert {case.__module__ for _, case in CASES} == {module.__name__ for module in modules}
