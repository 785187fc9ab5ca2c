"""Mandates to cancel all: when they fire, what they cancel, and that nothing but log time and their owner decides it.

What the ledger and the matcher make of it is what the canary derives, in every test here.
"""

from collections.abc import Iterator

import pytest
from msgspec import Raw
from msgspec.structs import replace

from ledger.core import LedgerCore
from schemas.codec import encode
from schemas.commands import (
    AmendOrder,
    CancelAllAfter,
    DelegateKey,
    RevokeKey,
    encode_command,
)
from schemas.journal import (
    CommandRepeated,
    MandateArmed,
    MandateDisarmed,
    MandateFired,
    OrderClosed,
    OrderFilled,
)
from schemas.reasons import Reason
from schemas.records import CloseStatus, Delegation, SignedCommand, Tick
from stage.service import Cadence
from tests.exchange import Signer
from tests.unit.canary_heard import Heard
from tests.unit.mandate_play import MandatePlay


@pytest.fixture
def play() -> Iterator[MandatePlay]:
    play = MandatePlay()
    yield play
    assert Heard(play.exchange).alerts == []


# --- arming and ending


def test_a_mandate_is_due_by_the_log_time_of_its_record(play):
    command_id = play.exchange.submit(play.alice.sign(_command(play, play.alice, 5_000)), play.alice.account)
    at_ms = play.now_ms
    play.exchange.run()
    assert play.told(play.alice) == [MandateArmed(command_id, at_ms + 5_000)]


def test_a_new_one_takes_the_place_of_the_old(play):
    play.buy(play.alice)
    first = play.arm(play.alice, 5_000)
    second = play.arm(play.alice, 60_000)
    play.tick_at(first.due_ms)
    assert not play.fired(play.alice)
    third = play.arm(play.alice, 1_000)
    play.tick_at(third.due_ms)
    assert [event.command_id for event in play.fired(play.alice)] == [third.command_id]
    play.tick_at(second.due_ms)
    assert len(play.fired(play.alice)) == 1


def test_with_zero_there_is_none_whether_there_was_one_or_not(play):
    play.buy(play.alice)
    armed = play.arm(play.alice)
    ended = [play.exchange.send(play.alice, CancelAllAfter, timeout_ms=0) for _ in range(2)]
    play.tick_at(armed.due_ms)
    assert play.told(play.alice)[1:] == [MandateDisarmed(command_id) for command_id in ended]
    assert len(play.open_orders(play.alice)) == 1


@pytest.mark.parametrize("timeout_ms", [1, 999, 86_400_001, 2**63 - 1])
def test_a_timeout_is_of_a_second_to_a_day(play, timeout_ms):
    armed = play.arm(play.alice)
    play.exchange.send(play.alice, CancelAllAfter, timeout_ms=timeout_ms)
    assert [event.reason for event in play.refusals(play.alice)] == [Reason.BAD_TIMEOUT]
    play.tick_at(armed.due_ms)
    assert play.fired(play.alice) == [MandateFired(armed.command_id, [])]  # the one before stands


@pytest.mark.parametrize("timeout_ms", [1_000, 86_400_000])
def test_both_ends_are_allowed(play, timeout_ms):
    play.arm(play.alice, timeout_ms)


def test_a_repeat_arms_nothing_again(play):
    command = _command(play, play.alice, 5_000)
    ids = [play.exchange.submit(play.alice.sign(command), play.alice.account) for _ in range(2)]
    play.exchange.run()
    armed = play.told(play.alice)[0]
    assert isinstance(armed, MandateArmed)
    play.tick_at(armed.due_ms)
    play.exchange.submit(play.alice.sign(command), play.alice.account)
    play.exchange.run()
    play.tick_at(armed.due_ms + 60_000)
    assert [type(event) for event in play.told(play.alice)] == [MandateArmed, MandateFired]
    repeated = [event for event in play.exchange.events(play.alice) if isinstance(event, CommandRepeated)]
    assert [event.original_id for event in repeated] == [ids[0]] * 2


# --- firing


def test_it_fires_at_its_millisecond_and_not_before(play):
    order_id = play.buy(play.alice)
    armed = play.arm(play.alice)
    play.tick_at(armed.due_ms - 1)
    assert not play.fired(play.alice)
    play.tick_at(armed.due_ms)
    assert play.fired(play.alice) == [MandateFired(armed.command_id, [order_id])]
    assert play.closed(play.alice) == [OrderClosed(order_id, CloseStatus.CANCELLED, None, armed.command_id)]
    assert play.exchange.balance(play.alice, "USD") == (1_000_000_000, 0)
    play.tick_at(armed.due_ms + 5_000)
    assert len(play.fired(play.alice)) == 1  # it is gone


