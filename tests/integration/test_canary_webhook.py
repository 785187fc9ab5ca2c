"""Alerts on their way to a webhook: signed, tried again, and put onto a list when nobody takes them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec
import pytest
from nacl.signing import VerifyKey

from glassbook.canary_key import canary_key
from schemas.alerts import Alert, Evidence, Kind, Severity
from schemas.signing import decode_bytes
from schemas.topics import ALERTS
from tests.command_line import run_glassbook
from tests.conftest import StartCluster
from tests.integration.canary_rig import WATCHED, Watched, until, watched

FORGED = msgspec.json.encode(
    Alert(
        alert_id="forged", kind=Kind.PRICE_ALTERED, severity=Severity.WRONG, symbol="AMZN-USD", time_ms=1, expected="1",
        found="2", evidence=[Evidence("trades", 0, 1)], signature="A" * 86,
    )
)  # fmt: skip


class Receiver:
    """A webhook's other end: keeps what it is given, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.taken: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: what it was given is what counts."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts?token=secret"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def system(start_cluster: StartCluster, receiver: Receiver) -> Iterator[Watched]:
    with watched(
        start_cluster(stages=WATCHED, canary_halts=False, alert_webhook=receiver.url, alert_webhook_attempts=2)
    ) as running:
        yield running


def environment(system: Watched) -> dict[str, str]:
    return os.environ | system.cluster.settings.environment()


def glassbook(system: Watched, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_glassbook(["canary", *arguments], system.cluster.settings.environment())


def test_before_any_alert_all_is_green(system: Watched) -> None:
    system.trade()
    system.until_judged()
    watching = glassbook(system, "watch", "--once")
    assert (watching.returncode, "green" in watching.stdout) == (0, True), watching
    assert "judged up to accounts" in watching.stdout
    assert "has taken every alert" in glassbook(system, "failed").stdout


def test_an_alert_is_posted_and_signed_by_the_canarys_key(system: Watched, receiver: Receiver) -> None:
    for partition in range(system.cluster.settings.order_partitions):  # not the canary's word: it doesn't pass it on
        system.append(ALERTS, partition, FORGED)
    partition, offset = system.forge_price("123.45")
    until(lambda: receiver.taken, f"a post; the log ends: {system.said()[-800:]}")
    headers, body = receiver.taken[0]
    assert msgspec.json.decode(body, type=Alert).alert_id == f"trades-{partition}-{offset}"
    assert headers["content-type"] == "application/json"
    public = canary_key(system.cluster.folder.canary_key).public
    assert headers["glassbook-key"] == public == glassbook(system, "key").stdout.strip()
    assert system.cluster.folder.canary_key.stat().st_mode & 0o777 == 0o600
    message = b"glassbook alert v1\n" + headers["glassbook-time"].encode() + b"\n" + body
    key = VerifyKey(decode_bytes(public.removeprefix("ed25519:")))
    key.verify(message, decode_bytes(headers["glassbook-signature"]))
    assert abs(time.time() * 1000 - int(headers["glassbook-time"])) < 60_000


def test_what_nobody_takes_ends_on_the_list_and_holds_nothing_up(system: Watched, receiver: Receiver) -> None:
    receiver.status = 503
    before = len(system.alerts())
    system.trade()
    system.until_judged()
    system.forge_price("77.7")
    system.until_alerts(before + 1)
    system.until_judged()
    until(lambda: "503" in glassbook(system, "failed").stdout, f"a failed one; the log ends: {system.said()[-800:]}")
    listed = [msgspec.json.decode(line) for line in glassbook(system, "failed", "--json").stdout.splitlines()]
    assert [(one["attempts"], one["why"]) for one in listed] == [(2, "it answers 503")]
    assert listed[0]["alert"]["alert_id"] in {alert.alert_id for alert in system.alerts()}
    watching = glassbook(system, "watch", "--once")
    assert watching.returncode == 2 and "WRONG" in watching.stdout and "red" in watching.stdout
    receiver.status = 200


def test_watching_shows_an_alert_as_it_comes(system: Watched) -> None:
    before = len(system.alerts())
    command = [sys.executable, "-m", "glassbook", "canary", "watch", "-n", "0"]
    with subprocess.Popen(command, env=environment(system), stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert "judged up to" in watching.stdout.readline()
        system.trade()
        system.until_judged()
        system.forge_price("88.8")
        system.until_alerts(before + 1)
        lines = iter(watching.stdout.readline, "")
        told = next(line for line in lines if "judged up to" not in line)
        assert "WRONG" in told and "88.8" in told
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 2
