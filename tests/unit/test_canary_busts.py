"""The canary derives busts from their documented rules: it agrees with every refusal and posting of the real stages,
and says which busts are not of trades that were published."""

import msgspec
import pytest

from canary.core import Canary
from canary.judge import Limits
from canary.market_terms import MOST_BUSTS
from canary.matcher_busts import Busted
from canary.state import CanaryState
from canary.tape import Tape
from schemas.alerts import Evidence, Kind, Severity
from schemas.codec import encode
from schemas.commands import SettleWithdrawal, Withdraw
from schemas.journal import TradeReversed
from schemas.reasons import Reason
from schemas.records import BustReport, Source
from tests.exchange import EXCHANGE, Signer, market
from tests.unit.canary_heard import Heard, heard
from tests.unit.market_play import NO_TRADES, SYMBOL, MarketPlay


@pytest.fixture
def play() -> MarketPlay:
    return MarketPlay()


def losses(play: MarketPlay) -> set[tuple[str, str]]:
    events = (event for entry in play.entries_with(TradeReversed) for event in entry.events)
    return {(event.loss, event.loss_asset) for event in events if isinstance(event, TradeReversed)}


# --- what is posted


@pytest.mark.parametrize("maker_fee", ["0.0002", "-0.0002", "0"])
@pytest.mark.parametrize("taker_sells", [False, True])
def test_both_legs(play, maker_fee, taker_sells):
    play.exchange.list_market(market(maker_fee=maker_fee), 2)
    play.exchange.run()
    first, second = (play.buy, play.sell) if taker_sells else (play.sell, play.buy)
    first()
    second()
    play.bust(play.exchange.trades()[-1])
    assert losses(play) == {("0", "ABC"), ("0", "USD")}
    assert heard(play).canary.matchers[0].replica.busted[SYMBOL].sequences == {1}


def test_what_was_withdrawn_is_lost(play):
    trade = play.trade()
    withdrawal = play.exchange.send(play.bob, Withdraw, asset="USD", amount="100040", destination="away")
    command = SettleWithdrawal(
        exchange=EXCHANGE, account=play.bob.account, withdrawal_id=withdrawal, paid=True, time_ms=1
    )  # fmt: skip
    play.exchange.submit(play.operator.sign(command), play.bob.account)
    play.bust(trade)
    assert losses(play) == {("0", "ABC"), ("40", "USD")}
    heard(play)


def test_what_is_reserved_is_lost_to_the_last_unit(play):
    trade = play.trade()
    play.exchange.place(play.alice, "SELL", "1010", "9")
    play.exchange.place(play.bob, "BUY", "20009", "5")
    play.bust(trade)
    assert ("10", "ABC") in losses(play)
    heard(play)


def test_a_trade_of_two_accounts_of_one_partition(play):
    """One report, and the taker's entry first."""
    partner = next(
        signer for signer in iter(lambda: play.exchange.open_account(USD="1000", ABC="1000"), None)
        if int(signer.account[:8], 16) % 2 == int(play.alice.account[:8], 16) % 2
    )  # fmt: skip
    play.exchange.place(partner, "SELL", "10", "5")
    play.buy()
    play.bust(play.exchange.trades()[-1])
    assert [entry.account for entry in play.entries_with(TradeReversed)] == [play.alice.account, partner.account]
    heard(play)


def test_trading_goes_on(play):
    play.bust(play.trade())
    play.bust(play.trade())
    play.trade()
    heard(play)


# --- refusals


@pytest.mark.parametrize(("changes", "reason"), NO_TRADES)
def test_what_can_be_no_trade(play, changes, reason):
    play.bust(play.trade(), **changes)
    assert play.refusals() == heard(play).refused_by_matcher() == [reason]


def test_a_trade_is_busted_once(play):
    trade = play.trade()
    for changes in ({}, {}, {"trade_id": f"0-{trade.source.offset}-1"}):
        play.bust(trade, **changes)
    assert heard(play).refused_by_matcher() == [Reason.ALREADY_BUSTED] * 2


def test_a_bust_for_another_exchange_or_partition(play):
    trade = play.trade()
    for changes in ({"exchange": "elsewhere"}, {"partition": 1}):
        command = msgspec.structs.replace(play.bust_command(trade), **changes)
        play.exchange.submit_to("orders", 0, play.operator.sign(command))
    play.exchange.run()
    assert heard(play).refused_by_matcher() == [Reason.WRONG_EXCHANGE, Reason.WRONG_PARTITION]


def test_a_bust_belongs_on_orders(play):
    play.exchange.submit_to("accounts", 0, play.operator.sign(play.bust_command(play.trade())))
    play.exchange.run()
    assert heard(play).refused_by_ledger() == [Reason.WRONG_PARTITION]


def test_the_busts_of_a_market_are_bounded(play):
    """The matcher is at its limit, and so is the canary."""
    found = heard(play)
    full = {f"0-0-{number}": -number for number in range(MOST_BUSTS)}
    found.canary.matchers[0].replica.busted[SYMBOL] = Busted.restored(full)
    play.exchange.matcher_core(0).books[SYMBOL].busted = dict(full)
    before = {place: len(records) for place, records in play.exchange.cluster.records.items()}
    play.bust(play.trade())
    assert found.told_since(play.exchange, before) == []
    assert found.refused_by_matcher() == play.refusals() == [Reason.TOO_MANY_BUSTS]