def test_it_names_all_orders_in_all_markets_partition_by_partition(play):
    ids = [play.buy(play.alice, symbol=symbol) for symbol in ("XYZ-USD", "ABC-USD", "XYZ-USD")]
    kept = play.buy(play.bob)
    armed = play.arm(play.alice)
    play.tick_at(armed.due_ms)
    assert play.fired(play.alice) == [MandateFired(armed.command_id, [ids[0], ids[2], ids[1]])]
    assert [record[2] for record in play.passed_on(0)] == [[ids[1]]]
    assert [record[2] for record in play.passed_on(1)] == [[ids[0], ids[2]]]
    assert (play.open_orders(play.alice), play.open_orders(play.bob)) == ([], [kept])


def test_what_is_passed_on_are_the_bytes_that_the_owner_signed(play):
    play.buy(play.alice)
    command = _command(play, play.alice, 5_000)
    command_id = play.exchange.submit(play.alice.sign(command), play.alice.account)
    play.exchange.run()
    play.tick_at(play.now_ms + 5_000)
    ((passed_id, raw, _),) = play.passed_on(0)
    assert (passed_id, raw) == (command_id, encode_command(command))


def test_without_open_orders_it_tells_the_journal_and_nobody_else(play):
    armed = play.arm(play.alice)
    before = len(play.exchange.cluster.values("orders", 0))
    play.tick_at(armed.due_ms)
    assert play.fired(play.alice) == [MandateFired(armed.command_id, [])]
    assert len(play.exchange.cluster.values("orders", 0)) == before


@pytest.mark.parametrize("value", [b"{", b"", None, b'{"record":"tick"}', b'{"record":"unheard_of"}'])
def test_any_record_lets_it_fire_one_that_nobody_can_read_too(play, value):
    order_id = play.buy(play.alice)
    armed = play.arm(play.alice)
    play.now_ms = armed.due_ms
    play.exchange.cluster.append("accounts", 0, b"", value)
    play.exchange.run()
    assert play.fired(play.alice) == [MandateFired(armed.command_id, [order_id])]


def test_a_command_of_another_account_lets_it_fire_before_it_has_an_effect_itself(play):
    order_id = play.exchange.place(play.alice, "SELL", "10", "5")
    armed = play.arm(play.alice)
    play.now_ms = armed.due_ms
    play.buy(play.bob)
    assert play.fired(play.alice) == [MandateFired(armed.command_id, [order_id])]
    assert not play.exchange.trades()  # the cancel stands on `orders` before what would have taken the order


def test_the_account_s_own_command_comes_behind_and_both_stand_in_one_entry(play):
    old = play.buy(play.alice)
    armed = play.arm(play.alice)
    play.now_ms = armed.due_ms
    new = play.buy(play.alice, "4")
    (entry,) = [entry for entry in play.exchange.entries() if MandateFired(armed.command_id, [old]) in entry.events]
    assert [event.__class__.__name__ for event in entry.events] == ["MandateFired", "OrderOpened"]
    assert play.open_orders(play.alice) == [new]
    sequences = [entry.sequence for entry in play.exchange.entries() if entry.account == play.alice.account]
    assert sequences == list(range(1, len(sequences) + 1))


def test_to_renew_it_too_late_lets_it_fire_and_arms_the_next(play):
    order_id = play.buy(play.alice)
    first = play.arm(play.alice)
    play.now_ms = first.due_ms
    second = play.arm(play.alice)
    assert play.told(play.alice) == [first, MandateFired(first.command_id, [order_id]), second]
    assert play.closed(play.alice)


def test_to_renew_it_in_time_keeps_the_orders(play):
    order_id = play.buy(play.alice)
    for _ in range(5):
        play.now_ms = play.arm(play.alice).due_ms - 1
    assert play.open_orders(play.alice) == [order_id]


def test_an_order_that_is_filled_on_the_way_is_filled(play):
    order_id = play.exchange.place(play.alice, "SELL", "10", "5")
    armed = play.arm(play.alice)
    play.exchange.submit(play.bob.sign(play.exchange.order(play.bob, "BUY", "4", "5")), play.bob.account)
    play.exchange.ledger.step()
    play.now_ms = armed.due_ms
    play.exchange.cluster.append("accounts", 0, b"", encode(Tick()))
    play.exchange.ledger.step()  # the mandate is on `orders` now, behind an order that the matcher hasn't seen
    play.exchange.run()
    assert len(play.exchange.trades()) == 1
    assert [event.order_id for event in play.exchange.events(play.alice) if isinstance(event, OrderFilled)] == [
        order_id
    ]
    assert [event.status for event in play.closed(play.alice)] == [CloseStatus.CANCELLED]
    assert play.exchange.balance(play.alice, "ABC") == (996, 0)


