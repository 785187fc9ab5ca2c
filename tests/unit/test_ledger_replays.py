"""Repeats, nonces, client order ids and keys: what a command may do a second time, and who may give it."""

import msgspec
import pytest

from ledger.account import NONCE_WINDOW, RECENT_COMMANDS, Account, command_digest
from schemas.commands import CancelAll, CancelOrder, DelegateKey, Deposit, RegisterAccount, RevokeKey, Withdraw
from schemas.journal import CommandPassed, CommandRefused, CommandRepeated, KeyDelegated, KeyRevoked
from schemas.ledger_state import RecentCommand
from schemas.reasons import Reason
from schemas.refusal import Refused
from tests.exchange import Exchange, Signer
from tests.unit.refusals import Scene


def last_event(scene: Scene) -> object:
    return scene.exchange.events(scene.alice)[-1]


# --- the same bytes again


def test_the_same_bytes_give_the_original_result_and_do_nothing():
    scene = Scene()
    signed = scene.alice.sign(scene.order("SELL", "10"))
    first = scene.submit(signed)
    again = scene.submit(signed)
    assert last_event(scene) == CommandRepeated(again, first, None)
    assert scene.exchange.balance(scene.alice, "ABC") == (9990, 10)


def test_a_repeat_of_a_refused_command_tells_its_refusal():
    scene = Scene()
    signed = scene.alice.sign(scene.order("SELL", "10001"))
    first = scene.submit(signed)
    scene.exchange.deposit(scene.alice.account, "ABC", "10000", transfer_id="more")
    again = scene.submit(signed)
    assert last_event(scene) == CommandRepeated(again, first, Reason.INSUFFICIENT_FUNDS)


def test_a_repeat_comes_before_time_window_and_nonce():
    scene = Scene()
    signed = scene.alice.sign(scene.order())
    first = scene.submit(signed)
    scene.exchange.cluster.now_ms += 10**6
    again = scene.submit(signed)
    assert last_event(scene) == CommandRepeated(again, first, None)


def test_what_was_refused_before_its_nonce_is_judged_anew():
    """A command that came too early is not remembered: the same bytes may come again, in time."""
    scene = Scene()
    now = scene.exchange.cluster.now_ms
    signed = scene.alice.sign(scene.order(time_ms=now + 5000, deadline_ms=now + 9000))
    scene.submit(signed)
    assert isinstance(last_event(scene), CommandRefused)
    scene.exchange.cluster.now_ms += 6000
    scene.submit(signed)
    assert not isinstance(last_event(scene), CommandRefused | CommandRepeated)


def test_a_withdrawal_is_not_paid_twice():
    scene = Scene()
    fields = scene.exchange.window(scene.alice)
    signed = scene.alice.sign(Withdraw(**fields, asset="ABC", amount="10", destination="me"))
    scene.submit(signed)
    scene.submit(signed)
    assert scene.exchange.balance(scene.alice, "ABC") == (9990, 10)


def test_a_cancel_all_without_orders_is_done_with_it():
    scene = Scene()
    command_id = scene.exchange.send(scene.alice, CancelAll)
    assert last_event(scene) == CommandPassed(command_id, [])


def test_the_operators_commands_cannot_be_replayed():
    scene = Scene()
    command = Deposit(
        exchange="test", account=scene.alice.account, asset="ABC", amount="5", transfer_id="once", time_ms=1
    )
    signed = scene.exchange.operator.sign(command)
    scene.submit(signed)
    scene.submit(signed)
    assert scene.exchange.balance(scene.alice, "ABC") == (10_005, 0)
    assert scene.reasons() == [Reason.DUPLICATE_TRANSFER]


# --- nonces


def test_nonces_may_overtake_each_other_within_the_window():
    account = Account("a", "k")
    for nonce in (5000, 4990, 5001, 4000, 5000 - NONCE_WINDOW + 2, 4999, 6000):
        account.take_nonce(nonce)


@pytest.mark.parametrize(
    ("taken", "nonce", "reason"),
    [
        ([7], 7, Reason.NONCE_REUSED),
        ([0], 0, Reason.NONCE_REUSED),
        ([7, 9], 7, Reason.NONCE_REUSED),
        ([9, 7], 7, Reason.NONCE_REUSED),
        ([2000], 2000 - NONCE_WINDOW, Reason.NONCE_TOO_OLD),
        ([1000, 1000 + NONCE_WINDOW - 1], 1000, Reason.NONCE_REUSED),
        ([1000, 1000 + NONCE_WINDOW], 1000, Reason.NONCE_TOO_OLD),
        ([2**63 - 1], 2**63 - 1, Reason.NONCE_REUSED),
    ],
)
def test_a_nonce_that_is_refused(taken, nonce, reason):
    account = Account("a", "k")
    for earlier in taken:
        account.take_nonce(earlier)
    before = account.dump()
    with pytest.raises(Refused) as refused:
        account.take_nonce(nonce)
    assert refused.value.reason is reason
    assert account.dump() == before


@pytest.mark.parametrize(
    ("taken", "nonce"),
    [([2000], 2000 - NONCE_WINDOW + 1), ([1, 10**9], 10**9 - 5), ([5], 0), ([NONCE_WINDOW], 1), ([0, 1], 2)],
)
def test_a_nonce_that_is_taken(taken, nonce):
    account = Account("a", "k")
    for earlier in [*taken, nonce]:
        account.take_nonce(earlier)


def test_a_refused_nonce_uses_nothing_up():
    scene = Scene()
    scene.place(nonce=5, client_order_id="first")
    scene.place(nonce=5, client_order_id="second")
    scene.place(nonce=6, client_order_id="second")
    assert scene.reasons() == [Reason.NONCE_REUSED]


