"""Refusals that follow from the bytes, the signature, or the place at which a record stands."""

import msgspec
from msgspec import Raw

from ledger.core import LedgerCore
from schemas.codec import encode
from schemas.commands import RegisterAccount, RevokeKey, Withdraw, encode_command
from schemas.reasons import Reason
from schemas.records import SignedCommand, Submitted
from schemas.signing import account_of, decode_bytes, encode_bytes
from stage.service import Cadence
from tests.exchange import Signer
from tests.unit.refusals import Scene, gives, sign_bytes

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


# --- bytes


@gives(Reason.NOT_JSON)
def a_record_that_is_no_json(scene: Scene) -> None:
    scene.exchange.cluster.append("accounts", 0, b"", b"{")
    scene.exchange.run()


@gives(Reason.UNKNOWN_RECORD)
def a_record_of_no_known_kind(scene: Scene) -> None:
    scene.exchange.cluster.append("orders", 0, b"", b'{"record":"greeting"}')
    scene.exchange.run()


@gives(Reason.UNKNOWN_RECORD)
def a_command_of_no_known_kind(scene: Scene) -> None:
    scene.changed(b'"command":"new_order"', b'"command":"old_order"')


@gives(Reason.DUPLICATE_FIELD)
def a_field_twice(scene: Scene) -> None:
    scene.changed(b'"quantity":"1"', b'"quantity":"1","quantity":"2"')


@gives(Reason.UNKNOWN_FIELD)
def a_field_too_many(scene: Scene) -> None:
    scene.changed(b'"quantity":"1"', b'"quantity":"1","iceberg":"2"')


@gives(Reason.MISSING_FIELD)
def a_field_too_few(scene: Scene) -> None:
    scene.changed(b'"symbol":"ABC-USD",', b"")


@gives(Reason.WRONG_TYPE)
def a_float(scene: Scene) -> None:
    scene.changed(b'"quantity":"1"', b'"quantity":1.0')


@gives(Reason.WRONG_TYPE)
def an_infinite_number(scene: Scene) -> None:
    scene.changed(b'"quantity":"1"', b'"quantity":1e400')


@gives(Reason.NOT_CANONICAL)
def white_space(scene: Scene) -> None:
    scene.changed(b'"quantity":"1"', b'"quantity": "1"')


@gives(Reason.NOT_CANONICAL)
def an_escape(scene: Scene) -> None:
    scene.changed(b'"ABC-USD"', b'"\\u0041BC-USD"')


@gives(Reason.BAD_CLIENT_ORDER_ID)
def a_newline_in_a_client_order_id(scene: Scene) -> None:
    scene.changed(b'"client_order_id":"c1"', b'"client_order_id":"c\\n1"')


@gives(Reason.RECORD_TOO_LARGE)
def a_command_of_more_than_four_kilobytes(scene: Scene) -> None:
    scene.changed(b'"quantity":"1"', b'"quantity":"' + b"1" * 4096 + b'"')


# --- signatures


@gives(Reason.NO_SIGNATURE)
def no_signature(scene: Scene) -> None:
    scene.submit(SignedCommand(Raw(encode_command(scene.order())), scene.alice.key, ""))


@gives(Reason.BAD_SIGNATURE)
def a_signature_of_other_bytes(scene: Scene) -> None:
    other = scene.alice.sign(scene.order(quantity="2"))
    scene.submit(msgspec.structs.replace(other, command=Raw(encode_command(scene.order(quantity="3")))))


@gives(Reason.BAD_SIGNATURE)
def a_malleated_signature(scene: Scene) -> None:
    """The same signature with the group's order added to its second half: some libraries accept it."""
    signed = scene.alice.sign(scene.order())
    data = decode_bytes(signed.signature)
    second = int.from_bytes(data[32:], "little") + ED25519_ORDER
    scene.submit(msgspec.structs.replace(signed, signature=encode_bytes(data[:32] + second.to_bytes(32, "little"))))


@gives(Reason.BAD_SIGNATURE)
def a_signature_spelled_otherwise(scene: Scene) -> None:
    signed = scene.alice.sign(scene.order())
    scene.submit(msgspec.structs.replace(signed, signature=signed.signature + "=="))


@gives(Reason.BAD_KEY)
def a_key_of_small_order(scene: Scene) -> None:
    key = "ed25519:" + encode_bytes(bytes([1] + [0] * 31))
    order = msgspec.structs.replace(scene.order(), account=account_of(key))
    scene.exchange.submit(SignedCommand(Raw(encode_command(order)), key, encode_bytes(bytes(64))), order.account)
    scene.exchange.run()


@gives(Reason.WRONG_ACCOUNT)
def an_order_for_somebody_elses_account(scene: Scene) -> None:
    scene.submit(scene.bob.sign(scene.order()))


