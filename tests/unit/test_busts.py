"""Busts: both legs taken back, what is gone shown as the exchange's loss, and every refusal."""

import pytest

from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.codec import encode
from schemas.commands import BustTrade, SettleWithdrawal, Withdraw
from schemas.journal import TradeReversed
from schemas.reasons import Reason
from schemas.records import BustReport, Source
from simulator.audit import LoggedRecord, audit
from tests.exchange import Signer, market
from tests.unit.market_play import NO_TRADES, MarketPlay

USD = 10_000  # minor units in one


@pytest.fixture
def play() -> MarketPlay:
    return MarketPlay()


def check_log(play: MarketPlay) -> None:
    """A clean replay gives the same records, and everything sums to zero."""
    records = play.exchange.cluster.records
    log = {
        place: [LoggedRecord(record.log_time_ms, record.value) for record in found]
        for place, found in records.items()
        if place[0] not in ("snapshots", "candles")
    }
    differences = audit(log).differences
    assert [found for found in differences if not found.startswith(("edge ('candles'", "candles"))] == []


def reversed_legs(play: MarketPlay) -> dict[str, TradeReversed]:
    return {
        entry.account: event
        for entry in play.entries_with(TradeReversed)
        for event in entry.events
        if isinstance(event, TradeReversed)
    }


def test_a_bust_gives_both_sides_back_what_they_had(play):
    trade = play.trade()
    play.bust(trade)
    for signer in (play.alice, play.bob):
        assert play.exchange.balance(signer, "USD") == (100_000 * USD, 0)
        assert play.exchange.balance(signer, "ABC") == (1000, 0)
    assert play.book_sum("fees", "USD") == play.book_sum("losses", "USD") == play.book_sum("losses", "ABC") == 0
    check_log(play)


def test_it_is_published_behind_the_trade_without_a_sequence_of_its_own(play):
    trade = play.trade()
    play.bust(trade)
    (busted,) = play.busts()
    assert (busted.trade.trade_id, busted.trade.sequence) == (trade.trade_id, trade.sequence)
    assert busted.edge_sequence == trade.edge_sequence + 1 and busted.reason == "a wrong price"
    assert play.trade().sequence == trade.sequence + 1


def test_what_was_withdrawn_is_the_exchanges_loss(play):
    """Bob has taken the proceeds out; Alice gets her money back all the same."""
    trade = play.trade()
    withdrawal = play.exchange.send(play.bob, Withdraw, asset="USD", amount="100040", destination="away")
    command = SettleWithdrawal(
        exchange="test", account=play.bob.account, withdrawal_id=withdrawal, paid=True, time_ms=1
    )  # fmt: skip
    play.exchange.submit(play.operator.sign(command), play.bob.account)
    play.exchange.run()
    free = play.exchange.balance(play.bob, "USD")[0]
    play.bust(trade)
    assert play.exchange.balance(play.alice, "USD") == (100_000 * USD, 0)
    assert play.exchange.balance(play.bob, "USD") == (0, 0)
    owed = 50 * USD - 100  # less the maker's fee of 0.0002
    assert play.book_sum("losses", "USD") == free - owed < 0
    legs = reversed_legs(play)
    assert (legs[play.bob.account].loss, legs[play.bob.account].loss_asset) == ("40", "USD")
    assert legs[play.alice.account].loss == "0"
    check_log(play)


def test_what_an_open_order_holds_is_not_taken(play):
    """Alice has everything on offer: the exchange bears what she bought, and her order stands."""
    trade = play.trade()
    order_id = play.exchange.place(play.alice, "SELL", "1010", "9")
    play.bust(trade)
    assert play.exchange.balance(play.alice, "ABC") == (0, 1010)
    assert play.book_sum("losses", "ABC") == -10
    assert order_id in play.exchange.matcher_core(0).resting.orders
    check_log(play)


def test_a_rebate_is_given_back(play):
    play.exchange.list_market(market(maker_fee="-0.0002"), 2)
    play.exchange.run()
    trade = play.trade()
    assert trade.maker_fee == "-0.01"
    play.bust(trade)
    assert play.exchange.balance(play.bob, "USD") == (100_000 * USD, 0)
    assert play.book_sum("fees", "USD") == 0
    check_log(play)


def test_an_open_order_stays_filled_as_far_as_it_was(play):
    order_id = play.buy("30")
    play.sell("10")
    play.bust(play.exchange.trades()[-1])
    assert play.exchange.matcher_core(0).resting.orders[order_id].remaining_lots == 20
    assert play.exchange.balance(play.alice, "ABC") == (1000, 0)
    check_log(play)