def test_an_order_on_its_way_to_the_matcher_is_cancelled_behind_it(play):
    armed = play.arm(play.alice)
    order_id = play.exchange.submit(
        play.alice.sign(play.exchange.order(play.alice, "BUY", "10", "5")), play.alice.account
    )
    play.exchange.ledger.step()
    play.now_ms = armed.due_ms
    play.tick_at(armed.due_ms)
    assert play.fired(play.alice) == [MandateFired(armed.command_id, [order_id])]
    assert [event.status for event in play.closed(play.alice)] == [CloseStatus.CANCELLED]


def test_an_amend_that_is_under_way_ends_with_its_order(play):
    order_id = play.buy(play.alice)
    armed = play.arm(play.alice)
    play.exchange.submit(
        play.alice.sign(AmendOrder(order_id=order_id, quantity="20", price="6", **play.exchange.window(play.alice))),
        play.alice.account,
    )
    play.exchange.ledger.step()
    play.tick_at(armed.due_ms)
    assert [event.status for event in play.closed(play.alice)] == [CloseStatus.CANCELLED]
    assert play.exchange.balance(play.alice, "USD") == (1_000_000_000, 0)


def test_several_fire_by_due_time_and_of_one_time_by_place(play):
    carol = play.exchange.open_account(USD="1000")
    accounts = [carol, play.bob, play.alice]
    at_ms = play.now_ms = play.now_ms + 100
    for signer, timeout_ms in zip(accounts, (3_000, 2_000, 2_000), strict=True):
        play.now_ms = at_ms
        play.exchange.submit(signer.sign(_command(play, signer, timeout_ms)), signer.account)
    play.exchange.run()
    play.tick_at(at_ms + 10_000)
    last = max(entry.source.offset for entry in play.exchange.entries())
    entries = [entry for entry in play.exchange.entries() if entry.source.offset == last]
    assert [entry.account for entry in entries] == [play.bob.account, play.alice.account, carol.account]


def test_the_log_may_stand_still_far_beyond_the_due_time(play):
    order_id = play.buy(play.alice)
    armed = play.arm(play.alice)
    play.tick_at(armed.due_ms + 3_600_000)
    assert play.fired(play.alice) == [MandateFired(armed.command_id, [order_id])]


# --- who may


def test_a_trade_key_may_arm_it_and_to_revoke_the_key_leaves_it(play):
    order_id = play.buy(play.alice)
    trade_key, delegate = _delegated(play, play.alice)
    armed = _armed_by(play, trade_key, delegate)
    play.exchange.send(play.alice, RevokeKey, trade_key=trade_key.key)
    play.tick_at(armed.due_ms)
    assert play.fired(play.alice) == [MandateFired(armed.command_id, [order_id])]
    assert [event.status for event in play.closed(play.alice)] == [CloseStatus.CANCELLED]


def test_a_key_that_was_revoked_arms_and_ends_nothing(play):
    play.buy(play.alice)
    trade_key, delegate = _delegated(play, play.alice)
    armed = play.arm(play.alice)
    play.exchange.send(play.alice, RevokeKey, trade_key=trade_key.key)
    signed = _signed_by(play, trade_key, delegate, timeout_ms=0)
    play.exchange.submit(signed, play.alice.account)
    play.exchange.run()
    assert [event.reason for event in play.refusals(play.alice)] == [Reason.KEY_REVOKED]
    play.tick_at(armed.due_ms)
    assert play.fired(play.alice)


def test_a_stranger_s_is_refused_and_the_mandate_stands(play):
    play.buy(play.alice)
    armed = play.arm(play.alice)
    command = _command(play, play.alice, 0)
    play.exchange.submit(play.bob.sign(command), play.alice.account)
    forged = replace(play.alice.sign(command), command=Raw(encode_command(replace(command, timeout_ms=60_000))))
    play.exchange.submit(forged, play.alice.account)
    play.exchange.run()
    assert [event.reason for event in play.refusals(play.alice)] == [Reason.WRONG_ACCOUNT, Reason.BAD_SIGNATURE]
    play.tick_at(armed.due_ms)
    assert len(play.fired(play.alice)) == 1


