"""What only the gateway refuses, and forms that only HTTP has."""

import re

import msgspec
import pytest
from msgspec import Raw

from producers.limits import Rates
from producers.problems import STATUS
from schemas.codec import encode
from schemas.commands import CancelAll, CancelAllAfter, CancelOrder, Command, RegisterAccount, encode_command
from schemas.reasons import Reason
from schemas.records import SignedCommand
from schemas.signing import account_of, encode_bytes
from tests.exchange import EXCHANGE, Signer
from tests.unit.refusal_scenes import ORDERS, Scene, mine


def test_small_order_and_malformed_keys():
    scene = Scene()
    small = "ed25519:" + encode_bytes(bytes([1]) + bytes(31))
    for bad in (small, "ed25519:AAAA", "rsa:" + "A" * 43, "p256:" + encode_bytes(bytes(33))):
        signed = SignedCommand(scene.me.sign(scene.order()).command, bad, scene.me.sign(scene.order()).signature)
        # Such a key owns an account of its own: the command must be that account's to get as far as the key.
        command = msgspec.structs.replace(scene.order(), account=account_of(bad))
        signed = SignedCommand(Raw(encode_command(command)), bad, signed.signature)
        answer = scene.world.send("POST", ORDERS, signed)
        assert (answer.status_code, answer.json()["code"]) == (401, "BAD_KEY"), answer.json()
        offset = scene.exchange.submit_to("accounts", scene.world.gateway.partition_of(command.account), signed)
        scene.exchange.run()
        refused = [event for entry in scene.exchange.entries() for event in entry.events][-1]
        assert (refused.reason, refused.command_id.endswith(f"-{offset}")) == (Reason.BAD_KEY, True)


def test_the_envelope_is_as_strict_as_the_command():
    scene = Scene()
    body = encode(scene.me.sign(scene.order()))
    cases = [
        (b"", "NOT_JSON"), (b"[]", "WRONG_TYPE"), (b"nonsense", "NOT_JSON"), (b"\xff", "NOT_JSON"),
        (b'{"command":' + b"[" * 5000, "NOT_JSON"),
        (body[:-1] + b',"key":"x"}', "DUPLICATE_FIELD"),
        (body[:-1] + b',"more":1}', "UNKNOWN_FIELD"),
        (re.sub(rb'"signature":"[^"]*"', b'"signature":1.5', body), "WRONG_TYPE"),
        (re.sub(rb',"signature":"[^"]*"', b"", body), "NO_SIGNATURE"),
        (b'{"key":"x","signature":"y"}', "MISSING_FIELD"),
        (body.replace(b'"new_order"', b'"newest_order"', 1), "UNKNOWN_RECORD"),
    ]  # fmt: skip
    for content, code in cases:
        answer = scene.world.send("POST", ORDERS, content)
        assert answer.json()["code"] == code, (content[:80], answer.json())
        assert answer.status_code == STATUS[Reason(code)]
    assert scene.world.log.appended == 0


def test_white_space_and_order_of_fields_are_free():
    scene = Scene()
    signed = msgspec.json.decode(encode(scene.me.sign(scene.order())))
    signed["command"] = dict(reversed(signed["command"].items()))
    body = msgspec.json.format(msgspec.json.encode(dict(reversed(signed.items()))), indent=4)
    assert scene.world.send("POST", ORDERS, body).status_code == 200


def test_another_kind_of_command_on_a_path():
    scene = Scene()
    signed = scene.me.sign(CancelAll(**scene.window()))
    answer = scene.world.send("POST", ORDERS, signed)
    assert (answer.status_code, answer.json()["code"]) == (422, "UNKNOWN_RECORD")


def test_the_path_and_the_signed_command_agree():
    scene = Scene()
    signed = scene.me.sign(CancelOrder(order_id="0-5", **scene.window()))
    answer = scene.world.send("DELETE", f"{ORDERS}/0-6", signed)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_PARAMETER")