# --- refusals


@pytest.mark.parametrize(("changes", "reason"), NO_TRADES)
def test_a_trade_that_was_never_made(play, changes, reason):
    play.bust(play.trade(), **changes)
    assert play.refusals() == [reason]
    assert not play.busts() and not play.entries_with(TradeReversed)


def test_a_trade_is_busted_once(play):
    trade = play.trade()
    play.bust(trade)
    play.bust(trade)
    play.bust(trade, trade_id=f"0-{trade.source.offset}-1")
    assert play.refusals() == [Reason.ALREADY_BUSTED] * 2
    assert len(play.busts()) == 1 and len(play.entries_with(TradeReversed)) == 2


def test_only_the_operator_busts(play):
    play.bust(play.trade(), signer=Signer(999))
    assert play.refusals() == [Reason.NOT_OPERATOR] and not play.busts()


def test_a_bust_belongs_on_orders(play):
    signed = play.operator.sign(play.bust_command(play.trade()))
    play.exchange.submit_to("accounts", 0, signed)
    play.exchange.run()
    assert play.refusals() == [Reason.WRONG_PARTITION]


def test_the_busts_of_a_market_are_bounded(play):
    trade = play.trade()
    play.exchange.matcher_core(0).books["ABC-USD"].busted = {f"0-0-{number}": -number for number in range(65_536)}
    play.bust(trade)
    assert play.refusals() == [Reason.TOO_MANY_BUSTS]


@pytest.mark.parametrize("signer", ["stranger", "halter"])
def test_a_report_without_the_operators_word_moves_no_money_and_takes_no_place(play, signer):
    trade = play.trade()
    by = play.halter if signer == "halter" else Signer(999)
    signed = by.sign(play.bust_command(trade))
    forged = BustReport(edge_sequence=99, source=Source(0, 0, 0, ""), symbol="ABC-USD", time_ms=1, signed=signed)
    play.exchange.cluster.append("accounts", 0, b"", encode(forged))
    play.exchange.run()
    assert play.refusals() == [Reason.NOT_OPERATOR]
    play.bust(trade)
    assert len(play.entries_with(TradeReversed)) == 2


def copy_of_report(play: MarketPlay, command: BustTrade) -> None:
    """A stranger reports what the operator has signed, with the next number of the edge."""
    signed = play.operator.sign(command)
    mark = play.exchange.ledger.partitions[0].dump().marks[0]
    forged = BustReport(edge_sequence=mark + 1, source=Source(0, 0, 0, ""), symbol="ABC-USD", time_ms=1, signed=signed)
    play.exchange.cluster.append("accounts", 0, b"", encode(forged))
    play.exchange.run()


def test_what_the_operator_signed_moves_money_once_whoever_reports_it_again(play):
    trade = play.trade()
    play.bust(trade)
    copy_of_report(play, play.bust_command(trade))
    assert play.refusals() == [Reason.ALREADY_BUSTED] and len(play.entries_with(TradeReversed)) == 2
    play.trade()  # the true next report has its place


@pytest.mark.parametrize("changes", [{"price": "5.001"}, {"quantity": "1e1"}, {"maker_fee": "--1"}])
def test_what_the_matcher_refused_for_its_numbers_the_ledger_refuses_too(play, changes):
    copy_of_report(play, play.bust_command(play.trade(), **changes))
    assert play.refusals() == [Reason.TRADE_DIFFERS] and not play.entries_with(TradeReversed)
    play.trade()


def test_the_ledger_too_remembers_so_many(play):
    trade = play.trade()
    play.exchange.ledger_core(0).busted["ABC-USD"] = {f"0-0-{number}": None for number in range(65_536)}
    copy_of_report(play, play.bust_command(trade))
    assert play.refusals() == [Reason.TOO_MANY_BUSTS]


def test_an_account_that_is_not_there_is_told(play):
    """Only the operator's own lie comes this far; the other side is reversed, and nothing stops."""
    play.bust(play.trade(), maker_account="0" * 40)
    refused = [entry for entry in play.exchange.entries() if entry.account == "0" * 40]
    assert [event.reason for entry in refused for event in entry.events] == [Reason.UNKNOWN_ACCOUNT]
    play.trade()


# --- snapshots


def test_a_restored_stage_is_the_same(play):
    trade = play.trade()
    play.bust(trade)
    for core, fresh in (
        (play.exchange.ledger_core(0), LedgerCore(0)),
        (play.exchange.matcher_core(0), MatcherCore(0)),
    ):
        fresh.restore(encode(core.dump()))
        assert encode(fresh.dump()) == encode(core.dump())
