"""Refusals that follow from a market's terms, or from what became of an order."""

from schemas.commands import (
    AmendOrder,
    CancelOrder,
    TimeInForce,
)
from schemas.market import MarketState
from schemas.reasons import Reason
from tests.exchange import market
from tests.unit.refusals import Scene, gives

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