def test_bodies_are_refused_while_reading():
    scene = Scene()
    json = {"content-type": "application/json"}
    announced = scene.world.request("POST", ORDERS, content=b"x" * 65537, headers=json)
    assert (announced.status_code, announced.json()["code"]) == (413, "BODY_TOO_LARGE")
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 4096
            yield b" " * 4096

    streamed = scene.world.request("POST", ORDERS, content=endless(), headers=json)
    assert (streamed.status_code, streamed.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert read <= 65536 + 2 * 4096


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/jsonx"}])
def test_other_content_types(headers):
    answer = Scene().world.request("POST", ORDERS, content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "WRONG_CONTENT_TYPE")


@pytest.mark.parametrize(
    "method, target, code",
    [
        ("GET", "/nowhere", "NOT_FOUND"),
        ("GET", "/api/v1/orders/", "NOT_FOUND"),
        ("PATCH", ORDERS, "METHOD_NOT_ALLOWED"),
        ("POST", "/api/v1/time", "METHOD_NOT_ALLOWED"),
        ("GET", "/api/v1/time?now=1", "BAD_PARAMETER"),
        ("GET", "/api/v1/markets/ABC-USD/book?levels=0", "BAD_PARAMETER"),
        ("GET", "/api/v1/markets/ABC-USD/book?levels=1&levels=2", "BAD_PARAMETER"),
        ("GET", "/api/v1/markets/NONE/book", "UNKNOWN_SYMBOL"),
        ("POST", f"{ORDERS}?wait=ever", "BAD_PARAMETER"),
        ("POST", f"{ORDERS}?timeout_ms=30001", "BAD_PARAMETER"),
        ("GET", f"{ORDERS}?status=closed", "BAD_PARAMETER"),
    ],
)
def test_what_the_framework_would_say_is_a_problem_document_too(method, target, code):
    answer = Scene().world.request(method, target)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.status_code) == (code, STATUS[Reason(code)])


def test_too_many_requests_say_when_to_come_back():
    scene = Scene(rates=Rates(account=2, address=4))
    commands = [scene.order(quantity="1") for _ in range(6)]
    answers = [scene.world.submit(scene.me, "POST", ORDERS, command) for command in commands]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 2
    assert {(answer.json()["code"], answer.headers["retry-after"]) for answer in refused} == {("RATE_LIMITED", "1")}


def test_a_batch_counts_its_commands():
    scene = Scene(rates=Rates(account=2, address=100))
    batch = scene.world.batch(scene.me, [scene.order(quantity="1") for _ in range(3)])
    assert scene.world.send("POST", f"{ORDERS}/batch", batch).json()["code"] == "RATE_LIMITED"


def test_a_batch_must_be_one_accounts_and_its_signature_whole():
    scene = Scene()
    batch = scene.world.batch(scene.me, [scene.order(), scene.order()])
    swapped = msgspec.structs.replace(batch, commands=batch.commands[::-1])
    cases = [
        (swapped, "BAD_SIGNATURE"),
        (msgspec.structs.replace(batch, commands=[]), "BAD_PARAMETER"),
        (scene.world.batch(scene.me, [scene.order(), CancelAll(**scene.window())]), "UNKNOWN_RECORD"),
        (scene.world.batch(scene.me, [scene.exchange.order(scene.other, "BUY", "1", "9")]), "WRONG_ACCOUNT"),
    ]
    for body, code in cases:
        assert scene.world.send("POST", f"{ORDERS}/batch", body).json()["code"] == code
    assert scene.world.log.appended == 0