# --- client order ids


def test_a_closed_orders_client_id_stays_taken_while_it_is_remembered():
    scene = Scene()
    scene.exchange.cancel(scene.alice, scene.place(client_order_id="mine"))
    scene.place(client_order_id="mine")
    assert scene.reasons() == [Reason.DUPLICATE_CLIENT_ORDER_ID]


def test_two_accounts_may_use_the_same_client_id():
    scene = Scene()
    scene.place(client_order_id="mine")
    scene.exchange.place(scene.bob, "BUY", "1", "5", client_order_id="mine")
    assert scene.reasons() == []


def remembered(count: int, client_order_id: str) -> Account:
    account = Account("a", "k")
    account.remember(RecentCommand("first", 0, None, client_order_id))
    for number in range(1, count):
        account.remember(RecentCommand(f"d{number}", number, None, None))
    return account


def test_the_ledger_remembers_as_many_commands_as_it_says():
    kept, forgotten = remembered(RECENT_COMMANDS, "mine"), remembered(RECENT_COMMANDS + 1, "mine")
    assert kept.find_repeat("first") is not None and kept.offset_of("mine") == 0
    assert forgotten.find_repeat("first") is None and forgotten.offset_of("mine") is None
    assert len(forgotten.dump().recent) == RECENT_COMMANDS


def test_an_open_orders_client_id_stays_taken_when_its_command_is_forgotten():
    scene = Scene()
    order_id = scene.place(client_order_id="mine")
    account = scene.exchange.ledger_core(int(order_id[0])).accounts[scene.alice.account]
    for number in range(RECENT_COMMANDS):
        account.remember(RecentCommand(f"d{number}", 10**6 + number, None, None))
    scene.place(client_order_id="mine")
    assert scene.reasons() == [Reason.DUPLICATE_CLIENT_ORDER_ID]
    scene.exchange.send(scene.alice, CancelOrder, client_order_id="mine")
    scene.place(client_order_id="mine")
    assert scene.reasons() == [Reason.DUPLICATE_CLIENT_ORDER_ID]
    scene.exchange.send(scene.alice, CancelOrder, order_id=order_id)
    assert scene.reasons()[-1] is Reason.UNKNOWN_ORDER


def test_a_digest_depends_on_every_byte():
    assert command_digest(b"a") != command_digest(b"b")
    assert command_digest(b"a") == command_digest(b"a")


# --- keys


def test_a_trade_key_trades_until_it_is_revoked():
    scene = Scene()
    trader, delegation = scene.delegated()
    assert isinstance(last_event(scene), KeyDelegated)
    order_id = scene.by_trader(trader, delegation, scene.order("SELL", "10"))
    assert scene.exchange.balance(scene.alice, "ABC") == (9990, 10)
    scene.by_trader(trader, delegation, CancelOrder(order_id=order_id, **scene.exchange.window(scene.alice)))
    assert scene.exchange.balance(scene.alice, "ABC") == (10_000, 0)
    command_id = scene.by_trader(
        trader, delegation, RevokeKey(trade_key=trader.key, **scene.exchange.window(scene.alice))
    )
    assert last_event(scene) == KeyRevoked(command_id, trader.key)
    scene.by_trader(trader, delegation, scene.order("SELL", "10"))
    assert scene.reasons() == [Reason.KEY_REVOKED]


def test_a_delegation_that_the_ledger_never_saw_is_worth_nothing():
    scene = Scene()
    trader = Signer(77)
    fields = scene.exchange.window(scene.alice)
    signed = scene.alice.sign(DelegateKey(**fields, trade_key=trader.key, valid_until_ms=10**12))
    _, other = scene.delegated()
    delegation = msgspec.structs.replace(other, command=signed.command, key=signed.key, signature=signed.signature)
    scene.by_trader(trader, delegation, scene.order())
    assert scene.reasons() == [Reason.KEY_REVOKED]


def test_expired_keys_make_room_for_new_ones():
    exchange = Exchange()
    alice = exchange.open_account()
    for number in range(64):
        until = exchange.cluster.now_ms + 1000
        exchange.send(alice, DelegateKey, trade_key=Signer(1000 + number).key, valid_until_ms=until)
    exchange.cluster.now_ms += 2000
    until = exchange.cluster.now_ms + 1000
    exchange.send(alice, DelegateKey, trade_key=Signer(2000).key, valid_until_ms=until)
    assert isinstance(exchange.events(alice)[-1], KeyDelegated)
    core = exchange.ledger_core(int(alice.account[:8], 16) % 2)
    assert list(core.accounts[alice.account].trade_keys) == [Signer(2000).key]


def test_the_root_key_needs_no_delegation():
    scene = Scene()
    until = scene.exchange.cluster.now_ms + 1000
    scene.exchange.send(scene.alice, DelegateKey, trade_key=scene.alice.key, valid_until_ms=until)
    assert scene.reasons() == [Reason.BAD_COMBINATION]


def test_an_open_exchange_lets_anybody_register_himself_only():
    exchange = Exchange(open_registration=True)
    newcomer, other = Signer(77), Signer(78)
    exchange.submit(newcomer.sign(RegisterAccount(exchange="test", root_key=newcomer.key, time_ms=1)), newcomer.account)
    exchange.submit(newcomer.sign(RegisterAccount(exchange="test", root_key=other.key, time_ms=1)), other.account)
    exchange.run()
    accounts = {name for p in (0, 1) for name in exchange.ledger_core(p).accounts}
    assert accounts == {newcomer.account}
