"""The canary derives halts from their documented rules: it agrees with every refusal and effect of the real stages, one
by one, and tells where one isn't heeded."""

import msgspec
import pytest

from canary.core import Canary
from canary.halts import MOST_HALTS, Halter, Halts
from canary.refusal import Refusal
from canary.state import CanaryState
from schemas.alerts import Kind
from schemas.codec import ledger_decoder
from schemas.commands import AmendOrder, AuthoriseHalter, RecordPlace, TimeInForce
from schemas.halts import Halts as TheirHalts
from schemas.journal import OrderClosed
from schemas.market import MarketState
from schemas.reasons import Reason
from tests.exchange import EXCHANGE, Signer, market
from tests.unit.canary_heard import Heard, heard
from tests.unit.market_play import SYMBOL, MarketPlay


@pytest.fixture
def play() -> MarketPlay:
    return MarketPlay()


# --- what a halted market does


def test_an_order_in_a_halted_market(play):
    play.halt(evidence=[RecordPlace("trades", 0, 7)])
    play.buy()
    play.sell()
    assert play.reasons(play.alice) == play.reasons(play.bob) == [Reason.MARKET_HALTED]
    assert {frozenset({"alert-1"})} == {halts.standing for halts in heard(play).halts()}


def test_an_amend_in_a_halted_market(play):
    order_id = play.buy()
    play.halt()
    play.exchange.send(play.alice, AmendOrder, order_id=order_id, quantity="5")
    assert play.reasons(play.alice) == [Reason.MARKET_HALTED]
    heard(play)


def test_orders_may_leave_a_halted_market(play):
    order_id = play.buy()
    play.buy(time_in_force=TimeInForce.GTD, valid_until_ms=play.exchange.cluster.now_ms + 1000)
    play.halt()
    play.exchange.cancel(play.alice, order_id)
    play.exchange.tick(2000)
    play.exchange.run()
    assert len([event for event in play.exchange.events(play.alice) if isinstance(event, OrderClosed)]) == 2
    heard(play)


def test_what_was_on_its_way_is_rejected_and_declined_by_the_matcher(play):
    """The halt is on `orders` before them, and on `accounts` behind."""
    order_id = play.buy()
    play.exchange.submit_to("orders", 0, play.halter.sign(play.halt_command()))
    play.buy("3")
    play.exchange.send(play.alice, AmendOrder, order_id=order_id, quantity="20")
    assert heard(play).refused_by_matcher() == [Reason.MARKET_HALTED] * 2


@pytest.mark.parametrize(
    ("state", "order", "amend"),
    [
        (MarketState.HALTED, Reason.MARKET_NOT_OPEN, Reason.MARKET_NOT_OPEN),
        (MarketState.CANCEL_ONLY, Reason.MARKET_NOT_OPEN, Reason.MARKET_HALTED),
    ],
)
def test_the_markets_state_is_told_first(play, state, order, amend):
    order_id = play.buy()
    play.halt()
    play.exchange.list_market(market(state=state), 2)
    play.exchange.run()
    play.buy()
    play.exchange.send(play.alice, AmendOrder, order_id=order_id, quantity="5")
    assert play.reasons(play.alice) == [order, amend]
    heard(play)


def test_a_price_that_is_none_is_told_last(play):
    play.halt()
    play.buy(price="5.001")
    assert play.reasons(play.alice) == [Reason.MARKET_HALTED]
    heard(play)


# --- sets


def test_a_market_stands_still_until_each_of_its_halts_is_resumed(play):
    play.halt("one")
    play.halt("two")
    play.resume("one", "three")
    after = Halts(frozenset({"two"}), frozenset({"one", "three"}))
    assert heard(play).halts() == [after] * 3
    play.halt("three")
    play.resume("two", "two")
    play.trade()
    found = heard(play)
    assert {halts.standing for halts in found.halts()} == {frozenset()}
    assert found.refused_by_matcher() == found.refused_by_ledger() == [Reason.DUPLICATE_HALT]


def test_a_halt_again_and_a_resumption_again(play):
    play.halt()
    play.halt(reason="in other words")
    play.resume("alert-1")
    play.resume("alert-1")
    play.halt()
    found = heard(play)
    assert found.refused_by_matcher() == found.refused_by_ledger() == [Reason.DUPLICATE_HALT] * 3


def test_the_halts_of_a_market_are_bounded_and_it_can_still_be_resumed():
    halts = Halts(frozenset(f"alert-{number}" for number in range(MOST_HALTS)))
    for refuse in (lambda: halts.halted("more"), lambda: halts.ended(["alert-1", "more"])):
        with pytest.raises(Refusal) as refused:
            refuse()
        assert refused.value.reason is Reason.TOO_MANY_HALTS
    assert len(halts.ended(["alert-1", "alert-2"]).standing) == MOST_HALTS - 2


def test_a_halt_that_the_ledger_refuses_without_a_reason_is_told(play):
    full = TheirHalts()
    full._resumed = dict.fromkeys(f"alert-{number}" for number in range(MOST_HALTS))
    play.exchange.ledger_core(0).halts[SYMBOL] = full
    play.halt("more")
    (refused,) = [r for r in play.exchange.read("ledger", 0, ledger_decoder()) if hasattr(r, "reason")]
    assert refused.reason is Reason.TOO_MANY_HALTS
    play.exchange.tick(2000)
    play.exchange.run()
    assert Heard(play.exchange).kinds == [Kind.HALT_WRONG], "by the log, the market has room for a halt"


# --- who may


