"""Halts: who may halt and resume, what a halted market still does, and that their order and copies change nothing."""

import itertools

import pytest

from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.codec import encode
from schemas.commands import AmendOrder, RecordPlace, TimeInForce
from schemas.halts import MAX_HALTS, Halt, Halts
from schemas.journal import HalterAuthorised, MarketHalted, MarketResumed, OrderClosed
from schemas.market import MarketState
from schemas.reasons import Reason
from schemas.records import CloseStatus, Trade
from schemas.refusal import Refused
from tests.exchange import Signer, market
from tests.unit.market_play import SYMBOL, MarketPlay


@pytest.fixture
def play() -> MarketPlay:
    return MarketPlay()


# --- what a halted market does


def test_a_halted_market_takes_no_orders_and_no_amends(play):
    order_id = play.buy()
    play.halt()
    play.sell()
    play.exchange.send(play.alice, AmendOrder, order_id=order_id, quantity="5")
    assert play.reasons(play.bob) == play.reasons(play.alice) == [Reason.MARKET_HALTED]
    assert not play.exchange.trades()


def test_orders_may_leave_a_halted_market(play):
    order_id = play.buy()
    until = play.exchange.cluster.now_ms + 1000
    timed = play.buy(time_in_force=TimeInForce.GTD, valid_until_ms=until)
    play.halt()
    play.exchange.cancel(play.alice, order_id)
    play.exchange.tick(2000)
    play.exchange.run()
    closed = [event for event in play.exchange.events(play.alice) if isinstance(event, OrderClosed)]
    assert [(event.order_id, event.status) for event in closed] == [
        (order_id, CloseStatus.CANCELLED), (timed, CloseStatus.EXPIRED),
    ]  # fmt: skip


def test_an_order_that_was_on_its_way_is_rejected_and_its_funds_are_free_again(play):
    """The halt is on `orders` before the order, and on `accounts` behind it."""
    signed = play.halter.sign(play.halt_command())
    order = play.exchange.order(play.alice, "BUY", "10", "5")
    play.exchange.submit(play.alice.sign(order), play.alice.account)
    play.exchange.submit_to("orders", 0, signed)
    play.exchange.run()
    (closed,) = [event for event in play.exchange.events(play.alice) if isinstance(event, OrderClosed)]
    assert (closed.status, closed.cause) == (CloseStatus.REJECTED, Reason.MARKET_HALTED)
    assert play.exchange.balance(play.alice, "USD") == (100_000 * 10_000, 0)


def test_an_amend_that_was_on_its_way_is_declined(play):
    order_id = play.buy()
    play.exchange.submit_to("orders", 0, play.halter.sign(play.halt_command()))
    play.exchange.send(play.alice, AmendOrder, order_id=order_id, quantity="20")
    assert play.reasons(play.alice) == [Reason.MARKET_HALTED]
    assert play.exchange.balance(play.alice, "USD")[1] == 500_500


def test_a_state_that_the_listing_gives_is_told_first(play):
    play.halt()
    play.exchange.list_market(market(state=MarketState.CANCEL_ONLY), 2)
    play.exchange.run()
    play.buy()
    assert play.reasons(play.alice) == [Reason.MARKET_NOT_OPEN]


def test_the_journal_says_why_on_every_partition(play):
    play.halt(evidence=[RecordPlace("trades", 0, 7)])
    (halted,) = play.journal(MarketHalted)
    said = (halted.symbol, halted.halt_id, halted.reason, halted.halted_by, halted.evidence)
    assert said == (SYMBOL, "alert-1", "a divergence", play.halter.key, [RecordPlace("trades", 0, 7)])
    play.resume("alert-1")
    (resumed,) = play.journal(MarketResumed)
    assert (resumed.halt_ids, resumed.reason) == (["alert-1"], "looked into")
    assert play.is_halted() == [False, False, False]


# --- going on


def test_the_operator_resumes_and_the_market_trades(play):
    play.halt()
    play.resume("alert-1")
    play.trade()


def test_a_market_stands_still_until_each_of_its_halts_is_resumed(play):
    play.halt("one")
    play.halt("two")
    play.resume("one")
    assert play.is_halted() == [True] * 3
    play.resume("two")
    assert play.is_halted() == [False] * 3


def test_a_revision_of_the_listing_ends_no_halt(play):
    play.halt()
    play.exchange.list_market(market(taker_fee="0.002"), 2)
    play.exchange.run()
    assert play.is_halted() == [True] * 3


def test_a_halt_again_is_refused_by_its_id_also_once_it_was_resumed(play):
    play.halt()
    play.halt(reason="told again, in other words")
    assert play.refusals() == [Reason.DUPLICATE_HALT] * 2  # by the ledger and by the matcher
    play.resume("alert-1")
    play.halt()
    play.resume("alert-1")
    assert play.is_halted() == [False] * 3
    assert len(play.journal(MarketHalted)) == len(play.journal(MarketResumed)) == 1


