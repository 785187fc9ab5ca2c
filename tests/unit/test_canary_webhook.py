"""What is sent to a webhook, how often it is tried, and the list of what failed."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from msgspec import Raw

from canary.webhook import FailedAlert, FailedAlerts, headers, is_taken, may_try_again, signed_message, waits_s
from canary.webhook_sender import Delivery, Webhook
from glassbook.client.keys import Key
from schemas.signing import decode_bytes

BODY = b'{"record":"alert"}'


def test_the_signature_is_over_time_and_body():
    assert signed_message(1_800_000_000_000, BODY) == b'glassbook alert v1\n1800000000000\n{"record":"alert"}'
    key = Key.new()
    sent = headers(BODY, 12, key.public, key.sign)
    assert (sent["Glassbook-Time"], sent["Glassbook-Key"]) == ("12", key.public)
    assert sent["Glassbook-Signature"] == key.sign(signed_message(12, BODY))
    assert len(decode_bytes(sent["Glassbook-Signature"])) == 64


def test_waits_grow_up_to_a_minute():
    assert list(waits_s(1)) == []
    assert list(waits_s(8)) == [0.5, 1, 2, 4, 8, 16, 32]
    assert max(waits_s(20)) == 60


@pytest.mark.parametrize("status", [200, 202, 204])
def test_taken(status):
    assert is_taken(status)


@pytest.mark.parametrize(
    "status, again", [(500, True), (503, True), (429, True), (408, True), (400, False), (302, False)]
)
def test_not_taken(status, again):
    assert not is_taken(status)
    assert may_try_again(status) is again


def failed(number: int) -> FailedAlert:
    return FailedAlert(number, 1, "it answers 503", Raw(b'{"n":%d}' % number))


def test_the_list_is_bounded_and_outlives_its_process(tmp_path):
    path = tmp_path / "canary" / "failed.jsonl"
    assert FailedAlerts(path).read() == []
    for number in range(10):
        FailedAlerts(path, limit=4).add(failed(number))
    kept = FailedAlerts(path).read()
    assert [one.time_ms for one in kept] == [6, 7, 8, 9]
    assert bytes(kept[-1].alert) == b'{"n":9}'
    assert [file.name for file in path.parent.iterdir()] == [path.name]


# --- delivery


class Receiver:
    """Answers each post with the next of `statuses`, the last one for ever."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.posts = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts += 1
                self.send_response(receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0])
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: what it was given is what counts."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.01,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


class Delivered:
    """A delivery that never sleeps, and what became of it."""

    def __init__(self, url: str, folder: Path, attempts: int = 4) -> None:
        self.waits: list[float] = []
        self.stops = False
        key = Key.new()
        self._file = folder / "failed.jsonl"
        self._delivery = Delivery(Webhook(url, attempts, key.public, key.sign, self._file), self._wait)

    def _wait(self, wait_s: float) -> bool:
        self.waits.append(wait_s)
        return self.stops

    def __call__(self) -> bool:
        return self._delivery.deliver(BODY)

    def close(self) -> None:
        self._delivery.close()

    @property
    def failed(self) -> list[tuple[int, str]]:
        return [(one.attempts, one.why) for one in FailedAlerts(self._file).read()]


@pytest.fixture
def deliver(receiver: Receiver, tmp_path: Path) -> Iterator[Delivered]:
    delivered = Delivered(receiver.url, tmp_path)
    yield delivered
    delivered.close()


def test_it_is_tried_until_it_is_taken(receiver, deliver):
    receiver.statuses = [503, 429, 200]
    assert deliver()
    assert (receiver.posts, deliver.waits, deliver.failed) == (3, [0.5, 1], [])


def test_what_is_never_taken_is_listed_and_the_next_is_tried_once(receiver, deliver):
    receiver.statuses = [500]
    assert deliver() and deliver()
    assert receiver.posts == 4 + 1
    assert deliver.failed == [(4, "it answers 500"), (1, "it answers 500")]
    receiver.statuses = [200, 500, 500, 200]
    assert deliver() and deliver()
    assert len(deliver.failed) == 2, "alive again, it is tried again"


def test_what_another_try_would_not_change_is_not_tried_again(receiver, deliver):
    receiver.statuses = [404, 503, 200]
    assert deliver() and deliver()
    assert deliver.failed == [(1, "it answers 404")]


def test_nobody_there(tmp_path):
    deliver = Delivered("http://127.0.0.1:9/", tmp_path, attempts=2)
    assert deliver()
    (only,) = deliver.failed
    assert only[0] == 2 and only[1].startswith("ConnectError")
    deliver.close()


def test_broken_off_it_is_neither_taken_nor_failed(receiver, deliver):
    receiver.statuses = [503]
    deliver.stops = True
    assert not deliver()
    assert deliver.failed == []