def test_a_full_disk_refuses_orders_and_lets_cancels_through():
    scene = Scene()
    order_id = mine(scene)
    scene.world.health.disk_full = "1 MB are free, 512 MB are kept"
    answer = scene.world.submit(scene.me, "POST", ORDERS, scene.order())
    assert (answer.status_code, answer.json()["code"]) == (503, "STORAGE_FULL")
    cancelled = CancelOrder(order_id=order_id, **scene.window())
    assert scene.world.submit(scene.me, "DELETE", f"{ORDERS}/{order_id}", cancelled).status_code == 200
    after_a_time = CancelAllAfter(timeout_ms=1_000, **scene.window())
    assert scene.world.submit(scene.me, "POST", f"{ORDERS}/cancel-all-after", after_a_time).status_code == 200
    scene.world.health.disk_full = None
    assert scene.world.submit(scene.me, "POST", ORDERS, scene.order()).status_code == 200


def test_a_log_that_does_not_answer_takes_no_command():
    scene = Scene()
    scene.world.seconds += 2
    answer = scene.world.submit(scene.me, "POST", ORDERS, scene.order())
    assert (answer.status_code, answer.json()["code"]) == (503, "LOG_UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"
    ready = scene.world.request("GET", "/readyz")
    assert (ready.status_code, ready.json()["missing"]) == (503, ["the log does not answer"])
    assert scene.world.request("GET", "/healthz").status_code == 200
    assert scene.world.log.appended == 0


def test_a_stale_view_answers_nothing():
    scene = Scene()
    scene.world.seconds += 4
    scene.world.health.answered_at = scene.world.seconds
    for answer in (
        scene.world.read(scene.me, "/api/v1/balances"),
        scene.world.request("GET", "/api/v1/markets/ABC-USD/book"),
        scene.world.submit(scene.me, "POST", ORDERS, scene.order()),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "NOT_READY")


def test_a_programmers_error_is_a_problem_document_too(monkeypatch):
    scene = Scene()
    monkeypatch.setattr("producers.submit.check_command", lambda *args: 1 / 0)
    answer = scene.world.submit(scene.me, "POST", ORDERS, scene.order())
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")


def test_a_trial_of_an_order_makes_all_checks_and_no_order():
    scene = Scene()
    test = f"{ORDERS}/test"
    good = scene.world.submit(scene.me, "POST", test, scene.order())
    assert good.json() == {"acceptable": True, "reserve": "95.095", "asset": "USD", "free": "10000"}
    cases = [
        (scene.order(quantity="2000"), "INSUFFICIENT_FUNDS"),
        (scene.order(price="9.505"), "OFF_TICK"),
        (scene.exchange.order(scene.me, "SELL", "1001", "9.50"), "INSUFFICIENT_FUNDS"),
        (scene.exchange.order(scene.me, "BUY", None, None, max_quote="10001"), "INSUFFICIENT_FUNDS"),
    ]
    for command, code in cases:
        assert scene.world.submit(scene.me, "POST", test, command).json()["code"] == code
    assert scene.world.log.appended == 0
    placed = scene.place()
    again = scene.order(client_order_id=placed["client_order_id"])
    assert scene.world.submit(scene.me, "POST", test, again).json()["code"] == "DUPLICATE_CLIENT_ORDER_ID"


def test_closed_registration():
    own = Signer(6000)
    command = RegisterAccount(exchange=EXCHANGE, root_key=own.key, time_ms=1)
    closed = Scene().world.submit(own, "POST", "/api/v1/accounts", command)
    assert (closed.status_code, closed.json()["code"]) == (403, "REGISTRATION_CLOSED")
    opened = Scene(open_registration=True).world.submit(own, "POST", "/api/v1/accounts", command)
    assert (opened.status_code, opened.json()["event"]["event"]) == (200, "account_registered")


def test_two_orders_racing_for_one_balance():
    """Both are sent before either is judged: the log decides, one gets it and one does not."""
    scene = Scene()
    commands: list[Command] = [scene.order(quantity="1000"), scene.order(quantity="1000")]
    answer = scene.world.send("POST", f"{ORDERS}/batch", scene.world.batch(scene.me, commands))
    assert [one["status"] for one in answer.json()["results"]] == [200, 422]