@pytest.mark.parametrize("ask", ["halt", "resume", "authorise", "bust"])
@pytest.mark.parametrize("signer", ["stranger", "halter"])
def test_nobody_else_may(play, ask, signer):
    trade = play.trade()
    play.halt("standing")
    by = Signer(999) if signer == "stranger" else play.halter
    if ask == "halt":
        play.halt("another", signer=Signer(999))
    elif ask == "resume":
        play.resume("standing", signer=by)
    elif ask == "authorise":
        play.authorise(2, by.key, signer=by)
    else:
        play.everywhere(by, play.bust_command(trade))
    found = Heard(play.exchange)
    assert found.kinds == [Kind.RECORD_FORGED], "noticed, and no more"
    assert found.refused_by_matcher() == found.refused_by_ledger() == [Reason.NOT_OPERATOR]


def test_the_operator_may_halt_and_a_halt_again_by_the_halter_is_no_forgery(play):
    play.halt(signer=play.operator)
    play.halt()
    assert heard(play).refused_by_matcher() == [Reason.DUPLICATE_HALT]


def test_a_halter_is_replaced_and_taken_away(play):
    other = Signer(777)
    play.authorise(2, other.key)
    play.halt("new", signer=other)
    play.authorise(2, play.halter.key)
    play.authorise(3, None)
    found = heard(play)
    assert found.refused_by_matcher() == found.refused_by_ledger() == [Reason.STALE_REVISION]
    assert [judge.replica.halter for judge in found.canary.matchers + found.canary.ledgers] == [Halter(3, None)] * 3
    play.halt("late", signer=other)
    assert Heard(play.exchange).refused_by_matcher()[-1] is Reason.NOT_OPERATOR


def test_a_halter_key_that_is_none(play):
    play.authorise(2, "ed448:" + "A" * 43)
    found = heard(play)
    assert found.refused_by_matcher() == found.refused_by_ledger() == [Reason.BAD_KEY]


@pytest.mark.parametrize(
    ("changes", "by_ledger", "by_matcher"),
    [
        ({"symbol": "NO-USD"}, Reason.UNKNOWN_SYMBOL, Reason.UNKNOWN_SYMBOL),
        ({"partition": 1}, Reason.WRONG_PARTITION, Reason.WRONG_PARTITION),
        ({"symbol": "NO-USD", "partition": 1}, Reason.UNKNOWN_SYMBOL, Reason.WRONG_PARTITION),
        ({"exchange": "elsewhere"}, Reason.WRONG_EXCHANGE, Reason.WRONG_EXCHANGE),
    ],
)
def test_a_halt_of_what_is_not_there(play, changes, by_ledger, by_matcher):
    play.halt(**changes)
    play.resume("alert-1", **changes)
    found = heard(play)
    assert (found.refused_by_ledger(), found.refused_by_matcher()) == ([by_ledger] * 2, [by_matcher] * 2)


@pytest.mark.parametrize("changes", [{"exchange": "elsewhere"}, {"symbol": "NO-USD", "partition": 1}])
def test_of_several_reasons_the_first_is_told(play, changes):
    """A stranger's halt: the matcher asks who signed first, the ledger for which exchange."""
    play.halt(signer=Signer(999), **changes)
    found = Heard(play.exchange)
    assert found.refused_by_matcher() == [Reason.NOT_OPERATOR]
    by_ledger = Reason.WRONG_EXCHANGE if "exchange" in changes else Reason.NOT_OPERATOR
    assert found.refused_by_ledger() == [by_ledger]


# --- versions, and what lies on the log


def test_under_the_first_version_they_are_records_of_no_known_kind():
    """Whoever signed them, and whether he did."""
    play = MarketPlay(engine_version=1)
    play.halt()
    play.bust(play.trade())
    command = AuthoriseHalter(exchange=EXCHANGE, revision=1, halter_key=None, time_ms=1)
    unsigned = msgspec.structs.replace(play.operator.sign(command), signature="")
    play.exchange.submit_to("accounts", 0, unsigned)
    play.exchange.submit_to("orders", 0, unsigned)
    play.exchange.run()
    found = Heard(play.exchange)
    assert set(found.kinds) == {Kind.RECORD_FORGED}, "the halter's and the unsigned one"
    assert set(found.refused_by_matcher()) == set(found.refused_by_ledger()) == {Reason.UNKNOWN_RECORD}
    assert not any(found.halts()[0])


def test_before_genesis_there_are_none_either():
    play = MarketPlay()
    canary = Canary(2, 1)
    value = msgspec.json.encode({"record": "submitted", "signed": play.halter.sign(play.halt_command())})
    for topic in ("orders", "accounts"):
        assert canary.feed(topic, 0, 0, 1, b"", value) == []
    assert canary.judged()[("orders", 0)] == canary.judged()[("accounts", 0)] == 1


def test_a_restored_canary_knows_halts_and_halter(play):
    play.halt("one")
    play.halt("two")
    play.resume("one")
    found = heard(play)
    state = msgspec.msgpack.encode(found.canary.dump())
    restored = Canary.restored(msgspec.msgpack.decode(state, type=CanaryState))
    assert restored.dump() == found.canary.dump()
    for judge in restored.ledgers:
        assert judge.replica.halts_of(SYMBOL) == Halts(frozenset({"two"}), frozenset({"one"}))
        assert judge.replica.halter == Halter(1, play.halter.key)
    assert restored.matchers[0].replica.halts[SYMBOL] == Halts(frozenset({"two"}), frozenset({"one"}))
