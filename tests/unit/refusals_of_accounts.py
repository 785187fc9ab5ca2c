"""Refusals that follow from what an account or the operator has done before."""

import msgspec

from schemas.commands import (
    AmendOrder,
    CancelAllAfter,
    DelegateKey,
    Deposit,
    Genesis,
    ListMarket,
    RegisterAccount,
    RevokeKey,
    SettleWithdrawal,
    Withdraw,
)
from schemas.reasons import Reason
from tests.exchange import Signer, market
from tests.unit.refusals import Scene, gives

# --- when, and whether again


@gives(Reason.TOO_OLD)
def a_deadline_that_has_passed(scene: Scene) -> None:
    now = scene.exchange.cluster.now_ms
    scene.place(time_ms=now - 1000, deadline_ms=now - 1)


@gives(Reason.TOO_OLD)
def an_order_that_waited_for_the_matcher(scene: Scene) -> None:
    scene.exchange.submit(scene.alice.sign(scene.order()), scene.alice.account)
    scene.exchange.ledger.step()
    scene.exchange.cluster.records[("orders", 0)][-1].log_time_ms += 6000
    scene.exchange.cluster.now_ms += 6000
    scene.exchange.run()


@gives(Reason.TOO_NEW)
def a_time_ahead(scene: Scene) -> None:
    now = scene.exchange.cluster.now_ms
    scene.place(time_ms=now + 1001, deadline_ms=now + 2000)


@gives(Reason.WINDOW_TOO_LONG)
def a_window_of_more_than_a_minute(scene: Scene) -> None:
    now = scene.exchange.cluster.now_ms
    scene.place(time_ms=now, deadline_ms=now + 60_001)


@gives(Reason.WINDOW_TOO_LONG)
def a_window_that_ends_before_it_starts(scene: Scene) -> None:
    now = scene.exchange.cluster.now_ms
    scene.place(time_ms=now, deadline_ms=now)


@gives(Reason.NONCE_REUSED)
def a_nonce_again(scene: Scene) -> None:
    scene.place(nonce=7)
    scene.place(nonce=7)


@gives(Reason.NONCE_TOO_OLD)
def a_nonce_far_below(scene: Scene) -> None:
    scene.place(nonce=2000)
    scene.place(nonce=2000 - 1024)


@gives(Reason.DUPLICATE_CLIENT_ORDER_ID)
def a_client_order_id_with_other_bytes(scene: Scene) -> None:
    scene.place(client_order_id="mine")
    scene.place(client_order_id="mine", quantity="2")


@gives(Reason.DUPLICATE_TRANSFER)
def a_transfer_again(scene: Scene) -> None:
    scene.exchange.deposit(scene.alice.account, "USD", "1", transfer_id="t-USD")
    scene.exchange.run()


# --- the account


@gives(Reason.UNKNOWN_ACCOUNT)
def an_order_of_an_account_that_never_registered(scene: Scene) -> None:
    stranger = Signer(99)
    scene.exchange.submit(stranger.sign(scene.exchange.order(stranger, "BUY", "1", "5")), stranger.account)
    scene.exchange.run()


@gives(Reason.UNKNOWN_ACCOUNT)
def a_deposit_for_an_account_that_never_registered(scene: Scene) -> None:
    scene.exchange.deposit(Signer(99).account, "USD", "1")
    scene.exchange.run()


@gives(Reason.ACCOUNT_EXISTS)
def a_registration_again(scene: Scene) -> None:
    command = RegisterAccount(exchange="test", root_key=scene.alice.key, time_ms=2)
    scene.submit(scene.exchange.operator.sign(command))


@gives(Reason.REGISTRATION_CLOSED)
def a_registration_by_oneself(scene: Scene) -> None:
    newcomer = Signer(99)
    signed = newcomer.sign(RegisterAccount(exchange="test", root_key=newcomer.key, time_ms=1))
    scene.exchange.submit(signed, newcomer.account)
    scene.exchange.run()


@gives(Reason.NOT_OPERATOR)
def a_registration_of_somebody_else(scene: Scene) -> None:
    newcomer = Signer(99)
    signed = scene.alice.sign(RegisterAccount(exchange="test", root_key=newcomer.key, time_ms=1))
    scene.exchange.submit(signed, newcomer.account)
    scene.exchange.run()


@gives(Reason.NOT_OPERATOR)
def a_listing_by_a_trader(scene: Scene) -> None:
    command = ListMarket(exchange="test", revision=2, market=market(), time_ms=1)
    scene.exchange.submit_to("orders", 0, scene.alice.sign(command))
    scene.submit(scene.alice.sign(command))


@gives(Reason.UNKNOWN_ASSET)
def a_deposit_of_what_nobody_trades(scene: Scene) -> None:
    scene.exchange.deposit(scene.alice.account, "XXX", "1")
    scene.exchange.run()


