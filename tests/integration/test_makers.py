"""Makers and takers of `glassbook up` on the real thing: they bring life and leave nothing behind, however they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from glassbook.client import calls
from glassbook.client.calls import Account
from glassbook.client.rest import Client, Refusal
from glassbook.client.signer import Signer
from glassbook.cluster import MAKERS, STAGES, Cluster
from glassbook.key_folder import KeyFolder
from glassbook.settings import DEFAULT_LISTING
from glassbook.status import system_status
from tests.conftest import StartCluster

NAMES = ("ledger", "matcher", "clock", "producers")
PATIENCE_S = 60.0
MANDATE_S = 60
SHORT_MANDATE_S = 6


@pytest.fixture(scope="module")
def cluster(start_cluster: StartCluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """With the first three of the default markets."""
    listing = tmp_path_factory.mktemp("listing") / "listing.toml"
    listing.write_text("[[markets]]".join(DEFAULT_LISTING.read_text().split("[[markets]]")[:4]))
    stages = tuple(stage for stage in STAGES if stage.name in NAMES)
    return start_cluster(stages=stages, quiet=False, makers_mandate_s=MANDATE_S, listing=listing)


def until(holds: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """On a busy machine the gateway may ask for a moment."""
    deadline, refused = time.monotonic() + patience_s, ""
    while True:
        try:
            if holds():
                return
        except Refusal as refusal:
            if refusal.retry_after_s is None:
                raise
            refused = str(refusal)
        assert time.monotonic() < deadline, f"not within {patience_s} s: {what} {refused}"
        time.sleep(0.1)


class Watching:
    """What anybody sees of the markets, and what the makers' own keys show of theirs."""

    def __init__(self, cluster: Cluster, client: Client) -> None:
        self.client = client
        listed = self.client.send(calls.markets())
        self.symbols = [one.market.symbol for one in listed.markets]
        self.exchange = listed.exchange
        self._folder = cluster.settings.data_dir / "makers"

    def both_sides(self) -> bool:
        books = [self.client.send(calls.book(symbol)) for symbol in self.symbols]
        return all(len(book.bids) > 2 and len(book.asks) > 2 for book in books)

    def trades(self) -> int:
        """In how many markets there was one."""
        return sum(self.client.send(calls.price(symbol)).trade_sequence > 0 for symbol in self.symbols)

    def open_orders(self) -> int:
        keys = KeyFolder(self._folder)
        accounts = [Account(Signer(keys.load(name).open(), self.exchange)) for name in keys.names()]
        return sum(len(self.client.send(account.open_orders()).orders) for account in accounts)


@pytest.fixture
def watching(cluster: Cluster) -> Iterator[Watching]:
    with Client(cluster.settings.gateway_url) as client:
        yield Watching(cluster, client)


def start_by_hand(cluster: Cluster, mandate_s: int) -> subprocess.Popen[bytes]:
    """Makers that no supervisor starts again."""
    environment = os.environ | cluster.settings.environment() | {"GLASSBOOK_MAKERS_MANDATE_S": str(mandate_s)}
    return subprocess.Popen([sys.executable, "-P", "-m", MAKERS.module], env=environment)


def test_up_shows_life_and_a_stop_leaves_no_order(cluster: Cluster, watching: Watching):
    until(watching.both_sides, "every market has both sides")
    until(lambda: watching.trades() > 1, "trades in one market and another")
    (makers,) = [process for process in system_status(cluster.settings).processes if process.name == MAKERS.name]
    assert makers.alive and makers.restarts == 0
    second = start_by_hand(cluster, MANDATE_S)
    assert second.wait(PATIENCE_S) == 1, "there is one for each data folder"
    until(lambda: watching.open_orders() > 0, "something is open")
    cluster.supervisor.stop_group(MAKERS.name)
    until(lambda: watching.open_orders() == 0, "nothing is open any more", MANDATE_S / 2)


def test_what_a_killed_one_left_is_cancelled_by_its_mandate(cluster: Cluster, watching: Watching):
    until(lambda: watching.open_orders() == 0, "those of the supervisor are stopped")
    makers = start_by_hand(cluster, SHORT_MANDATE_S)
    try:
        until(watching.both_sides, "every market has both sides")
    finally:
        makers.send_signal(signal.SIGKILL)
        makers.wait()
    until(lambda: watching.open_orders() == 0, "the mandates have run out")