def test_halts_and_resumptions_come_to_the_same_in_any_order():
    given: list[Halt | str] = [Halt("a", "why", 1), Halt("b", "why", 2), Halt("a", "why", 3), "a", "a"]
    for order in itertools.permutations(given):
        found = Halts()
        for each in order:
            try:
                found.resume([each]) if isinstance(each, str) else found.add(each)
            except Refused as refused:
                assert refused.reason is Reason.DUPLICATE_HALT
        assert list(found.standing) == ["b"]


def test_the_halts_of_a_market_are_bounded_and_it_can_still_be_resumed():
    halts = Halts()
    for number in range(MAX_HALTS):
        halts.add(Halt(f"alert-{number}", "why", number))
    for refuse in (lambda: halts.add(Halt("more", "why", 1)), lambda: halts.resume(["more"])):
        with pytest.raises(Refused) as refused:
            refuse()
        assert refused.value.reason is Reason.TOO_MANY_HALTS
    for number in range(MAX_HALTS):
        halts.resume([f"alert-{number}"])
    halts.check()
    assert encode(Halts.restored(halts.dump(SYMBOL)).dump(SYMBOL)) == encode(halts.dump(SYMBOL))


# --- who may


def test_the_operator_may_halt_too(play):
    play.halt(signer=play.operator)
    assert play.is_halted() == [True] * 3


@pytest.mark.parametrize("ask", ["halt", "resume", "authorise"])
def test_nobody_else_may(play, ask):
    play.halt("standing")
    stranger = Signer(999)
    if ask == "halt":
        play.halt("another", signer=stranger)
    elif ask == "resume":
        play.resume("standing", signer=stranger)
    else:
        play.authorise(2, stranger.key, signer=stranger)
    assert play.refusals() == [Reason.NOT_OPERATOR] * 2
    assert play.is_halted() == [True] * 3


def test_the_halter_may_only_halt(play):
    play.halt()
    play.resume("alert-1", signer=play.halter)
    play.authorise(2, play.halter.key, signer=play.halter)
    play.everywhere(play.halter, play.bust_command(play_trade(play)))
    assert set(play.refusals()) == {Reason.NOT_OPERATOR}
    assert play.is_halted() == [True] * 3 and not play.busts()


def play_trade(play: MarketPlay) -> Trade:
    play.resume("alert-1")
    trade = play.trade()
    play.halt("again")
    return trade


def test_a_halter_is_replaced_and_taken_away(play):
    other = Signer(777)
    play.authorise(2, other.key)
    play.halt("by-the-old-one")
    play.halt("by-the-new-one", signer=other)
    play.authorise(3, None)
    play.halt("late", signer=other)
    assert [halted.halt_id for halted in play.journal(MarketHalted)] == ["by-the-new-one"]
    assert [record.halter_key for record in play.journal(HalterAuthorised)] == [play.halter.key, other.key, None]


def test_an_old_authorisation_again_changes_nothing(play):
    play.authorise(2, None)
    play.authorise(1, play.halter.key)
    assert set(play.refusals()) == {Reason.STALE_REVISION}
    play.halt()
    assert play.is_halted() == [False] * 3


def test_a_halter_key_that_is_none(play):
    play.authorise(2, "ed448:" + "A" * 43)
    assert play.refusals() == [Reason.BAD_KEY] * 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"symbol": "NO-USD"}, Reason.UNKNOWN_SYMBOL),
        ({"partition": 1}, Reason.WRONG_PARTITION),
        ({"exchange": "elsewhere"}, Reason.WRONG_EXCHANGE),
    ],
)
def test_a_halt_of_what_is_not_there(play, changes, reason):
    play.halt(**changes)
    play.resume("alert-1", **changes)
    assert set(play.refusals()) == {reason}
    assert play.is_halted() == [False] * 3


# --- versions and snapshots


def test_engine_version_1_knows_no_halts():
    """Its logs are replayed as they were: a halt is a record of no known kind, refused before its signature is read."""
    play = MarketPlay(engine_version=1)
    before = play.refusals()
    play.halt()
    assert set(before) == set(play.refusals()) == {Reason.UNKNOWN_RECORD}
    assert not play.journal(HalterAuthorised) and play.is_halted() == [False] * 3


def test_a_restored_stage_is_the_same(play):
    play.halt("one")
    play.halt("two")
    play.resume("one")
    for core, fresh in (
        (play.exchange.ledger_core(0), LedgerCore(0)),
        (play.exchange.matcher_core(0), MatcherCore(0)),
    ):
        fresh.restore(encode(core.dump()))
        assert encode(fresh.dump()) == encode(core.dump())
        assert fresh.halter.key == play.halter.key