def test_a_report_that_the_operator_did_not_sign_moves_nothing_and_takes_no_place(play):
    trade = play.trade()
    signed = play.operator.sign(play.bust_command(trade))
    unsigned = msgspec.structs.replace(signed, signature=Signer(5).sign(play.bust_command(trade)).signature)
    forged = BustReport(edge_sequence=99, source=Source(0, 0, 0, ""), symbol=SYMBOL, time_ms=1, signed=unsigned)
    play.exchange.cluster.append("accounts", 0, b"", encode(forged))
    play.exchange.run()
    play.bust(trade)
    assert len(play.entries_with(TradeReversed)) == 2
    heard(play)


@pytest.mark.parametrize("signer", ["halter", "stranger"])
def test_a_report_with_somebody_elses_word_is_told(play, signer):
    by = play.halter if signer == "halter" else Signer(999)
    signed = by.sign(play.bust_command(play.trade()))
    forged = BustReport(edge_sequence=99, source=Source(0, 0, 0, ""), symbol=SYMBOL, time_ms=1, signed=signed)
    play.exchange.cluster.append("accounts", 0, b"", encode(forged))
    play.exchange.run()
    assert Heard(play.exchange).kinds == [Kind.BUST_WRONG]
    assert not play.entries_with(TradeReversed)


# --- held against what was published


def test_a_bust_of_another_trade_than_was_published_is_told_with_both(play):
    trade = play.trade()
    play.bust(trade, quantity="20", quote_quantity="100")
    (alert,) = Heard(play.exchange).alerts
    assert (alert.kind, alert.severity, alert.symbol) == (Kind.BUST_UNFOUNDED, Severity.WRONG, SYMBOL)
    bust, busted = play.exchange.cluster.records["orders", 0], play.exchange.cluster.records["trades", 0]
    assert alert.evidence == [
        Evidence("orders", 0, len(bust) - 1), Evidence("trades", 0, len(busted) - 1),
        Evidence("trades", 0, trade.edge_sequence - 1),
    ]  # fmt: skip


@pytest.mark.parametrize("changes", [{"maker_account": "0" * 40}, {"taker_order_id": "0-1"}, {"time_ms": 1}])
def test_what_the_matcher_cannot_check_the_canary_does(play, changes):
    play.bust(play.trade(), **changes)
    assert Heard(play.exchange).kinds == [Kind.BUST_UNFOUNDED]


def test_a_bust_of_a_trade_that_never_was(play):
    trade = play.trade()
    play.bust(trade, trade_id=f"0-{trade.source.offset}-7")
    found = Heard(play.exchange)
    assert found.kinds == [Kind.BUST_UNFOUNDED] and len(found.proof()) == 2


def test_a_bad_trade_is_taken_back_as_it_was_published(play):
    """Not as it should have been: that it is bad was told before."""
    trade = play.trade()
    records = play.exchange.cluster.records["trades", 0]
    bad = msgspec.structs.replace(trade, maker_fee="0.02")
    records[trade.edge_sequence - 1].value = encode(bad)
    play.bust(bad)
    play.exchange.tick(2000)
    play.exchange.run()
    assert Heard(play.exchange).kinds == [Kind.FEE_WRONG]


def test_the_tape_says_what_it_has_forgotten():
    tape = Tape(most=2)
    for offset, trade_id in enumerate(["0-5-0", "0-5-1", "0-9-0"]):
        tape.add(b'{"record":"trade","symbol":"S","trade_id":"%s"}' % trade_id.encode(), offset)
    assert [offset for _, offset in tape.find("0-5-1")] == [1]
    assert tape.find("0-5-0") == [] and tape.may_have_forgotten("0-5-0")
    assert tape.find("0-7-0") == [] and not tape.may_have_forgotten("0-7-0")
    again = Tape(most=2)
    again.restore(tape.dump())
    assert again.dump() == tape.dump() and again.may_have_forgotten("0-1-0")


def test_the_tape_finds_an_id_that_is_no_place():
    """A forged one must not be taken for another, or for one that was forgotten."""
    odd = ["no-id", "0-1", "0-1-x", f"0-{2**63}-0", f"0-1-{2**32}", "", "0-" + "9" * 5_000 + "-1"]
    tape = Tape(most=1 + len(odd))
    for offset, trade_id in enumerate(["0-5-0", "0-9-0", *odd]):
        tape.add(b'{"record":"trade","symbol":"S","trade_id":"%s"}' % trade_id.encode(), offset)
    for offset, trade_id in enumerate(odd, start=2):
        assert [found for _, found in tape.find(trade_id)] == [offset]
        assert not tape.may_have_forgotten(trade_id)
    assert tape.find("0-5-0") == [] and tape.may_have_forgotten("0-5-0")


def test_a_bust_of_a_trade_too_old_to_compare_is_noticed(play):
    first = play.trade()
    play.trade()
    play.bust(first)
    (alert,) = Heard(play.exchange, Limits(kept_trades=1)).alerts
    assert (alert.kind, alert.severity) == (Kind.BUST_UNCHECKED, Severity.NOTICE)


def test_a_restored_canary_still_compares(play):
    trade = play.trade()
    play.bust(play.trade())
    found = heard(play)
    state = msgspec.msgpack.encode(found.canary.dump())
    before = {place: len(records) for place, records in play.exchange.cluster.records.items()}
    restored = Canary.restored(msgspec.msgpack.decode(state, type=CanaryState))
    assert restored.dump() == found.canary.dump()
    play.bust(trade, quantity="20", quote_quantity="100")
    found.canary = restored
    assert [alert.kind for alert in found.told_since(play.exchange, before)] == [Kind.BUST_UNFOUNDED]
    assert restored.matchers[0].replica.busted[SYMBOL].sequences == {1, 2}