@pytest.mark.parametrize("engine_version", [1, 2, 3])
def test_in_a_delegation_s_place_it_is_nothing_known_under_all_versions(engine_version):
    """By the canary too."""
    play = MandatePlay(engine_version=engine_version)
    stolen = play.alice.sign(_command(play, play.alice, 5_000))
    order = Signer(77).sign(play.exchange.order(play.alice, "BUY", "10", "5"))
    delegation = Delegation(stolen.command, stolen.key, stolen.signature)
    play.exchange.submit(replace(order, delegation=delegation), play.alice.account)
    play.exchange.run()
    assert [event.reason for event in play.refusals(play.alice)] == [Reason.UNKNOWN_RECORD]
    assert Heard(play.exchange).alerts == []


# --- versions, restarts


@pytest.mark.parametrize("engine_version", [1, 2])
def test_the_earlier_versions_know_neither_the_command_nor_a_tick_on_accounts(engine_version):
    play = MandatePlay(engine_version=engine_version)
    play.buy(play.alice)
    play.exchange.send(play.alice, CancelAllAfter, timeout_ms=1_000)
    play.tick_at(play.now_ms + 60_000)
    assert [event.reason for event in play.refusals(play.alice)] == [Reason.UNKNOWN_RECORD]
    assert not play.told(play.alice)
    letters = play.exchange.cluster.values("dead-letters", 0)
    assert len(letters) == 1
    assert b'"UNKNOWN_RECORD"' in letters[0]
    assert Heard(play.exchange).alerts == []


def test_a_tick_on_accounts_causes_nothing(play):
    before = {place: len(records) for place, records in play.exchange.cluster.records.items()}
    play.tick_at(play.now_ms + 1_000)
    after = {place: len(records) for place, records in play.exchange.cluster.records.items()}
    written = {place[0] for place, count in after.items() if count != before.get(place, 0)}
    assert written <= {"accounts", "snapshots"}


@pytest.mark.parametrize("restarts_before_it_fires", [False, True])
def test_a_ledger_that_starts_again_goes_on_as_if_it_had_not(play, restarts_before_it_fires):
    """From a snapshot taken while mandates stand, or from the beginning of the log."""
    order_id = play.buy(play.alice)
    trade_key, delegate = _delegated(play, play.alice)
    armed = _armed_by(play, trade_key, delegate)
    other = play.arm(play.bob, 60_000)
    if restarts_before_it_fires:
        play.exchange.ledger = play.exchange.start(LedgerCore, ("ledger",), [0], Cadence(0, 0, 1))
    play.tick_at(armed.due_ms)
    play.exchange.ledger = play.exchange.start(LedgerCore, ("ledger",), [0], Cadence(0, 0, 1))
    play.tick_at(other.due_ms)
    assert play.fired(play.alice) == [MandateFired(armed.command_id, [order_id])]
    assert play.fired(play.bob) == [MandateFired(other.command_id, [])]
    assert [event.status for event in play.closed(play.alice)] == [CloseStatus.CANCELLED]


def test_a_snapshot_of_before_mandates_is_read(play):
    core = play.exchange.ledger_core(0)
    raw = encode(core.dump())
    assert b',"mandate":null' in raw
    restored = LedgerCore(0)
    restored.restore(raw.replace(b',"mandate":null', b""))
    assert encode(restored.dump()) == raw


# --- how it is signed


def _command(play: MandatePlay, signer: Signer, timeout_ms: int) -> CancelAllAfter:
    return CancelAllAfter(timeout_ms=timeout_ms, **play.exchange.window(signer))


def _delegated(play: MandatePlay, owner: Signer) -> tuple[Signer, Delegation]:
    """A trade key of the owner's, registered, and what it carries."""
    trade_key = Signer(77)
    command = DelegateKey(
        trade_key=trade_key.key, valid_until_ms=play.now_ms + 3_600_000, **play.exchange.window(owner)
    )
    signed = owner.sign(command)
    play.exchange.submit(signed, owner.account)
    play.exchange.run()
    return trade_key, Delegation(signed.command, signed.key, signed.signature)


def _signed_by(play: MandatePlay, trade_key: Signer, delegation: Delegation, timeout_ms: int) -> SignedCommand:
    command = CancelAllAfter(timeout_ms=timeout_ms, **play.exchange.window(play.alice))
    return replace(trade_key.sign(command), delegation=delegation)


def _armed_by(play: MandatePlay, trade_key: Signer, delegation: Delegation) -> MandateArmed:
    play.exchange.submit(_signed_by(play, trade_key, delegation, timeout_ms=5_000), play.alice.account)
    play.exchange.run()
    armed = play.told(play.alice)[-1]
    assert isinstance(armed, MandateArmed)
    return armed