@gives(Reason.INSUFFICIENT_FUNDS)
def more_than_it_has(scene: Scene) -> None:
    scene.place("SELL", quantity="10001")


@gives(Reason.INSUFFICIENT_FUNDS)
def a_price_without_its_fee(scene: Scene) -> None:
    scene.place(quantity="100", price="10000")


@gives(Reason.INSUFFICIENT_FUNDS)
def two_orders_for_one_balance(scene: Scene) -> None:
    for _ in range(2):
        scene.exchange.submit(scene.alice.sign(scene.order("SELL", "6000")), scene.alice.account)
    scene.exchange.run()


@gives(Reason.BALANCE_OVERFLOW)
def a_deposit_of_more_than_fits(scene: Scene) -> None:
    scene.exchange.deposit(scene.alice.account, "ABC", str(2**63 - 1), transfer_id="huge")
    scene.exchange.run()


@gives(Reason.TOO_MANY_OPEN_ORDERS)
def an_order_too_many(scene: Scene) -> None:
    scene.start(max_open_orders=2)
    for _ in range(3):
        scene.place()


@gives(Reason.TOO_MANY_PENDING_AMENDS)
def an_amend_too_many(scene: Scene) -> None:
    order_id = scene.place(quantity="100")
    for quantity in range(9):
        command = AmendOrder(**scene.exchange.window(scene.alice), order_id=order_id, quantity=str(90 - quantity))
        scene.exchange.submit(scene.alice.sign(command), scene.alice.account)
    scene.exchange.run()


@gives(Reason.TOO_MANY_KEYS)
def a_key_too_many(scene: Scene) -> None:
    until = scene.exchange.cluster.now_ms + 10**6
    for number in range(65):
        scene.exchange.send(scene.alice, DelegateKey, trade_key=Signer(1000 + number).key, valid_until_ms=until)


@gives(Reason.TOO_MANY_TRANSFERS)
def a_transfer_too_many(scene: Scene) -> None:
    """The 65,536 before it are put into the state: to deposit them would take long."""
    partition = int(scene.alice.account[:8], 16) % 2
    core = scene.exchange.ledger_core(partition)
    core.accounts[scene.alice.account].transfers = dict.fromkeys(map(str, range(65_536)))
    scene.exchange.deposit(scene.alice.account, "USD", "1", transfer_id="one-more")
    scene.exchange.run()


@gives(Reason.TOO_MANY_WITHDRAWALS)
def a_withdrawal_too_many(scene: Scene) -> None:
    for _ in range(257):
        fields = scene.exchange.window(scene.alice)
        signed = scene.alice.sign(Withdraw(**fields, asset="USD", amount="1", destination="me"))
        scene.exchange.submit(signed, scene.alice.account)
    scene.exchange.run()


@gives(Reason.BAD_TIMEOUT)
def a_mandate_for_ever(scene: Scene) -> None:
    scene.exchange.send(scene.alice, CancelAllAfter, timeout_ms=86_400_001)


@gives(Reason.UNKNOWN_RECORD)
def a_mandate_under_rules_that_know_none(scene: Scene) -> None:
    scene.start(engine_version=2)
    scene.exchange.send(scene.alice, CancelAllAfter, timeout_ms=5_000)


@gives(Reason.UNKNOWN_KEY)
def a_key_that_was_never_there(scene: Scene) -> None:
    scene.exchange.send(scene.alice, RevokeKey, trade_key=Signer(99).key)


@gives(Reason.BAD_KEY)
def a_trade_key_that_is_none(scene: Scene) -> None:
    key = "ed448:" + "A" * 43
    scene.exchange.send(scene.alice, DelegateKey, trade_key=key, valid_until_ms=scene.exchange.cluster.now_ms + 9)


@gives(Reason.UNKNOWN_WITHDRAWAL)
def a_withdrawal_settled_twice(scene: Scene) -> None:
    withdrawal = scene.exchange.send(scene.alice, Withdraw, asset="USD", amount="1", destination="me")
    for _ in range(2):
        command = SettleWithdrawal(
            exchange="test", account=scene.alice.account, withdrawal_id=withdrawal, paid=True, time_ms=1
        )
        scene.submit(scene.exchange.operator.sign(command))


# --- the log


@gives(Reason.GENESIS_EXISTS)
def a_second_genesis(scene: Scene) -> None:
    genesis = scene.exchange.ledger_core(0).genesis
    assert isinstance(genesis, Genesis)
    again = msgspec.structs.replace(genesis, open_registration=True)
    scene.submit(scene.exchange.operator.sign(again))
    scene.exchange.submit_to("orders", 0, scene.exchange.operator.sign(again))
    scene.exchange.run()


@gives(Reason.NOT_OPERATOR)
def a_deposit_by_oneself(scene: Scene) -> None:
    command = Deposit(
        exchange="test", account=scene.alice.account, asset="USD", amount="1", transfer_id="gift", time_ms=1
    )
    scene.submit(scene.alice.sign(command))
