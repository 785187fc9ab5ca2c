"""Refusals that follow from what an account, a market or the operator has done before."""

import msgspec

from schemas.commands import (
    AmendOrder,
    CancelOrder,
    DelegateKey,
    Deposit,
    Genesis,
    ListMarket,
    RegisterAccount,
    RevokeKey,
    SettleWithdrawal,
    TimeInForce,
    Withdraw,
)
from schemas.market import MarketState
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


# --- the market's terms


@gives(Reason.UNKNOWN_SYMBOL)
def no_such_market(scene: Scene) -> None:
    scene.place(symbol="NO-USD")


@gives(Reason.MARKET_NOT_OPEN)
def a_halted_market(scene: Scene) -> None:
    scene.exchange.list_market(market(state=MarketState.HALTED), revision=2)
    scene.place()


@gives(Reason.OFF_TICK)
def a_price_between_ticks(scene: Scene) -> None:
    scene.start(market(tick="0.05", price_low="0.05"))
    scene.place(price="5.01")


@gives(Reason.OFF_TICK)
def a_price_finer_than_any_tick(scene: Scene) -> None:
    scene.place(price="5.001")


@gives(Reason.OFF_LOT)
def half_a_lot(scene: Scene) -> None:
    scene.place(quantity="1.5")


@gives(Reason.BELOW_MIN_QUANTITY)
def too_little(scene: Scene) -> None:
    scene.start(market(min_quantity="10"))
    scene.place(quantity="9")


@gives(Reason.ABOVE_MAX_QUANTITY)
def too_much(scene: Scene) -> None:
    scene.place(quantity="1000001")


@gives(Reason.BELOW_MIN_NOTIONAL)
def worth_too_little(scene: Scene) -> None:
    scene.start(market(min_notional="10"))
    scene.place(quantity="1", price="9.99")


@gives(Reason.BELOW_MIN_NOTIONAL)
def a_market_buy_worth_too_little(scene: Scene) -> None:
    scene.place(quantity=None, price=None, max_quote="0.99")


@gives(Reason.OUTSIDE_PRICE_BAND)
def above_the_band(scene: Scene) -> None:
    scene.place(price="100000.01")


@gives(Reason.NOTIONAL_OVERFLOW)
def worth_too_much(scene: Scene) -> None:
    scene.start(market(max_quantity="9000000000000", price_high="90000000"))
    scene.place(quantity="9000000000000", price="90000000")


@gives(Reason.TOO_LARGE)
def more_than_fits(scene: Scene) -> None:
    scene.place(quantity=str(2**63))


@gives(Reason.BAD_DECIMAL)
def a_number_with_an_exponent(scene: Scene) -> None:
    scene.place(price="1e1")


@gives(Reason.BAD_DECIMAL)
def no_number(scene: Scene) -> None:
    scene.place(price="NaN")


@gives(Reason.NOT_POSITIVE)
def nothing(scene: Scene) -> None:
    scene.place(quantity="0")


@gives(Reason.NOT_POSITIVE)
def less_than_nothing(scene: Scene) -> None:
    scene.place(price="-5")


@gives(Reason.BAD_COMBINATION)
def a_market_order_that_would_rest(scene: Scene) -> None:
    scene.place("SELL", price=None, time_in_force=TimeInForce.GTC)


@gives(Reason.MISSING_FIELD)
def a_market_buy_without_a_limit_to_spend(scene: Scene) -> None:
    scene.place(price=None)


@gives(Reason.ALREADY_EXPIRED)
def an_order_whose_time_is_over(scene: Scene) -> None:
    scene.place(time_in_force=TimeInForce.GTD, valid_until_ms=scene.exchange.cluster.now_ms)


@gives(Reason.STALE_REVISION)
def a_listing_again(scene: Scene) -> None:
    scene.exchange.list_market(market(), revision=1)
    scene.exchange.run()


@gives(Reason.BAD_LISTING)
def a_listing_that_changes_a_fixed_term(scene: Scene) -> None:
    scene.exchange.list_market(market(tick="0.05"), revision=2)
    scene.exchange.run()