@gives(Reason.WRONG_ACCOUNT)
def a_trade_key_with_a_delegation_of_another_account(scene: Scene) -> None:
    trader, delegation = scene.delegated()
    order = scene.exchange.order(scene.bob, "BUY", "1", "5")
    scene.by_trader(trader, delegation, order)


@gives(Reason.WRONG_EXCHANGE)
def an_order_signed_for_another_exchange(scene: Scene) -> None:
    scene.place(exchange="elsewhere")


@gives(Reason.DELEGATION_EXPIRED)
def a_trade_key_whose_time_is_over(scene: Scene) -> None:
    trader, delegation = scene.delegated(valid_for_ms=500)
    scene.exchange.cluster.now_ms += 1000
    scene.by_trader(trader, delegation, scene.order())


@gives(Reason.DELEGATION_EXPIRED)
def a_delegation_that_is_over_when_it_comes(scene: Scene) -> None:
    scene.delegated(valid_for_ms=-1)


@gives(Reason.KEY_REVOKED)
def a_revoked_trade_key(scene: Scene) -> None:
    trader, delegation = scene.delegated()
    scene.exchange.send(scene.alice, RevokeKey, trade_key=trader.key)
    scene.by_trader(trader, delegation, scene.order())


@gives(Reason.ROOT_KEY_REQUIRED)
def a_withdrawal_by_a_trade_key(scene: Scene) -> None:
    trader, delegation = scene.delegated()
    fields = scene.exchange.window(scene.alice)
    scene.by_trader(trader, delegation, Withdraw(**fields, asset="USD", amount="1", destination="me"))


@gives(Reason.ROOT_KEY_REQUIRED)
def a_trade_key_that_revokes_another(scene: Scene) -> None:
    trader, delegation = scene.delegated()
    fields = scene.exchange.window(scene.alice)
    scene.by_trader(trader, delegation, RevokeKey(**fields, trade_key=Signer(77).key))


# --- places


@gives(Reason.WRONG_PARTITION)
def a_command_on_another_accounts_partition(scene: Scene) -> None:
    here = int(scene.alice.account[:8], 16) % 2
    scene.exchange.submit_to("accounts", 1 - here, scene.alice.sign(scene.order()))
    scene.exchange.run()


@gives(Reason.WRONG_PARTITION)
def a_registration_on_another_partition(scene: Scene) -> None:
    newcomer = Signer(99)
    here = int(newcomer.account[:8], 16) % 2
    command = RegisterAccount(exchange="test", root_key=newcomer.key, time_ms=1)
    scene.exchange.submit_to("accounts", 1 - here, scene.exchange.operator.sign(command))
    scene.exchange.run()


@gives(Reason.NOT_FUNDED)
def an_order_put_straight_on_orders(scene: Scene) -> None:
    """Signed by its owner, and yet no funds of his are reserved for it."""
    scene.exchange.submit_to("orders", 0, scene.alice.sign(scene.order()))
    scene.exchange.run()


@gives(Reason.BAD_SIGNATURE)
def a_funded_order_with_other_bytes_put_straight_on_orders(scene: Scene) -> None:
    scene.place(quantity="1")
    funded = scene.exchange.cluster.values("orders", 0)[-1]
    scene.exchange.cluster.append("orders", 0, b"", funded.replace(b'"quantity":"1"', b'"quantity":"900"'))
    scene.exchange.run()


@gives(Reason.NO_GENESIS)
def an_order_before_genesis(scene: Scene) -> None:
    cluster = scene.exchange.cluster
    cluster.append("accounts", 7, b"", encode(Submitted(scene.alice.sign(scene.order()))))
    service = scene.exchange.start(LedgerCore, ("ledger",), [7], Cadence(0, 0, 1))
    service.step()
    # Where the scene reads: this partition is none of its exchange's.
    for value in cluster.values("ledger", 7):
        cluster.append("ledger", 0, b"", value)


@gives(Reason.BAD_SIGNATURE)
def an_operators_command_with_other_bytes(scene: Scene) -> None:
    command = RegisterAccount(exchange="test", root_key=Signer(99).key, time_ms=1)
    other = RegisterAccount(exchange="test", root_key=Signer(98).key, time_ms=1)
    signed = scene.exchange.operator.sign(command)
    scene.submit(msgspec.structs.replace(signed, command=Raw(encode_command(other))))


@gives(Reason.BAD_SIGNATURE)
def bytes_that_are_signed_by_nobody(scene: Scene) -> None:
    signed = sign_bytes(scene.bob, encode_command(scene.order()))
    scene.submit(msgspec.structs.replace(signed, key=scene.alice.key))
