"""Every row of docs/refusals.md: through the gateway, and for rows that the log checks, with the command put straight
there."""

import dataclasses
import re
from pathlib import Path

import msgspec
import pytest

from producers.problems import STATUS
from schemas.codec import encode
from schemas.commands import (
    RegisterAccount,
    RevokeKey,
    TimeInForce,
)
from schemas.journal import CommandRefused
from schemas.reasons import TEXTS, Reason
from schemas.records import SignedCommand
from tests.exchange import EXCHANGE, Signer, market
from tests.unit.refusal_scenes import (
    Row,
    Scene,
    Sent,
    after,
    amend,
    cancel,
    command,
    edited,
    expired,
    key,
    late,
    malleated,
    mandate,
    many,
    market_order,
    old_nonce,
    order,
    partly_filled,
    price,
    register,
    replaced,
    resting_market_order_is_never,
    revoked,
    same_client_id,
    same_nonce,
    signature_of,
    theirs,
    unsettled,
    with_fields,
    with_trade_key,
    withdrawal,
)

DOCS = Path(__file__).parents[2] / "docs" / "refusals.md"


GATEWAY_AND_LOG = [
    Row(Reason.NOT_JSON, "no JSON", edited(lambda raw: raw[:-1])),
    Row(Reason.DUPLICATE_FIELD, "a field twice", replaced(b'"price":"9.50"', b'"price":"9.50","price":"9.60"')),
    Row(Reason.UNKNOWN_FIELD, "an unknown field", replaced(b'"price":', b'"prise":"1","price":')),
    Row(Reason.MISSING_FIELD, "a field missing", replaced(b'"side":"BUY",', b"")),
    Row(Reason.MISSING_FIELD, "a limit order without a price", replaced(b'"price":"9.50",', b"")),
    Row(Reason.MISSING_FIELD, "a market buy without max_quote", market_order(price=None)),
    Row(Reason.WRONG_TYPE, "a JSON float", price("9.5")),
    Row(Reason.WRONG_TYPE, "a JSON integer", price("9")),
    Row(Reason.WRONG_TYPE, "NaN, bare", price("NaN")),
    Row(Reason.WRONG_TYPE, "an unknown side", replaced(b'"BUY"', b'"BUYS"')),
    Row(Reason.BAD_DECIMAL, "NaN", price('"NaN"')),
    Row(Reason.BAD_DECIMAL, "Infinity", price('"Infinity"')),
    Row(Reason.BAD_DECIMAL, "1e400", price('"1e400"')),
    Row(Reason.BAD_DECIMAL, "other digits", price('"\u0669.\u0665"')),
    Row(Reason.NOT_POSITIVE, "price zero", price('"0"')),
    Row(Reason.NOT_POSITIVE, "price negative", price('"-9.50"')),
    Row(Reason.NOT_POSITIVE, "quantity zero", order(quantity="0")),
    Row(Reason.NOT_POSITIVE, "quantity negative", order(quantity="-1")),
    Row(Reason.TOO_LARGE, "price above 2^63", price(f'"{2**63}.00"')),
    Row(Reason.TOO_LARGE, "quantity above 2^63", order(quantity=str(2**63))),
    Row(Reason.WRONG_TYPE, "nonce above 2^63", replaced(b'"nonce":', b'"nonce":92233720368547758080')),
    Row(Reason.BAD_CLIENT_ORDER_ID, "a newline in a client id", order(client_order_id="a\nb")),
    Row(Reason.BAD_COMBINATION, "a market order with a price", market_order(max_quote="10")),
    Row(Reason.BAD_COMBINATION, "post-only and IOC", order(post_only=True, time_in_force=TimeInForce.IOC)),
    Row(Reason.RECORD_TOO_LARGE, "4,097 bytes", replaced(b'"c1"', b'"' + b"c" * 4000 + b'"')),
    Row(Reason.NO_SIGNATURE, "an empty signature", signature_of(lambda s: SignedCommand(s.command, s.key, ""))),
    Row(Reason.BAD_SIGNATURE, "another signature", replaced(b'"10"', b'"11"', sign=False)),
    Row(Reason.BAD_SIGNATURE, "signed for another symbol", replaced(b"ABC-USD", b"XYZ-USD", sign=False)),
    Row(Reason.BAD_SIGNATURE, "malleated", signature_of(malleated)),
    Row(Reason.BAD_SIGNATURE, "too short", signature_of(lambda s: SignedCommand(s.command, s.key, s.signature[:40]))),
    Row(Reason.WRONG_ACCOUNT, "another account's key", lambda scene: Sent(scene.other.sign(scene.order()))),
    Row(Reason.WRONG_ACCOUNT, "another account's delegation", with_trade_key(lambda s: s.delegation(s.other))),
    Row(Reason.WRONG_ACCOUNT, "a delegation by no root key", with_trade_key(
        lambda s: s.delegation(s.other, account=s.me.account))),
    Row(Reason.BAD_SIGNATURE, "a delegation with a wrong signature", with_trade_key(
        lambda s: msgspec.structs.replace(s.delegation(), signature=s.me.sign(s.order()).signature))),
    Row(Reason.WRONG_EXCHANGE, "another exchange", order(exchange="elsewhere")),
    Row(Reason.ROOT_KEY_REQUIRED, "a trade key withdraws", lambda s: dataclasses.replace(
        with_trade_key(Scene.register_trade_key, withdrawal)(s), target="/api/v1/withdrawals")),
    Row(Reason.NOT_OPERATOR, "a deposit by somebody", command("/api/v1/deposits", Scene.deposit)),
    Row(Reason.NOT_OPERATOR, "registered by somebody", command("/api/v1/accounts", register())),
    Row(Reason.TOO_OLD, "past its deadline", late),
    Row(Reason.TOO_NEW, "made in the future", with_fields(time_ms=1001, deadline_ms=2000)),
    Row(Reason.WINDOW_TOO_LONG, "a window above a minute", with_fields(deadline_ms=60_001)),
    Row(Reason.WINDOW_TOO_LONG, "a deadline before the time", with_fields(deadline_ms=0)),
    Row(Reason.UNKNOWN_SYMBOL, "no such market", order(symbol="NONE-USD")),
    Row(Reason.MARKET_NOT_OPEN, "a halted market", order(symbol="HALT-USD")),
    Row(Reason.OFF_TICK, "off tick", price('"9.505"')),
    Row(Reason.OFF_LOT, "off lot", order(quantity="1.5")),
    Row(Reason.BELOW_MIN_QUANTITY, "below the minimum", order(symbol="HALF-USD", quantity="1")),
    Row(Reason.ABOVE_MAX_QUANTITY, "above the maximum", order(quantity="1000001")),
    Row(Reason.BELOW_MIN_NOTIONAL, "below the minimum notional", price('"0.01"')),
    Row(Reason.OUTSIDE_PRICE_BAND, "outside the band", price('"100000.01"')),
    Row(Reason.NOTIONAL_OVERFLOW, "too much", order(symbol="FINE-BIG", price="1000000", quantity="9")),
    Row(Reason.ALREADY_EXPIRED, "valid until the past", order(time_in_force=TimeInForce.GTD, valid_until_ms=1)),
    Row(Reason.BAD_TIMEOUT, "a mandate of less than a second", mandate(999)),
    Row(Reason.BAD_TIMEOUT, "a mandate of more than a day", mandate(86_400_001)),
]  # fmt: skip
LOG_ONLY = [
    Row(Reason.DELEGATION_EXPIRED, "an expired trade key", with_trade_key(expired)),
    Row(Reason.KEY_REVOKED, "a revoked trade key", with_trade_key(revoked)),
    Row(Reason.KEY_REVOKED, "a trade key never registered", with_trade_key(Scene.delegation)),
    Row(Reason.NONCE_REUSED, "a nonce again", same_nonce),
    Row(Reason.NONCE_TOO_OLD, "a nonce far below", old_nonce),
    Row(Reason.DUPLICATE_CLIENT_ORDER_ID, "a client id again, other bytes", same_client_id),
    Row(Reason.DUPLICATE_TRANSFER, "a transfer again", after(
        lambda s: s.world.submit(s.exchange.operator, "POST", "/api/v1/deposits", s.deposit(amount="2")),
        command("/api/v1/deposits", Scene.deposit, operator=True))),
    Row(Reason.UNKNOWN_ACCOUNT, "an account not registered", lambda s: Sent(Signer(5001).sign(
        s.exchange.order(Signer(5001), "BUY", "10", "9.50")))),
    Row(Reason.ACCOUNT_EXISTS, "registered twice", command(
        "/api/v1/accounts", lambda s: RegisterAccount(exchange=EXCHANGE, root_key=s.me.key, time_ms=1), operator=True)),
    Row(Reason.UNKNOWN_ASSET, "no market has this asset", command(
        "/api/v1/deposits", lambda s: s.deposit(asset="GOLD"), operator=True)),
    Row(Reason.INSUFFICIENT_FUNDS, "more than is free", order(quantity="2000")),
    Row(Reason.INSUFFICIENT_FUNDS, "two orders race for one balance", after(
        lambda s: s.place(quantity="1000"), order(quantity="100"))),
    Row(Reason.BALANCE_OVERFLOW, "a balance above 2^63", command(
        "/api/v1/deposits", lambda s: s.deposit(amount=str((2**63 - 1) // 10**4)), operator=True)),
    Row(Reason.TOO_MANY_OPEN_ORDERS, "the fourth of three", after(many, order(quantity="1"))),
    Row(Reason.UNKNOWN_KEY, "no such trade key", command(
        "/api/v1/keys", lambda s: RevokeKey(trade_key=key(9), **s.window()), "DELETE")),
    Row(Reason.UNKNOWN_WITHDRAWAL, "nothing to settle", command(
        "/api/v1/withdrawals/0-1/settlement", unsettled, operator=True)),
    Row(Reason.UNKNOWN_ORDER, "cancel of no order", cancel(lambda s: "0-99999")),
    Row(Reason.UNKNOWN_ORDER, "cancel of somebody else's order", cancel(theirs)),
    Row(Reason.ORDER_CLOSED, "cancel of a filled order", cancel(Scene.filled)),
    Row(Reason.ORDER_CLOSED, "amend of a filled order", amend(Scene.filled)),
    Row(Reason.AMEND_BELOW_FILLED, "amend to less than is filled", amend(partly_filled)),
    Row(Reason.NOT_AMENDABLE, "amend of a market order", amend(resting_market_order_is_never)),
]  # fmt: skip
WOULD_TAKE = Row(
    Reason.WOULD_TAKE,
    "post-only that would take",
    after(lambda s: s.exchange.place(s.other, "SELL", "1", "9.50"), order(post_only=True)),
)


def names(row: Row) -> str:
    return f"{row.reason}-{row.what}"


def scene_for(row: Row) -> Scene:
    scene = Scene()
    if row.reason is Reason.BELOW_MIN_QUANTITY:
        scene.exchange.list_market(market("HALF-USD", 0, min_quantity="5"))
        scene.world.settle()
    return scene


@pytest.mark.parametrize("row", [*GATEWAY_AND_LOG, *LOG_ONLY, WOULD_TAKE], ids=names)
def test_the_gateway_says_no_with_the_reason(row: Row):
    scene = scene_for(row)
    sent = row.make(scene)
    before = scene.world.log.appended
    answer = scene.world.send(sent.method, sent.target, encode(sent.body))
    said = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (said["code"], answer.status_code) == (row.reason, STATUS[row.reason]), said
    assert (said["title"], said["status"]) == (TEXTS[row.reason], answer.status_code)
    assert (said["type"], said["instance"]) == (f"/refusals#{row.reason}", sent.target)
    if row in GATEWAY_AND_LOG:
        assert scene.world.log.appended == before, "refused before anything is sent"
    else:
        assert said["stage"] == ("matcher" if row is WOULD_TAKE else "ledger")
        assert "command_id" in said


@pytest.mark.parametrize("row", [*GATEWAY_AND_LOG, *LOG_ONLY], ids=names)
def test_put_straight_onto_the_log_it_is_refused_there(row: Row):
    scene = scene_for(row)
    sent = row.make(scene)
    trades = len(scene.exchange.trades())
    account = sent.body.key and _account(scene, sent)
    partition = scene.world.gateway.partition_of(account)
    offset = scene.exchange.submit_to("accounts", partition, sent.body)
    scene.exchange.run()
    told = [
        event.reason
        for entry in scene.exchange.entries()
        for event in entry.events
        if isinstance(event, CommandRefused) and event.command_id == f"{partition}-{offset}"
    ]
    letters = [msgspec.json.decode(value)["reason"] for value in scene.exchange.cluster.values("dead-letters", 0)]
    # A record that is no JSON at all can't even say whose it is: it becomes a dead letter.
    assert told == [row.reason] or (not told and letters in ([row.reason], [Reason.NOT_JSON])), (told, letters)
    assert len(scene.exchange.trades()) == trades


def _account(scene: Scene, sent: Sent) -> str:
    try:
        claimed = msgspec.json.decode(sent.body.command)
    except msgspec.DecodeError:
        return scene.me.account
    root_key = claimed.get("root_key")
    from schemas.signing import account_of

    return account_of(root_key) if root_key else claimed["account"]


# --- the page


def test_every_reason_is_in_the_page_with_its_status():
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+|-) \| ([a-z ]+) \|", DOCS.read_text(), re.M)
    assert {code for code, _, _ in rows} == set(Reason)
    assert len(rows) == len(Reason)
    for code, status, _ in rows:
        assert status in (str(STATUS[Reason(code)]), "-"), code


def test_the_page_says_where_each_row_is_checked():
    where = dict(re.findall(r"^\| `([A-Z_]+)` \| [^|]+ \| ([a-z ]+) \|", DOCS.read_text(), re.M))
    for row in GATEWAY_AND_LOG:
        assert where[row.reason] == "both", row.reason
    for row in [*LOG_ONLY, WOULD_TAKE]:
        assert where[row.reason] in ("log", "both"), row.reason