@gives(Reason.BAD_LISTING)
def a_listing_that_contradicts_itself(scene: Scene) -> None:
    scene.exchange.list_market(market(price_low="9", price_high="8"), revision=2)
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


# --- the order


@gives(Reason.UNKNOWN_ORDER)
def a_cancel_of_no_order(scene: Scene) -> None:
    scene.exchange.cancel(scene.alice, "0-999")


@gives(Reason.UNKNOWN_ORDER)
def a_cancel_of_somebody_elses_order(scene: Scene) -> None:
    theirs = scene.exchange.place(scene.bob, "BUY", "1", "5")
    scene.exchange.cancel(scene.alice, theirs)


@gives(Reason.ORDER_CLOSED)
def a_cancel_of_a_cancelled_order(scene: Scene) -> None:
    order_id = scene.place()
    scene.exchange.cancel(scene.alice, order_id)
    scene.exchange.cancel(scene.alice, order_id)


@gives(Reason.ORDER_CLOSED)
def a_cancel_that_meets_a_fill_on_its_way(scene: Scene) -> None:
    """Both pass the ledger before the matcher sees either."""
    order_id = scene.place("SELL")
    cancel = CancelOrder(order_id=order_id, **scene.exchange.window(scene.alice))
    buy = scene.exchange.order(scene.bob, "BUY", "1", "5")
    scene.exchange.submit(scene.bob.sign(buy), scene.bob.account)
    while not any(b'"max_quote"' in v or b'"side":"BUY"' in v for v in scene.exchange.cluster.values("orders", 0)):
        scene.exchange.ledger.step()
    scene.exchange.submit(scene.alice.sign(cancel), scene.alice.account)
    scene.exchange.ledger.step()
    scene.exchange.run()


@gives(Reason.WOULD_TAKE)
def a_post_only_order_that_would_take(scene: Scene) -> None:
    scene.exchange.place(scene.bob, "SELL", "1", "5")
    scene.place(post_only=True)


@gives(Reason.AMEND_BELOW_FILLED)
def an_amend_to_what_is_filled(scene: Scene) -> None:
    order_id = scene.place(quantity="10")
    scene.exchange.place(scene.bob, "SELL", "4", "5")
    scene.exchange.send(scene.alice, AmendOrder, order_id=order_id, quantity="4")


@gives(Reason.NOT_AMENDABLE)
def an_amend_of_a_market_order(scene: Scene) -> None:
    signed = scene.alice.sign(scene.order("SELL", price=None, client_order_id="m"))
    scene.exchange.submit(signed, scene.alice.account)
    amend = AmendOrder(**scene.exchange.window(scene.alice), client_order_id="m", quantity="2")
    scene.submit(scene.alice.sign(amend))


@gives(Reason.BAD_COMBINATION)
def a_cancel_that_names_the_order_twice(scene: Scene) -> None:
    order_id = scene.place(client_order_id="mine")
    scene.exchange.send(scene.alice, CancelOrder, order_id=order_id, client_order_id="mine")


# --- why an order left


@gives(Reason.TIME_IN_FORCE)
def an_immediate_order_that_meets_nothing(scene: Scene) -> None:
    scene.place(time_in_force=TimeInForce.IOC)


@gives(Reason.VALID_UNTIL)
def an_order_whose_time_comes(scene: Scene) -> None:
    scene.place(time_in_force=TimeInForce.GTD, valid_until_ms=scene.exchange.cluster.now_ms + 500)
    scene.exchange.tick(1000)
    scene.exchange.run()


@gives(Reason.SELF_TRADE)
def an_order_that_meets_its_own(scene: Scene) -> None:
    scene.place("SELL")
    scene.place("BUY")


@gives(Reason.DELISTED)
def a_market_that_ends(scene: Scene) -> None:
    scene.place()
    scene.exchange.list_market(market(state=MarketState.DELISTED), revision=2)
    scene.exchange.run()


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
